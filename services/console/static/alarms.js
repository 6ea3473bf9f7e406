// The page of all alarms: the table is fetched anew whenever the header says that something has changed.
import { keepFocus } from "/kit/focus.js";
import { sameAlarm } from "./alarmbar.js";
import { start } from "./page.js";
import { BY_PAGE } from "./send.js";

const table = document.getElementById("all-alarms");
let shown = null;
let busy = false;

async function refresh(now) {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html", ...BY_PAGE }, redirect: "manual" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("all-alarms");
    keepFocus(table, () => table.replaceChildren(...fresh.childNodes), (held) => sameAlarm(table, held));
    shown = now;
  } finally {
    busy = false;
  }
}

start({
  onSummary: ({ header }) => {
    if (!header) return;
    const now = JSON.stringify([header.count, header.alarms]);
    if (now !== shown) refresh(now);
  },
});
