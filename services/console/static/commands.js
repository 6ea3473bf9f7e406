// Stop and pause: one press for STOP, a question before a pause; the answer stays until it is read.
import { keepFocus } from "/kit/focus.js";
import { send as post } from "./send.js";

/** Serve the buttons of a bed's page. */
export function commands({ bed, answer, ask, words }) {
  const { device, site } = bed.dataset;
  const [title, detail, dismiss] = answer.children;

  async function send(action) {
    say("waiting", words.command_sent, "");
    const query = new URLSearchParams({ site });
    try {
      const response = await post(`/api/beds/${device}/${action}?${query}`);
      const body = await response.json();
      if (!response.ok) throw new Error(body.detail);
      const who = words.command_by.replace("{time}", body.time).replace("{by}", body.by);
      say("done", words[`done_${action}`], who);
    } catch (error) {
      const why = error instanceof TypeError || error instanceof SyntaxError ? words.command_unreachable : error.message;
      say("failed", words[`failed_${action}`], why);
    }
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
}
