// The page of all alarms: the table is fetched anew whenever the header says that something has changed.
import { start } from "./page.js";

const table = document.getElementById("all-alarms");
let shown = null;
let busy = false;

async function refresh(now) {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("all-alarms");
    const focused = document.activeElement?.closest("#all-alarms .alarm")?.dataset.occurrence;
    table.replaceChildren(...fresh.childNodes);
    shown = now;
    if (focused) table.querySelector(`[data-occurrence="${CSS.escape(focused)}"] :is(a, button)`)?.focus();
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
