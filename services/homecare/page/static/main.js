// What leads from screen to screen. Today is the ground; the telephone's own "back" always leads there.
import { Book } from "./book.js";
import { Guided } from "./guided.js";
import { Pain } from "./pain.js";
import { Sync } from "./sync.js";
import { showDone, showExercise } from "./exercise.js";
import { showAbout, showDeleted, showEmpty, showEnd, showEveryday, showGone, showThanks } from "./pages.js";
import { showToday } from "./today.js";
import { silence } from "./senses.js";
import { today } from "./days.js";
import { here, language, load, other, speak } from "./words.js";

const LANGUAGE = "spondyl-home-language";
const LOOK_MS = 20_000; // for a new day, and for runs that another page left behind
const IDLE = ["today", "empty", "gone", "about", "everyday", "thanks"];

class App {
  constructor(book) {
    this.book = book;
    this.sync = new Sync(book);
    this.guided = null;
    this.pain = new Pain(this);
    this.show = () => {};
    this.day = today();
    book.addEventListener("change", () => this.refresh());
    this.sync.addEventListener("change", () => this.refresh());
    addEventListener("popstate", () => this.popped());
    document.addEventListener("visibilitychange", () => this.look());
    setInterval(() => this.look(), LOOK_MS);
  }

  begin() {
    this.speak();
    this.home();
    return this.sync.soon();
  }

  // The patient's choice, else the programme's language, else the telephone's.
  speak() {
    const asked = kept(LANGUAGE) ?? this.book.programme?.language ?? navigator.language.slice(0, 2);
    if (asked === this.spoken) return;
    this.spoken = asked;
    speak(asked);
    manifest(language());
  }

  turnLanguage() {
    keep(LANGUAGE, other());
    this.speak();
    if (this.guided) this.guided.show(true);
    else this.show(true);
  }

  // --- screens -----------------------------------------------------------------------------------------
  turn(name, show) {
    this.screen = name;
    this.show = show;
    show(false);
  }

  // The screen again with what is known now; an exercise goes on, unless it is not allowed any more.
  refresh() {
    this.speak();
    if (this.screen === "deleted") return;
    if (this.book.isRemoved) this.showRemoved();
    else if (this.guided) this.guided.isAllowed() || this.guided.finish();
    else this.redraw();
  }

  redraw() {
    const isBare = !this.book.programme;
    if (isBare !== ["empty", "gone"].includes(this.screen) || (isBare && this.isGone !== (this.screen === "gone"))) this.home();
    else if (!this.isAsking) this.show(true);
  }

  // Questions that are being answered stand still.
  get isAsking() {
    return this.screen === "end" || (this.screen === "pain" && !this.pain.told);
  }

  get isGone() {
    return this.sync.state === "gone" || this.book.isGone;
  }

  home() {
    if (history.state?.deep) history.replaceState({}, "");
    const rows = [
      [this.isGone, "gone", (isSame) => showGone(this, isSame)],
      [!this.book.programme, "empty", (isSame) => showEmpty(this, isSame)],
      [this.book.draft, "pain", (isSame) => this.pain.show(isSame)],
      [true, "today", (isSame) => showToday(this, isSame)],
    ];
    const [, name, show] = rows.find(([holds]) => holds);
    this.turn(name, show);
  }

  back() {
    if (history.state?.deep) history.back();
    else this.home();
  }

  popped() {
    if (this.guided) this.guided.finish();
    else if (this.screen !== "deleted") this.home();
  }

  deep(name, show) {
    if (!history.state?.deep) history.pushState({ deep: true }, "");
    this.turn(name, show);
  }

  open(exercise) {
    this.deep("exercise", (isSame) => showExercise(this, exercise, isSame));
  }

  everyday() {
    this.deep("everyday", (isSame) => showEveryday(this, isSame));
  }

  about() {
    this.deep("about", (isSame) => showAbout(this, isSame));
  }

  // --- an exercise ---------------------------------------------------------------------------------------
  start(one) {
    this.screen = "guided";
    this.guided = new Guided(this, one);
  }

  finished(result) {
    this.guided = null;
    this.turn("done", (isSame) => showDone(this, result, isSame));
    this.sync.soon();
  }

  end() {
    this.turn("end", (isSame) => showEnd(this, isSame));
  }

  async tell(value) {
    await this.book.tellSession({ pain_before: null, pain_after: value, felt: null });
    this.turn("thanks", (isSame) => showThanks(this, isSame));
    this.sync.soon();
  }

  // --- it hurts ------------------------------------------------------------------------------------------
  // First everything stops, then it is written down, then it is asked.
  async hurts(exercise, during) {
    const halted = this.guided?.halt();
    this.guided = null;
    silence();
    this.screen = "pain";
    this.show = () => {};
    await halted?.kept;
    await this.book.hurts(exercise, during);
    this.pain = new Pain(this);
    this.turn("pain", (isSame) => this.pain.show(isSame));
  }

  async remove() {
    this.showRemoved();
    await this.book.remove();
  }

  showRemoved() {
    this.guided?.halt();
    this.guided = null;
    this.sync.end();
    this.turn("deleted", () => showDeleted(this));
  }

  // --- time goes on ----------------------------------------------------------------------------------------
  look() {
    if (this.guided || document.hidden || this.isAsking) return; // a day's last question may be past midnight
    this.book.recover();
    if (this.day === today()) return;
    this.day = today();
    if (["today", "exercise", "done", "thanks"].includes(this.screen)) this.home();
    this.sync.soon();
  }

  get isIdle() {
    return IDLE.includes(this.screen) && !this.guided;
  }
}

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // until the page is closed
  }
}

function manifest(spoken) {
  const link = document.querySelector("link[rel=manifest]") ?? document.createElement("link");
  link.rel = "manifest";
  link.href = `${location.pathname}/manifest.webmanifest?language=${spoken}`;
  document.head.append(link);
}

// A new version of the page waits until nobody exercises or answers; then it comes without being asked.
async function keepForOffline(app) {
  if (!navigator.serviceWorker) return;
  const registered = await navigator.serviceWorker.register(here("../worker.js"));
  const wasKept = Boolean(navigator.serviceWorker.controller);
  const takeOver = () => app.isIdle && registered.waiting?.postMessage("take-over");
  navigator.serviceWorker.addEventListener("controllerchange", () => wasKept && app.isIdle && location.reload());
  setInterval(takeOver, LOOK_MS);
  takeOver();
  await navigator.storage?.persist?.();
}

await load();
const app = new App(await Book.open(location.pathname));
app.begin();
keepForOffline(app).catch(() => {}); // without it the page works, with a network
