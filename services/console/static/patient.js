// The page in front of the patient: two gentle gauges, plain words, and never a number that is old.
import { GentleCurve } from "./gentle.js";

const SILENT_MS = 3000; // a frame comes at least every second
const RETRY_MS = 2000;
const NUMBER_MS = 600; // a number that hurries is no calm number
const STILL_MS = 3000; // without a movement the mouse's arrow and the tools go away
const FIELDS = ["title", "hint", "next", "left"];
const body = document.body;
const { device, site } = body.dataset;
const alone = JSON.parse(document.getElementById("alone").textContent);
const view = new URLSearchParams(location.search).get("view");
const curves = [...document.querySelectorAll("[data-curve]")].map((canvas) => new GentleCurve(canvas));
const byId = (id) => document.getElementById(id);
let heard = performance.now();
let numberAt = 0;
let over = false;
let source = null;

function put(name, text) {
  const element = document.querySelector(`[data-field="${name}"]`);
  if (element.textContent !== text) element.textContent = text;
}

function show(now) {
  for (const name of FIELDS) put(name, now[name]);
  if (body.dataset.mood !== now.mood) body.dataset.mood = now.mood;
  byId("gauges").hidden = !now.known;
  byId("breath").hidden = now.known;
  showBar(now.progress);
  if (now.known) showGauges(now);
  else for (const curve of curves) curve.clear();
}

function showBar(progress) {
  const bar = byId("bar");
  bar.hidden = progress === null;
  if (progress === null) return;
  bar.firstElementChild.style.width = `${progress * 100}%`;
  bar.setAttribute("aria-valuenow", String(Math.round(progress * 100)));
}

function showGauges(now) {
  turn("pull", now.pull_share);
  turn("muscle", now.muscle_share);
  const target = document.querySelector(".dial-target");
  target.style.strokeDashoffset = String(-Math.max(0, now.target_share * 100 - 0.8));
  const at = now.seq * now.period_s;
  const values = { pull: [now.pull_share, now.target_share], muscle: [now.muscle_share] };
  for (const curve of curves) curve.add(now.boot, at, values[curve.name]);
  const time = performance.now();
  put("muscle_word", now.muscle_word);
  if (time - numberAt < NUMBER_MS) return;
  numberAt = time;
  for (const name of ["pull", "pull_word", "muscle"]) put(name, now[name]);
}

function turn(name, share) {
  document.querySelector(`[data-gauge="${name}"] .dial-value`).style.strokeDasharray = `${share * 100} 200`;
}

/** Words of its own, where nothing comes any more. */
function say(words) {
  show({ ...words, mood: "still", known: false, left: "", progress: null });
}

// --- what comes ------------------------------------------------------------------------------------------------
function listen() {
  source?.close();
  const query = new URLSearchParams({ site, lang: document.documentElement.lang, ...(view ? { view } : {}) });
  source = new EventSource(`/beds/${device}/patient/stream?${query}`);
  source.addEventListener("now", (event) => {
    heard = performance.now();
    show(JSON.parse(event.data));
  });
  source.addEventListener("past", (event) => {
    const { boot, points } = JSON.parse(event.data);
    for (const [at, pull, target, muscle] of points) {
      for (const curve of curves) curve.add(boot, at, { pull: [pull, target], muscle: [muscle] }[curve.name]);
    }
  });
  source.addEventListener("over", () => {
    over = true;
    source.close();
    say(alone.over);
  });
}

setInterval(() => {
  if (!over && performance.now() - heard > SILENT_MS) say(alone.away);
  if (!over && source.readyState === EventSource.CLOSED) listen();
}, RETRY_MS / 4);

// --- the screen itself -----------------------------------------------------------------------------------------
/** Keep the screen awake, where the browser can. */
async function stayAwake() {
  if (document.hidden || !navigator.wakeLock) return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // low battery or not allowed: the screen's own settings decide
  }
}

byId("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
});

let still = 0;
function moved() {
  body.classList.remove("quiet");
  clearTimeout(still);
  still = setTimeout(() => body.classList.add("quiet"), STILL_MS);
}
for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) addEventListener(kind, moved);

document.addEventListener("visibilitychange", stayAwake);
stayAwake();
moved();
listen();
