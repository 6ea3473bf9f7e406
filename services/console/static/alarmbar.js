// The alarm header of every page: what signals first, one line of it until more is asked for, acknowledgement.
import { arrange, keepFocus } from "/kit/focus.js";
import { send } from "./send.js";

export const texts = JSON.parse(document.getElementById("texts").textContent);
const byId = (id) => document.getElementById(id);
const bar = byId("alarmbar");
const list = byId("alarms");
const more = byId("more-alarms");
const everywhere = new Set((bar?.dataset.acknowledgeAt ?? "").split(" ").filter(Boolean));
let header = null;
let open = false;
let announced = null; // occurrences that were told; null before the first look

/** Fill a text with its values. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function iconOf(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/kit/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

function element(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

const nameOf = (row) => `${row.key} ${row.condition} ${row.occurrence}`;
const mayAcknowledge = (site) => everywhere.has("*") || everywhere.has(site); // the console's own alarms have no site

/** One alarm as alarm.html renders it. */
function alarmElement(row, { linked = false, button = false } = {}) {
  const made = element("div", "alarm", element("span", "alarm-icon", iconOf("alarm")));
  const { priority, condition, occurrence, site, device } = row;
  Object.assign(made.dataset, { priority, condition, occurrence, site, device });
  made.toggleAttribute("data-acknowledged", row.acknowledged);
  const symbol = element("span", "alarm-symbol", row.symbol);
  symbol.setAttribute("aria-hidden", "true");
  const leads = linked && device;
  const say = element(leads ? "a" : "span", "alarm-say", element("span", "visually-hidden", `${row.spoken}: `));
  if (leads) {
    say.href = `/beds/${encodeURIComponent(device)}?site=${encodeURIComponent(site)}`;
    say.append(element("span", "alarm-where", device), " ");
  }
  say.append(element("span", "alarm-text", row.text));
  made.append(symbol, say);
  if (row.acknowledged) made.append(element("span", "alarm-known", iconOf("done"), row.acknowledged_text));
  else if (button && mayAcknowledge(site)) made.append(buttonOf(row));
  return made;
}

function buttonOf(row) {
  const button = element("button", "alarm-button", texts.alarm_acknowledge);
  button.type = "button";
  button.dataset.acknowledge = "";
  button.setAttribute("aria-label", fill(texts.alarm_acknowledge_this, row));
  return button;
}

/** The same thing of the same alarm as it is drawn in `root` now; else anything of that alarm that one can reach. */
export function sameAlarm(root, held) {
  const was = held.closest(".alarm");
  if (!was) return null;
  const { device, condition, occurrence } = was.dataset;
  const now = [...root.querySelectorAll(".alarm")].find(
    ({ dataset }) => dataset.device === device && dataset.condition === condition && dataset.occurrence === occurrence,
  );
  return now?.querySelector(held.localName) ?? now?.querySelector("a, button") ?? null;
}

/** Show a list of alarms. A row that stays keeps its element, so that focus and flash stay, too. */
export function showAlarms(target, rows, options = {}) {
  const now = JSON.stringify(rows);
  if (target.shown === now) return;
  target.shown = now;
  target.items ??= new Map();
  const items = new Map();
  for (const row of rows) {
    const was = target.items.get(nameOf(row));
    const same = was && was.text === JSON.stringify(row);
    items.set(nameOf(row), same ? was : { text: JSON.stringify(row), item: itemOf(row, options) });
  }
  target.items = items;
  const wanted = [...items.values()].map(({ item }) => item);
  keepFocus(target, () => arrange(target, wanted), (held) => sameAlarm(target, held));
}

function itemOf(row, options) {
  const item = document.createElement("li");
  item.append(alarmElement(row, options));
  return item;
}

// --- the header ------------------------------------------------------------------------------------------------
/** Show what the console says of all beds; answers what should be heard. */
export function showHeader(next) {
  header = next;
  byId("beds").textContent = next.beds;
  keepFocus(bar, () => {
    showAlarms(list, next.alarms, { linked: true, button: true });
    byId("no-alarms").hidden = next.count > 0;
    fit();
  });
  const title = document.title.replace(/^\(\*+\) /, "");
  document.title = next.count ? `(${next.alarms[0].symbol}) ${title}` : title;
  announce(next.alarms);
  const signals = next.alarms.filter((row) => !row.acknowledged && row.priority === next.signal);
  return { priority: next.signal, names: signals.map(nameOf) };
}

/** One line of alarms, and how many more there are; all of them where the reader has asked. */
function fit() {
  const items = [...list.children];
  for (const item of items) item.hidden = false;
  const first = items[0]?.offsetTop ?? 0;
  const below = open ? [] : items.filter((item) => item.offsetTop > first);
  for (const item of below) item.hidden = true;
  const left = below.length + (header.count - items.length);
  more.hidden = !open && left === 0;
  more.textContent = open ? texts.alarm_fewer : fill(texts.alarm_more, { count: left });
  more.setAttribute("aria-expanded", String(open));
  bar.toggleAttribute("data-open", open);
  byId("every-alarm").hidden = header.count === 0 || (!open && left === 0);
}

/** Say each new alarm once, a high one at once; and that all is well again. */
function announce(rows) {
  const signals = rows.filter((row) => !row.acknowledged);
  const fresh = signals.filter((row) => !announced?.has(nameOf(row)));
  const worst = fresh.some((row) => row.priority === "high");
  if (fresh.length) {
    byId(worst ? "alarm-alert" : "announcer").textContent = fresh
      .slice(0, 3)
      .map((row) => fill(texts.announce_worse, { ...row, priority: row.spoken }))
      .join(". ");
  } else if (announced?.size && !rows.length) {
    byId("announcer").textContent = texts.announce_clear;
  }
  announced = new Set(rows.map(nameOf));
}

// --- acknowledging ---------------------------------------------------------------------------------------------
/** Acknowledge the alarm whose button was pressed; what became of it is shown and spoken. */
async function acknowledge(button) {
  const { site, device, condition, occurrence } = button.closest(".alarm").dataset;
  const text = button.closest(".alarm").querySelector(".alarm-text").textContent;
  button.setAttribute("aria-disabled", "true");
  try {
    const body = JSON.stringify({ site, device, condition, occurrence });
    const answer = await send("/api/alarms/acknowledge", { body, headers: { "content-type": "application/json" } });
    const said = await answer.json();
    if (answer.ok) reply(fill(said.first ? texts.alarm_acknowledged_now : texts.alarm_acknowledged_before, { text }));
    else refuse(button, answer.status === 404 ? texts.alarm_gone : fill(texts.alarm_not_acknowledged, said));
  } catch {
    refuse(button, fill(texts.alarm_not_acknowledged, { detail: texts.console_down }));
  }
}

function refuse(button, text) {
  button.removeAttribute("aria-disabled");
  reply(text, true);
}

function reply(text, failed = false) {
  const said = element("p", "toast", text);
  said.toggleAttribute("data-failed", failed);
  byId("toasts").append(said);
  setTimeout(() => said.remove(), 8000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-acknowledge]");
  if (button && button.getAttribute("aria-disabled") !== "true") acknowledge(button);
});

/** Begin: the header is opened, closed and fitted as the window changes. */
export function prepareHeader() {
  if (!bar) return;
  header = { count: Number(bar.dataset.count) };
  fit();
  bar.dataset.ready = "";
  const toggle = (next) => {
    open = next;
    fit();
  };
  more.addEventListener("click", () => toggle(!open));
  bar.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open) return;
    toggle(false);
    more.focus();
  });
  addEventListener("resize", () => header && fit());
}
