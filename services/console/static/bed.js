// One bed: its live trace with limits and marks, its session, its way to the store, and the commands.
import { keepFocus } from "/kit/focus.js";
import { Sweep, scaleFor } from "/kit/sweep.js";
import { Curve } from "./curve.js";
import { commands } from "./commands.js";
import { screens } from "./screens.js";
import { iconOf, put, putNewest, showAlarms, start, texts } from "./page.js";
import { waveforms } from "./stream.js";

const SECONDS = 30;
const COUNTER_SPAN_N = 80;
const BEHIND_MS = 10_000;
const TONES = { still: "--grid", calm: "--calm", pull: "--pull", yield: "--yield", halt: "--still" };
const FIELDS = ["link_text", "phase_name", "words", "target", "counter", "peak", "ceiling", "cycle", "guardings", "remaining", "region"];
const UNKNOWN_WHEN_SILENT = ["link_text", "tension", "target", "counter", "remaining", "gone"];
const MARK_COLOURS = {
  "guarding.detected": "--yield",
  "session.paused": "--still",
  "session.resumed": "--calm",
  "session.aborted": "--still",
};
/** The colour of a mark: an alarm's own, told by its symbol too; of what has no mark, none. */
const markColour = ({ type, priority }) => (priority ? `--${priority}-text` : MARK_COLOURS[type]);
const byId = (id) => document.getElementById(id);
const bed = byId("bed");
const { key, site, device } = bed.dataset;
const own = JSON.parse(byId("bed-texts").textContent);
const phases = texts.phases;
let known = false;
let told = []; // the newest events

const sweep = new Sweep(bed.querySelector("canvas"), {
  seconds: SECONDS,
  labels: byId("labels"),
  lanes: [
    {
      from: 0.02, to: 0.7, min: 0, max: 300, limits: [], unit: "N",
      traces: [
        { key: "target", color: "--target", width: 1.5 },
        { key: "tension", color: "--tension", width: 2.5, fill: 0.12, dot: true },
      ],
    },
    {
      from: 0.76, to: 0.94, min: -10, max: COUNTER_SPAN_N, grid: 40, unit: "N",
      limits: [{ value: 0, label: texts.counter, kind: "counter", side: "left", color: "--grid" }],
      traces: [{ key: "counter", color: "--counter", width: 2, fill: 0.25 }],
    },
    { from: 0.97, to: 1, key: "phase", bands: (index) => TONES[phases[index]?.tone] ?? "--grid" },
  ],
});

const curve = byId("history")
  ? new Curve({ box: byId("history"), note: byId("history-note"), lacking: byId("history-unmeasured"), range: byId("range"), device, site, running: Boolean(bed.dataset.session), words: { ...texts, ...own }, phases, markColour, tones: TONES })
  : null;

function take(block) {
  const before = sweep.boot;
  sweep.push(block);
  if (sweep.boot !== before) told.forEach(markEvent); // events may be known before the first sample
  if (known) putNewest(bed, block);
}

function show({ tile, events, progress, chain }) {
  if (!tile) return;
  known = tile.fresh;
  bed.classList.toggle("frozen", !tile.fresh);
  Object.assign(bed.dataset, { link: tile.link, phase: tile.phase, priority: tile.priority ?? "" });
  for (const name of FIELDS) put(bed, name, tile[name]);
  put(bed, "tension", tile.tension);
  const phase = bed.querySelector('[data-part="phase"]');
  phase.dataset.tone = tile.tone;
  phase.querySelector("use").setAttribute("href", `/kit/icons.svg#${tile.phase}`);
  bed.querySelector("progress").value = tile.progress;
  const alarms = byId("bed-alarm-card");
  keepFocus(alarms, () => {
    showAlarms(alarms.querySelector('[data-part="alarms"]'), tile.alarms, { button: true });
    alarms.hidden = tile.alarms.length === 0;
  });
  showLimits(tile);
  showEvents(events);
  showProgress(progress);
  showChain(chain);
  command.look();
}

function showLimits({ ceiling_n, peak_n, ceiling, peak }) {
  if (!ceiling_n) return;
  const limits = [{ value: ceiling_n, label: `${texts.ceiling} ${ceiling} N`, kind: "limit", color: "--limit" }];
  if (peak_n) limits.push({ value: peak_n, label: `${texts.peak} ${peak} N`, kind: "target", color: "--strong-line" });
  sweep.set(0, { max: scaleFor(ceiling_n), limits });
  curve?.limits(limits);
}

// --- progress and chain ----------------------------------------------------------------------------------------
/** Rows into their elements; made anew only where the list itself differs. */
function rows(list, wanted, make, update) {
  if (list.children.length !== wanted.length || wanted.some((row, i) => list.children[i].dataset.id !== row.id)) {
    list.replaceChildren(...wanted.map(make));
    wanted.forEach((row, i) => (list.children[i].dataset.id = row.id));
  }
  wanted.forEach((row, i) => update(list.children[i], row));
}

function showProgress(progress) {
  if (!progress) return;
  put(bed, "gone", progress.gone);
  put(bed, "total", progress.total);
  rows(byId("stages"), progress.stages, (row) => element("li", "", row.text), (item, row) => {
    item.dataset.state = row.state;
    item.toggleAttribute("aria-current", row.state === "now");
    if (row.state === "now") item.setAttribute("aria-current", "step");
  });
  rows(
    byId("cycle"),
    progress.cycle,
    (row) => {
      const item = element("li", "", "");
      item.dataset.phase = row.id;
      item.append(iconOf(row.id), row.text);
      return item;
    },
    (item, row) => (item.dataset.state = row.state),
  );
  if (bed.dataset.session !== progress.session) {
    bed.dataset.session = progress.session;
    curve?.session(progress.session);
    loadBehind();
  }
}

let latest = [];
let behind = [];

function showChain(chain) {
  if (chain) latest = chain;
  rows(byId("chain"), [...latest, ...behind], makeLink, (item, row) => {
    item.dataset.health = row.health;
    item.querySelector(".visually-hidden").textContent = `${row.spoken}: `;
    item.querySelector(".chain-text").textContent = row.text;
  });
}

function makeLink(row) {
  const item = element("div", "", "");
  item.dataset.part = row.id;
  const words = element("dd", "", "");
  words.append(element("span", "visually-hidden", ""), element("span", "chain-text", ""));
  item.append(element("dt", "", row.label), words);
  return item;
}

/** What the page asks for now and then: telemetry, panel, last sessions. */
async function loadBehind() {
  try {
    const lang = document.documentElement.lang;
    const answer = await fetch(`/api/beds/${device}/behind?${new URLSearchParams({ site, lang })}`);
    if (!answer.ok) return;
    const body = await answer.json();
    behind = body.chain;
    showChain(null);
    showSessions(body.sessions);
  } catch {
    behind = [];
  }
}

function showSessions(sessions) {
  const list = byId("sessions");
  if (!list) return;
  const note = byId("no-sessions");
  note.hidden = Boolean(sessions?.length);
  note.textContent = sessions === null ? own.bed_sessions_away : own.bed_no_sessions;
  const now = JSON.stringify(sessions);
  if (list.shown === now) return;
  list.shown = now;
  const same = (held) => list.querySelector(`[href="${CSS.escape(held.getAttribute("href"))}"]`);
  keepFocus(list, () => list.replaceChildren(...(sessions ?? []).map(sessionRow)), same);
}

function sessionRow(row) {
  const item = element("li", "", "");
  const link = element("a", "", "");
  link.href = row.href;
  const facts = element("span", "last-facts number", own.session_facts.replace("{traction}", row.traction).replace("{peak}", row.peak).replace("{guardings}", row.guardings));
  const state = element("span", "last-state", row.reason ? `${row.text}: ${row.reason}` : row.text);
  state.dataset.state = row.state;
  link.append(element("span", "last-when number", `${row.date}, ${row.time}`), state);
  if (row.peak !== "--") link.append(facts);
  item.append(link);
  return item;
}

// --- events ----------------------------------------------------------------------------------------------------
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function showEvents(list) {
  if (!list) return;
  const box = byId("events");
  const now = list.map((row) => row.id).join();
  if (box.shown === now) return;
  box.shown = now;
  byId("no-events").hidden = list.length > 0;
  box.replaceChildren(...list.map(eventRow));
  told = [...list].reverse();
  told.forEach(markEvent);
}

function markEvent(row) {
  const colour = markColour(row);
  if (!colour) return;
  if (row.boot === sweep.boot) sweep.mark(row.seq, colour, row.symbol || own[`mark_${row.type}`]);
  curve?.mark({ id: row.id, time: row.at, type: row.type, priority: row.priority, symbol: row.symbol });
}

function eventRow(row) {
  const item = element("li", "", "");
  item.dataset.type = row.type;
  if (row.priority) item.dataset.priority = row.priority;
  const words = element("span", "", "");
  words.append(element("strong", "", row.text), " ", element("span", "muted", row.detail));
  item.append(element("time", "", row.time), words);
  return item;
}

// --- the page --------------------------------------------------------------------------------------------------
/** The bar with STOP stays under the page's header, however high that is. */
const header = document.querySelector(".top");
new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${header.offsetHeight}px`)).observe(header);

const command = commands({ bed, answer: byId("answer"), ask: byId("ask-pause"), words: own });
screens({ box: byId("screens"), site, device, words: own });
waveforms(take).watch([key]);
start({
  device: key,
  onSummary: show,
  onSilence: (silent) => {
    if (!silent) return;
    known = false;
    bed.classList.add("frozen");
    bed.dataset.link = "stale";
    for (const name of UNKNOWN_WHEN_SILENT) put(bed, name, "--");
  },
});
loadBehind();
setInterval(() => document.hidden || loadBehind(), BEHIND_MS);
