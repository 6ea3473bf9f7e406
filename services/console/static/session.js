// A past session's curve: any part of it at the width of the screen, with phases, guardings, events and limits.
import { fill, start, texts } from "./page.js";
import { TIME_STEPS, Zoom, clockOf, part, secondsOf, sizeOf } from "./zoom.js";

const HEIGHT = 380;
const LANE_PX = 10;
const TONES = { still: "--still", calm: "--calm", pull: "--pull", yield: "--yield", halt: "--text" };
const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);
const record = JSON.parse(byId("record").textContent);
const box = byId("plot");
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
let phases = record.curve.phases;
let zoom = null;

function dataOf(curve) {
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
  const clock = at.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return `${clockOf(seconds, 1)} · ${clock} · ${phaseAt(seconds)}`;
}

// --- what lies behind and over the lines ---------------------------------------------------------------------------
function behind(plot) {
  const { ctx, bbox } = plot;
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

function makePlot() {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "13px Inter, sans-serif" };
  const points = { show: false };
  const value = (_, number) => (number == null ? "--" : `${number.toFixed(1)} N`);
  const line = (label, token, width) => ({ label, stroke: colour(token), width, value, points });
  const top = highest();
  return new uPlot(
    {
      ...sizeOf(box, HEIGHT),
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: (_, from, to) => [from, to] }, y: { range: () => [-top * 0.09, top] } },
      padding: [10, 12, null, null],
      axes: [
        { ...axis, space: 80, incrs: TIME_STEPS, values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step < 1 ? 1 : 0)) },
        { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => (tick < 0 ? "" : `${tick} N`)) },
      ],
      series: [
        { label: words.past_since_start, value: (_, seconds) => timeOf(seconds) },
        line(words.target, "--target", 1.5), line(words.past_least, "--tension", 1),
        line(words.tension, "--tension", 2), line(words.counter, "--counter", 1.5),
      ],
      bands: [{ series: [3, 2], fill: `${colour("--tension")}40` }],
      hooks: { drawClear: [behind], draw: [over], setSelect: [(plot) => zoom?.selected(plot)] },
    },
    dataOf(record.curve),
    box,
  );
}

async function load(plot, from, to, signal) {
  const note = byId("plot-note");
  try {
    const curve = await part(record, from, to, plot.bbox.width, signal);
    if (!curve || signal.aborted) return;
    phases = curve.phases;
    plot.batch(() => {
      plot.setData(dataOf(curve), false);
      plot.setScale("x", { min: from, max: to });
    });
    note.textContent = "";
    const peak = Math.max(...curve.greatest.filter((value) => value !== null));
    Object.assign(box.dataset, { from, to, stride: curve.stride, points: curve.seq.length, peak });
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = fill(words.past_part_failed, { detail: error.message });
  }
}

function draw() {
  box.hidden = false;
  byId("drawn").classList.add("only-print");
  const plot = makePlot();
  zoom = new Zoom({ plot, box, group: byId("zoom"), total: record.total_s, load: (...more) => load(plot, ...more) });
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    plot.setSize(sizeOf(box, HEIGHT));
    zoom.ask();
  }).observe(box);
}

byId("print").hidden = false;
byId("print").addEventListener("click", () => print());
if (record.curve.seq.length) draw();
start();
