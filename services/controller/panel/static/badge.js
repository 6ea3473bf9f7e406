// A badge reader types like a keyboard: a quick run of characters, then Enter. No person types so fast.
const GAP_MS = 50; // between two keys of a reader
const LEAST = 4;
const FITS = /^[0-9A-Za-z._:/+=-]$/;

/** Call `onBadge(number)` when a reader has read; what it typed into a field is taken out again. */
export function listenForBadges(onBadge) {
  let run = "";
  let last = -Infinity;

  const read = (event) => {
    const quick = event.timeStamp - last < GAP_MS; // when the key came, however busy the page is
    last = event.timeStamp;
    if (event.key === "Enter" && quick && run.length >= LEAST) {
      event.preventDefault(); // whatever has the focus is not meant: STOP least of all, it is pressed by people
      event.stopPropagation();
      takeOut(event.target, run);
      onBadge(run);
      run = "";
    } else if (FITS.test(event.key)) {
      run = quick ? run + event.key : event.key;
    } else if (event.key.length === 1 || event.key === "Enter") {
      run = ""; // a shift key of a reader passes, anything else ends the run
    }
  };
  document.addEventListener("keydown", read, { capture: true });
}

function takeOut(field, typed) {
  if (typeof field.value === "string" && field.value.endsWith(typed)) field.value = field.value.slice(0, -typed.length);
}
