// One bed's tile: words and numbers once a second, its number and its trace as the samples come.
import { Sweep, scaleFor } from "/kit/sweep.js";
import { put, putNewest, showAlarms } from "./page.js";

const SECONDS = 14;
// Behind the newest sample: a block of 200 ms in play, and the longest wait for its follower.
const DELAY_MS = 130;
const COUNTER_SPAN_N = 60;
const FIELDS = ["device", "site", "link_text", "phase_name", "words", "target", "counter", "cycle", "guardings", "remaining", "elapsed"];
const BLANKED = ["link_text", "tension", "target", "counter", "remaining", "elapsed"];

/** A tile of this bed, made from the page's template. */
export function create({ key, site, device }) {
  const element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
  Object.assign(element.dataset, { key, site, device });
  element.querySelector(".tile-link").href = `/beds/${encodeURIComponent(device)}?site=${encodeURIComponent(site)}`;
  return new Tile(element);
}

export class Tile {
  constructor(element) {
    this.element = element;
    this.data = {};
    this.known = false;
    this.sweep = new Sweep(element.querySelector("canvas"), {
      seconds: SECONDS,
      delay_ms: DELAY_MS,
      lanes: [
        {
          from: 0.03, to: 0.72, min: 0, max: 300,
          traces: [
            { key: "target", color: "--target", width: 1.5 },
            { key: "tension", color: "--tension", width: 2, fill: 0.13, dot: true },
          ],
        },
        { from: 0.78, to: 1, min: -5, max: COUNTER_SPAN_N, grid: 1000, traces: [{ key: "counter", color: "--counter", width: 1.5, fill: 0.25 }] },
      ],
    });
  }

  /** Samples of this bed. */
  take(block) {
    this.sweep.push(block);
    if (this.known) putNewest(this.element, block);
  }

  /** What has changed of it. */
  update(change) {
    Object.assign(this.data, change);
    this.show();
  }

  show() {
    const { element, data } = this;
    this.known = data.fresh;
    element.classList.toggle("frozen", !data.fresh);
    Object.assign(element.dataset, {
      priority: data.priority ?? "",
      link: data.link,
      phase: data.phase,
      session: String(data.in_session),
    });
    element.toggleAttribute("data-quiet", data.quiet);
    for (const name of FIELDS) put(element, name, data[name]);
    put(element, "tension", data.tension);
    const phase = element.querySelector('[data-part="phase"]');
    phase.dataset.tone = data.tone;
    phase.querySelector("use").setAttribute("href", `/kit/icons.svg#${data.phase}`);
    showAlarms(element.querySelector('[data-part="alarms"]'), data.alarms);
    const progress = element.querySelector("progress");
    if (progress.value !== data.progress) progress.value = data.progress;
    if (data.ceiling_n) this.scale(data);
  }

  /** A small trace needs its height: the limit comes into sight when the tension goes beyond the peak. */
  scale({ peak_n, ceiling_n, tension }) {
    const beyond = Number(tension) > peak_n * 1.1;
    const max = scaleFor(beyond ? ceiling_n : Math.min(ceiling_n, peak_n * 1.1));
    this.sweep.set(0, { max, limits: ceiling_n <= max ? [{ value: ceiling_n, color: "--limit" }] : [] });
  }

  /** Nothing is known any more. */
  blank() {
    this.known = false;
    this.element.classList.add("frozen");
    this.element.dataset.link = "stale";
    for (const name of BLANKED) put(this.element, name, "--");
  }
}
