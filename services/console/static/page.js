// What every console page does: clock, alarm header, banner, announcements, sound.
import { AlarmSound, synchroniseFlash } from "/kit/alarms.js";
import { summaries } from "./stream.js";

export const texts = JSON.parse(document.getElementById("texts").textContent);
const byId = (id) => document.getElementById(id);
const sound = new AlarmSound(byId("sound"));
let shown = null;
let announced = new Set();

/** Fill a text with its values. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Measured tension as text: the load cell's noise around zero is zero. */
export function tensionText(value) {
  return String(Math.round(value > -5 && value < 0 ? 0 : value) + 0);
}

/** Put a value into every element of that field; touches the page only when it differs. */
export function put(root, name, value) {
  for (const element of root.querySelectorAll(`[data-field="${name}"]`)) {
    if (element.textContent !== value) element.textContent = value;
  }
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

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** One alarm as the server's macro renders it: icon, symbol, spoken priority, place, text. */
export function alarmElement(row, linked = false) {
  const element = document.createElement(linked && row.device ? "a" : "div");
  element.className = "alarm";
  element.dataset.priority = row.priority;
  if (linked && row.device) element.href = `/beds/${row.device}?site=${row.site}`;
  const icon = span("alarm-icon", "");
  icon.append(iconOf("alarm"));
  const symbol = span("alarm-symbol", row.symbol);
  symbol.setAttribute("aria-hidden", "true");
  element.append(icon, symbol, span("visually-hidden", `${row.spoken}: `));
  if (linked && row.device) element.append(span("alarm-where", row.device));
  element.append(span("alarm-text", row.text));
  return element;
}

/** Show a list of alarms; leaves it alone when nothing changed, so that focus and flash stay. */
export function showAlarms(list, rows, linked = false) {
  const now = JSON.stringify(rows);
  if (list.shown === now) return;
  list.shown = now;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(
    ...rows.map((row) => {
      const item = document.createElement("li");
      item.append(alarmElement(row, linked));
      return item;
    }),
  );
  if (focused) list.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

function showHeader(header) {
  put(document, "beds", header.beds);
  byId("beds").textContent = header.beds;
  showAlarms(byId("alarms"), header.alarms, true);
  byId("no-alarms").hidden = header.alarms.length > 0;
  showBanner(header.broker_up ? null : header.broker_text);
  document.title = `${header.alarms.length ? `(${header.alarms[0].symbol}) ` : ""}${document.title.replace(/^\(\*+\) /, "")}`;
  sound.set(header.worst);
  announce(header.alarms);
}

function showBanner(text) {
  if (text === shown) return;
  shown = text;
  byId("banner").hidden = text === null;
  byId("banner-text").textContent = text ?? "";
}

/** Say each new alarm once, politely; and that all is well again. */
function announce(rows) {
  const now = new Set(rows.map((row) => `${row.key} ${row.condition} ${row.priority}`));
  const fresh = rows.filter((row) => !announced.has(`${row.key} ${row.condition} ${row.priority}`));
  if (fresh.length) {
    byId("announcer").textContent = fresh
      .slice(0, 3)
      .map((row) => fill(texts.announce_worse, { ...row, priority: row.spoken }))
      .join(". ");
  } else if (announced.size && !now.size) {
    byId("announcer").textContent = texts.announce_clear;
  }
  announced = now;
}

function showClock() {
  const now = new Date();
  byId("clock").textContent = now.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** Start the page: `onSummary(data)` every second, `onSilence(silent)` when the console goes or comes back.
 *
 * `query` is what else the stream is asked for; `go(query)` of the answer asks for something else.
 */
export function start({ device = null, query = {}, onSummary = () => {}, onSilence = () => {} } = {}) {
  synchroniseFlash();
  showClock();
  setInterval(showClock, 1000);
  const address = (more) => `/events?${new URLSearchParams({ lang: document.documentElement.lang, ...(device ? { device } : {}), ...more })}`;
  const stream = summaries(
    address(query),
    (data) => {
      if (data.header) showHeader(data.header);
      onSummary(data);
    },
    (silent) => {
      if (silent) showBanner(texts.console_down);
      onSilence(silent);
    },
  );
  return { go: (more) => stream.go(address(more)) };
}

if (document.body.dataset.page === "error") start();
