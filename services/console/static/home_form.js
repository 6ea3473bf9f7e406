// The form of a programme: the template fills it as soon as the finding is known, the gates judge what is typed.
import { send } from "./send.js";

const WAIT_MS = 350; // a pause in typing
const form = document.querySelector("[data-home-form]");
const FINDING = ["region", "stage", "hernia"];
let asked = 0;
let timer;

/** What the console makes of the form as it stands; null where it does not answer, or somebody has typed on. */
async function ask(what) {
  const mine = ++asked;
  const answer = await send(`${form.dataset.base}/${what}`, { body: new URLSearchParams(new FormData(form)) }).catch(() => null);
  const text = await answer?.text().catch(() => null);
  if (mine !== asked) return null;
  const page = text && new DOMParser().parseFromString(text, "text/html");
  if (page?.querySelector("[data-home-form]")) return page;
  const said = form.querySelector('[data-live="decision"]') ?? form.querySelector(".home-problem");
  said.replaceChildren(Object.assign(document.createElement("p"), { className: "field-error", textContent: form.dataset.away }));
  return null;
}

/** The template's programme in place of what stood there. */
async function fill() {
  const page = await ask("fill");
  if (!page) return;
  for (const part of ["#plan", ".home-problem"]) form.querySelector(part).replaceWith(document.importNode(page.querySelector(part), true));
  form.elements.template.value = page.querySelector('[name="template"]').value;
}

/** What the gates say, beside fields that stay as they are. */
async function judge() {
  const page = await ask("decide");
  if (!page) return;
  for (const part of form.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...document.importNode(fresh, true).childNodes);
  }
}

function later(work) {
  clearTimeout(timer);
  timer = setTimeout(work, WAIT_MS);
}

if (form) {
  const isKnown = () => FINDING.every((name) => form.elements[name].value) && (form.elements.hernia.value === "none" || form.elements.size.value !== "none");
  const plan = () => form.querySelector("#plan");
  form.addEventListener("input", (event) => {
    const of = event.target;
    if (of.closest("[data-finding]")) {
      // What a clinician has changed stays as it is, unless it is for another region.
      if (plan().dataset.touched !== "yes" || of.name === "region") isKnown() && later(fill);
      else later(judge);
    } else if (of.closest("#plan") && of.name !== "note") {
      plan().dataset.touched = "yes";
      later(judge);
    }
  });
  form.querySelector("[data-judges]").hidden = true;
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    asked += 1;
    if (form.dataset.sent === "yes" && !event.submitter?.formAction.match(/\/(fill|decide)$/)) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => delete form.dataset.sent);
}
