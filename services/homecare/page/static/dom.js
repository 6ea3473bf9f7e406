// Elements without markup in strings: no text of anybody can become a tag.
const PANEL = 234; // the width of one panel of a drawing
const SVG = "http://www.w3.org/2000/svg";

function grown(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes = {}, ...children) => grown(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) =>
  grown(document.createElementNS(SVG, tag), attributes, children);

export const button = (words, onclick, look = "", more = {}) =>
  h("button", { type: "button", class: `button ${look}`, onclick, ...more }, words);

// A picture of ours as elements, so that it takes the page's colours; none: not kept yet.
export function picture(markup, words, look = "drawing") {
  if (!markup) return null;
  const drawn = new DOMParser().parseFromString(markup, "image/svg+xml").documentElement;
  if (drawn.nodeName !== "svg") return null;
  const svg = document.importNode(drawn, true);
  svg.setAttribute("class", look);
  if (words) svg.setAttribute("aria-label", words);
  else svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("role", "img");
  return svg;
}

// The last of its panels alone: where the effort is.
export function thumbnail(markup) {
  const drawn = picture(markup, "", "drawing");
  const [left, top, width, height] = drawn?.getAttribute("viewBox").split(" ").map(Number) ?? [];
  if (width > PANEL) drawn.setAttribute("viewBox", [left + width - PANEL, top, PANEL, height].join(" "));
  return drawn;
}

// Icons of one line each, drawn on 24 x 24.
const ICONS = {
  back: "M15 5l-7 7 7 7",
  tick: "M5 13l4.5 4.5L19 7.5",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5.5 11h13v9h-13z",
  hand: "M8 13V6.5a1.5 1.5 0 0 1 3 0V11m0-5.500a1.500 1.500 0 0 1 3 0V11m0-3.500a1.500 1.500 0 0 1 3 0V15a6 6 0 0 1-6 6c-3 0-4.300-1.500-5.500-3.500L4 13.800c-.8-1.300.9-2.500 2-1.400l2 2",
  phone: "M6 4h3l2 5-2.500 1.500a11 11 0 0 0 5 5L15 13l5 2v3a2 2 0 0 1-2 2A14 14 0 0 1 4 6a2 2 0 0 1 2-2z",
  cloud: "M7 18a4 4 0 0 1-.5-8 5.500 5.500 0 0 1 10.600-1A4.500 4.500 0 0 1 17 18z",
  sun: "M12 7.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M5 19l1.400-1.400M17.600 6.400L19 5",
  note: "M5 4h14v12l-4 4H5zM9 9h6M9 13h4",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v5.500M12 7.500v.1",
  sound: "M4 10v4h3l5 4V6l-5 4zM16 9a4 4 0 0 1 0 6M18.500 6.500a8 8 0 0 1 0 11",
  mute: "M4 10v4h3l5 4V6l-5 4zM16 10l5 4M21 10l-5 4",
  pause: "M8.500 6v12M15.500 6v12",
  play: "M8 5.500v13l10.500-6.500z",
};

export const icon = (name) =>
  s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" }, s("path", { d: ICONS[name] }));

const said = () => document.getElementById("said");

// For those who hear the page: said once, without moving anything.
export function announce(words) {
  said().textContent = words;
}

export const heading = (words, look = "") => h("h1", { tabindex: "-1", class: look }, words);
