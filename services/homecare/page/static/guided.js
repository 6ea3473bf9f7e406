// The guided exercise: a ring for the time, counts, pause, and a stop that is a stop.
import { announce, button, h, icon, picture, s } from "./dom.js";
import { mount } from "./frame.js";
import { Drill } from "./drill.js";
import { hold } from "./book.js";
import { newId } from "./store.js";
import { counter, today } from "./days.js";
import { isOn, signal, silence, stayAwake, turn } from "./senses.js";
import { exercises } from "./plan.js";
import { say } from "./words.js";

const TICK_MS = 100;
const NOTE_MS = 2000; // so much of a run is lost at most, when the page is killed
const RADIUS = 54;
const ROUND = 2 * Math.PI * RADIUS;
const SIGNALS = { into: "work", hold: "work", move: "work", out: "calm", rest: "calm", change: "calm", ready: "count" };
const FORBIDDEN = ["pain", "off", "suspended", "paused", "refused"];
const LAST_COUNTED_S = 3;

export class Guided {
  constructor(app, one) {
    Object.assign(this, { app, one, drill: new Drill(one.item), id: newId(), day: today(), at: new Date().toISOString() });
    this.version = app.book.programme.version; // by which it is done, whatever is told meanwhile
    this.free = hold(this.id);
    this.seen = () => document.hidden && !this.drill.isLong && this.pause(say("drill.unseen"));
    this.left = () => app.book.note(this.run()); // the page may be ended now
    document.addEventListener("visibilitychange", this.seen);
    addEventListener("pagehide", this.left);
    this.last = performance.now();
    this.noted = this.last;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    stayAwake(true);
    this.show();
    this.enter();
  }

  // What the telephone keeps of it while it goes on.
  run() {
    return {
      id: this.id, kind: "exercise", exercise: this.one.item.exercise, day: this.day, at: this.at,
      version: this.version, data: this.drill.data,
    };
  }

  tick() {
    const now = performance.now();
    const before = this.drill.left;
    const isNew = this.drill.pass(now - this.last);
    this.last = now;
    if (this.drill.isOver) return this.finish();
    if (isNew) this.enter();
    else if (this.drill.left !== before && this.drill.left <= LAST_COUNTED_S) signal("count");
    if (isNew || now - this.noted > NOTE_MS) {
      this.noted = now;
      this.app.book.note(this.run());
    }
    return this.draw();
  }

  // Whether it may still be done: the clinic may have locked it, or another page of this telephone.
  isAllowed() {
    const { book } = this.app;
    const now = exercises(book, this.day).find(({ item }) => item.exercise === this.one.item.exercise);
    return Boolean(book.programme) && !FORBIDDEN.includes(now?.status);
  }

  enter() {
    const { phase } = this.drill;
    signal(SIGNALS[phase.kind]);
    announce([say(`phase.${phase.kind}`), this.counts()].filter(Boolean).join(". "));
    this.draw();
  }

  counts() {
    const { phase, dose } = this.drill;
    if (["rest", "change"].includes(phase.kind)) return "";
    return [
      dose.repetitions > 1 && say("drill.repetition", { at: phase.repetition, of: dose.repetitions }),
      dose.sets > 1 && say("drill.set", { at: phase.set, of: dose.sets }),
      dose.each_side && say(`drill.side.${phase.side}`),
    ].filter(Boolean).join(" · ");
  }

  show(isSame = false) {
    const { name, item } = this.one;
    this.ring = s("circle", { class: "ring-done", cx: 60, cy: 60, r: RADIUS, "stroke-dasharray": ROUND, "stroke-dashoffset": ROUND });
    this.number = h("span", { class: "ring-number" });
    this.words = h("p", { class: "phase" });
    this.counted = h("p", { class: "counts" });
    mount(this.app, {
      name: "guided", title: name, look: "small", exercise: item.exercise, isDuring: true,
      tools: [tones(() => this.show(true))],
      parts: [
        picture(this.app.book.drawings[item.exercise], name),
        this.words,
        h("div", { class: "ring", role: "timer", "aria-live": "off" },
          s("svg", { viewBox: "0 0 120 120", "aria-hidden": "true" },
            s("circle", { class: "ring-track", cx: 60, cy: 60, r: RADIUS }), this.ring),
          this.number),
        this.counted,
      ],
      actions: [
        button(say(this.drill.isPaused ? "drill.go_on" : "drill.pause"), () => this.turnPause(), this.drill.isPaused ? "primary" : "", { "data-name": "pause" }),
        button(say("drill.skip"), () => this.skip(), "", { "data-name": "skip" }),
        button(say("drill.end"), () => this.finish(), "", { "data-name": "end" }),
      ],
    }, isSame);
    this.draw();
  }

  draw() {
    if (this.drill.isOver) return;
    const { kind } = this.drill.phase;
    document.body.dataset.phase = this.drill.isPaused ? "paused" : kind;
    this.ring.setAttribute("stroke-dashoffset", String(ROUND * (1 - this.drill.share)));
    this.number.textContent = counter(this.drill.left);
    this.words.textContent = say(this.drill.isPaused ? "phase.paused" : `phase.${kind}`);
    this.counted.textContent = this.counts();
  }

  turnPause() {
    if (this.drill.isPaused) this.resume();
    else this.pause(say("phase.paused"));
  }

  pause(words) {
    if (this.drill.isPaused) return;
    this.drill.isPaused = true;
    silence();
    this.app.book.note(this.run());
    this.show(true);
    announce(words);
  }

  resume() {
    this.drill.isPaused = false;
    this.last = performance.now();
    this.show(true);
    this.enter();
  }

  skip() {
    this.drill.next(false);
    if (this.drill.isOver) this.finish();
    else this.enter();
  }

  // At once: no time, no tone, nothing goes on. What was done is given to whoever keeps it.
  halt() {
    this.isHalted = true;
    clearInterval(this.timer);
    silence();
    stayAwake(false);
    document.removeEventListener("visibilitychange", this.seen);
    removeEventListener("pagehide", this.left);
    delete document.body.dataset.phase;
    const run = this.run();
    const kept = this.app.book.finish(run).finally(this.free);
    return { run, kept, name: this.one.name };
  }

  async finish() {
    if (this.isHalted) return;
    const { run, kept, name } = this.halt();
    signal("end");
    await kept;
    this.app.finished({ name, exercise: run.exercise, data: run.data });
  }
}

function tones(after) {
  const is = isOn("tones");
  return h("button", {
    type: "button", class: "tool", "aria-pressed": String(is), "aria-label": say("drill.tones"), "data-name": "tones",
    onclick: () => { turn("tones"); after(); },
  }, icon(is ? "sound" : "mute"));
}
