// Today: what is on, what is done, what is not open yet and why.
import { h, icon, thumbnail } from "./dom.js";
import { card, go, mount, notice } from "./frame.js";
import { both, say } from "./words.js";
import { greeting, letters, longDay, minutes, shortDay, today, weekday } from "./days.js";
import * as plan from "./plan.js";

export function showToday(app, isSame = false) {
  const { book } = app;
  const all = plan.exercises(book);
  const open = all.filter((one) => one.status === "open");
  const shown = all.filter((one) => ["open", "done"].includes(one.status));
  const locked = all.filter((one) => !shown.includes(one));
  mount(app, {
    name: "today",
    title: greeting(),
    parts: [
      h("p", { class: "date" }, longDay(today())),
      notices(app),
      answers(book),
      weekCard(book),
      summary(book, open, shown),
      shown.length > 0 && h("ol", { class: "exercises" }, shown.map((one) => row(app, one))),
      locked.length > 0 && h("h2", {}, say("today.locked")),
      locked.length > 0 && h("ul", { class: "exercises locked" }, locked.map((one) => row(app, one))),
      book.programme.note && card(h("h2", {}, say("today.note")), h("p", { class: "note" }, book.programme.note)),
      links(app),
    ],
    actions: actions(app, open),
  }, isSame);
}

function actions(app, open) {
  const { book } = app;
  const isBegun = book.doneOn(today()).length > 0;
  if (open.length) {
    const go_on = go(say(isBegun ? "today.go_on" : "today.start"), () => app.open(plan.nextOpen(book).item.exercise));
    return [go_on];
  }
  return book.session?.day === today() ? [go(say("today.finish"), () => app.end())] : [];
}

export function notices(app) {
  const { book, sync } = app;
  const count = book.entries.length;
  const rows = [
    [book.isClockOff, "info", say("notice.clock"), "warn"],
    [sync.state === "away", "cloud", say("notice.offline"), ""],
    [count > 0 && sync.state !== "ok", "cloud", say("notice.waiting", { count }), ""],
    [book.refused.length > 0, "info", say("notice.refused", { count: book.refused.length }), "warn"],
    [book.store.kind === "memory", "info", say("notice.memory"), "warn"],
  ];
  const found = rows.filter(([holds]) => holds);
  return h("div", { class: "notices", role: "status" }, found.map(([, name, words, look]) => notice(name, words, look)));
}

// Something else closes the programme: then no answer may say that one may go on.
function isClosed({ programme }) {
  return Boolean(programme.suspended) || ["paused", "completed", "ended"].includes(programme.state);
}

const goesOn = ({ decision }) => decision !== "stays_off";

function answers(book) {
  return plan.answered(book).map(({ exercise, answer }) => {
    const name = exercise ? both(plan.rowOf(book, exercise)?.name ?? exercise) : say("answer.all");
    return h("section", { class: "card answer" },
      h("h2", {}, say("answer.title")),
      h("p", {}, say(`answer.${goesOn(answer) && isClosed(book) ? "read" : answer.decision}`, { name })),
      answer.words && h("p", { class: "note" }, answer.words));
  });
}

export function weekCard(book) {
  const dots = plan.dots(book);
  const done = dots.filter(({ state }) => state === "done" || state === "part").length;
  const wanted = plan.daysPerWeek(book);
  const words = wanted ? say("today.week.count", { done, wanted }) : say("today.week.plain", { count: done, done });
  return card(
    h("h2", {}, say("today.week")),
    h("ol", { class: "dots" }, dots.map(({ day, state }) => h("li", {
      class: `dot dot-${state}`, "aria-current": day === today() ? "date" : null,
    },
    h("span", { class: "unseen" }, `${weekday(day)}: ${say(`dot.${state}`)}`),
    h("span", { class: "dot-mark", "aria-hidden": "true" }, state === "done" ? icon("tick") : ""),
    h("span", { class: "dot-day", "aria-hidden": "true" }, letters(day))))),
    h("p", { class: "quiet" }, words),
  );
}

// One sentence that says how today stands.
function summary(book, open, shown) {
  const seconds = open.reduce((sum, one) => sum + one.item.seconds, 0);
  const values = { count: open.length, minutes: minutes(seconds) };
  const day = book.day();
  const state = book.programme.state;
  const rows = [
    [book.programme.suspended, "state.suspended", {}],
    [["paused", "completed", "ended"].includes(state), `state.${state}`, {}],
    [!open.length && plan.exercises(book).some(({ status }) => status === "pain"), "today.hurt", {}],
    [!day, "today.outside", {}],
    [day && plan.isOutside(book), ...beforeOrAfter(book)],
    [open.length && open.length < shown.length, "today.left", values],
    [open.length, "today.summary", values],
    [shown.length, "today.alldone", {}],
    [day && plan.isRestDay(book, day), "today.rest", {}],
    [state === "supervised", "state.supervised", {}],
    [true, "today.nothing", {}],
  ];
  const [, key, filled] = rows.find(([holds]) => holds);
  const why = book.programme.suspended;
  return h("div", { class: "summary" },
    h("h2", {}, say("today.exercises")),
    h("p", {}, say(key, filled)),
    why && [why.words, why.instead].filter(Boolean).map((words) => h("p", { class: "quiet" }, both(words))));
}

function beforeOrAfter({ programme }) {
  const first = programme.starts_on;
  return first > today() ? ["today.before", { day: shortDay(first) }] : ["today.after", {}];
}

function row(app, one) {
  const { item, row: known, name, status } = one;
  const isShut = !["open", "done"].includes(status);
  const words = status === "open" ? `${plan.counts(item)} · ${minutes(item.seconds)}` : plan.lockedWords(one);
  return h("li", {}, h("button", {
    type: "button", class: `exercise exercise-${status}`, onclick: () => app.open(item.exercise),
    "data-name": `exercise-${item.exercise}`,
  },
  h("span", { class: "thumb" }, thumbnail(app.book.drawings[item.exercise])),
  h("span", { class: "exercise-words" },
    h("strong", {}, name),
    h("span", { class: "quiet" }, words),
    !isShut && levels(item, known)),
  h("span", { class: "mark" }, status === "done" ? icon("tick") : isShut ? icon("lock") : icon("play"))));
}

// How far it has grown: a mark for each level of the library, filled up to today's.
function levels(item, known) {
  const marks = (known?.levels ?? []).map((_, index) => h("i", { class: index <= item.level ? "on" : "" }));
  return h("span", { class: "levels" }, h("span", { "aria-hidden": "true" }, marks), say("exercise.level", { level: item.level + 1 }));
}

function links(app) {
  const link = (name, words, onclick) =>
    h("li", {}, h("button", { type: "button", class: "link", onclick, "data-name": name }, icon(name), h("span", {}, words)));
  return h("ul", { class: "links" },
    link("sun", say("link.everyday"), () => app.everyday()),
    link("info", say("link.about"), () => app.about()));
}
