// The scale of a sweep's lane: where it ends, which values have a line, and the words beside the lines.

/** The upper end of a tension scale that shows `ceiling` with air above it, in steps that keep scales comparable. */
export function scaleFor(ceiling) {
  return Math.max(100, Math.ceil((ceiling * 1.12) / 50) * 50);
}

/** The values of a lane that have a line. */
export function gridValues(lane) {
  const step = lane.grid ?? (lane.max - lane.min > 250 ? 100 : 50);
  const values = [];
  for (let value = Math.ceil(lane.min / step) * step; value <= lane.max; value += step) values.push(value);
  return values;
}

/** The limits' texts, and the scale's where the lane names its unit, anew into an element; null: nowhere. */
export function writeLabels(labels, lanes) {
  labels?.replaceChildren(...lanes.flatMap(labelsOf));
}

function labelsOf(lane) {
  const limits = (lane.limits ?? []).filter((limit) => limit.label);
  const found = limits.map((limit) => label(lane, limit.value, limit.label, limit.kind ?? "limit", limit.side ?? "right"));
  if (!lane.unit) return found;
  const near = (lane.max - lane.min) * 0.05;
  for (const value of gridValues(lane)) {
    const taken = limits.some((limit) => limit.side === "left" && Math.abs(limit.value - value) < near);
    if (!taken) found.push(label(lane, value, `${value} ${lane.unit}`, "scale", "left"));
  }
  return found;
}

function label(lane, value, words, kind, side) {
  const share = (value - lane.min) / (lane.max - lane.min);
  const text = document.createElement("span");
  text.className = "sweep-label";
  Object.assign(text.dataset, { kind, side });
  text.textContent = words;
  text.style.top = `${(lane.to - (lane.to - lane.from) * share) * 100}%`;
  return text;
}
