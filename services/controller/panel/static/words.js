// Phases in words: the table comes with the page (services/kit/words.py), this only looks things up.
const table = JSON.parse(document.getElementById("words").textContent);
const names = Object.keys(table.phases);
const COLOURS = { still: "--grid", calm: "--calm", pull: "--pull", yield: "--yield", halt: "--still" };

export const words = {
  index: (phase) => names.indexOf(phase),
  name: (phase) => table.phases[phase].name,
  tone: (phase) => table.phases[phase].tone,
  colour: (index) => COLOURS[table.phases[names[index]]?.tone] ?? "--grid",
  /** What goes on at the bed, in a sentence; a frame or a state tells the values. */
  meaning(at) {
    const last = (value) => (Array.isArray(value) ? value.at(-1) : value);
    const values = {
      target: Math.round(last(at.target_n)),
      tension: Number.isNaN(at.tension_n) ? "--" : Math.round(last(at.tension_n)),
      peak: Math.round(at.peak_n),
      reason: table.reasons[at.reason ?? "none"] ?? at.reason,
    };
    return table.phases[at.phase].meaning.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  },
};
