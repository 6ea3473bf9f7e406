// What an estimate comes to, worked out anew while it is typed.
import { send } from "./send.js";

const WAIT_MS = 300; // a pause in typing
const form = document.querySelector("form[data-sum]");
const live = form?.querySelector("[aria-live]");

if (live) {
  let asked = 0;
  let timer;
  const show = (...nodes) => live.replaceChildren(...nodes);
  const away = () => show(Object.assign(document.createElement("p"), { className: "field-error", textContent: live.dataset.away }));
  const work = async () => {
    const mine = ++asked;
    const answer = await send(form.dataset.sum, { body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    const text = await answer?.text().catch(() => null);
    if (mine !== asked) return; // somebody has typed on
    const fresh = answer?.ok && new DOMParser().parseFromString(text ?? "", "text/html").getElementById("quote");
    if (fresh) show(fresh);
    else away();
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(work, WAIT_MS);
  });
  form.querySelector("[data-works-out]").hidden = true;
}
