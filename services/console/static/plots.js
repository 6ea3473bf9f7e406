// What every uPlot of the console looks like.

const HATCH_PX = 9;
const NAME_PX = 13;

/** A colour of the theme that is in force. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** What both axes have in common. */
export function axis() {
  return {
    stroke: colour("--muted"), font: "13px Inter, sans-serif",
    grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
  };
}

/** Stretches [from, to] of the time axis that nobody measured: hatched, each with its name where there is room. */
export function drawUnmeasured(plot, stretches, name) {
  const { ctx, bbox, valToPos } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `600 ${NAME_PX * devicePixelRatio}px Inter, sans-serif`;
  let free = bbox.left;
  for (const [from, to] of stretches) {
    const left = Math.max(bbox.left, valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, Math.max(left + 2 * devicePixelRatio, valToPos(to, "x", true)));
    if (right <= left) continue;
    hatch(ctx, left, right, bbox);
    if (left >= free) free = nameAt(ctx, name, left, bbox);
  }
  ctx.restore();
}

function hatch(ctx, left, right, { top, height }) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, height);
  ctx.clip();
  ctx.fillStyle = `${colour("--muted")}22`;
  ctx.fillRect(left, top, right - left, height);
  ctx.strokeStyle = `${colour("--muted")}66`;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = left - height; x < right; x += HATCH_PX * devicePixelRatio) {
    ctx.moveTo(x, top + height);
    ctx.lineTo(x + height, top);
  }
  ctx.stroke();
  ctx.restore();
}

/** Where the next name may stand. */
function nameAt(ctx, name, left, { top, height, ...bbox }) {
  const width = ctx.measureText(name).width;
  const x = Math.min(left + 4 * devicePixelRatio, bbox.left + bbox.width - width);
  ctx.fillStyle = colour("--text");
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(name, x, top + height / 2);
  return x + width + 8 * devicePixelRatio;
}
