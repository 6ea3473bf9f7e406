// Today's board: what the beds say every second, everything else anew when a bed begins or ends and by the clock.
import { keepFocus } from "/kit/focus.js";
import { put, start } from "./page.js";
import { BY_PAGE } from "./send.js";

const AGAIN_MS = 20_000;
const SOON_MS = 1500; // after a bed's change, for the scheduler to have heard of it
const FIELDS = ["phase_name", "remaining"];
const beds = new Map(); // "site/device": what is known of it
const board = () => document.getElementById("board");
let busy = false;
let soon = null;

/** The board as it is now at the server. */
async function refresh() {
  if (busy || document.hidden || !board()) return;
  busy = true;
  try {
    const answer = await fetch(location.href.split("#")[0], { headers: { accept: "text/html", ...BY_PAGE } });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board");
    if (answer.redirected || !answer.ok || !next) return;
    replace(next);
  } catch {
    // the console is away: the banner says so
  } finally {
    busy = false;
  }
}

/** What had the focus keeps it: the same link or button of the same appointment. */
function replace(next) {
  const root = board();
  const held = document.activeElement?.closest?.("[data-appointment]")?.dataset.appointment;
  const nameOf = (it) => it.getAttribute("href") ?? it.textContent;
  const wanted = held && nameOf(document.activeElement);
  const again = () => held && [...root.querySelectorAll(`[data-appointment="${held}"] :is(a, button)`)].find((it) => nameOf(it) === wanted);
  keepFocus(root, () => root.replaceChildren(...next.childNodes), again);
  showBeds();
}

function showBeds() {
  for (const element of document.querySelectorAll("[data-bed]")) {
    const tile = beds.get(element.dataset.bed);
    if (!tile) continue;
    for (const name of FIELDS) put(element, name, (name === "phase_name" && !tile.fresh ? tile.link_text : tile[name]) ?? "");
  }
}

function take({ tiles = {} }) {
  for (const [key, change] of Object.entries(tiles)) {
    const known = beds.get(key);
    const before = known?.in_session;
    const tile = Object.assign(known ?? {}, change);
    beds.set(key, tile);
    if (known && tile.in_session !== before) {
      clearTimeout(soon);
      soon = setTimeout(refresh, SOON_MS);
    }
  }
  showBeds();
}

for (const field of document.querySelectorAll("[data-submits]")) field.addEventListener("change", () => field.form.requestSubmit());
if (board()?.hasAttribute("data-live")) {
  setInterval(refresh, AGAIN_MS);
  document.addEventListener("visibilitychange", refresh);
  start({ query: { view: "wall", size: 96, site: board().dataset.site }, onSummary: take });
} else {
  start();
}
