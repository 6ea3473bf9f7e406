// What the clock shows at a moment, as the server tells times: by the zone of what the page is about.
const { lang, dataset } = document.documentElement;
const MINUTES = { hour: "2-digit", minute: "2-digit", hour12: false };
const SECONDS = { ...MINUTES, second: "2-digit" };

/** A Date's hours and minutes there, `exact` with seconds; by the browser's clock where the page names no zone. */
export function timeOfDay(at, exact = false) {
  return at.toLocaleTimeString(lang, { ...(exact ? SECONDS : MINUTES), timeZone: dataset.zone });
}
