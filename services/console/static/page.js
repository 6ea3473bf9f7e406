// What every console page does: clock, alarm header, banner, sound.
import { synchroniseFlash } from "/kit/alarms.js";
import { prepareHeader, showHeader, texts } from "./alarmbar.js";
import { timeOfDay } from "./clock.js";
import { askPains } from "./home_pains.js";
import { soundOf } from "./sound.js";
import { summaries } from "./stream.js";

export { fill, iconOf, showAlarms, texts } from "./alarmbar.js";
const byId = (id) => document.getElementById(id);
let sound = null;
let shown = null;

const whole = (value) => (value === null ? "--" : String(Math.round(value) + 0));

/** The numbers of a block's newest sample, all of one moment; the load cell's noise around zero is zero. */
export function putNewest(root, { tension, target, counter }) {
  const pull = tension.at(-1);
  put(root, "tension", whole(pull > -5 && pull < 0 ? 0 : pull));
  put(root, "target", whole(target.at(-1)));
  put(root, "counter", whole(counter.at(-1)));
}

/** Put a value into every element of that field; touches the page only when it differs. */
export function put(root, name, value) {
  for (const element of root.querySelectorAll(`[data-field="${name}"]`)) {
    if (element.textContent !== value) element.textContent = value;
  }
}

function takeHeader(header) {
  const { priority, names } = showHeader(header);
  showBanner(header.broker_up ? null : header.broker_text);
  showReleases(header.releases);
  sound.set(priority, names);
  askPains(header.pains);
}

function showBanner(text) {
  if (text === shown) return;
  shown = text;
  byId("banner").hidden = text === null;
  byId("banner-text").textContent = text ?? "";
}

function showReleases(text) {
  byId("releases").hidden = !text;
  if (byId("releases-text").textContent !== text) byId("releases-text").textContent = text;
}

function showClock() {
  byId("clock").textContent = timeOfDay(new Date());
}

/** Start the page: `onSummary(data)` every second, `onSilence(silent)` when the console goes or comes back.
 *
 * `query` is what else the stream is asked for; `go(query)` of the answer asks for something else.
 */
export function start({ device = null, query = {}, onSummary = () => {}, onSilence = () => {} } = {}) {
  synchroniseFlash();
  prepareHeader();
  sound = soundOf(texts);
  showClock();
  setInterval(showClock, 1000);
  const address = (more) => `/events?${new URLSearchParams({ lang: document.documentElement.lang, ...(device ? { device } : {}), ...more })}`;
  const stream = summaries(
    address(query),
    (data) => {
      if (data.header) takeHeader(data.header);
      onSummary(data);
    },
    (silent) => {
      if (silent) showBanner(texts.console_down);
      onSilence(silent);
    },
  );
  return { go: (more) => stream.go(address(more)) };
}

// Tabs that do not fit are scrolled: the open one stands in their middle.
for (const tab of document.querySelectorAll(".tabs > [aria-current]")) {
  const [row, own] = [tab.parentElement, tab].map((element) => element.getBoundingClientRect());
  tab.parentElement.scrollLeft += own.left + own.width / 2 - row.left - row.width / 2;
}

// A page that has no script of its own.
if (document.querySelector('script[src="/assets/page.js"]')) start();
