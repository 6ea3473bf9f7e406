// The list of patients: it answers while one types; without this script the form does the same.
import { start } from "./page.js";

const form = document.getElementById("search");
const found = document.getElementById("found");
const announcer = document.getElementById("announcer");
const WAIT_MS = 180;
let waiting = null;
let asking = null;

async function look() {
  asking?.abort();
  asking = new AbortController();
  const query = new URLSearchParams(new FormData(form));
  const address = `${form.action}?${query}`;
  try {
    const answer = await fetch(address, { signal: asking.signal, headers: { accept: "text/html" } });
    if (!answer.ok && answer.status !== 422) return form.submit();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("found");
    if (!fresh) return form.submit();
    found.replaceChildren(...fresh.childNodes);
    announcer.textContent = found.querySelector("p, h2")?.textContent ?? "";
    history.replaceState(null, "", address);
  } catch (error) {
    if (error.name !== "AbortError") form.submit();
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(look, WAIT_MS);
});
start();
