// The geometry of the calendar: from a point to a row of a column, from there to a time, and back into words.
const MINUTES = 60;
const DAY = 24 * MINUTES;
const LOCALES = { de: "de-DE", en: "en-GB" };

/** The column and the row under a point of the window; none beside the columns. */
export function place(frame, x, y) {
  for (const column of frame.querySelectorAll(".cal-column")) {
    const box = column.getBoundingClientRect();
    if (x < box.left || x >= box.right) continue;
    const list = column.querySelector(".cal-blocks").getBoundingClientRect();
    return { column, row: ((y - list.top) / list.height) * Number(frame.dataset.rows) };
  }
  return null;
}

/** The time of a row by the site's wall clock, as 2026-11-22T14:05. */
export function wallTime({ dataset: { first, step } }, { dataset: { day } }, row) {
  const minutes = Number(first) * MINUTES + row * Number(step);
  const two = (value) => String(value).padStart(2, "0");
  return `${day}T${two(Math.floor(Math.min(minutes, DAY - 1) / MINUTES))}:${two(minutes % MINUTES)}`;
}

/** The same as a person reads it: of a wall clock, so that the browser's own zone does not matter. */
export function readable(wall) {
  const form = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" };
  return new Intl.DateTimeFormat(LOCALES[document.documentElement.lang], form).format(new Date(`${wall}Z`));
}
