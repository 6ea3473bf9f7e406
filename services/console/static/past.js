// What the pages of past sessions share: curves over the time since their start, to be looked at closer.
import { fill } from "./page.js";
import { axis } from "./plots.js";
import { TIME_STEPS, Zoom, clockOf, sizeOf } from "./zoom.js";

const HEIGHT = 380;
export const byId = (id) => document.getElementById(id);
export const words = JSON.parse(byId("words").textContent);
const box = byId("plot");
let zoom = null;

/** A plot of `data` in the page's box; `newtons`: from and to of its scale. */
function plotOf({ newtons, series, bands, hooks = {}, data }) {
  return new uPlot(
    {
      ...sizeOf(box, HEIGHT),
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: (_, from, to) => [from, to] }, y: { range: () => newtons } },
      padding: [10, 12, null, null],
      axes: [
        { ...axis(), space: 80, incrs: TIME_STEPS, values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step < 1 ? 1 : 0)) },
        { ...axis(), size: 62, values: (_, ticks) => ticks.map((tick) => (tick < 0 ? "" : `${tick} N`)) },
      ],
      series,
      bands,
      hooks: { ...hooks, setSelect: [(plot) => zoom?.selected(plot)] },
    },
    data,
    box,
  );
}

async function load(plot, { ask, take, tell }, from, to, signal) {
  const note = byId("plot-note");
  try {
    const given = await ask(from, to, plot.bbox.width, signal);
    if (!given || signal.aborted) return;
    const data = take(given);
    plot.batch(() => {
      plot.setData(data, false);
      plot.setScale("x", { min: from, max: to });
    });
    note.textContent = "";
    Object.assign(box.dataset, { from, to, ...tell(given) });
  } catch (error) {
    if (error.name !== "AbortError") note.textContent = fill(words.past_part_failed, { detail: error.message });
  }
}

/** Put a plot of `look` in the place of the server's drawing, `total` seconds long.
 *
 * `parts` asks for what is seen: `ask(from, to, width, signal)`, `take` makes uPlot's columns of it, and `tell`
 * what the box says of it.
 */
export function show(look, total, parts) {
  box.hidden = false;
  byId("drawn").classList.add("only-print");
  const plot = plotOf(look);
  zoom = new Zoom({ plot, box, group: byId("zoom"), total, load: (...more) => load(plot, parts, ...more) });
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
