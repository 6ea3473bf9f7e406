// Short tones, a short buzz, and a screen that stays on; each works without the others.
const SWITCHES = { tones: false, buzz: true };
const NAME = "spondyl-home-switches";
const TONES = { count: [520, 0.08], work: [780, 0.16], calm: [390, 0.2], end: [660, 0.35] };
const BUZZ = { count: [], work: [60], calm: [60, 60, 60], end: [180] };

let audio = null;
let playing = [];
let awake = null;
let isWanted = false;

const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {};
  }
};

export const isOn = (name) => kept()[name] ?? SWITCHES[name];

export function turn(name) {
  try {
    localStorage.setItem(NAME, JSON.stringify({ ...kept(), [name]: !isOn(name) }));
  } catch {
    SWITCHES[name] = !SWITCHES[name]; // until the page is closed
  }
  if (name === "tones" && isOn("tones")) signal("work");
  return isOn(name);
}

export function signal(kind) {
  if (isOn("buzz") && BUZZ[kind].length) navigator.vibrate?.(BUZZ[kind]);
  if (!isOn("tones")) return;
  audio ??= new AudioContext();
  audio.resume();
  const [pitch, seconds] = TONES[kind];
  const tone = new OscillatorNode(audio, { frequency: pitch });
  const loud = new GainNode(audio, { gain: 0.0001 });
  loud.gain.exponentialRampToValueAtTime(0.25, audio.currentTime + 0.02);
  loud.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + seconds);
  tone.connect(loud).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + seconds);
  playing.push(tone);
  tone.onended = () => { playing = playing.filter((one) => one !== tone); };
}

export function silence() {
  for (const tone of playing) tone.stop();
  playing = [];
  navigator.vibrate?.(0);
}

export async function stayAwake(wanted) {
  isWanted = wanted;
  try {
    if (wanted && !awake) awake = await navigator.wakeLock?.request("screen");
    if (awake) awake.onrelease = () => { awake = null; };
    if (!isWanted) await awake?.release();
  } catch {
    awake = null; // the battery is low: the telephone decides
  }
}

document.addEventListener("visibilitychange", () => document.hidden || !isWanted || stayAwake(true));
