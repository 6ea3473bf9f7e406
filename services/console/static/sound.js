// The alarm sound of this browser: its button, its menu, its countdown.
import { AlarmSound } from "/kit/alarms.js";
import { keepFocus } from "/kit/focus.js";

const byId = (id) => document.getElementById(id);
let words = {};
let said = null;

const left = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

function show(sound) {
  const { state, left_s } = sound;
  const text = words[`sound_${state}`].replace("{left}", left(left_s));
  if (text === said) return;
  said = text;
  const button = byId("sound");
  button.dataset.state = state;
  button.querySelector("use").setAttribute("href", `/kit/icons.svg#${state === "on" ? "sound" : "mute"}`);
  byId("sound-word").textContent = state === "muted" ? left(left_s) : text;
  byId("sound-state").textContent = text;
  byId("sound-hint").textContent = words[`sound_${state}_hint`];
  byId("sound-switch").textContent = state === "off" ? words.sound_switch_on : words.sound_switch_off;
  byId("sound-switch").setAttribute("aria-pressed", String(state !== "off"));
  byId("sound-switch").classList.toggle("button-primary", state === "off");
  keepFocus(byId("sound-menu"), () => {
    byId("sound-mute").hidden = state === "off";
    byId("sound-unmute").hidden = state !== "muted";
    byId("sound-mute-hint").hidden = state === "muted"; // it stands above, then
  });
}

/** The sound of this page, remembered by this browser. */
export function soundOf(texts) {
  words = texts;
  const sound = new AlarmSound(null, { remember: "alarm-sound", onChange: show });
  byId("sound-switch").addEventListener("click", () => sound.switch(sound.state === "off"));
  byId("sound-unmute").addEventListener("click", () => sound.unmute());
  for (const button of document.querySelectorAll("[data-mute]")) {
    button.addEventListener("click", () => sound.mute(Number(button.dataset.mute)));
  }
  for (const button of document.querySelectorAll("[data-test]")) {
    button.addEventListener("click", () => sound.test(button.dataset.test));
  }
  show(sound);
  return sound;
}
