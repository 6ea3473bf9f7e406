// Alarms on a page: one synchronised flash, and sound for the worst one where a person has switched it on.

// IEC 60601-1-8: a burst of pulses, then silence; high repeats every 10 s, medium every 25 s, low once.
const BURST = [0, 0.25, 0.5, 0.85, 1.1];
const TONES = {
  high: { pulses: [...BURST, ...BURST.map((at) => at + 1.9)], hertz: 880, every_ms: 10_000 },
  medium: { pulses: [0, 0.3, 0.6], hertz: 660, every_ms: 25_000 },
  low: { pulses: [0], hertz: 523, every_ms: Infinity },
};
const RANK = { high: 3, medium: 2, low: 1 };
const MINUTE_MS = 60_000;
const TICK_MS = 250;
const GESTURES = ["pointerdown", "keydown"];
const HEARD = 200; // occurrences remembered: more than are ever on at a site
const OFF = { on: false, muted_until: 0, muted_ms: 0, muted_rank: 0, heard: [], played_at: 0 };

/** Every alarm animation shares one beginning, so that the page flashes as one, whenever an alarm came. */
export function synchroniseFlash() {
  const align = (animations) => {
    for (const animation of animations) if (animation.animationName === "alarm-flash") animation.startTime = 0;
  };
  document.addEventListener("animationstart", (event) => align(event.target.getAnimations({ subtree: true })));
  align(document.getAnimations()); // those that came with the page began before this ran
}

/** The worse of two priorities; null is none. */
export function worse(a, b) {
  return (RANK[a] ?? 0) >= (RANK[b] ?? 0) ? a : b;
}

/** Sound for the worst alarm that signals. Off until a person switches it on: browsers ask for that, and so do people.
 *
 * `button` toggles it, where that is all there is. `remember` is the name under which this browser keeps the choice;
 * `onChange(sound)` is told whenever `state` or `left_s` may have changed.
 */
export class AlarmSound {
  constructor(button = null, { remember = null, onChange = () => {} } = {}) {
    Object.assign(this, { button, remember, onChange, priority: null, names: [], timer: null, context: null });
    this.held = { ...OFF, ...this.recall() };
    button?.addEventListener("click", () => this.switch(!this.held.on));
    if (remember) addEventListener("storage", (event) => event.key === remember && this.reload());
    setInterval(() => this.tick(), TICK_MS);
    if (this.held.on) this.open();
  }

  /** off, muted (for `left_s` more), blocked (the browser waits for a click) or on. */
  get state() {
    if (!this.held.on) return "off";
    if (this.left_s > 0) return "muted";
    return this.context?.state === "running" ? "on" : "blocked";
  }

  /** Seconds of muting that are left, rounded up; none when the clock was set back: a pause must end by itself. */
  get left_s() {
    const left_ms = this.held.muted_until - Date.now();
    return left_ms > this.held.muted_ms ? 0 : Math.max(0, Math.ceil(left_ms / 1000));
  }

  switch(on) {
    this.keep({ on, muted_until: 0, heard: [] });
    if (on) this.open();
    this.restart();
  }

  /** Silence for so many minutes; a new alarm that is worse than all there are now, or high, ends it at once. */
  mute(minutes) {
    const muted_ms = minutes * MINUTE_MS;
    this.keep({ muted_until: Date.now() + muted_ms, muted_ms, muted_rank: RANK[this.priority] ?? 0 });
    this.hear();
    this.restart();
  }

  unmute() {
    this.keep({ muted_until: 0, heard: [] });
    this.restart();
  }

  /** Say which priority is the worst that signals now, and which occurrences of it do.
   *
   * One that was not heard yet sounds at once. Those that are left when another was acknowledged go on in their
   * rhythm: a burst in answer to the button would say that something new has come.
   */
  set(priority, names = []) {
    if (priority === this.priority && names.join() === this.names.join()) return;
    Object.assign(this, { priority, names });
    if (this.state === "muted" && this.breaks()) this.unmute();
    else this.restart();
  }

  /** Play one burst of a priority, whatever is on; the click is the gesture that browsers wait for. */
  async test(priority) {
    this.context ??= this.made();
    await this.context.resume();
    this.play(TONES[priority]);
  }

  // --- within -----------------------------------------------------------------------------------------------
  restart() {
    clearTimeout(this.timer);
    this.show();
    const tone = TONES[this.priority];
    if (this.state !== "on" || !tone) return;
    // A page that opens goes on where the last one was, instead of beginning anew at every click.
    const past_ms = Date.now() - this.held.played_at; // below zero: the clock was set back
    const due_ms = this.isNew() || past_ms < 0 ? 0 : tone.every_ms - past_ms;
    if (due_ms <= 0) {
      this.hear();
      this.keep({ played_at: Date.now() });
      this.play(tone);
    }
    const next_ms = due_ms > 0 ? due_ms : tone.every_ms;
    if (Number.isFinite(next_ms)) this.timer = setTimeout(() => this.again(), next_ms);
  }

  again() {
    this.held.played_at = 0;
    this.restart();
  }

  /** Whether something signals that nobody has heard yet. */
  isNew() {
    return this.names.some((name) => !this.held.heard.includes(name));
  }

  /** Whether what signals now ends a pause that was meant for what was on before. */
  breaks() {
    const rank = RANK[this.priority] ?? 0;
    return rank > this.held.muted_rank || (rank === RANK.high && this.isNew());
  }

  hear() {
    this.keep({ heard: [...new Set([...this.names, ...this.held.heard])].slice(0, HEARD) });
  }

  tick() {
    if (!this.held.muted_until) return;
    if (this.left_s > 0) this.show();
    else this.unmute();
  }

  /** Have a context that runs; where the browser wants a gesture first, at the next one. */
  open() {
    this.context ??= this.made();
    this.context.resume();
    const resume = () => this.context.resume();
    for (const name of GESTURES) addEventListener(name, resume, { once: true, capture: true });
  }

  made() {
    const context = new AudioContext();
    context.addEventListener("statechange", () => this.restart());
    return context;
  }

  show() {
    if (this.button) {
      this.button.setAttribute("aria-pressed", String(this.held.on));
      this.button.querySelector("use")?.setAttribute("href", `/kit/icons.svg#${this.held.on ? "sound" : "mute"}`);
    }
    this.onChange(this);
  }

  keep(change) {
    Object.assign(this.held, change);
    if (this.remember) localStorage.setItem(this.remember, JSON.stringify(this.held));
  }

  recall() {
    try {
      return (this.remember && JSON.parse(localStorage.getItem(this.remember))) || {};
    } catch {
      return {};
    }
  }

  /** Another tab of this browser has changed it. */
  reload() {
    const before = JSON.stringify([this.held.on, this.held.muted_until]);
    this.held = { ...OFF, ...this.recall() };
    if (before === JSON.stringify([this.held.on, this.held.muted_until])) return;
    if (this.held.on) this.open();
    this.restart();
  }

  play({ pulses, hertz }) {
    for (const offset of pulses) {
      const start = this.context.currentTime + offset;
      const oscillator = this.context.createOscillator();
      const gain = this.context.createGain();
      oscillator.frequency.value = hertz;
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(0.2, start + 0.02);
      gain.gain.setValueAtTime(0.2, start + 0.13);
      gain.gain.linearRampToValueAtTime(0, start + 0.16);
      oscillator.connect(gain).connect(this.context.destination);
      oscillator.start(start);
      oscillator.stop(start + 0.2);
    }
  }
}
