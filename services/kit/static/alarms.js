// Alarms on a page: one synchronised flash, and sound for the worst one where a person has switched it on.

// IEC 60601-1-8: burst of pulses, then silence; high repeats every 10 s, medium every 25 s, low once.
const TONES = {
  high: { pulses: [0, 0.25, 0.5, 0.85, 1.1], hertz: 880, every_ms: 10_000 },
  medium: { pulses: [0, 0.3, 0.6], hertz: 660, every_ms: 25_000 },
  low: { pulses: [0], hertz: 523, every_ms: Infinity },
};
const RANK = { high: 3, medium: 2, low: 1 };

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

/** Sound for the worst active alarm. Off until its button is pressed: browsers ask for that, and so do people. */
export class AlarmSound {
  constructor(button) {
    this.button = button;
    this.priority = null;
    this.timer = null;
    button?.addEventListener("click", () => this.toggle());
  }

  toggle() {
    this.context ??= new AudioContext();
    this.on = !this.on;
    this.button.setAttribute("aria-pressed", String(this.on));
    this.button.querySelector("use")?.setAttribute("href", `/kit/icons.svg#${this.on ? "sound" : "mute"}`);
    this.restart();
  }

  /** Say which priority is the worst now. */
  set(priority) {
    if (priority === this.priority) return;
    this.priority = priority;
    this.restart();
  }

  restart() {
    clearInterval(this.timer);
    const tone = TONES[this.priority];
    if (!this.on || !tone) return;
    this.play(tone);
    if (Number.isFinite(tone.every_ms)) this.timer = setInterval(() => this.play(tone), tone.every_ms);
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
