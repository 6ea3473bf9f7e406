// Who is signed in at this panel: in by PIN or badge, out by hand or when nobody touches it. STOP asks for nothing.
import { keepFocus } from "/kit/focus.js";
import { fill, language, post, texts } from "./api.js";
import { listenForBadges } from "./badge.js";
import { ask, shut } from "./dialogs.js";

const LOOK_MS = 15_000; // the list may drop somebody, another page may sign out
const TOUCH_MS = 10_000; // at most so often is the gateway told that somebody is there
const LAST_S = 60;
const FILTER_FROM = 9; // names that fit without one
const SPOKEN_S = [60, 30, 10];

const byId = (id) => document.getElementById(id);
const form = byId("dialog-sign-in").querySelector("form");
const { pin, filter } = form.elements;
let standing = JSON.parse(byId("sign-in-state").textContent);
let leftUntil = 0;
let touchedAt = -Infinity;
let told = () => {};

/** Who is signed in here: {name, title, may_fault}, null for nobody. */
export const signedIn = () => standing.signed_in;

/** Run at once when somebody is signed in, else ask for a sign-in first. */
export function whenSignedIn(then) {
  if (standing.signed_in) then();
  else openDialog(then);
}

/** The gateway says that nobody is signed in (any more). */
export function signInEnded() {
  take({ ...standing, signed_in: null });
  openDialog();
  look();
}

/** Wire everything; `onChange()` is called when somebody else or nobody is signed in. */
export function prepareSignIn(onChange) {
  told = onChange;
  byId("sign-in").addEventListener("click", () => openDialog());
  byId("sign-out").addEventListener("click", signOut);
  byId("pin-pad").addEventListener("click", (event) => press(event.target.closest("button")));
  filter.addEventListener("input", showNames);
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, touch, { capture: true, passive: true });
  listenForBadges(byBadge);
  take(standing);
  setInterval(look, LOOK_MS);
  setInterval(showIdle, 500);
}

function take(next) {
  const before = standing.signed_in?.name ?? null;
  standing = next;
  leftUntil = performance.now() + (next.signed_in?.idle_left_s ?? 0) * 1000;
  show();
  if ((next.signed_in?.name ?? null) !== before) told();
}

let changes = 0; // sign-ins and sign-outs begun or answered here

/** Sign in or out. An answer that was on its way meanwhile is of before: it must not undo what this one says. */
async function change(path, body) {
  changes += 1;
  try {
    take(await post(path, body));
  } finally {
    changes += 1;
  }
}

/** Take what is told, unless somebody signed in or out since it was asked for. */
async function hear(asking) {
  const asked = changes;
  const next = await asking;
  if (asked === changes) take(next);
}

async function look() {
  try {
    await hear(fetch("/api/sign-in").then((answer) => answer.json()));
  } catch {
    showIdle(); // the gateway does not answer: the page says so elsewhere
  }
}

async function touch() {
  const now = performance.now();
  const soon = leftUntil - now < (LAST_S + 5) * 1000;
  if (!standing.signed_in || (now - touchedAt < TOUCH_MS && !soon) || now - touchedAt < 500) return;
  touchedAt = now;
  try {
    await hear(post("/api/sign-in/touch", {}));
  } catch (error) {
    if (error.status === 401) look();
  }
}

async function signOut() {
  try {
    await change("/api/sign-out", {});
    byId("sign-in").focus();
  } catch (error) {
    byId("sign-in-said").textContent = error.message;
  }
}

async function byBadge(badge) {
  if (!form.closest("dialog").open) afterwards = null;
  try {
    await change("/api/sign-in", { badge });
    signedInByBadge();
  } catch (error) {
    if (!form.closest("dialog").open) openDialog();
    form.querySelector("[data-refusals]").replaceChildren(refusal(error.message));
  }
}

let afterwards = null;

function signedInByBadge() {
  const then = afterwards;
  shut(form.closest("dialog"));
  afterwards = null;
  then?.();
}

function openDialog(then = null) {
  afterwards = then;
  pin.value = "";
  filter.value = "";
  showNames();
  ask("sign-in", async () => {
    try {
      await change("/api/sign-in", { name: form.elements.name.value, pin: pin.value });
    } finally {
      pin.value = "";
    }
    afterwards = null;
    setTimeout(() => then?.()); // behind the closing of the dialog
  });
  (form.querySelector("[name=name]:checked") ? pin : form.querySelector("[name=name]") ?? form.querySelector("[data-cancel]")).focus();
}

function refusal(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

// --- what is shown ----------------------------------------------------------------------------------------------
function show() {
  const who = standing.signed_in;
  const redraw = () => {
    byId("sign-in").hidden = Boolean(who);
    byId("signed-in").hidden = !who;
  };
  keepFocus(byId("sign-in").parentElement, redraw, () => byId(who ? "actions" : "sign-in"));
  byId("who").textContent = who ? who.title || who.name : "";
  byId("signed-out-hint").hidden = Boolean(who);
  const trouble = standing.trouble?.[language] ?? "";
  byId("sign-in-trouble").textContent = trouble;
  byId("sign-in-trouble").hidden = !trouble;
  byId("sign-in-said").textContent = trouble;
  form.querySelector("[data-yes]").disabled = Boolean(trouble);
  showNames();
  showIdle();
}

function showNames() {
  const list = byId("operators");
  const people = standing.operators.filter((row) => row.pin).sort((a, b) => shownAs(a).localeCompare(shownAs(b), language));
  filter.closest(".field").hidden = people.length < FILTER_FROM;
  const wanted = filter.value.trim().toLocaleLowerCase(language);
  const now = JSON.stringify(people);
  if (list.shown !== now) {
    list.shown = now;
    list.replaceChildren(...people.map(choice));
    if (people.length === 1) list.querySelector("input").checked = true;
  }
  for (const item of list.children) item.hidden = Boolean(wanted) && !item.textContent.toLocaleLowerCase(language).includes(wanted);
}

const shownAs = ({ name, title }) => title || name;

function choice({ name, title }) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "name", value: name, required: true });
  input.addEventListener("change", () => matchMedia("(pointer: fine)").matches && pin.focus());
  const text = document.createElement("span");
  text.textContent = title || name;
  const small = document.createElement("small");
  small.textContent = title ? name : "";
  text.append(small);
  label.append(input, text);
  return label;
}

function press(button) {
  if (!button) return;
  if (button.dataset.digit) pin.value = (pin.value + button.dataset.digit).slice(0, pin.maxLength);
  else pin.value = button.dataset.clear === undefined ? pin.value.slice(0, -1) : "";
}

let spoken = null;

function showIdle() {
  const left = Math.ceil((leftUntil - performance.now()) / 1000);
  const late = Boolean(standing.signed_in) && left <= LAST_S;
  const idle = byId("idle");
  idle.hidden = !late;
  if (!late) {
    spoken = null;
    return;
  }
  idle.querySelector("[data-count]").textContent = fill(texts.idle_left, { seconds: Math.max(0, left) });
  const mark = SPOKEN_S.findLast((seconds) => left <= seconds);
  if (mark !== spoken) {
    spoken = mark;
    byId("idle-spoken").textContent = fill(texts.idle_left, { seconds: Math.max(0, left) });
  }
  if (left <= 0) {
    take({ ...standing, signed_in: null });
    look();
  }
}
