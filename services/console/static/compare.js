// Several sessions over one start; each can be taken out of the picture, and the picture can be zoomed.
import { fill, start } from "./page.js";
import { TIME_STEPS, Zoom, clockOf, part, secondsOf, sizeOf } from "./zoom.js";

const HEIGHT = 380;
const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);
const records = JSON.parse(byId("records").textContent);
const box = byId("plot");
const toggles = [...document.querySelectorAll("[data-toggle]")];
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
let curves = records.map((record) => record.curve);
let zoom = null;

function joined() {
  const tables = curves.map((curve, index) => [secondsOf(curve, records[index].first), curve.greatest]);
  return uPlot.join(tables);
}

function look(index) {
  const line = getComputedStyle(document.querySelector(`.swatch [data-series="${index}"]`));
  const dash = line.strokeDasharray === "none" ? [] : line.strokeDasharray.split(",").map(parseFloat);
  return { stroke: line.stroke, dash };
}

function makePlot() {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "13px Inter, sans-serif" };
  const values = curves.flatMap((curve) => curve.greatest.filter((value) => value !== null));
  const top = Math.max(100, ...values) * 1.06;
  const value = (_, number) => (number == null ? "--" : `${Math.round(number)} N`);
  return new uPlot(
    {
      ...sizeOf(box, HEIGHT),
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: (_, from, to) => [from, to] }, y: { range: () => [0, top] } },
      padding: [10, 12, null, null],
      axes: [
        { ...axis, space: 80, incrs: TIME_STEPS, values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step < 1 ? 1 : 0)) },
        { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => `${tick} N`) },
      ],
      series: [
        { label: words.past_since_start, value: (_, seconds) => (seconds == null ? "--" : clockOf(seconds, 1)) },
        ...records.map((_, index) => ({ label: `${index + 1}`, width: 1.75, value, points: { show: false }, ...look(index) })),
      ],
      hooks: { setSelect: [(plot) => zoom?.selected(plot)] },
    },
    joined(),
    box,
  );
}

async function load(plot, from, to, signal) {
  const note = byId("plot-note");
  const asked = records.map((record) => part(record, from, to, plot.bbox.width, signal));
  try {
    curves = (await Promise.all(asked)).map((curve) => curve ?? { seq: [], greatest: [], period_s: 1 });
    if (signal.aborted) return;
    plot.batch(() => {
      plot.setData(joined(), false);
      plot.setScale("x", { min: from, max: to });
    });
    note.textContent = "";
    Object.assign(box.dataset, { from, to, points: curves.map((curve) => curve.seq.length).join() });
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = fill(words.past_part_failed, { detail: error.message });
  }
}

function toggle(plot, input) {
  const index = Number(input.dataset.toggle);
  plot?.setSeries(index + 1, { show: input.checked });
  document.querySelector(`#drawn [data-series="${index}"]`)?.toggleAttribute("hidden", !input.checked);
}

function draw() {
  box.hidden = false;
  byId("drawn").classList.add("only-print");
  const plot = makePlot();
  const total = Math.max(...records.map((record) => record.total_s));
  zoom = new Zoom({ plot, box, group: byId("zoom"), total, load: (...more) => load(plot, ...more) });
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    plot.setSize(sizeOf(box, HEIGHT));
    zoom.ask();
  }).observe(box);
  return plot;
}

byId("print").hidden = false;
byId("print").addEventListener("click", () => print());
const plot = curves.some((curve) => curve.seq.length) ? draw() : null;
for (const input of toggles) {
  input.addEventListener("change", () => toggle(plot, input));
  if (!input.checked) toggle(plot, input); // a browser keeps what was chosen when it goes back
}
start();
