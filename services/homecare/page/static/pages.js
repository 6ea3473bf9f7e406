// The end of a day, rules for every day, what this page is, and what it says when there is nothing to show.
import { button, h, icon, picture } from "./dom.js";
import { card, go, mount, notice, scale } from "./frame.js";
import { both, say } from "./words.js";
import { clock, longDay, minutes } from "./days.js";
import { isOn, turn } from "./senses.js";
import { notices, weekCard } from "./today.js";

export const EMERGENCY = "tel:112";

// --- the end --------------------------------------------------------------------------------------------
export function showEnd(app, isSame = false) {
  mount(app, {
    name: "end", title: say("end.title"), onback: () => app.home(),
    parts: [h("p", { class: "quiet" }, say("end.hint")), scale((value) => app.tell(value))],
    actions: [],
  }, isSame);
}

export function showThanks(app, isSame = false) {
  const words = app.book.entries.length ? "thanks.kept" : "thanks.sent";
  mount(app, {
    name: "thanks", title: say("thanks.title"), look: "centred",
    parts: [
      h("div", { class: "praise praise-whole", "aria-hidden": "true" }, icon("tick")),
      h("p", { class: "centred" }, say("thanks.words")),
      weekCard(app.book),
      h("p", { class: "quiet centred", role: "status" }, say(words)),
    ],
    actions: [go(say("close"), () => app.home())],
  }, isSame);
}

// --- every day ------------------------------------------------------------------------------------------
export function showEveryday(app, isSame = false) {
  const rules = app.book.programme.everyday;
  mount(app, {
    name: "everyday", title: say("everyday.title"), onback: () => app.back(),
    parts: [
      h("p", { class: "quiet" }, say("everyday.words")),
      rules.map((rule) => card(
        h("h2", {}, both(rule.name)), picture(app.book.drawings[rule.id], both(rule.name)), h("p", {}, both(rule.text)))),
    ],
    actions: [],
  }, isSame);
}

// --- about ----------------------------------------------------------------------------------------------
const TOPICS = ["link", "home", "privacy", "pain"];

export function showAbout(app, isSame = false) {
  const synced = app.sync.syncedAt;
  const known = synced && say("about.state", { when: `${longDay(synced.day)}, ${clock(synced.at)}` });
  mount(app, {
    name: "about", title: say("about.title"), onback: () => app.back(),
    parts: [
      notices(app),
      TOPICS.map((topic) => h("section", { class: "topic" },
        h("h2", {}, say(`about.${topic}.title`)), h("p", {}, say(`about.${topic}.words`)))),
      h("section", { class: "topic" }, h("h2", {}, say("about.settings")), ["tones", "buzz"].map((name) => toggle(app, name))),
      h("p", { class: "quiet" }, known ?? say("about.never")),
      h("section", { class: "topic" },
        h("h2", {}, say("about.delete.title")), h("p", {}, say("about.delete.words")),
        button(say("about.delete"), () => showDelete(app), "", { "data-name": "delete" })),
    ],
    actions: [],
  }, isSame);
}

function toggle(app, name) {
  const is = isOn(name);
  return h("button", {
    type: "button", class: "toggle", role: "switch", "aria-checked": String(is), "data-name": name,
    onclick: () => { turn(name); showAbout(app, true); },
  }, h("span", {}, say(`about.${name}`)), h("span", { class: "quiet" }, say(is ? "about.on" : "about.off")));
}

function showDelete(app) {
  const count = app.book.entries.length;
  mount(app, {
    name: "delete", title: say("about.delete.sure"), onback: () => app.about(),
    parts: [
      h("p", {}, say("about.delete.words")),
      count > 0 && notice("info", say("about.delete.lost", { count }), "warn"),
    ],
    actions: [
      button(say("about.delete.yes"), () => app.remove()),
      go(say("about.delete.no"), () => app.home()),
    ],
  });
}

// --- nothing to show ------------------------------------------------------------------------------------
export const showDeleted = (app) => mount(app, {
  name: "deleted", title: say("deleted.title"), hurt: "none", parts: [h("p", {}, say("deleted.words"))], actions: [],
});

export function showGone(app, isSame = false) {
  const { entries } = app.book;
  mount(app, {
    name: "gone", title: say("gone.title"), hurt: "none",
    parts: [
      h("p", {}, say("gone.words")),
      notice("phone", say("gone.do"), "warn"),
      entries.some(({ kind }) => kind === "pain") && card(
        h("p", {}, say("pain.gone")),
        h("a", { class: "button emergency-call", href: EMERGENCY }, icon("phone"), h("span", {}, say("pain.call")))),
      entries.length > 0 && card(
        h("p", {}, say("gone.lost", { count: entries.length })),
        h("ul", { class: "lost" }, entries.map((entry) => h("li", {}, undelivered(entry))))),
    ],
    actions: [],
  }, isSame);
}

function undelivered({ kind, day, data }) {
  const value = kind === "pain" ? data.pain_nrs : data.pain_after;
  const key = kind === "session" && value == null ? "gone.session.none" : `gone.${kind}`;
  return say(key, { day: longDay(day), value, minutes: minutes(data.seconds ?? 0) });
}

export function showEmpty(app, isSame = false) {
  mount(app, {
    name: "empty", title: say("empty.title"), hurt: "none",
    parts: [h("p", {}, say("empty.words"))],
    actions: [go(say("empty.again"), () => app.sync.soon())],
  }, isSame);
}
