// Several sessions over one start; each can be taken out of the picture, and the picture can be zoomed.
import { start } from "./page.js";
import { byId, show, words } from "./past.js";
import { clockOf, part, secondsOf } from "./zoom.js";

const NOTHING = { seq: [], greatest: [], period_s: 1 };
const records = JSON.parse(byId("records").textContent);
const curves = records.map((record) => record.curve);

function joined(given) {
  return uPlot.join(given.map((curve, index) => [secondsOf(curve, records[index].first), curve.greatest]));
}

async function ask(...where) {
  const given = await Promise.all(records.map((record) => part(record, ...where)));
  return given.map((curve) => curve ?? NOTHING);
}

function strokeOf(index) {
  const line = getComputedStyle(document.querySelector(`.swatch [data-series="${index}"]`));
  const dash = line.strokeDasharray === "none" ? [] : line.strokeDasharray.split(",").map(parseFloat);
  return { stroke: line.stroke, dash };
}

function look() {
  const values = curves.flatMap((curve) => curve.greatest.filter((value) => value !== null));
  const value = (_, number) => (number == null ? "--" : `${Math.round(number)} N`);
  return {
    newtons: [0, Math.max(100, ...values) * 1.06],
    series: [
      { label: words.past_since_start, value: (_, seconds) => (seconds == null ? "--" : clockOf(seconds, 1)) },
      ...records.map((_, index) => ({ label: `${index + 1}`, width: 1.75, value, points: { show: false }, ...strokeOf(index) })),
    ],
    data: joined(curves),
  };
}

function draw() {
  const total = Math.max(...records.map((record) => record.total_s));
  return show(look(), total, { ask, take: joined, tell: (given) => ({ points: given.map((curve) => curve.seq.length).join() }) });
}

function toggle(plot, input) {
  const index = Number(input.dataset.toggle);
  plot?.setSeries(index + 1, { show: input.checked });
  document.querySelector(`#drawn [data-series="${index}"]`)?.toggleAttribute("hidden", !input.checked);
}

const plot = curves.some((curve) => curve.seq.length) ? draw() : null;
for (const input of document.querySelectorAll("[data-toggle]")) {
  input.addEventListener("change", () => toggle(plot, input));
  if (!input.checked) toggle(plot, input); // a browser keeps what was chosen when it goes back
}
start();
