// The calendar: puts each appointment where its time is and lets it be moved, by mouse or by keys.
// Nothing is decided here: at every place the scheduler is asked, and says the rule that forbids it.
import { toast } from "/kit/parts.js";
import { start } from "./page.js";
import { place, readable, wallTime } from "./calendar_grid.js";
import { refusalOf, send } from "./send.js";

const ASK_AFTER_MS = 140; // at a place, before the scheduler is asked about it
const DRAG_PX = 5; // less is a click
const words = JSON.parse(document.getElementById("words").textContent);
const byId = (id) => document.getElementById(id);
const announcer = byId("announcer");
const dialog = byId("move");
let frame = byId("calendar");
let held = null; // what is being moved: {block, ghost, column, row, by, answers}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const json = (body) => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const isMovable = (block) => Boolean(block?.hasAttribute("data-movable"));

function targetOf({ block, column, row }) {
  const { device, therapist } = block.dataset;
  return {
    site: frame.dataset.site,
    at: wallTime(frame, column, row),
    device: column.dataset.device || device,
    therapist: column.dataset.therapist || therapist,
  };
}

async function ask(path, body) {
  const answer = await send(path, json(body));
  const said = await answer.json();
  if (!answer.ok) throw new Error(refusalOf(said));
  return said;
}

// --- holding -----------------------------------------------------------------------------------------------
function hold(block, by) {
  const ghost = document.createElement("li");
  ghost.className = "cal-ghost";
  ghost.setAttribute("aria-hidden", "true");
  const say = document.createElement("p");
  say.className = "cal-say";
  document.body.append(say);
  held = { block, ghost, say, by, column: block.closest(".cal-column"), row: Number(block.dataset.row), answers: new Map(), turn: 0 };
  block.setAttribute("data-held", "");
  show();
}

function letGo() {
  if (!held) return;
  clearTimeout(held.timer);
  held.ghost.remove();
  held.say.remove();
  held.block.removeAttribute("data-held");
  document.body.classList.remove("is-dragging");
  held = null;
}

/** Take what is held to a row of a column; asks about the place once it stays there. */
function carry(column, row) {
  const snap = Number(frame.dataset.snap);
  const last = Number(frame.dataset.rows) - Number(held.block.dataset.rows);
  const snapped = Math.min(Math.max(Math.round(row / snap) * snap, 0), Math.max(last, 0));
  if (column === held.column && snapped === held.row) return;
  held.column = column;
  held.row = snapped;
  show();
}

function show() {
  const { ghost, column, row, block } = held;
  column.querySelector(".cal-blocks").append(ghost);
  ghost.style.gridRow = `${row + 1} / span ${block.dataset.rows}`;
  ghost.textContent = wallTime(frame, column, row).slice(11);
  ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
  tell(null, fill(words.cal_asking, where(held)));
  clearTimeout(held.timer);
  held.timer = setTimeout(() => verdict(held), ASK_AFTER_MS);
}

const where = (it) => ({ place: it.column.dataset.title, at: readable(wallTime(frame, it.column, it.row)) });

/** What the scheduler says about the place where it is now; asked once a place. */
async function verdict(it) {
  const target = targetOf(it);
  const key = JSON.stringify(target);
  const turn = ++it.turn;
  if (!it.answers.has(key)) {
    const asked = ask(`/api/appointments/${it.block.dataset.appointment}/check`, target);
    it.answers.set(key, asked.catch((error) => ({ ok: false, rules: [error.message] })));
  }
  const found = await it.answers.get(key);
  if (held === it && turn === it.turn) {
    const rules = found.rules.join(" ");
    tell(found.ok, fill(found.ok ? words.cal_at : words.cal_forbidden, { ...where(it), rules }));
  }
  return found;
}

function tell(ok, text) {
  const said = ok === null ? "" : ok ? "yes" : "no";
  held.ghost.dataset.ok = said;
  held.say.dataset.ok = said;
  held.say.textContent = text;
  if (ok !== null) announcer.textContent = `${text} ${ok && held.by === "keys" ? words.cal_drop_hint : ""}`;
}

// --- letting it go at a place ---------------------------------------------------------------------------------
async function drop() {
  const it = held;
  const target = targetOf(it);
  const { block } = it;
  const back = { site: target.site, at: block.dataset.at, device: block.dataset.device, therapist: block.dataset.therapist };
  if (JSON.stringify(back) === JSON.stringify(target)) return cancel();
  clearTimeout(it.timer);
  const found = await verdict(it);
  const text = where(it);
  if (held !== it) return;
  letGo();
  block.querySelector("a").focus({ preventScroll: true });
  if (!found.ok) {
    toast(fill(words.cal_forbidden, { ...text, rules: found.rules.join(" ") }));
    return;
  }
  confirm(block, target, back, text);
}

function cancel() {
  const { block, by } = held;
  letGo();
  block.querySelector("a").focus({ preventScroll: true });
  if (by === "keys") announcer.textContent = words.cal_left;
}

/** Asks for "this one / this and following" and the reason; `move` is sent from there. */
function confirm(block, target, back, text) {
  byId("move-who").textContent = block.querySelector(".cal-name").textContent;
  byId("move-where").textContent = `${text.place}, ${text.at}`;
  byId("move-error").hidden = true;
  dialog.waiting = { id: block.dataset.appointment, target, back, text };
  dialog.showModal();
  byId("move-f-reason").focus();
}

byId("move-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = byId("move-now");
  if (button.disabled) return;
  const { id, target, back, text } = dialog.waiting;
  const form = new FormData(event.target);
  const choice = { scope: form.get("scope"), reason: form.get("reason") };
  button.disabled = true;
  try {
    await ask(`/api/appointments/${id}/move`, { ...target, ...choice });
    dialog.close();
    await refresh(id);
    toast(fill(words.cal_moved, text), { undo: { text: words.cal_undo, run: () => undo(id, { ...back, ...choice }) } });
  } catch (error) {
    byId("move-error").textContent = error.message;
    byId("move-error").hidden = false;
  } finally {
    button.disabled = false;
  }
});

async function undo(id, back) {
  try {
    await ask(`/api/appointments/${id}/move`, { ...back, reason: words.cal_undo });
    await refresh(id);
    toast(words.cal_undone);
  } catch (error) {
    toast(fill(words.cal_failed, { detail: error.message }));
  }
}

/** The page as it is now at the server, in this one's place; the appointment keeps the focus. */
async function refresh(id) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.getElementById("calendar");
  if (!answer.ok || !next) return location.reload();
  const { scrollTop, scrollLeft } = frame;
  frame.replaceWith(next);
  frame = next;
  prepare();
  frame.scrollTo({ top: scrollTop, left: scrollLeft, behavior: "instant" });
  frame.querySelector(`[data-appointment="${id}"] a`)?.focus({ preventScroll: true });
}

// --- the mouse --------------------------------------------------------------------------------------------------
let pressed = null;

function onDown(event) {
  const block = event.target.closest(".cal-block");
  if (event.button !== 0 || event.pointerType === "touch" || held || !isMovable(block)) return;
  const box = block.getBoundingClientRect();
  pressed = { block, x: event.clientX, y: event.clientY, grip: event.clientY - box.top };
}

function onMove(event) {
  if (!pressed) return;
  if (!held) {
    if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < DRAG_PX) return;
    hold(pressed.block, "mouse");
    document.body.classList.add("is-dragging");
  }
  event.preventDefault();
  const found = place(frame, event.clientX, event.clientY - pressed.grip);
  if (found) carry(found.column, found.row);
}

function onUp() {
  const moved = pressed && held?.by === "mouse";
  pressed = null;
  if (!moved) return;
  document.body.classList.remove("is-dragging");
  addEventListener("click", (event) => event.preventDefault(), { capture: true, once: true });
  setTimeout(() => dispatchEvent(new Event("click", { cancelable: true })), 0); // none came: the catch is spent
  drop();
}

addEventListener("pointermove", onMove);
addEventListener("pointerup", onUp);
addEventListener("pointercancel", () => {
  pressed = null;
  if (held?.by === "mouse") cancel();
});

// --- the keys -----------------------------------------------------------------------------------------------------
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const FAR = 4; // with Shift, times the grid's snap: an hour

function onKey(event) {
  const block = document.activeElement?.closest?.(".cal-block");
  if (!held) {
    if (event.key !== "m" || event.ctrlKey || event.metaKey || event.altKey || !isMovable(block)) return;
    event.preventDefault();
    hold(block, "keys");
    announcer.textContent = words.cal_moving;
    return;
  }
  if (event.key === "Escape") {
    event.preventDefault();
    pressed = null;
    cancel();
  } else if (held.by === "keys" && event.key === "Enter") {
    event.preventDefault();
    drop();
  } else if (held.by === "keys" && event.key in STEPS) {
    event.preventDefault();
    step(...STEPS[event.key], event.shiftKey ? FAR : 1);
  } else if (held.by === "keys" && event.key === "Tab") {
    cancel();
  }
}

function step(aside, down, size) {
  const columns = [...frame.querySelectorAll(".cal-column")];
  const column = columns[columns.indexOf(held.column) + aside] ?? held.column;
  carry(column, held.row + down * size * Number(frame.dataset.snap));
}

document.addEventListener("keydown", onKey);

// --- the page ------------------------------------------------------------------------------------------------------
/** Put everything where its time is. */
function prepare() {
  for (const element of frame.querySelectorAll("[data-row]")) {
    const { row, rows, lane, lanes } = element.dataset;
    element.style.gridRow = rows ? `${Number(row) + 1} / span ${rows}` : String(Number(row) + 1);
    if (lanes) element.style.gridColumn = `${Math.floor((lane * 12) / lanes) + 1} / ${Math.floor(((Number(lane) + 1) * 12) / lanes) + 1}`;
  }
  for (const line of frame.querySelectorAll("[data-now]")) line.style.gridRow = String(Math.floor(line.dataset.now) + 1);
  for (const list of frame.querySelectorAll(".cal-blocks, .cal-hours")) list.style.gridTemplateRows = `repeat(${frame.dataset.rows}, var(--row))`;
  frame.dataset.placed = "";
  frame.addEventListener("pointerdown", onDown);
}

/** Scroll to the hour of this row, below the columns' titles. */
function showFrom(row) {
  const hours = [...frame.querySelectorAll(".cal-hours [data-row]")].filter((it) => Number(it.dataset.row) <= row);
  const title = frame.querySelector(".cal-title");
  if (hours.length < 2 || !title) return;
  frame.scrollTop += hours.at(-1).getBoundingClientRect().top - title.getBoundingClientRect().bottom;
}

for (const field of document.querySelectorAll("[data-submits]")) field.addEventListener("change", () => field.form.requestSubmit());
if (frame) {
  prepare();
  const now = frame.querySelector(".cal-now");
  if (now) now.scrollIntoView({ block: "center" });
  else showFrom(Number(frame.dataset.start));
}
start();
