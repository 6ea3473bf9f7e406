// One bed: live trace with its limits, events, stored history, and the two commands that a remote may give.
import { Sweep, scaleFor } from "/kit/sweep.js";
import { fill, put, showAlarms, start, tensionText, texts } from "./page.js";
import { send } from "./send.js";
import { waveforms } from "./stream.js";

const SECONDS = 30;
const COUNTER_SPAN_N = 80;
const HISTORY_MS = 15_000;
const TONES = { still: "--grid", calm: "--calm", pull: "--pull", yield: "--yield", halt: "--still" };
const FIELDS = ["link_text", "phase_name", "words", "target", "counter", "peak", "ceiling", "cycle", "guardings", "remaining", "region"];
const byId = (id) => document.getElementById(id);
const bed = byId("bed");
const { key, site, device } = bed.dataset;
const phases = texts.phases;
let known = false;
let lastPhase = null;

const sweep = new Sweep(bed.querySelector("canvas"), {
  seconds: SECONDS,
  labels: byId("labels"),
  lanes: [
    {
      from: 0.02, to: 0.7, min: 0, max: 300, limits: [],
      traces: [
        { key: "target", color: "--target", width: 1.5 },
        { key: "tension", color: "--tension", width: 2.5, fill: 0.12, dot: true },
      ],
    },
    {
      from: 0.75, to: 0.94, min: -10, max: COUNTER_SPAN_N, grid: 40,
      limits: [{ value: 0, label: texts.counter, kind: "target", side: "left", color: "--grid" }],
      traces: [{ key: "counter", color: "--counter", width: 2, fill: 0.25 }],
    },
    { from: 0.97, to: 1, key: "phase", bands: (index) => TONES[phases[index]?.tone] ?? "--grid" },
  ],
});

function take(block) {
  sweep.push(block);
  block.phase.forEach((index, i) => {
    if (phases[index].name === "guarded" && lastPhase !== index && lastPhase !== null) sweep.mark(block.seq + i, "--yield");
    lastPhase = index;
  });
  if (known) put(bed, "tension", tensionText(block.tension.at(-1)));
}

function show({ tile, events }) {
  if (!tile) return;
  known = tile.tension !== "--";
  bed.classList.toggle("frozen", !tile.fresh);
  Object.assign(bed.dataset, { link: tile.link, phase: tile.phase, priority: tile.priority ?? "" });
  for (const name of FIELDS) put(bed, name, tile[name]);
  put(bed, "tension", tile.tension);
  const phase = bed.querySelector('[data-part="phase"]');
  phase.dataset.tone = tile.tone;
  phase.querySelector("use").setAttribute("href", `/kit/icons.svg#${tile.phase}`);
  bed.querySelector("progress").value = tile.progress;
  showAlarms(bed.querySelector('[data-part="alarms"]'), tile.alarms);
  byId("bed-alarm-card").hidden = tile.alarms.length === 0;
  showLimits(tile);
  showEvents(events);
}

function showLimits({ ceiling_n, peak_n, ceiling, peak }) {
  if (!ceiling_n) return;
  const limits = [{ value: ceiling_n, label: `${texts.ceiling} ${ceiling} N`, kind: "limit", color: "--limit" }];
  if (peak_n) limits.push({ value: peak_n, label: `${texts.peak} ${peak} N`, kind: "target", side: "left", color: "--strong-line" });
  sweep.set(0, { max: scaleFor(ceiling_n), limits });
}

function showEvents(rows) {
  const list = byId("events");
  const now = rows.map((row) => row.id).join();
  if (list.shown === now) return;
  list.shown = now;
  byId("no-events").hidden = rows.length > 0;
  list.replaceChildren(
    ...rows.map((row) => {
      const item = document.createElement("li");
      item.dataset.type = row.type;
      const time = document.createElement("time");
      time.textContent = row.time;
      const text = document.createElement("strong");
      text.textContent = row.text;
      const detail = document.createElement("span");
      detail.className = "muted";
      detail.textContent = row.detail;
      const words = document.createElement("span");
      words.append(text, " ", detail);
      item.append(time, words);
      return item;
    }),
  );
}

// --- history ---------------------------------------------------------------------------------------------------
let plot = null;


async function loadHistory() {
  const minutes = document.querySelector('#range input:checked').value;
  try {
    const answer = await fetch(`/api/beds/${device}/history?${new URLSearchParams({ site, minutes })}`);
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    byId("history-note").textContent = body.time.length ? "" : texts.history_empty;
    if (body.time.length) drawHistory(body);
  } catch {
    byId("history-note").textContent = texts.history_down;
  }
}

function drawHistory(body) {

  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "13px Inter, sans-serif" };
  const data = [body.time, body.target, body.least, body.tension, body.counter];
  if (plot) return plot.setData(data);
  const points = { show: false };
  const value = (_, number) => (number == null ? "--" : `${Math.round(number)} N`);
  plot = new uPlot(
    {
      width: byId("history").clientWidth,
      height: 280,
      cursor: { y: false },
      padding: [null, 32, null, null],
      axes: [{ ...axis, space: 90, values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step < 60)) }, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => `${tick} N`) }],
      series: [
        { value: (_, time) => (time == null ? "--" : clockOf(time, true)), label: texts.time },
        { label: texts.target, stroke: colour("--target"), width: 1.5, value, points },
        { label: texts.least, stroke: colour("--tension"), width: 1, value, points },
        { label: texts.tension, stroke: colour("--tension"), width: 2, value, points },
        { label: texts.counter, stroke: colour("--counter"), width: 1.5, value, points },
      ],
      bands: [{ series: [3, 2], fill: `${colour("--tension")}40` }],
    },
    data,
    byId("history"),
  );
}

function clockOf(seconds, exact = false) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false, ...(exact ? { second: "2-digit" } : {}) };
  return new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, options);
}

new ResizeObserver(() => plot?.setSize({ width: byId("history").clientWidth, height: 280 })).observe(byId("history"));
byId("range").addEventListener("change", loadHistory);
setInterval(() => document.hidden || loadHistory(), HISTORY_MS);
loadHistory();

// --- commands --------------------------------------------------------------------------------------------------
async function command(action) {
  const answer = byId("answer");
  answer.removeAttribute("data-failed");
  answer.textContent = texts.command_sent;
  try {
    const response = await send(`/api/beds/${device}/${action}?${new URLSearchParams({ site })}`);
    const body = await response.json();
    if (!response.ok) throw new Error(body.detail);
    answer.textContent = fill(texts.command_done, { detail: body.detail });
  } catch (error) {
    answer.dataset.failed = "";
    answer.textContent = fill(texts.command_failed, { detail: error.message });
  }
}

for (const button of bed.querySelectorAll("[data-command]")) {
  button.addEventListener("click", () => command(button.dataset.command));
}

waveforms(take).watch([key]);
start({
  device: key,
  onSummary: show,
  onSilence: (silent) => {
    if (!silent) return;
    known = false;
    bed.classList.add("frozen");
    for (const name of ["tension", "target", "counter", "remaining"]) put(bed, name, "--");
  },
});
