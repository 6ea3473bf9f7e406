// Stop and pause: one press for STOP, a question before a pause; the answer stays until it is read.
import { keepFocus } from "/kit/focus.js";
import { timeOfDay } from "./clock.js";
import { refusalOf, send as post } from "./send.js";

// What a bed does once a command has come through, answered or not.
const DONE = { stop: ["stopped"], pause: ["paused", "stopped"] };
const UNANSWERED = 504;

/** Serve the buttons of a bed's page; call `look()` of the answer whenever the bed's state is shown anew. */
export function commands({ bed, answer, ask, words }) {
  const { device, site } = bed.dataset;
  const [title, detail, dismiss] = answer.children;

  let doubted = null; // a command that failed, or that nobody answered, and what the bed did before it

  async function send(action) {
    const before = bed.dataset.phase;
    doubted = null;
    say("waiting", words.command_sent, "");
    const query = new URLSearchParams({ site });
    let outcome = "unanswered";
    try {
      const response = await post(`/api/beds/${device}/${action}?${query}`);
      const body = await response.json();
      if (response.status !== UNANSWERED) outcome = "failed";
      if (!response.ok) throw new Error(refusalOf(body));
      const who = words.command_by.replace("{time}", body.time).replace("{by}", body.by);
      say("done", words[`done_${action}`], who);
    } catch (error) {
      const why = error instanceof TypeError || error instanceof SyntaxError ? words.command_unreachable : error.message;
      say("failed", words[`${outcome}_${action}`], why);
      doubted = { action, before };
      look();
    }
  }

  /** A bed that shows that it has stopped after all takes back what was said. */
  function look() {
    const { phase } = bed.dataset;
    if (!doubted || phase === doubted.before || bed.classList.contains("frozen")) return;
    if (!DONE[doubted.action].includes(phase)) return;
    doubted = null;
    const time = timeOfDay(new Date(), true);
    say("done", words[`after_all_${phase}`].replace("{time}", time), "");
  }

  function say(state, head, rest) {
    answer.dataset.state = state;
    answer.setAttribute("role", state === "failed" ? "alert" : "status");
    title.textContent = head;
    detail.textContent = rest;
    dismiss.hidden = state === "waiting";
    answer.hidden = false;
  }

  dismiss.addEventListener("click", () => keepFocus(answer, () => (answer.hidden = true)));
  for (const button of bed.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => send(button.dataset.command));
  }
  document.getElementById("pause")?.addEventListener("click", () => ask.showModal());
  ask?.addEventListener("close", () => {
    if (ask.returnValue === "yes") send("pause");
    ask.returnValue = "";
  });
  return { look };
}
