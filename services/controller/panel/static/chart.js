// A quiet chart of force over a session: SVG in the page's own colours, drawn anew when its place changes.
const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 250;
const NARROW = 560; // below, the levels' names stand inside
const STRIP = 7; // the phases, along the bottom

function node(tag, attributes = {}, text = null) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** A round step that gives about `wanted` of them. */
function stepOf(most, wanted) {
  const raw = most / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw);
}

const path = (xs, ys, x, y) => xs.map((at, index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(ys[index]).toFixed(1)}`).join("");

/**
 * Draw into `host`: seconds over newtons. `lines` {x, y, kind}, `areas` {x, low, high, kind}, `levels` {value, name,
 * kind}, `bands` {from, to, colour}; `label` is what it says to who cannot see it, `units` {x, y} name the axes.
 */
export function draw(host, chart) {
  host.setAttribute("aria-label", chart.label);
  host.chart = chart;
  if (!host.watched) {
    host.watched = new ResizeObserver(() => host.chart && render(host, host.chart));
    host.watched.observe(host);
  }
  render(host, chart);
}

function render(host, chart) {
  const width = host.clientWidth;
  if (width < 80) return;
  const narrow = width < NARROW;
  const box = { left: 50, right: width - (narrow ? 8 : 132), top: 14, bottom: HEIGHT - 40 };
  const x = (seconds) => box.left + ((box.right - box.left) * seconds) / chart.seconds;
  const y = (newtons) => box.bottom - ((box.bottom - box.top) * newtons) / chart.most;
  const svg = node("svg", { width, height: HEIGHT, "aria-hidden": "true" });
  svg.append(...grid(chart, box, x, y));
  for (const band of chart.bands ?? []) {
    const strip = node("rect", { x: x(band.from), y: box.bottom + 1, width: Math.max(0, x(band.to) - x(band.from)), height: STRIP });
    strip.style.fill = `var(${band.colour})`;
    svg.append(strip);
  }
  for (const { x: xs, low, high, kind } of chart.areas ?? []) {
    const back = path([...xs].reverse(), [...low].reverse(), x, y).replace("M", "L");
    svg.append(node("path", { class: `area-${kind}`, d: `${path(xs, high, x, y)}${back}Z` }));
  }
  for (const { value, kind } of chart.levels) {
    svg.append(node("line", { class: `level level-${kind}`, x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
  }
  for (const { x: xs, y: ys, kind } of chart.lines) svg.append(node("path", { class: `line line-${kind}`, d: path(xs, ys, x, y) }));
  svg.append(...names(chart, box, y, narrow));
  host.replaceChildren(svg);
}

function grid(chart, box, x, y) {
  const made = [];
  const newtons = stepOf(chart.most, 4);
  for (let value = 0; value <= chart.most; value += newtons) {
    made.push(node("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    made.push(node("text", { class: "tick", x: box.left - 7, y: y(value) + 5, "text-anchor": "end" }, String(value)));
  }
  const minutes = stepOf(chart.seconds / 60, 6);
  for (let value = 0; value * 60 <= chart.seconds; value += minutes) {
    made.push(node("text", { class: "tick", x: x(value * 60), y: box.bottom + 24, "text-anchor": "middle" }, String(value)));
  }
  made.push(node("text", { class: "tick", x: box.right, y: HEIGHT - 2, "text-anchor": "end" }, chart.units.x));
  made.push(node("text", { class: "tick", x: 4, y: 11 }, chart.units.y));
  return made;
}

/** The levels by name; one that would stand on another's name steps aside. */
function names(chart, box, y, narrow) {
  let above = -Infinity;
  return chart.levels
    .filter(({ kind }) => !narrow || kind === "ceiling" || kind === "peak")
    .sort((one, other) => other.value - one.value)
    .map(({ value, name, kind }) => {
      const at = Math.max(y(value) + (narrow ? -5 : 5), above + 16);
      above = at;
      const place = narrow ? { x: box.right - 4, "text-anchor": "end" } : { x: box.right + 6 };
      return node("text", { class: `name name-${kind}`, y: at, ...place }, name);
    });
}
