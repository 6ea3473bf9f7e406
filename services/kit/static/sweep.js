// A monitor's trace: the newest sample is drawn at a bar that sweeps from left to right over the older ones.
// One animation frame serves every trace of a page; each draws only the strip that the bar has crossed.
import { gridValues, writeLabels } from "./scales.js";

export { scaleFor } from "./scales.js";

const BACK_PX = 8; // redrawn behind the bar, so that joints and the head dot leave no trace
const GAP_PX = 14; // the erase bar
const JUMP_MS = 1200; // further behind than this the bar jumps instead of hurrying
const CATCH_UP_MS = 700; // time constant in which the bar corrects smaller errors
const MARKS = 64;
const LABEL_PX = 12; // type of a mark's words
const LABEL_ROWS = 2; // words of neighbouring marks stand on different heights

const running = new Set();
let frame = 0;

function tick(now) {
  for (const sweep of running) sweep.advance(now);
  frame = running.size ? requestAnimationFrame(tick) : 0;
}

const visibility = new IntersectionObserver((entries) => {
  for (const entry of entries) entry.target.sweep.show(entry.isIntersecting);
});

/** Draws blocks of samples as they come.
 *
 * options: `seconds` across the canvas; `delay_ms` the bar stays behind the newest sample, so that blocks play
 * smoothly; `lanes`, each {from, to (fractions of the height), min, max, traces: [{key, color, width, fill,
 * dot}], limits: [{value, label, kind, side, color}], unit (its scale is written)} or {from, to, bands: value => colour, key}; `labels` an element for
 * the limits' texts. Colours are names of CSS custom properties.
 */
export class Sweep {
  constructor(canvas, options) {
    this.canvas = canvas;
    canvas.sweep = this;
    this.context = canvas.getContext("2d");
    this.options = { delay_ms: 400, labels: null, ...options };
    this.lanes = this.options.lanes;
    this.keys = [...new Set(this.lanes.flatMap((lane) => (lane.bands ? [lane.key] : lane.traces.map((t) => t.key))))];
    this.boot = null;
    this.visible = false;
    this.marks = [];
    this.marked = 0;
    new ResizeObserver(() => this.resize()).observe(canvas);
    visibility.observe(canvas);
    writeLabels(this.options.labels, this.lanes);
  }

  /** Take a block: {boot, seq, period_ms, and one list for each key}. Older samples than the newest are ignored; null is a gap. */
  push(block) {
    if (block.boot !== this.boot || block.period_ms !== this.period) this.begin(block);
    const count = block[this.keys[0]].length;
    for (let i = Math.max(0, this.head + 1 - block.seq); i < count; i++) {
      const seq = block.seq + i;
      const at = seq % this.size;
      this.seqs[at] = seq;
      for (const key of this.keys) this.data[key][at] = block[key][i] ?? NaN;
      this.head = seq;
    }
    if (this.play === null) this.play = this.head;
  }

  /** A mark at a sample: a line over all lanes with a small flag, and beside it a word where one is given. */
  mark(seq, color, label = "") {
    if (this.marks.some((mark) => mark.seq === seq && mark.label === label)) return;
    this.marks.push({ seq, color, label, row: this.marked++ % LABEL_ROWS });
    if (this.marks.length > MARKS) this.marks.shift();
    this.dirty = true;
  }

  /** Change a lane's range or limits; draws anew only when something differs. */
  set(index, change) {
    const lane = this.lanes[index];
    const next = { ...lane, ...change };
    if (JSON.stringify([lane.min, lane.max, lane.limits]) === JSON.stringify([next.min, next.max, next.limits])) return;
    this.lanes[index] = next;
    writeLabels(this.options.labels, this.lanes);
    this.dirty = true;
  }

  /** Forget everything: another bed, another boot. */
  clear() {
    this.boot = null;
    this.marks = [];
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  begin(block) {
    this.boot = block.boot;
    this.period = block.period_ms;
    this.window = Math.max(2, Math.round((this.options.seconds * 1000) / this.period));
    this.size = this.window + Math.ceil(3000 / this.period);
    this.seqs = new Float64Array(this.size).fill(-1);
    this.data = Object.fromEntries(this.keys.map((key) => [key, new Float32Array(this.size)]));
    this.head = -1;
    this.play = null;
    this.marks = [];
    this.dirty = true;
  }

  show(visible) {
    this.visible = visible;
    if (!visible) return void running.delete(this);
    this.dirty = true;
    this.then = null;
    running.add(this);
    if (!frame) frame = requestAnimationFrame(tick);
  }

  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round(this.canvas.clientHeight * ratio);
    if (width === this.canvas.width && height === this.canvas.height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.ratio = ratio;
    this.dirty = true;
  }

  /** Read the theme's colours again and draw everything anew. */
  recolour() {
    this.colours = null;
    this.dirty = true;
  }

  colour(name) {
    if (!this.colours) this.colours = { style: getComputedStyle(this.canvas) };
    this.colours[name] ??= this.colours.style.getPropertyValue(name).trim() || name;
    return this.colours[name];
  }

  x(seq) {
    return ((seq % this.window) / this.window) * this.canvas.width;
  }

  y(lane, value) {
    const height = this.canvas.height;
    const share = (Math.min(Math.max(value, lane.min), lane.max) - lane.min) / (lane.max - lane.min);
    return (lane.to - (lane.to - lane.from) * share) * height;
  }

  advance(now) {
    if (!this.canvas.width) return;
    if (this.boot === null) {
      if (this.dirty) this.drawEmpty();
      this.dirty = false;
      return;
    }
    const before = this.play;
    this.move(now);
    if (this.dirty || this.crossed(before)) return this.drawAll();
    const pixel = this.window / this.canvas.width;
    if (this.play - this.drawn >= pixel) this.drawFrom(this.drawn, this.play);
    else if (this.play < before) this.drawAll();
  }

  /** Whether the bar has just come to a mark: its words may reach back over what is drawn already. */
  crossed(before) {
    return this.marks.some((mark) => mark.label && mark.seq > before && mark.seq <= this.play);
  }

  move(now) {
    const elapsed = this.then === null || this.then === undefined ? 0 : now - this.then;
    this.then = now;
    const wanted = this.head - this.options.delay_ms / this.period;
    const error = wanted - this.play;
    if (Math.abs(error) * this.period > JUMP_MS) {
      this.play = Math.max(wanted, this.head - this.window);
      this.dirty = true;
      return;
    }
    const steps = elapsed / this.period;
    this.play = Math.min(this.head, this.play + Math.max(0, steps + error * Math.min(1, elapsed / CATCH_UP_MS)));
  }

  drawEmpty() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawScale(0, this.canvas.width);
  }

  drawAll() {
    this.dirty = false;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawScale(0, this.canvas.width);
    const gap = (GAP_PX * this.ratio * this.window) / this.canvas.width;
    this.drawFrom(Math.max(0, this.play - this.window + gap), this.play, false);
  }

  /** Draw the samples in (from, to], at most one turn of the bar. */
  drawFrom(from, to, dot = true) {
    const turn = Math.floor(to / this.window) * this.window;
    if (from < turn) {
      this.drawStrip(from, turn - 1e-6, false, true);
      this.drawStrip(turn, to, dot, false);
    } else {
      this.drawStrip(from, to, dot, false);
    }
    this.drawn = to;
  }

  drawStrip(from, to, dot, toEdge) {
    const { context, canvas, ratio } = this;
    const gap = GAP_PX * ratio;
    const left = Math.max(0, Math.floor(this.x(from) - BACK_PX * ratio));
    const right = toEdge ? canvas.width : Math.ceil(this.x(to));
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left + gap, canvas.height);
    if (right + gap > canvas.width) context.rect(0, 0, right + gap - canvas.width, canvas.height);
    context.clip();
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.drawScale(0, canvas.width);
    context.beginPath();
    context.rect(left, 0, right - left, canvas.height);
    context.clip();
    const back = ((BACK_PX * ratio + 2) * this.window) / canvas.width;
    const turn = Math.floor(from / this.window) * this.window;
    const first = Math.max(turn, Math.floor(from - back));
    for (const lane of this.lanes) this.drawLane(lane, first, Math.floor(to));
    this.drawMarks(first, to);
    context.restore();
    if (dot) this.drawDot(to);
  }

  drawScale(left, right) {
    const { context } = this;
    for (const lane of this.lanes) {
      if (lane.bands) continue;
      for (const value of gridValues(lane)) this.rule(this.y(lane, value), left, right, "--grid", []);
      for (const limit of lane.limits ?? []) this.rule(this.y(lane, limit.value), left, right, limit.color ?? "--limit", [6, 5]);
    }
    context.setLineDash([]);
  }

  rule(y, left, right, colour, dash) {
    const { context, ratio } = this;
    context.strokeStyle = this.colour(colour);
    context.lineWidth = Math.max(1, ratio);
    context.setLineDash(dash.map((length) => length * ratio));
    context.beginPath();
    context.moveTo(left, Math.round(y) + 0.5);
    context.lineTo(right, Math.round(y) + 0.5);
    context.stroke();
  }

  drawLane(lane, first, last) {
    if (lane.bands) return this.drawBands(lane, first, last);
    for (const trace of lane.traces) this.drawTrace(lane, trace, first, last);
  }

  drawTrace(lane, trace, first, last) {
    const { context, ratio } = this;
    const values = this.data[trace.key];
    const colour = this.colour(trace.color);
    context.lineWidth = (trace.width ?? 2) * ratio;
    context.lineJoin = "round";
    context.strokeStyle = colour;
    for (const [start, end] of this.runs(first, last, values)) {
      context.beginPath();
      for (let seq = start; seq <= end; seq++) {
        context.lineTo(this.x(seq), this.y(lane, values[seq % this.size]));
      }
      context.stroke();
      if (!trace.fill || end === start) continue;
      const floor = this.y(lane, Math.max(0, lane.min));
      context.lineTo(this.x(end), floor);
      context.lineTo(this.x(start), floor);
      context.globalAlpha = trace.fill;
      context.fillStyle = colour;
      context.fill();
      context.globalAlpha = 1;
    }
  }

  drawBands(lane, first, last) {
    const { context, canvas } = this;
    const values = this.data[lane.key];
    const top = lane.from * canvas.height;
    const height = (lane.to - lane.from) * canvas.height;
    const step = canvas.width / this.window;
    for (const [start, end] of this.runs(first, last)) {
      for (let seq = start; seq <= end; seq++) {
        context.fillStyle = this.colour(lane.bands(values[seq % this.size]));
        context.fillRect(this.x(seq), top, step + 1, height);
      }
    }
  }

  /** Stretches of consecutive samples: a hole in the sequence, or a value that is none, is a hole in the trace. */
  *runs(first, last, values = null) {
    let start = null;
    for (let seq = first; seq <= last; seq++) {
      const there = seq >= 0 && this.seqs[seq % this.size] === seq && !Number.isNaN(values?.[seq % this.size]);
      if (there && start === null) start = seq;
      if (!there && start !== null) {
        yield [start, seq - 1];
        start = null;
      }
    }
    if (start !== null) yield [start, last];
  }

  drawMarks(first, last) {
    const turn = Math.floor(last / this.window) * this.window;
    for (const mark of this.marks) {
      const mine = mark.label ? Math.floor(mark.seq / this.window) * this.window === turn : mark.seq >= first;
      if (mine && mark.seq <= last) this.drawMark(mark);
    }
  }

  drawMark({ seq, color, label, row }) {
    const { context, canvas, ratio } = this;
    const x = this.x(seq);
    context.strokeStyle = context.fillStyle = this.colour(color);
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, canvas.height);
    context.stroke();
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x + 8 * ratio, 4 * ratio);
    context.lineTo(x, 8 * ratio);
    context.fill();
    if (label) this.drawWords(label, x, this.lanes[0].to * canvas.height - (row + 1) * (LABEL_PX + 6) * ratio);
  }

  /** A mark's word on the trace's ground, to the left where the right has no room. */
  drawWords(label, x, y) {
    const { context, canvas, ratio } = this;
    context.font = `600 ${LABEL_PX * ratio}px Inter, sans-serif`;
    context.textBaseline = "top";
    const width = context.measureText(label).width;
    const pad = 4 * ratio;
    const left = x + width + 3 * pad > canvas.width ? x - width - 2 * pad : x + pad;
    const ink = context.fillStyle;
    context.globalAlpha = 0.8;
    context.fillStyle = this.colour("--surface");
    context.fillRect(left, y - 2 * ratio, width + pad, (LABEL_PX + 4) * ratio);
    context.globalAlpha = 1;
    context.fillStyle = ink;
    context.fillText(label, left + pad / 2, y);
  }

  drawDot(at) {
    const { context, ratio } = this;
    const seq = Math.floor(at);
    if (this.seqs[seq % this.size] !== seq) return;
    for (const lane of this.lanes) {
      for (const trace of lane.traces ?? []) {
        if (!trace.dot || Number.isNaN(this.data[trace.key][seq % this.size])) continue;
        context.fillStyle = this.colour(trace.color);
        context.beginPath();
        context.arc(this.x(seq), this.y(lane, this.data[trace.key][seq % this.size]), 3 * ratio, 0, 7);
        context.fill();
      }
    }
  }
}

/** Every trace of the page takes the theme's colours again. */
function recolourAll() {
  for (const canvas of document.querySelectorAll("canvas")) canvas.sweep?.recolour();
}

new MutationObserver(recolourAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
