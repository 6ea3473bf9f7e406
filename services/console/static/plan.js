// A page of forms of the scheduler: a choice of the site or the like is sent when it is made.
import "/kit/parts.js";
import { start } from "./page.js";

for (const field of document.querySelectorAll("[data-submits]")) field.addEventListener("change", () => field.form.requestSubmit());
start();

// A plan takes seconds on a busy machine: the button says so, and a second press asks no second time.
const working = new Map(); // a button that works: what it said before
for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", (event) => {
    if (working.has(form)) return event.preventDefault();
    const button = event.submitter;
    if (!button) return;
    working.set(form, [button, [...button.childNodes]]);
    const spinner = Object.assign(document.createElement("span"), { className: "spinner" });
    spinner.setAttribute("aria-hidden", "true");
    button.setAttribute("aria-busy", "true");
    button.replaceChildren(spinner, form.dataset.busy);
  });
}
addEventListener("pageshow", () => { // back from where it led: the page may be asked again
  for (const [button, said] of working.values()) {
    button.removeAttribute("aria-busy");
    button.replaceChildren(...said);
  }
  working.clear();
});

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const address = document.getElementById(button.dataset.copies);
    await navigator.clipboard?.writeText(address.textContent);
    getSelection().selectAllChildren(address);
    button.textContent = button.dataset.said;
  });
}
