// Dialogs and toasts: `<button data-opens="ID">`, `<button data-closes>`, and `toast(text, {undo})`.
const SHOWN_MS = 8000;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-closes]");
  if (!button) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens)?.showModal();
  else button.closest("dialog")?.close();
});

document.addEventListener("click", (event) => {
  if (event.target instanceof HTMLDialogElement && isOutside(event, event.target)) event.target.close();
});

function isOutside({ clientX, clientY }, dialog) {
  const box = dialog.getBoundingClientRect();
  return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
}

/** Say something that has happened; with `undo` ({text, run}) it can be taken back while it is shown. */
export function toast(text, { undo = null } = {}) {
  const element = document.createElement("div");
  element.className = "toast";
  const words = document.createElement("span");
  words.textContent = text;
  element.append(words);
  const end = () => element.remove();
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-small";
    button.textContent = undo.text;
    button.addEventListener("click", () => {
      undo.run();
      end();
    });
    element.append(button);
  }
  document.getElementById("toasts").append(element);
  keepWhileLookedAt(element, end);
  return end;
}

function keepWhileLookedAt(element, end) {
  let timer = setTimeout(end, SHOWN_MS);
  for (const begin of ["pointerenter", "focusin"]) element.addEventListener(begin, () => clearTimeout(timer));
  for (const leave of ["pointerleave", "focusout"]) {
    element.addEventListener(leave, () => {
      clearTimeout(timer);
      timer = setTimeout(end, SHOWN_MS);
    });
  }
}
