// A person seen from behind, with one place marked: for those who would rather point than read.
import { s } from "./dom.js";

// Where each place is on 60 x 100: [x, y, half width, half height].
const PLACES = {
  head: [[30, 10, 8, 9]],
  neck: [[30, 21, 5, 4.5]],
  shoulder: [[18, 27, 6, 5], [42, 27, 6, 5]],
  arm: [[13.5, 42, 4, 13], [46.5, 42, 4, 13]],
  "upper-back": [[30, 32, 9.500, 7.500]],
  chest: [[30, 32, 9.500, 7.500]],
  "lower-back": [[30, 44, 8.500, 5.500]],
  buttock: [[30, 54, 9.500, 5.500]],
  leg: [[24.500, 78, 4.800, 19], [35.500, 78, 4.800, 19]],
  knee: [[24.500, 75, 4.800, 5], [35.500, 75, 4.800, 5]],
};
const FIGURE = "M30 3a7 7 0 0 1 4 12.700V20c6 1 12 3 13.500 8L51 55l-4 1-5-22v20l-1.500 12L39 97h-6.500L30 64l-2.500 33H21l-1.500-31L18 54V34l-5 22-4-1 3.500-27C14 23 20 21 26 20v-4.300A7 7 0 0 1 30 3z";

export function body(place) {
  return s("svg", { viewBox: "0 0 60 100", class: "body", "aria-hidden": "true", focusable: "false" },
    s("path", { class: "body-figure", d: FIGURE }),
    (PLACES[place] ?? []).map(([cx, cy, rx, ry]) => s("ellipse", { class: "body-place", cx, cy, rx, ry })));
}
