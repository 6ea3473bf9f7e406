// Looking closer at a uPlot: drag, wheel, pinch, keys, buttons and the address; every view asks for its own points.
import { refusalOf } from "./send.js";

const LEAST_S = 0.4;
const STEP = 1.6;
const PAN = 0.25;
const WAIT_MS = 70;
export const TIME_STEPS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600]; // seconds
const KEYS = { "+": "in", "=": "in", "-": "out", _: "out", ArrowLeft: "left", ArrowRight: "right", 0: "whole", Home: "whole" };

export class Zoom {
  /** box: focusable element around the plot; group: the buttons; total: seconds; load(from, to, signal): its points. */
  constructor({ plot, box, group, total, load }) {
    Object.assign(this, { plot, box, total, load });
    this.from = 0;
    this.to = total;
    this.asked = null;
    this.fingers = new Map();
    group.hidden = false;
    group.addEventListener("click", (event) => this.act(event.target.closest("[data-zoom]")?.dataset.zoom));
    box.addEventListener("keydown", (event) => this.key(event));
    plot.over.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      plot.over.addEventListener(type, (event) => event.pointerType === "touch" && this.touch(type, event));
    }
    window.addEventListener("hashchange", () => this.follow(true));
    this.follow(false) || this.view(0, total, false);
  }

  /** Show from .. to (seconds); `told`: keep it in the address. */
  view(from, to, told = true) {
    const span = Math.min(this.total, Math.max(LEAST_S, to - from));
    const start = Math.min(Math.max(0, from), this.total - span);
    [this.from, this.to] = [start, start + span];
    this.plot.setScale("x", { min: this.from, max: this.to });
    if (told) history.replaceState(null, "", `#t=${this.from.toFixed(2)}-${this.to.toFixed(2)}`);
    this.ask();
  }

  /** At most one question at a time is of interest: the last. */
  ask() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.asked?.abort();
      this.asked = new AbortController();
      this.load(this.from, this.to, this.asked.signal);
    }, WAIT_MS);
  }

  about(at, factor) {
    this.view(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  act(what) {
    const [middle, span] = [(this.from + this.to) / 2, this.to - this.from];
    if (what === "in") this.about(middle, 1 / STEP);
    else if (what === "out") this.about(middle, STEP);
    else if (what === "left") this.view(this.from - span * PAN, this.to - span * PAN);
    else if (what === "right") this.view(this.from + span * PAN, this.to + span * PAN);
    else if (what === "whole") this.view(0, this.total);
  }

  key(event) {
    const what = KEYS[event.key];
    if (!what || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.act(what);
  }

  wheel(event) {
    const whole = this.to - this.from >= this.total - 1e-6;
    if (event.deltaY > 0 && whole) return; // nothing further out: the page scrolls
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return this.act(event.deltaX > 0 ? "right" : "left");
    this.about(this.at(event.clientX), event.deltaY > 0 ? 1.25 : 0.8);
  }

  /** uPlot's own selection (a drag) became a view. */
  selected(plot) {
    const { left, width } = plot.select;
    if (width > 4) this.view(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  touch(type, event) {
    if (type === "pointerup" || type === "pointercancel") this.fingers.delete(event.pointerId);
    else if (type === "pointerdown" || this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, event.clientX);
    const places = [...this.fingers.values()];
    if (type !== "pointermove") {
      this.held = { places, from: this.from, to: this.to };
      return;
    }
    if (!this.held || places.length !== this.held.places.length) return;
    if (places.length === 2) this.pinch(places);
    else if (places.length === 1) {
      const moved = ((places[0] - this.held.places[0]) / this.plot.over.clientWidth) * (this.held.to - this.held.from);
      this.view(this.held.from - moved, this.held.to - moved);
    }
  }

  /** What lay under the two fingers stays under them. */
  pinch([one, other]) {
    const { places, from, to } = this.held;
    const box = this.plot.over.getBoundingClientRect();
    const share = (x) => (x - box.left) / box.width;
    const value = (x) => from + share(x) * (to - from);
    const [low, high] = [value(Math.min(...places)), value(Math.max(...places))];
    const [left, right] = [share(Math.min(one, other)), share(Math.max(one, other))];
    if (right - left < 0.02 || high <= low) return;
    const span = (high - low) / (right - left);
    this.view(low - left * span, low - left * span + span);
  }

  at(x) {
    return this.plot.posToVal(x - this.plot.over.getBoundingClientRect().left, "x");
  }

  /** The address names a part: `#t=120-150`. */
  follow(seen) {
    const found = /^#t=([\d.]+)-([\d.]+)$/.exec(location.hash);
    if (!found || !(Number(found[2]) > Number(found[1]))) return false;
    this.view(Number(found[1]), Number(found[2]), false);
    if (seen) this.box.scrollIntoView({ block: "nearest" });
    return true;
  }
}

/** Minutes and seconds; parts of a second where the view is that close. */
export function clockOf(seconds, digits = 0) {
  const whole = Math.max(0, seconds);
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return `${Math.floor(whole / 60)}:${rest}`;
}

/** The plot's size in its box, and how many buckets it can show. */
export function sizeOf(box, height) {
  return { width: Math.max(200, box.clientWidth), height };
}

/** A part of a curve at `address`, from .. to in seconds since its start. */
export async function part({ address, first, curve }, from, to, width, signal) {
  const margin = (to - from) * 0.02 + curve.period_s * 2;
  const after = Math.min(curve.after, first + Math.ceil((to + margin) / curve.period_s));
  const begin = Math.max(first, first + Math.floor((from - margin) / curve.period_s));
  if (after <= begin) return null;
  const query = new URLSearchParams({ from: begin, to: after, width: Math.min(4000, Math.max(10, Math.round(width))) });
  const answer = await fetch(`${address}?${query}`, { signal });
  const body = await answer.json();
  if (!answer.ok) throw new Error(refusalOf(body));
  return body;
}

/** Seconds since the start of every row. */
export function secondsOf(curve, first) {
  return curve.seq.map((seq) => (seq - first) * curve.period_s);
}
