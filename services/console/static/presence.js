// Somebody is here: a page that is watched and touched keeps its sign-in, one that is left alone does not.
import { send } from "./send.js";

const EVERY_MS = 60_000;
let said = Date.now();

function here() {
  if (Date.now() - said < EVERY_MS) return;
  said = Date.now();
  send("/here").catch(() => {});
}

for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
  addEventListener(kind, here, { passive: true });
}
