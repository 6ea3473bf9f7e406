// One exercise: told first, then guided, then praised.
import { announce, button, h, icon, picture } from "./dom.js";
import { card, go, list, mount, notice } from "./frame.js";
import { both, say } from "./words.js";
import { minutes } from "./days.js";
import * as plan from "./plan.js";

const GRAVITY = 9.81;

export function showExercise(app, exercise, isSame = false) {
  const all = plan.exercises(app.book);
  const one = all.find(({ item }) => item.exercise === exercise);
  if (!one) return app.home();
  const { item, row, name, status } = one;
  mount(app, {
    name: "exercise", title: name, exercise, onback: () => app.back(),
    parts: [
      picture(app.book.drawings[exercise], name),
      row && h("p", { class: "purpose" }, both(row.purpose)),
      status !== "open" && notice(status === "done" ? "tick" : "lock", plan.lockedWords(one), status === "done" ? "good" : ""),
      facts(item),
      row && told(app.book, row),
    ],
    actions: status === "open" ? [go(say("exercise.start"), () => app.start(one))] : [button(say("close"), () => app.home())],
  }, isSame);
}

function facts(item) {
  const newtons = item.force_n && Math.round(item.force_n);
  return card(
    h("p", { class: "dose" }, plan.dose(item)),
    h("p", { class: "quiet" }, [say("exercise.level", { level: item.level + 1 }), say("exercise.about", { minutes: minutes(item.seconds) })].join(" · ")),
    newtons ? h("p", { class: "quiet" }, say("exercise.force", { newtons, kilograms: Math.round(newtons / GRAVITY) })) : null,
  );
}

function told(book, row) {
  const things = row.equipment.map((code) => book.programme.equipment[code]);
  return [
    h("section", { class: "lines" }, h("h2", {}, say("exercise.steps")),
      h("ol", { class: "steps" }, row.steps.map((step) => h("li", {}, both(step))))),
    list(say("exercise.cues"), row.cues.map(both), "do"),
    list(say("exercise.avoid"), row.avoid.map(both), "avoid"),
    list(say("exercise.stop"), row.stop_when.map(both), "stop"),
    list(say("exercise.equipment"), things.map((thing) => `${both(thing.name)}: ${both(thing.check)}`)),
  ];
}

// --- after it -------------------------------------------------------------------------------------------
export function showDone(app, { name, exercise, data }, isSame = false) {
  const next = plan.nextOpen(app.book);
  const look = data.stopped ? ".stopped" : "";
  mount(app, {
    name: "done", title: say(`done.title${look}`), look: "centred", exercise,
    parts: [
      h("div", { class: `praise praise-${data.stopped ? "part" : "whole"}`, "aria-hidden": "true" }, icon("tick")),
      h("p", { class: "centred" }, `${name}. ${say(`done.words${look}`)}`),
      next
        ? card(h("h2", {}, say("done.next")), picture(app.book.drawings[next.item.exercise], next.name), h("p", { class: "dose" }, next.name))
        : h("p", { class: "centred" }, say("done.last")),
    ],
    actions: next
      ? [button(say("done.later"), () => app.end()), go(say("done.go"), () => app.open(next.item.exercise))]
      : [go(say("done.finish"), () => app.end())],
  }, isSame);
  if (!isSame) announce(say(`done.words${look}`));
}
