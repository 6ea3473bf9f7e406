// What this telephone knows of its link: the programme as last told, what was done, what waits to be sent.
// Every change is on the telephone before the page goes on, and in one piece.
import { here } from "./words.js";
import { openStore, newId } from "./store.js";
import { plus, today } from "./days.js";

const REMEMBERED_DAYS = 30;
const SHORTEST_S = 2; // what was stopped sooner was not begun
const DEAD_MS = 30_000; // a living page notes its run every two seconds
const CLOCK_OFF_MS = 24 * 3600 * 1000;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("spondyl-home") : null;

export class Book extends EventTarget {
  static async open(scope) {
    const book = new Book();
    book.scope = scope;
    book.store = await openStore(scope);
    await book.read();
    await book.recover();
    channel?.addEventListener("message", ({ data }) => data.scope === scope && book.hear(data.what));
    return book;
  }

  // What another page of the same link did.
  hear(what) {
    if (what === "removed") this.isRemoved = true;
    return this.read();
  }

  tell(what) {
    channel?.postMessage({ scope: this.scope, what });
  }

  async read() {
    const [kept, entries, refused, done, hurt, draft, session, gone] = await Promise.all([
      this.store.get("programme"), this.store.all("entry/"), this.store.all("refused/"), this.store.all("done/"),
      this.store.all("hurt/"), this.store.get("draft"), this.store.get("session"), this.store.get("gone"),
    ]);
    Object.assign(this, { entries, refused, done, hurt, draft, session, isGone: Boolean(gone) });
    this.programme = kept?.body ?? null;
    this.drawings = kept?.drawings ?? {};
    this.clockOffMs = kept?.clockOffMs ?? 0;
    this.dispatchEvent(new Event("change"));
  }

  async change(puts, removes) {
    if (this.isRemoved) return; // an answer that was under way brings nothing back
    await this.store.change(puts, removes);
    await this.read();
    this.tell("changed");
  }

  get isClockOff() {
    return Math.abs(this.clockOffMs) > CLOCK_OFF_MS;
  }

  // Of the telephone's own date; west of the clinic that may be the day before the plan's first.
  day(on = today()) {
    const days = this.programme?.days ?? [];
    return days.find((one) => one.day === on) ?? days.slice(0, 1).find((one) => one.day === plus(on, 1)) ?? null;
  }

  // --- what was done -----------------------------------------------------------------------------------
  doneOn(day) {
    const own = this.done.filter((one) => one.day === day);
    const known = new Set(own.map((one) => one.id));
    const told = this.programme.done.filter((one) => one.day === day && !known.has(one.id));
    return [...own, ...told];
  }

  isDone(exercise, day = today()) {
    return this.doneOn(day).some((one) => one.exercise === exercise && !one.stopped);
  }

  entry(kind, exercise, data, more = {}) {
    return {
      id: newId(), kind, exercise, day: today(), at: new Date().toISOString(), version: this.programme.version,
      data, ...more,
    };
  }

  // A run is on the telephone from its first repetition on: whoever finds it without its page ends it.
  async note(run) {
    if (this.isRemoved || run.data.seconds < SHORTEST_S) return;
    await this.store.change({ [`running/${run.id}`]: { run, notedMs: Date.now() } });
  }

  async finish(run) {
    if (run.data.seconds < SHORTEST_S && !run.data.repetitions) return this.change({}, [`running/${run.id}`]);
    const { id, day, exercise, data } = run;
    const session = this.sessionWith(data.seconds, day);
    return this.change(
      { [`entry/${id}`]: run, [`done/${id}`]: { id, day, exercise, ...data }, session },
      [`running/${id}`],
    );
  }

  sessionWith(seconds, day) {
    const going = this.session?.day === day ? this.session : { id: newId(), day, seconds: 0 };
    return { ...going, seconds: going.seconds + seconds, at: new Date().toISOString() };
  }

  // What a page that was killed left behind: what was done counts, as stopped.
  async recover() {
    await this.endOldSession();
    const held = await heldRuns();
    for (const { run, notedMs } of await this.store.all("running/")) {
      if (held ? held.has(run.id) : Date.now() - notedMs < DEAD_MS) continue;
      await this.finish({ ...run, data: { ...run.data, stopped: true } });
    }
  }

  // --- pain --------------------------------------------------------------------------------------------
  // From the tap on, before a word is said: a page that is closed now comes back to the question.
  hurts(exercise, during) {
    return this.change({ draft: { id: newId(), exercise, during, at: new Date().toISOString(), day: today() } });
  }

  mistaken() {
    return this.change({}, ["draft"]);
  }

  async report(data) {
    const { id, exercise, during, at, day } = this.draft;
    const entry = this.entry("pain", exercise, { ...data, during }, { id, at, day });
    await this.change({ [`entry/${id}`]: entry, [`hurt/${id}`]: { id, exercise, at } }, ["draft"]);
  }

  isHurt(exercise) {
    const all = this.draft ? [...this.hurt, this.draft] : this.hurt;
    return all.some((one) => !one.exercise || one.exercise === exercise);
  }

  // --- the end of a session ----------------------------------------------------------------------------
  // A day that nobody ended is told as it was.
  async endOldSession() {
    const { id, day, seconds, at } = this.session ?? {};
    if (!id || day === today() || !this.programme) return;
    const entry = this.entry("session", null, { seconds, pain_before: null, pain_after: null, felt: null }, { id, day, at });
    await this.change({ [`entry/${id}`]: entry }, ["session"]);
  }

  async tellSession(answers) {
    const { id, day, seconds } = this.session ?? { id: newId(), day: today(), seconds: 0 };
    const entry = this.entry("session", null, { seconds, ...answers }, { id, day });
    await this.change({ [`entry/${id}`]: entry }, ["session"]);
  }

  // --- what the clinic said ----------------------------------------------------------------------------
  // An answer that was overtaken by a newer one changes nothing.
  async take(body) {
    const told = Date.parse(body.server_time);
    if (this.programme && Date.parse(this.programme.server_time) > told) return;
    const drawings = await this.fetchDrawings(body);
    const kept = { body, drawings, clockOffMs: told - Date.now() };
    const oldest = plus(today(), -REMEMBERED_DAYS);
    const past = this.done.filter((one) => one.day < oldest).map((one) => `done/${one.id}`);
    await this.change({ programme: kept }, [...past, "gone"]);
  }

  async fetchDrawings(body) {
    const known = this.programme?.library_version === body.library_version ? this.drawings : {};
    const drawings = { ...known };
    await Promise.all(drawn(body).filter((id) => !drawings[id]).map(async (id) => {
      try {
        const answer = await fetch(here(`drawings/${id}.svg`));
        if (answer.ok) drawings[id] = await answer.text();
      } catch {
        // the words stand without it; the next answer asks again
      }
    }));
    return drawings;
  }

  // Sent entries are forgotten here and nowhere else: the clinic has them.
  async sent({ accepted = [], known = [], refused = [] }) {
    const there = [...accepted, ...known];
    const rows = Object.fromEntries(refused.map(({ id, why }) => [
      `refused/${id}`, { id, why, entry: this.entries.find((one) => one.id === id) },
    ]));
    const gone = [...there, ...refused.map(({ id }) => id)].map((id) => `entry/${id}`);
    await this.change(rows, [...gone, ...there.map((id) => `hurt/${id}`)]);
  }

  // The link is revoked: what may be done no longer stands here, what was done stays until it is deleted.
  forget() {
    return this.change({ gone: true }, ["programme", "draft"]);
  }

  async remove() {
    this.isRemoved = true;
    await this.store.clear();
    await this.read();
    this.tell("removed");
  }
}

const drawn = (body) => [
  ...Object.keys(body.library),
  ...body.everyday.filter((row) => row.drawing).map((row) => row.id),
];

// --- which runs have a living page ----------------------------------------------------------------------
const lockOf = (id) => `spondyl-run-${id}`;

export function hold(id) {
  if (!navigator.locks) return () => {};
  let free;
  const until = new Promise((resolve) => { free = resolve; });
  navigator.locks.request(lockOf(id), () => until);
  return free;
}

async function heldRuns() {
  if (!navigator.locks) return null; // where the page came unencrypted
  const { held } = await navigator.locks.query();
  return new Set(held.map(({ name }) => name.replace("spondyl-run-", "")));
}
