// The focus of a page that redraws itself: it stays where it was, or goes to what came in its place.

const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";
const isReachable = (element) => Boolean(element?.isConnected && !element.disabled && element.checkVisibility());
const stopsOf = (root) => [...root.querySelectorAll(STOPS)].filter((element) => element.tabIndex >= 0 && isReachable(element));

/** Redraw a part of the page. Where that takes the element with the focus away, another one gets it: what
 * `successor(element)` answers, else the one at its place, else the page's content; never nothing.
 */
export function keepFocus(root, redraw, successor = () => null) {
  const held = root.contains(document.activeElement) ? document.activeElement : null;
  const place = held ? stopsOf(root).indexOf(held) : -1;
  redraw();
  if (!held || (root.contains(document.activeElement) && isReachable(document.activeElement))) return;
  const next = [held, successor(held)].find(isReachable) ?? stopsOf(root).slice(0, place + 1).at(-1);
  (next ?? document.getElementById("content") ?? document.querySelector("main"))?.focus({ preventScroll: true });
}

/** Give the focus to this one where what held it has gone out of sight. */
export function rescueFocus(next) {
  const held = document.activeElement;
  if (held === document.body || !isReachable(held)) next.focus({ preventScroll: true });
}

/** Have exactly these children in this order; what is at its place already is not touched. */
export function arrange(list, wanted) {
  const staying = new Set(wanted);
  for (const child of [...list.children]) if (!staying.has(child)) child.remove();
  let place = list.firstElementChild;
  for (const element of wanted) {
    if (element === place) place = place.nextElementSibling;
    else move(list, element, place);
  }
}

/** Where the browser can, without taking the element out: focus and animations go on. */
function move(list, element, place) {
  if (list.moveBefore && element.isConnected) list.moveBefore(element, place);
  else list.insertBefore(element, place);
}
