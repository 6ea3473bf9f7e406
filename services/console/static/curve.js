// The stored curve of a bed: asked for once, then only what came since is added at its end.
import { timeOfDay } from "./clock.js";
import { fill } from "./page.js";
import { axis, colour, drawUnmeasured } from "./plots.js";

const APPEND_MS = 4000;
const MOST_POINTS = 2400; // beyond it the whole is asked for again, thinned anew
const LEAST_POINTS = 2; // one alone has no line, and a time axis of days
const HEIGHT = 300;
const BAND_PX = 8; // the phases' band along the bottom
const MOST_TOLD = 6;
const COLUMNS = ["time", "target", "least", "tension", "counter", "phase"];

/** options: box, note, lacking, range (elements), device, site, running (a session), words, phases, markColour (of a mark), tones of phases. */
export class Curve {
  constructor(options) {
    Object.assign(this, options);
    this.plot = null;
    this.data = null;
    this.unmeasured = [];
    this.marks = new Map();
    this.drawnLimits = [];
    this.asked = 0;
    this.range.addEventListener("change", () => this.load());
    new ResizeObserver(() => this.plot?.setSize({ width: this.box.clientWidth, height: HEIGHT })).observe(this.box);
    new MutationObserver(() => this.redraw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    setInterval(() => document.hidden || this.append(), APPEND_MS);
    this.load();
  }

  get span() {
    return this.range.querySelector("input:checked").value;
  }

  /** Another session began, or the one that was is over. */
  session(id) {
    this.running = Boolean(id);
    const wanted = this.range.querySelector(`input[value="${id ? "session" : "15"}"]`);
    if (id || this.span === "session") wanted.checked = true;
    this.marks.clear();
    this.load();
  }

  mark(row) {
    if (this.marks.has(row.id)) return;
    this.marks.set(row.id, row);
    this.plot?.redraw(false);
  }

  limits(limits) {
    if (JSON.stringify(limits) === JSON.stringify(this.drawnLimits)) return;
    this.drawnLimits = limits;
    this.redraw();
  }

  async ask(query) {
    const answer = await fetch(`/api/beds/${this.device}/curve?${new URLSearchParams({ site: this.site, ...query })}`);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    return body;
  }

  /** The whole curve of the span that is chosen. */
  async load() {
    const turn = ++this.asked;
    const span = this.span;
    try {
      const body = await this.ask(span === "session" ? {} : { minutes: span });
      if (turn !== this.asked) return;
      this.data = COLUMNS.map((name) => body[name]);
      this.unmeasured = body.unmeasured;
      this.at = body;
      body.marks.forEach((row) => this.marks.set(row.id, row));
      this.show();
    } catch {
      if (turn === this.asked) this.say(this.words.history_down);
    }
  }

  /** Only what came since. */
  async append() {
    if (!this.at?.next || !this.at.boot || this.data[0].length > MOST_POINTS) return this.load();
    const turn = this.asked;
    const { boot, next, stride } = this.at;
    try {
      const body = await this.ask({ boot, seq: next, stride });
      if (turn !== this.asked) return;
      if (body.boot && body.boot !== boot) return this.load();
      if (!body.next) return this.say("");
      COLUMNS.forEach((name, i) => this.data[i].push(...body[name]));
      this.unmeasured.push(...body.unmeasured);
      this.at = { ...this.at, next: body.next };
      this.cut();
      this.show();
    } catch {
      if (turn === this.asked) this.say(this.words.history_down);
    }
  }

  /** What is older than the minutes that are chosen goes at the left. */
  cut() {
    if (this.span === "session") return;
    const from = this.data[0].at(-1) - Number(this.span) * 60;
    const first = this.data[0].findIndex((time) => time >= from);
    if (first > 0) this.data = this.data.map((column) => column.slice(first));
    this.unmeasured = this.unmeasured.filter(([, to]) => to > from);
  }

  say(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  show() {
    const empty = this.data[0].length < LEAST_POINTS;
    this.say(empty ? this.words[this.nothing()] : "");
    this.box.hidden = empty;
    this.tell(empty ? [] : joined(this.unmeasured));
    if (empty) return;
    const shown = this.data.slice(0, 5);
    if (this.plot) this.plot.setData(shown);
    else this.draw(shown);
  }

  /** The last stretches that nobody measured, in words. */
  tell(stretches) {
    const times = stretches.slice(-MOST_TOLD).map((edges) => edges.map((at) => clockOf(at, true)).join("–"));
    const text = times.length ? fill(this.words.past_unmeasured_at, { times: times.join(", ") }) : "";
    if (this.lacking.textContent !== text) this.lacking.textContent = text;
  }

  /** Which text says why there is nothing to see. */
  nothing() {
    if (this.span !== "session") return "history_empty";
    return this.running ? "curve_session_empty" : "curve_no_session";
  }

  redraw() {
    if (!this.plot) return;
    this.plot.destroy();
    this.plot = null;
    this.show();
  }

  draw(data) {
    const points = { show: false };
    const value = (_, number) => (number == null ? "--" : `${Math.round(number)} N`);
    const line = (name, token, width) => ({ label: this.words[name], stroke: colour(token), width, value, points });
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        cursor: { y: false, drag: { x: false, y: false } },
        padding: [14, 32, null, null],
        scales: { y: { range: (_, least, most) => [Math.min(-0.06 * this.top(most), Math.floor(least / 10) * 10), this.top(most)] } },
        axes: [
          { ...axis(), space: 90, values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step < 60)) },
          { ...axis(), size: 60, values: (_, ticks) => ticks.map((tick) => `${tick} N`) },
        ],
        series: [
          { value: (_, time) => (time == null ? "--" : clockOf(time, true)), label: this.words.time },
          line("target", "--target", 1.5),
          line("least", "--tension", 1),
          line("tension", "--tension", 2),
          line("counter", "--counter", 1.5),
        ],
        bands: [{ series: [3, 2], fill: `${colour("--tension")}40` }],
        hooks: { drawClear: [(plot) => drawUnmeasured(plot, joined(this.unmeasured), this.words.past_unmeasured)], draw: [(plot) => this.drawMore(plot)] },
      },
      data,
      this.box,
    );
  }

  /** Up to the limit where there is one, so that its distance is seen. */
  top(most) {
    const limit = Math.max(0, ...this.drawnLimits.map((row) => row.value));
    return Math.max(50, Math.ceil((Math.max(most, limit) * 1.06) / 50) * 50);
  }

  drawMore(plot) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 14 * ratio, bbox.width, bbox.height + 14 * ratio);
    ctx.clip();
    this.drawPhases(plot, ratio);
    for (const limit of this.drawnLimits) this.drawLimit(plot, limit, ratio);
    for (const mark of this.marks.values()) this.drawMark(plot, mark, ratio);
    ctx.restore();
  }

  drawPhases({ ctx, bbox, valToPos }, ratio) {
    const [times] = this.data;
    const phase = this.data[5];
    const top = bbox.top + bbox.height - BAND_PX * ratio;
    const colours = this.phases.map((row) => colour(this.tones[row.tone] ?? "--grid"));
    for (let first = 0; first + 1 < times.length; ) {
      let last = first + 1;
      while (last + 1 < times.length && phase[last] === phase[first]) last++;
      if (phase[first] !== null) {
        const left = valToPos(times[first], "x", true);
        ctx.fillStyle = colours[phase[first]];
        ctx.fillRect(left, top, valToPos(times[last], "x", true) - left + 1, BAND_PX * ratio);
      }
      first = last;
    }
  }

  drawLimit({ ctx, bbox, valToPos }, { value, label, color }, ratio) {
    const y = valToPos(value, "y", true);
    ctx.strokeStyle = ctx.fillStyle = colour(color);
    ctx.lineWidth = ratio;
    ctx.setLineDash([6 * ratio, 5 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.font = `600 ${12 * ratio}px Inter, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    if (color !== "--limit") ctx.fillStyle = colour("--target");
    ctx.fillText(label, bbox.left + bbox.width - 4 * ratio, y - 2 * ratio);
  }

  drawMark({ ctx, bbox, valToPos }, mark, ratio) {
    const { time, symbol } = mark;
    if (!this.markColour(mark) || time < this.data[0][0] || time > this.data[0].at(-1)) return;
    const x = valToPos(time, "x", true);
    ctx.strokeStyle = ctx.fillStyle = colour(this.markColour(mark));
    ctx.lineWidth = 1.5 * ratio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 5 * ratio, bbox.top - 9 * ratio);
    ctx.lineTo(x + 5 * ratio, bbox.top - 9 * ratio);
    ctx.lineTo(x, bbox.top);
    ctx.fill();
    if (!symbol) return;
    ctx.font = `700 ${14 * ratio}px Inter, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(symbol, x + 8 * ratio, bbox.top - 11 * ratio);
  }
}

/** Stretches that touch as one: what came since goes on where the whole ended. */
function joined(stretches) {
  const found = [];
  for (const [from, to] of stretches) {
    const last = found.at(-1);
    if (last && from - last[1] < 0.001) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}

export function clockOf(seconds, exact = false) {
  return timeOfDay(new Date(seconds * 1000), exact);
}
