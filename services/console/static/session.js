// A past session's curve: any part of it at the width of the screen, with phases, guardings, events and limits.
import { timeOfDay } from "./clock.js";
import { start, texts } from "./page.js";
import { byId, show, words } from "./past.js";
import { colour, drawUnmeasured } from "./plots.js";
import { clockOf, part, secondsOf } from "./zoom.js";

const LANE_PX = 10;
const TONES = { still: "--still", calm: "--calm", pull: "--pull", yield: "--yield", halt: "--text" };
const record = JSON.parse(byId("record").textContent);
let phases = [];
let unmeasured = [];

/** The columns of a part, whose phases and unmeasured stretches are those that are drawn from now on. */
function take(curve) {
  phases = curve.phases;
  unmeasured = curve.unmeasured.map((stretch) => stretch.map((seq) => (seq - record.first) * record.curve.period_s));
  return [secondsOf(curve, record.first), curve.target, curve.least, curve.greatest, curve.counter];
}

function phaseAt(seconds) {
  const seq = record.first + seconds / record.curve.period_s;
  const found = phases.find(([begin, after]) => begin <= seq && seq < after);
  return found ? texts.phases[found[2]].text : "";
}

function timeOf(seconds) {
  if (seconds == null) return "--";
  const at = new Date((record.started_at + seconds) * 1000);
  const clock = timeOfDay(at, true);
  return `${clockOf(seconds, 1)} · ${clock} · ${phaseAt(seconds)}`;
}

// --- what lies behind and over the lines ---------------------------------------------------------------------------
function behind(plot) {
  const { ctx, bbox } = plot;
  drawUnmeasured(plot, unmeasured, words.past_unmeasured);
  ctx.save();
  clip(ctx, bbox);
  ctx.fillStyle = `${colour("--yield")}2e`;
  for (const mark of record.marks.filter((one) => one.until !== null)) {
    const [left, right] = [place(plot, mark.at), place(plot, mark.until)];
    ctx.fillRect(left, bbox.top, Math.max(2 * devicePixelRatio, right - left), bbox.height);
  }
  ctx.restore();
}

function over(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  clip(ctx, bbox);
  drawPhases(plot);
  for (const mark of record.marks) drawMark(plot, mark);
  if (record.limits.ceiling) drawLimit(plot, record.limits.ceiling, words.ceiling, "--limit", []);
  if (record.limits.peak) drawLimit(plot, record.limits.peak, words.peak, "--target", [6, 5]);
  ctx.restore();
}

function clip(ctx, { left, top, width, height }) {
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
}

function place(plot, seconds) {
  return plot.valToPos(seconds, "x", true);
}

function drawPhases(plot) {
  const { ctx, bbox } = plot;
  const height = LANE_PX * devicePixelRatio;
  for (const [begin, after, index] of phases) {
    const left = place(plot, (begin - record.first) * record.curve.period_s);
    const right = place(plot, (after - record.first) * record.curve.period_s);
    ctx.fillStyle = colour(TONES[texts.phases[index].tone]);
    ctx.fillRect(left, bbox.top + bbox.height - height, Math.max(1, right - left), height);
  }
}

function drawMark(plot, mark) {
  const { ctx, bbox } = plot;
  const x = place(plot, mark.at);
  const size = 6 * devicePixelRatio;
  ctx.fillStyle = ctx.strokeStyle = colour(mark.priority ? `--${mark.priority}` : mark.until === null ? "--text" : "--yield");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top + size);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.globalAlpha = 0.55;
  ctx.stroke();
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.moveTo(x - size, bbox.top);
  ctx.lineTo(x + size, bbox.top);
  ctx.lineTo(x, bbox.top + size * 1.6);
  ctx.fill();
  if (mark.priority) drawSymbol(ctx, mark, x + size * 1.4, bbox.top + 2 * devicePixelRatio);
}

/** An alarm is told by its symbol too, never by colour alone. */
function drawSymbol(ctx, mark, x, y) {
  ctx.fillStyle = colour("--text");
  ctx.font = `700 ${16 * devicePixelRatio}px Inter, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.fillText(mark.symbol, x, y);
}

function drawLimit(plot, value, name, token, dash) {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(value, "y", true);
  ctx.strokeStyle = ctx.fillStyle = colour(token);
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = `600 ${12 * devicePixelRatio}px Inter, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.fillText(`${name} ${Math.round(value)} N`, bbox.left + bbox.width - 6 * devicePixelRatio, y - 2 * devicePixelRatio);
}

// --- the plot --------------------------------------------------------------------------------------------------------
function highest() {
  const values = record.curve.greatest.filter((value) => value !== null);
  return Math.max(100, ...values, ...Object.values(record.limits)) * 1.08;
}

function look() {
  const points = { show: false };
  const value = (_, number) => (number == null ? "--" : `${number.toFixed(1)} N`);
  const line = (label, token, width) => ({ label, stroke: colour(token), width, value, points });
  const top = highest();
  return {
    newtons: [-top * 0.09, top],
    series: [
      { label: words.past_since_start, value: (_, seconds) => timeOf(seconds) },
      line(words.target, "--target", 1.5), line(words.past_least, "--tension", 1),
      line(words.tension, "--tension", 2), line(words.counter, "--counter", 1.5),
    ],
    bands: [{ series: [3, 2], fill: `${colour("--tension")}40` }],
    hooks: { drawClear: [behind], draw: [over] },
    data: take(record.curve),
  };
}

function tell({ stride, seq, greatest, unmeasured: { length } }) {
  return { stride, points: seq.length, peak: Math.max(...greatest.filter((value) => value !== null)), unmeasured: length };
}

if (record.curve.seq.length) show(look(), record.total_s, { ask: (...where) => part(record, ...where), take, tell });
start();
