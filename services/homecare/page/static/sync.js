// Brings entries to the clinic and the programme from it, whenever there is a way; nothing waits for it.
import { today } from "./days.js";

const MOST_AT_ONCE = 100;
const PATIENCE_MS = 20_000;
const WAITS_S = [5, 15, 45, 120, 300, 600]; // after failures
const ROUTINE_S = 300;
const ANXIOUS_S = 45; // while a report of pain has no answer
const GONE = [404, 410];

export class Sync extends EventTarget {
  constructor(book) {
    super();
    Object.assign(this, { book, state: "new", failures: 0, running: null, timer: 0, again: false });
    addEventListener("online", () => this.soon());
    document.addEventListener("visibilitychange", () => document.hidden || this.soon());
  }

  // At once, however often it failed before.
  soon() {
    this.failures = 0;
    return this.run();
  }

  run() {
    if (this.state === "ended") return null;
    this.again = Boolean(this.running);
    this.running ??= this.once().then((state) => {
      this.running = null;
      this.become(state);
      if (this.again) this.run();
      else this.wait();
    });
    return this.running;
  }

  // Nothing is asked any more: what was here is deleted.
  end() {
    clearTimeout(this.timer);
    this.state = "ended";
  }

  wait() {
    clearTimeout(this.timer);
    if (["gone", "ended"].includes(this.state)) return;
    const routine = this.isAnxious() ? ANXIOUS_S : ROUTINE_S;
    const seconds = this.failures ? WAITS_S[Math.min(this.failures, WAITS_S.length) - 1] : routine;
    this.timer = setTimeout(() => this.run(), seconds * 1000 * (1 + Math.random() * 0.2));
  }

  isAnxious() {
    return (this.book.programme?.locks ?? []).some((lock) => !lock.answer);
  }

  // How it went: ok, away or gone.
  async once() {
    try {
      if (!this.book.entries.length) await this.book.take(await this.ask("programme"));
      while (this.book.entries.length) await this.send(painFirst(this.book.entries).slice(0, MOST_AT_ONCE));
      this.failures = 0;
      this.syncedAt = { day: today(), at: new Date() };
      return "ok";
    } catch (error) {
      if (error instanceof Gone) {
        await this.book.forget();
        return "gone";
      }
      this.failures += 1;
      return "away";
    }
  }

  async send(entries) {
    try {
      const answer = await this.ask("entries", { entries });
      await this.book.take(answer.programme); // first: what it locks is locked before our own lock goes
      await this.book.sent(answer);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (entries.length === 1) await this.book.sent({ refused: [{ id: entries[0].id, why: error.words }] });
      else for (const one of entries) await this.send([one]); // one of them cannot be read: not the others
    }
  }

  async ask(path, body) {
    const answer = await fetch(`${location.pathname}/${path}`, {
      method: body ? "POST" : "GET",
      headers: body ? { "content-type": "application/json" } : {},
      body: body && JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      signal: AbortSignal.timeout?.(PATIENCE_MS),
    });
    const isOurs = answer.headers.get("content-type")?.includes("json"); // not a hotel's sign-in page
    if (GONE.includes(answer.status) && isOurs) throw new Gone();
    if (answer.status === 422 && isOurs) throw new Refused(await answer.json());
    if (!answer.ok || !isOurs) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  become(state) {
    if (this.state === "ended") return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

// What hurts does not wait behind months of exercises.
const painFirst = (entries) => [...entries].sort((one, other) => (other.kind === "pain") - (one.kind === "pain"));

class Gone extends Error {}

class Refused extends Error {
  constructor({ detail, detail_de: german }) {
    super(detail);
    this.words = { de: german ?? detail, en: detail };
  }
}
