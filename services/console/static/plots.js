// What every uPlot of the console looks like.

/** A colour of the theme that is in force. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** What both axes have in common. */
export function axis() {
  return {
    stroke: colour("--muted"), font: "13px Inter, sans-serif",
    grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
  };
}
