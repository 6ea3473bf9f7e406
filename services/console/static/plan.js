// A page of forms of the scheduler: a choice of the site or the like is sent when it is made.
import "/kit/parts.js";
import { start } from "./page.js";

for (const field of document.querySelectorAll("[data-submits]")) field.addEventListener("change", () => field.form.requestSubmit());
start();

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const address = document.getElementById(button.dataset.copies);
    await navigator.clipboard?.writeText(address.textContent);
    getSelection().selectAllChildren(address);
    button.textContent = button.dataset.said;
  });
}
