// The studio: what a prescription would do, before the first pull. A model and a simulation, and both say so.
import { fill, get, language, post, texts } from "./api.js";
import { draw } from "./chart.js";
import { ask, prescriptionOf, showRefusals } from "./dialogs.js";
import { words } from "./words.js";

const AGAIN_MS = 700; // while a worker is at it
const REFIT_MS = 15_000; // while a session goes on
const HEADROOM = 1.16; // above the ceiling
const LEVELS = ["base", "first_peak", "peak", "ceiling"];
const NAMES = { base: texts.base, first_peak: texts.studio_first_peak, peak: texts.peak, ceiling: texts.ceiling };
const byId = (id) => document.getElementById(id);
const dialog = byId("dialog-studio");
const form = dialog.querySelector("form");
const BEFORE = new Set(["idle", "ready"]); // nobody has been pulled in this session
let asked = 0; // the newest question: an older one's answer is not shown

const whole = (value) => String(Math.round(value));
const number = (value, digits = 3) => value.toLocaleString(language, { maximumSignificantDigits: digits, useGrouping: false });
const under = (name) => name.replaceAll("-", "_");
const minutes = (seconds) => whole(seconds / 60);

/** Show the prescription of the session on this bed, and what its first pulls tell. */
export const showSession = (path) => showStudio(() => get(`${path}/studio`));

/** Show what `look()` tells, and ask again until it is whole. */
function showStudio(look) {
  const mine = ++asked;
  const isBefore = BEFORE.has(byId("panel").dataset.phase);
  byId("title-studio").textContent = isBefore ? texts.studio_title : texts.studio_title_under_way;
  byId("studio").hidden = true;
  form.querySelector("[data-text]").textContent = texts.studio_waiting;
  ask("studio", async () => {});
  follow(look, mine);
}

async function follow(look, mine) {
  let wait = AGAIN_MS;
  try {
    const found = await look();
    if (mine !== asked || !dialog.open) return;
    form.querySelector("[data-refusals]").replaceChildren();
    show(found);
    const busy = [found.preview, found.identified].some((job) => job && !["done", "failed"].includes(job.stage));
    if (!busy && !found.identified) return;
    if (!busy) wait = REFIT_MS;
  } catch (error) {
    if (mine !== asked || !dialog.open) return;
    form.querySelector("[data-text]").textContent = "";
    showRefusals(form, error);
    if (error.status >= 400 && error.status < 500) return void (byId("studio-wait").hidden = true); // it stays refused
    wait = REFIT_MS; // nobody answered: the panel may begin again
  }
  setTimeout(() => mine === asked && dialog.open && follow(look, mine), wait);
}

/** Wire the preview of a prescription that is being typed. */
export function prepareStudio(path) {
  for (const button of document.querySelectorAll("[data-preview]")) {
    button.addEventListener("click", () => {
      const typed = button.closest("form");
      typed.querySelector("[data-refusals]").replaceChildren();
      try {
        const prescription = prescriptionOf(typed);
        showStudio(() => post(`${path}/studio`, { prescription }));
      } catch (error) {
        showRefusals(typed, error);
      }
    });
  }
}

function show(found) {
  byId("studio").hidden = false;
  showText(found);
  showProfile(found);
  showLevels(found);
  showSimulated(found);
  showFirst(found.identified);
}

function showText({ prescription, profile }) {
  const values = {
    region: texts[`region_${prescription.region}`], segment: prescription.segment, weight: number(prescription.body_weight_kg, 4),
    cycles: profile.cycles, peak: number(prescription.peak_n, 4), minutes: number(prescription.traction_min),
    force: number(prescription.segment_peak_n ?? 0, 4),
  };
  const by = prescription.segment_peak_n === null ? texts.studio_by_pull : texts.studio_by_force;
  form.querySelector("[data-text]").textContent = `${fill(texts.studio_text, values)} ${fill(by, values)}`;
}

function levelsOf(levels) {
  return LEVELS.map((name) => ({ value: levels[name], name: `${NAMES[name]} ${whole(levels[name])} N`, kind: under(name) }));
}

const units = { x: texts.studio_minutes, y: "N" };

function showProfile({ profile, levels, segment }) {
  const at = segment?.at.peak;
  const values = { minutes: minutes(profile.seconds), peak: whole(levels.peak), ceiling: whole(levels.ceiling) };
  const arrives = at ? { axial: whole(at.axial_n), low: whole(at.axial_low_n), high: whole(at.axial_high_n) } : {};
  draw(byId("studio-profile"), {
    seconds: profile.seconds, most: levels.ceiling * HEADROOM, units, levels: levelsOf(levels),
    label: fill(at ? texts.studio_profile_label : texts.studio_profile_label_none, { ...values, ...arrives }),
    bands: profile.phases.map((row) => ({ from: row.from_s, to: row.to_s, colour: words.colour(words.index(row.phase)) })),
    areas: segment ? [{ x: profile.time_s, low: segment.low_n, high: segment.high_n, kind: "segment" }] : [],
    lines: [
      ...(segment ? [{ x: profile.time_s, y: segment.axial_n, kind: "segment" }] : []),
      { x: profile.time_s, y: profile.target_n, kind: "target" },
    ],
  });
}

function row(...cells) {
  const made = document.createElement("tr");
  cells.forEach((text, index) => {
    const cell = document.createElement(index ? "td" : "th");
    if (!index) cell.scope = "row";
    cell.textContent = text;
    made.append(cell);
  });
  return made;
}

const span = (low, high) => fill(texts.studio_span, { low, high });

function showLevels({ levels, segment, no_model: none }) {
  const rows = LEVELS.map((name) => {
    const at = segment?.at[name];
    if (!at) return row(NAMES[name], whole(levels[name]), "–", "–", "–");
    const ends = [span(whole(at.axial_low_n), whole(at.axial_high_n)), span(whole(at.shear_low_n), whole(at.shear_high_n))];
    return row(NAMES[name], whole(levels[name]), whole(at.axial_n), ...ends);
  });
  byId("studio-levels").replaceChildren(...rows);
  const values = { friction: number(segment?.friction_n ?? 0), table: texts[`studio_table_${under(segment?.table ?? "")}`] ?? segment?.table };
  byId("studio-friction").textContent = segment ? fill(texts[`studio_friction_${under(segment.friction)}`], values) : none[language];
  byId("studio-friction").toggleAttribute("data-warning", !segment || segment.friction === "beyond-table");
}

function showSimulated({ preview, prescription }) {
  const { stage, progress, result } = preview;
  byId("studio-wait").hidden = stage === "done" || stage === "failed";
  byId("studio-progress").value = progress;
  byId("studio-session").hidden = !result;
  const values = result && {
    weight: number(prescription.body_weight_kg, 4), seed: result.seed, most: whole(result.max_tension_n), cycles: result.cycles,
    minutes: minutes(result.duration_s), error: number(result.tracking.hold_rms_n, 2),
  };
  say("studio-said", result ? fill(texts.studio_simulated, values) : texts[`studio_stage_${stage}`]);
  if (!result) return;
  draw(byId("studio-session"), {
    seconds: result.time_s.at(-1), most: result.ceiling_n * HEADROOM, units, label: fill(texts.studio_simulated, values),
    levels: [{ value: result.ceiling_n, name: `${NAMES.ceiling} ${whole(result.ceiling_n)} N`, kind: "ceiling" }],
    areas: [{ x: result.time_s, low: result.least_n, high: result.most_n, kind: "tension" }],
    lines: [{ x: result.time_s, y: result.tension_n, kind: "tension" }],
  });
}

/** Into a live region: only what is new, or a reader hears it twice a second. */
function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function showFirst(job) {
  byId("studio-first").hidden = !job;
  if (!job) return;
  const found = job.result;
  const given = found && { seconds: whole(found.seconds), swing: whole(found.swing_n), travel: number(found.travel_mm) };
  say("studio-first-said", found ? fill(texts.studio_first_said, given) : texts[`studio_stage_${job.stage}`]);
  const rows = (found?.values ?? []).map((one) => {
    const name = texts[`studio_value_${one.name}`];
    if (!one.told) return row(name, texts[`studio_why_${under(one.why)}`], "–");
    return row(name, `${number(one.value)} ${one.unit}`, span(number(one.low), number(one.high)));
  });
  byId("studio-values").replaceChildren(...rows);
}
