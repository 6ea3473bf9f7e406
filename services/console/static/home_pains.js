// Reports of pain at home that nobody has answered: a count at the navigation's entry, news said at once.
import { BY_PAGE } from "./send.js";

const RETRY_MS = [5_000, 15_000, 60_000]; // while homecare is away
const counts = document.querySelectorAll("[data-home-count]");
const line = document.getElementById("home-open");
let told = null; // what the console said when it was last asked
let known = null; // the reports that this page has heard of; null before the first answer
let timer;
let away = 0; // times that it did not answer, one after the other

/** Ask anew where the console says that something has changed; `mark` is another one then. */
export function askPains(mark) {
  if (!line || mark === undefined || mark === told) return;
  told = mark;
  clearTimeout(timer);
  ask();
}

async function ask() {
  const mine = told;
  const answer = await fetch("/homecare/pains/open", { headers: { accept: "application/json", ...BY_PAGE } }).catch(() => null);
  const found = answer?.ok ? await answer.json().catch(() => null) : null;
  if (mine !== told) return;
  if (found?.reports) {
    away = 0;
    show(found);
  } else timer = setTimeout(ask, RETRY_MS[Math.min(away++, RETRY_MS.length - 1)]);
}

function show({ reports, text, fresh, close }) {
  line.hidden = reports.length === 0;
  line.lastElementChild.textContent = text;
  for (const count of counts) {
    count.hidden = reports.length === 0;
    count.replaceChildren(made("span", "", String(reports.length)), made("span", "visually-hidden", text));
    count.firstChild.setAttribute("aria-hidden", "true");
    count.title = text;
  }
  const news = known && reports.some((report) => !known.has(report));
  known = new Set(reports);
  if (news) say(fresh, close);
  document.dispatchEvent(new CustomEvent("home-pains", { detail: { news } }));
}

/** On the screen until it is followed or closed, and spoken. */
function say(text, close) {
  document.getElementById("home-news")?.remove();
  const toast = made("div", "toast");
  toast.id = "home-news";
  const link = made("a", "home-news", text);
  link.href = line.href;
  const end = made("button", "button button-small", close);
  end.type = "button";
  end.addEventListener("click", () => toast.remove());
  toast.append(link, end);
  document.getElementById("toasts").append(toast);
}

function made(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}
