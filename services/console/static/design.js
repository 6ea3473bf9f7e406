// The design page: markup to copy, and a toast to look at.
import { toast } from "/kit/parts.js";
import { start } from "./page.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-toast], [data-copy]");
  if (!button) return;
  if (button.dataset.toast) {
    const undone = () => toast(button.dataset.undone);
    toast(button.dataset.toast, { undo: { text: button.dataset.undo, run: undone } });
  } else {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    toast(button.dataset.copied);
  }
});

start();
