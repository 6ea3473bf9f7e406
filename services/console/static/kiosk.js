// A monitor on the wall that nobody touches: as many tiles as fit, one page after another, alarms first.

const TURN_S = 20;
const LEAST_S = 5;
const MOST_TILES = 96;
const BELOW_PX = 24; // free below the last row: the wall's own margin

/** Turn the pages for ever; `turnTo(page, size)` shows one, `shown()` tells which it is and of how many. */
export function rotate({ list, turnTo, shown, seconds }) {
  const turn_ms = 1000 * Math.max(LEAST_S, seconds || TURN_S);
  const worst = new MutationObserver(() => alarmed() && first());
  let next = 2;
  let timer = 0;
  let resized = 0;

  function again() {
    clearInterval(timer);
    timer = setInterval(step, turn_ms);
  }

  /** With an alarm on, every other page is the first one: there the alarms are. */
  function step() {
    const { page, pages } = shown();
    if (alarmed() && page !== 1) return turnTo(1, fitting(list));
    if (next > pages) next = 1;
    turnTo(next++, fitting(list));
  }

  function first() {
    next = 2;
    if (shown().page !== 1) turnTo(1, fitting(list));
    again();
  }

  turnTo(1, fitting(list));
  again();
  worst.observe(document.getElementById("alarms"), { childList: true });
  addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(first, 300);
  });
}

const alarmed = () => document.getElementById("alarms").childElementCount > 0;

/** How many tiles the screen has room for. */
function fitting(list) {
  const style = getComputedStyle(list);
  const columns = style.gridTemplateColumns.split(" ").length;
  const gap = parseFloat(style.rowGap) || 0;
  const row = parseFloat(style.getPropertyValue("--row")) || 260;
  const room = window.innerHeight - list.getBoundingClientRect().top - window.scrollY - BELOW_PX;
  list.style.setProperty("--room", `${room}px`);
  return Math.min(MOST_TILES, Math.max(columns, columns * Math.floor((room + gap) / (row + gap))));
}
