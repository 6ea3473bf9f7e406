// The questionnaire at the desk: an answer is kept as soon as it is chosen, and says whether it was.
import { send } from "./send.js";

const words = JSON.parse(document.getElementById("question-words").textContent);
const progress = document.querySelector("#progress");

document.documentElement.dataset.keeps = ""; // the save buttons are for whoever has no scripts

for (const form of document.querySelectorAll("[data-question]")) {
  let turn = Promise.resolve(); // one request of a question after the other: the last choice counts
  form.addEventListener("change", () => {
    turn = turn.then(() => keep(form));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    turn = turn.then(() => keep(form));
  });
  if (wasChanged(form)) turn = turn.then(() => keep(form)); // before this script was here
}

function wasChanged(form) {
  return [...form.elements].some((field) => (field.type === "radio" ? field.checked !== field.defaultChecked : field.type !== "hidden" && field.value !== field.defaultValue && field.type !== "submit" && field.nodeName === "INPUT"));
}

async function keep(form) {
  if (!new FormData(form).get("answer")) return;
  say(form, words.saving, false);
  try {
    const answer = await send(form.action, {
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const told = await answer.json();
    if (!answer.ok) return say(form, told.detail ?? words.failed, true);
    form.dataset.answered = "";
    say(form, words.saved, false);
    count();
  } catch {
    say(form, words.failed, true);
  }
}

function say(form, text, isProblem) {
  const shown = document.createElement("span");
  shown.className = isProblem ? "field-error" : "muted";
  shown.textContent = text;
  form.querySelector(".question-state").replaceChildren(shown);
}

function count() {
  const answered = document.querySelectorAll("[data-question][data-answered]").length;
  progress.querySelector("progress").value = answered;
  progress.querySelector(".number").textContent = `${answered} / ${progress.dataset.total}`;
}
