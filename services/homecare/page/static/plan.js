// What the programme says for today, with what this telephone knows better: what was done and what hurts.
import { both, say } from "./words.js";
import { minutes, plus, today, week } from "./days.js";

const ANSWER_DAYS = 7; // so long an answer is shown
const HELD = ["paused", "completed", "ended"];

// Every exercise of today: {item, row, status, name}; `status` "open" may be begun.
export function exercises(book, on = today()) {
  const day = book.day(on);
  return (day?.items ?? []).map((item) => {
    const row = rowOf(book, item.exercise);
    return { item, row, name: both(row?.name ?? item.exercise), status: status(book, day, item, on) };
  });
}

export function rowOf(book, exercise) {
  return book.programme?.library[exercise];
}

function status(book, day, item, on) {
  const { exercise } = item;
  const rows = [
    [book.isHurt(exercise), "pain"],
    [item.status !== "open", item.status],
    [HELD.includes(book.programme.state), "paused"],
    [book.isDone(exercise, on), "done"],
    [!day.is_inside, "outside"],
    [isRestDay(book, day), "rest"],
    [isFull(book, day, item, on), "over_cap"],
  ];
  return rows.find(([holds]) => holds)?.[1] ?? "open";
}

// What the clinic answered lately: of each exercise its newest report, where that one has an answer.
export function answered(book, on = today()) {
  const newest = new Map();
  for (const lock of book.programme.locks) {
    const before = newest.get(lock.exercise);
    if (!before || before.at < lock.at) newest.set(lock.exercise, lock);
  }
  return [...newest.values()].filter(({ answer }) => answer && answer.at.slice(0, 10) >= plus(on, -ANSWER_DAYS));
}

export const isBegun = (book, exercise, on = today()) => book.doneOn(on).some((one) => one.exercise === exercise);
const total = (done) => done.reduce((sum, { seconds }) => sum + seconds, 0);

// Once more would be too much: of this exercise, of the day, or of the week as this telephone knows it.
function isFull(book, day, item, on) {
  const done = book.doneOn(on);
  const before = week(day.day).filter((one) => one < day.day).flatMap((one) => book.doneOn(one));
  const cap = Math.min(day.cap_s, book.programme.caps.minutes_per_week * 60 - total(before));
  const own = total(done.filter(({ exercise }) => exercise === item.exercise));
  return total(done) + item.seconds > cap || own + item.seconds > (item.most_s ?? cap);
}

// What is to be done now: what was stopped comes after what was not begun.
export function nextOpen(book) {
  const open = exercises(book).filter((one) => one.status === "open");
  return open.find((one) => !isBegun(book, one.item.exercise)) ?? open[0];
}

export const isOutside = (book, on = today()) => !book.day(on)?.is_inside;

// The week has had its days, also those that the clinic does not know of yet.
export function isRestDay(book, day) {
  if (day.is_rest_day) return true;
  const wanted = daysPerWeek(book);
  const before = week(day.day).filter((one) => one < day.day && book.doneOn(one).length > 0);
  return Boolean(wanted) && before.length >= wanted;
}

export const daysPerWeek = (book) => book.programme.caps.days_per_week;

// The dots of a week: done, part, today, none, later; before: there was no programme yet.
export function dots(book, on = today()) {
  return week(on).map((day) => {
    const done = book.doneOn(day);
    const isWhole = done.some((one) => !one.stopped);
    const past = day < book.programme.starts_on ? "before" : "none";
    const state = isWhole ? "done" : done.length ? "part" : day === on ? "today" : day < on ? past : "later";
    return { day, state };
  });
}

export const counts = ({ sets, repetitions }) => (repetitions === 1
  ? say("exercise.dose.single", { count: sets, sets })
  : say("exercise.dose", { count: sets, sets, repetitions }));

export function dose(item) {
  const { hold_s: holdS, each_side: eachSide } = item;
  const time = holdS >= 100 ? minutes(holdS) : say("exercise.seconds", { count: holdS });
  return [counts(item), eachSide && say("exercise.sides"), holdS > 0 && say("exercise.hold", { time })].filter(Boolean).join(", ");
}

export function lockedWords({ status: code, item }) {
  return say(`status.${code}`, { signed: item.signed, wanted: item.supervised_sessions });
}
