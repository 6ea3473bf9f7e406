// The frame that every screen stands in: the line above, the screen, and below what the thumb reaches.
import { button, h, heading, icon } from "./dom.js";
import { other, say } from "./words.js";

const at = (id) => document.getElementById(id);

// A screen: {name, title, look, onback, tools, parts, actions, hurt}. Its heading takes the focus, so that
// whoever hears the page is told where it went; `isSame` redraws without moving anybody.
export function mount(app, screen, isSame = false) {
  const spot = isSame && spots().indexOf(document.activeElement);
  const name = isSame && document.activeElement?.dataset.name;
  const place = isSame ? scrollY : 0;
  document.body.dataset.screen = screen.name;
  at("top").replaceChildren(...top(app, screen));
  at("main").replaceChildren(heading(screen.title, screen.look), ...screen.parts.flat().filter(Boolean));
  at("bar").replaceChildren(...bar(app, screen));
  scrollTo(0, place);
  const same = isSame ? (name && document.querySelector(`[data-name="${name}"]`)) || spots()[spot] : null;
  if (isSame) same?.focus({ preventScroll: true });
  else at("main").querySelector("h1").focus({ preventScroll: true });
}

const spots = () => [...document.querySelectorAll("h1, a, button, textarea")];

function top(app, screen) {
  const back = screen.onback
    && h("button", { type: "button", class: "tool back", onclick: screen.onback, "data-name": "back" }, icon("back"), h("span", {}, say("back")));
  const brand = h("span", { class: "brand" }, "Spondyl");
  const turn = h("button", {
    type: "button", class: "tool", lang: other(), "aria-label": say("language.label"), "data-name": "language",
    onclick: () => app.turnLanguage(),
  }, say("language.other"));
  return [back || brand, h("span", { class: "tools" }, screen.tools ?? [], turn)];
}

function bar(app, screen) {
  const actions = h("div", { class: `actions actions-${screen.actions.length}` }, screen.actions);
  if (screen.hurt === "none") return [actions];
  const isStopped = screen.hurt === "stopped";
  const words = say(isStopped ? "hurt.stopped" : "hurt");
  const hurt = h("button", {
    type: "button", class: "button hurt", id: "hurt", "aria-disabled": isStopped ? "true" : null,
    onclick: () => isStopped || app.hurts(screen.exercise ?? null, Boolean(screen.isDuring)),
  }, icon(isStopped ? "tick" : "hand"), h("span", {}, words));
  return [actions, hurt];
}

// --- parts that several screens have --------------------------------------------------------------------
export const card = (...parts) => h("section", { class: "card" }, parts);
export const notice = (name, words, look = "") =>
  h("p", { class: `notice ${look}`, role: "note" }, icon(name), h("span", {}, words));
export const go = (words, onclick, more = {}) => button(words, onclick, "primary", { "data-name": "go", ...more });
export const list = (title, rows, look = "") =>
  rows.length > 0 && h("section", { class: `lines ${look}` }, h("h2", {}, title), h("ul", {}, rows.map((row) => h("li", {}, row))));

// Pain from 0 to 10, one tap. `onpick` gets the number.
const SCALE = [["none", [0]], ["mild", [1, 2, 3]], ["moderate", [4, 5, 6]], ["severe", [7, 8, 9]], ["worst", [10]]];

export const painWord = (value) => say(`scale.${SCALE.find(([, values]) => values.includes(value))[0]}`);

export function scale(onpick) {
  return h("div", { class: "scale" }, SCALE.map(([name, values]) => {
    const words = say(`scale.${name}`);
    return h("div", { class: `scale-row scale-${name}`, role: "group", "aria-label": words },
      h("p", { class: "scale-word", "aria-hidden": "true" }, words),
      values.map((value) => button(String(value), () => onpick(value), "number", {
        "aria-label": say("scale.value", { value, word: words }),
      })));
  }));
}
