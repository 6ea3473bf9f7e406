// Changes are asked once in a dialog; what the gateway refuses is shown in it, with value, limit and source.
import { rescueFocus } from "/kit/focus.js";
import { fill, language, post, texts } from "./api.js";

const GIVEN = ["body_weight_kg", "age_years", "session_number"];
const EITHER = ["peak_n", "segment_peak_n"]; // a pull, or the force at the segment

/** Show in a form what stands in the way, each reason by itself. */
export function showRefusals(form, error) {
  const rows = error.refusals?.length ? error.refusals.map((row) => (language === "de" && row.text_de) || row.text) : [error.message];
  form.querySelector("[data-refusals]").replaceChildren(
    ...rows.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
}

// --- modal, but for STOP ---------------------------------------------------------------------------------------
// showModal() would make STOP inert, too, and a STOP that moves into a dialog can be missed by a finger on its way.
// So what can be used behind a dialog is made inert here. What only tells (alarms, numbers) stays: readers hear it.
const opened = [];

function keepBehind() {
  const top = opened.at(-1);
  for (const part of document.querySelectorAll("[data-behind]")) part.inert = Boolean(top);
  for (const dialog of document.querySelectorAll("dialog")) dialog.inert = opened.includes(dialog) && dialog !== top;
}

function show(dialog) {
  forget(dialog);
  opened.push(dialog);
  dialog.show();
  keepBehind();
}

function forget(dialog) {
  if (opened.includes(dialog)) opened.splice(opened.indexOf(dialog), 1);
}

/** Close a dialog; what was behind it is usable first, so that the button that opened it gets the focus back. */
export function shut(dialog) {
  forget(dialog);
  keepBehind();
  dialog.close();
}

/** Open a dialog; `act(form)` runs on its yes and throws what stands in the way, then it stays open. */
export function ask(name, act, text = null) {
  const dialog = document.getElementById(`dialog-${name}`);
  const form = dialog.querySelector("form");
  form.querySelector("[data-refusals]").replaceChildren();
  if (text !== null) form.querySelector("[data-text]").textContent = text;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const yes = form.querySelectorAll("[data-yes]");
    for (const button of yes) button.disabled = true;
    try {
      await act(form);
      shut(dialog);
    } catch (error) {
      showRefusals(form, error);
    } finally {
      for (const button of yes) button.disabled = false;
    }
  };
  show(dialog);
  const first = [":is(input, select, textarea):not([hidden] *)", "h2[tabindex]", "[data-cancel]"];
  first.map((wanted) => form.querySelector(wanted)).find(Boolean).focus();
}

/** Close whatever is open. */
export function dismiss() {
  for (const dialog of document.querySelectorAll("dialog[open]")) shut(dialog);
}

/** A form's prescription: the fields, and what stands in the JSON of further values. */
export function prescriptionOf(form) {
  const fields = new FormData(form);
  let more = {};
  const text = fields.get("more") || "{}";
  try {
    more = JSON.parse(text);
  } catch {
    throw new Error(texts.json_wrong);
  }
  const name = repeated(text) ?? Object.keys(more).find((one) => form.elements[one]);
  if (name !== undefined) throw new Error(fill(texts.json_twice, { name }));
  const numbers = Object.fromEntries([...GIVEN, ...EITHER.filter((name) => fields.get(name))].map((name) => [name, Number(fields.get(name))]));
  return { region: fields.get("region"), segment: fields.get("segment"), sex: fields.get("sex"), ...numbers, ...more };
}

/** The first name that an object in this JSON has twice: a reader would take the last, silently. */
function repeated(text) {
  const open = [];
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:)?|[{}]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (colon) {
      const name = JSON.parse(string);
      if (open.at(-1)?.has(name)) return name;
      open.at(-1)?.add(name);
    }
  }
  return undefined;
}

/** Show a prescription in a form: the given ones in their fields, the others as JSON. */
export function fillPrescription(form, prescription) {
  const rest = {};
  for (const name of EITHER) form.elements[name].value = "";
  for (const [name, value] of Object.entries(prescription ?? {})) {
    if (name === "peak_n" && (prescription.segment_peak_n ?? null) !== null) continue; // the model's: one of the two
    const field = form.elements[name];
    if (field && value !== null) field.value = value;
    else if (value !== null) rest[name] = value;
  }
  form.elements.more.value = Object.keys(rest).length ? JSON.stringify(rest, null, 1) : "";
  offerSegments(form);
  offerForces(form);
}

/** Prescribed is a pull or the force at the segment: what is typed closes the other. */
function offerForces(form) {
  const [pull, segment] = EITHER.map((name) => form.elements[name]);
  pull.disabled = segment.value !== "";
  segment.disabled = !pull.disabled && pull.value !== "";
}

function offerSegments(form) {
  const { region, segment } = form.elements;
  for (const option of segment.options) option.hidden = option.disabled = option.dataset.region !== region.value;
  if (segment.selectedOptions[0]?.disabled ?? true) segment.value = [...segment.options].find((option) => !option.disabled)?.value;
}

/** A pain score of a form, null when it was not asked. */
export function painOf(form, name) {
  const value = new FormData(form).get(name);
  return value === "" || value === null ? null : Number(value);
}

async function check(form) {
  const said = form.querySelector("[data-checked]");
  said.textContent = "";
  form.querySelector("[data-refusals]").replaceChildren();
  try {
    const answer = await post("/api/prescription/check", { prescription: prescriptionOf(form) });
    if (answer.ok) said.textContent = texts.check_ok;
    else showRefusals(form, answer);
  } catch (error) {
    showRefusals(form, error);
  }
}

/** Wire what every dialog has. The button that opened one may be gone when it closes: its group has the focus then. */
export function prepare() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => rescueFocus(document.getElementById("actions")));
  }
  for (const form of document.querySelectorAll("dialog form")) {
    form.querySelector("[data-cancel]").addEventListener("click", () => shut(form.closest("dialog")));
    form.querySelector("[data-check]")?.addEventListener("click", () => check(form));
    form.elements.region?.addEventListener("change", () => offerSegments(form));
    if (form.elements.region) offerSegments(form);
    for (const name of EITHER) form.elements[name]?.addEventListener("input", () => offerForces(form));
  }
}
