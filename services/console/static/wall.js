// The wall: one tile a bed, in the server's order; waveforms only for tiles that are on the screen.
import { Sweep, scaleFor } from "/kit/sweep.js";
import { put, showAlarms, start, tensionText } from "./page.js";
import { waveforms } from "./stream.js";

const SECONDS = 14;
const COUNTER_SPAN_N = 60;
const FIELDS = ["device", "site", "link_text", "phase_name", "words", "target", "counter", "cycle", "guardings", "remaining"];
const byId = (id) => document.getElementById(id);
const list = byId("tiles");
const filters = byId("filters");
const tiles = new Map();
const visible = new Set();
let queued = false;

const live = waveforms((block) => tiles.get(block.key)?.take(block));

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target.dataset.key);
    if (!queued) queueMicrotask(() => ((queued = false), live.watch([...visible])));
    queued = true;
  },
  { rootMargin: "120px" },
);

class Tile {
  constructor(element) {
    this.element = element;
    this.known = false;
    this.sweep = new Sweep(element.querySelector("canvas"), {
      seconds: SECONDS,
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
    watcher.observe(element);
  }

  take(block) {
    this.sweep.push(block);
    if (this.known) put(this.element, "tension", tensionText(block.tension.at(-1)));
  }

  show(data) {
    const { element } = this;
    this.known = data.tension !== "--";
    element.classList.toggle("frozen", !data.fresh);
    Object.assign(element.dataset, {
      priority: data.priority ?? "",
      link: data.link,
      phase: data.phase,
      session: String(data.in_session),
    });
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

  blank() {
    this.known = false;
    this.element.classList.add("frozen");
    for (const name of ["tension", "target", "counter", "remaining"]) put(this.element, name, "--");
  }
}

function create(data) {
  const element = byId("tile").content.firstElementChild.cloneNode(true);
  Object.assign(element.dataset, { key: data.key, site: data.site, device: data.device });
  element.querySelector(".tile-link").href = `/beds/${data.device}?site=${data.site}`;
  list.append(element);
  return new Tile(element);
}

function offerSite(site) {
  const select = filters.elements.site;
  if ([...select.options].some((option) => option.value === site)) return;
  select.append(new Option(site, site));
}

function showSummary({ tiles: rows, order }) {
  for (const row of Object.values(rows)) {
    if (!tiles.has(row.key)) tiles.set(row.key, create(row));
    tiles.get(row.key).show(row);
    offerSite(row.site);
  }
  arrange(order);
  filter();
}

/** Move only what is out of its place: focus and traces of the others stay untouched. */
function arrange(order) {
  let place = list.firstElementChild;
  for (const key of order) {
    const { element } = tiles.get(key);
    if (element === place) place = place.nextElementSibling;
    else {
      const focused = element.contains(document.activeElement) ? document.activeElement : null;
      list.insertBefore(element, place);
      focused?.focus({ preventScroll: true });
    }
  }
}

function filter() {
  const search = filters.elements.q.value.trim().toLowerCase();
  const site = filters.elements.site.value;
  const show = filters.elements.show.value;
  let shown = 0;
  for (const { element } of tiles.values()) {
    const { priority, session } = element.dataset;
    const fits =
      (!site || element.dataset.site === site) &&
      (!search || `${element.dataset.device} ${element.dataset.site}`.includes(search)) &&
      (show === "all" || (show === "alarm" ? priority !== "" : session === "true"));
    element.hidden = !fits;
    shown += fits;
  }
  byId("empty").hidden = tiles.size > 0;
  byId("none").hidden = shown > 0 || tiles.size === 0;
}

function remember() {
  const query = new URLSearchParams([...new FormData(filters)].filter(([name, value]) => value && !(name === "show" && value === "all")));
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  filter();
}

for (const element of list.children) tiles.set(element.dataset.key, new Tile(element));
filters.addEventListener("input", remember);
filters.addEventListener("submit", (event) => event.preventDefault());
filter();
start({
  onSummary: showSummary,
  onSilence: (silent) => silent && tiles.forEach((tile) => tile.blank()),
});
