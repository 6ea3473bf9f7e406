// Today's list at a free bed, who of it lies here, and what the centre has told of a patient.
import { keepFocus } from "/kit/focus.js";
import { fill, get, language, local, texts } from "./api.js";
import { ask, painOf } from "./dialogs.js";

const LOOK_MS = 3000;
const byId = (id) => document.getElementById(id);
const inWords = (text) => local(text?.[language] ?? "");
let bed = { path: "", act: async () => {}, signedIn: () => null };
let phase = "";
let drawn = "";
let names = new Map(); // by session: of those treated today, for as long as the list is shown

const time = (at) => new Date(at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
const LOCALE = language === "de" ? "de-DE" : "en-GB";
// The month in letters: nobody takes 4 May for 5 April.
const day = (date) =>
  new Date(`${date}T12:00:00`).toLocaleDateString(LOCALE, { day: "numeric", month: "long", year: "numeric" });

/** Wire it: `path` of the bed, `act(action, body)`, `signedIn()`. */
export function prepareToday(wiring) {
  bed = wiring;
  setInterval(look, LOOK_MS);
  look();
}

/** The list is for a free bed and for who is signed in: it has names. */
export function showToday(state) {
  const before = phase;
  phase = state.phase;
  if (!wanted()) clear();
  else if (before !== phase || byId("today").hidden) look();
}

const wanted = () => phase === "idle" && bed.signedIn() !== null;

function clear() {
  byId("today").hidden = true;
  byId("today-list").replaceChildren();
  drawn = "";
  names = new Map();
}

/** Whose session it was, as far as the list that is shown tells it. */
export const nameOf = (session) => names.get(session) ?? null;

async function look() {
  if (!wanted()) return;
  try {
    const list = await get(`${bed.path}/worklist`);
    if (wanted()) show(list);
  } catch {
    clear(); // signed out meanwhile, or no lists here: the page says so elsewhere
  }
}

function show(list) {
  if (!list.heard_at) {
    clear(); // a bedside without a centre
    return;
  }
  byId("today").hidden = false;
  byId("today-none").hidden = list.appointments.length > 0;
  const now = JSON.stringify(list.appointments);
  if (now === drawn) return;
  drawn = now;
  names = new Map(list.appointments.filter((row) => row.session && row.name).map((row) => [row.session.session, row.name]));
  const rows = byId("today-list");
  keepFocus(rows, () => rows.replaceChildren(...list.appointments.map((row) => item(row, list.device))), () => byId("actions"));
}

function part(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function item(row, device) {
  const made = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "today-row";
  button.dataset.appointment = row.appointment;
  button.toggleAttribute("data-clear", row.clear);
  button.disabled = !row.clear || (row.session?.under_way ?? false);
  const who = part("span", "", "today-who");
  who.append(part("bdi", row.name ?? texts.name_unknown), part("small", row.birth_date ? day(row.birth_date) : ""));
  button.append(part("time", time(row.starts_at)), who, part("span", what(row), "today-what"), part("span", standing(row), "today-state"));
  if (row.device !== device) button.append(part("span", fill(texts.listed_at, { device: row.device }), "today-at"));
  button.addEventListener("click", () => choose(row));
  made.append(button);
  return made;
}

function what(row) {
  const region = row.region ? `${texts[`region_${row.region}`]} ${row.segment}` : "";
  return [fill(texts.listed_number, { number: row.session_number }), region].filter(Boolean).join(" · ");
}

function peak({ peak_n, segment_peak }) {
  const pull = fill(texts.listed_peak, { peak: Math.round(peak_n) });
  if (!segment_peak) return pull;
  const [force, low, high] = ["axial_n", "axial_low_n", "axial_high_n"].map((name) => Math.round(segment_peak[name]));
  return `${pull}, ${fill(texts.listed_segment_peak, { force, low, high })}`;
}

function standing(row) {
  const { session } = row;
  if (session?.under_way) return fill(texts.listed_under_way, { device: session.device });
  if (session) return fill(texts.listed_treated, { time: time(session.ended_at ?? session.started_at), device: session.device });
  if (!row.clear) return inWords(row.state);
  const until = new Date(row.cleared_until).toLocaleString(LOCALE, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });
  const cleared = fill(texts.listed_cleared, { until });
  return row.conditions.length ? `${cleared}; ${fill(texts.listed_conditions, { conditions: row.conditions.join(", ") })}` : cleared;
}

function choose(row) {
  const form = byId("dialog-listed").querySelector("form");
  form.reset();
  const put = (name, text) => (form.querySelector(`[data-listed="${name}"]`).textContent = text);
  put("name", row.name ?? texts.name_unknown_ask);
  put("birth_date", row.birth_date ? day(row.birth_date) : "–");
  put("warning", row.session ? standing(row) : "");
  form.querySelector('[data-listed="warning"]').hidden = !row.session;
  const text = `${what(row)} · ${peak(row)}\n${standing({ ...row, session: null })}`;
  const send = () =>
    bed.act("confirm-listed", {
      appointment: row.appointment,
      identity_asked: form.elements.identity_asked.checked,
      pain_before: painOf(form, "pain_before"),
    });
  ask("listed", send, text);
}

/** What the centre has told of whoever lies here, and that it has been silent for long. */
export function warnings(state) {
  put("suspended", inWords(state.suspension?.text));
  byId("suspended").toggleAttribute("data-adverse", state.suspension?.adverse ?? false);
  const treats = state.phase === "idle" || state.phase === "ready";
  put("silent", treats ? inWords(state.centre?.silent) : "");
  put("apart", treats ? inWords(state.centre?.apart) : "");
  put("line", treats ? inWords(state.centre?.line) : "");
  put("unsuitable", treats ? unsuitable(state) : "");
}

/** What commissioning found against this bed: its figures are not those of the bed that was measured. */
function unsuitable(state) {
  const why = state.unsuitable.map((doubt) => inWords(doubt.text)).join("; ");
  return why && fill(texts.unsuitable, { why });
}

function put(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

/** The question before a start says again what is against the bed and that the centre is silent, to be seen. */
export function startNotice(state) {
  const form = byId("dialog-start").querySelector("form");
  const doubts = form.querySelector("[data-unsuitable]");
  doubts.textContent = unsuitable(state);
  doubts.hidden = !doubts.textContent;
  const said = inWords(state.centre?.silent);
  form.querySelector("[data-silent]").textContent = said;
  form.querySelector("[data-silent]").hidden = !said;
  const must = state.centre?.must_be_seen ?? false;
  form.querySelector("[data-seen]").hidden = !must;
  form.elements.silence_seen.checked = false;
  form.elements.silence_seen.required = must;
}

/** What a start says. */
export const startBody = (form) => (form.elements.silence_seen.checked ? { silence_seen: true } : {});
