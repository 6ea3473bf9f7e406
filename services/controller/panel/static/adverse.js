// An adverse event: what, then how bad. The pull pauses as soon as somebody wants to report, before any question.
import { fill, language, texts } from "./api.js";
import { ask } from "./dialogs.js";

const byId = (id) => document.getElementById(id);
const form = byId("dialog-adverse").querySelector("form");
const kinds = [...form.querySelectorAll("[data-kind]")];
const grades = [...form.querySelectorAll('[name="grade"]')];
const inWords = (text) => text?.[language] ?? "";
const time = (at) => new Date(at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
let grade = null;

/** A random id; a page that comes over plain HTTP has no crypto.randomUUID. */
function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function press(button) {
  for (const kind of kinds) kind.setAttribute("aria-pressed", String(kind === button));
  for (const one of grades) one.disabled = button === null;
}

for (const kind of kinds) {
  kind.addEventListener("click", () => {
    press(kind);
    grades[0].focus();
  });
}
for (const one of grades) one.addEventListener("click", () => (grade = Number(one.value)));

/** Ask what happened to whoever `state` is about; `name` where the list tells it. */
export function reportAdverse({ state, act, pause, name }) {
  const { session, ended_at, region, segment } = state.adverse;
  if (state.actions.includes("pause")) pause();
  press(null);
  const id = random(); // of this report: a second try is no second one
  const values = { time: ended_at ? time(ended_at) : "", region: texts[`region_${region}`], segment, name: name ?? "" };
  const about = ended_at ? (name ? texts.adverse_after_named : texts.adverse_after) : texts.adverse_now;
  const send = () => {
    const kind = kinds.find((one) => one.getAttribute("aria-pressed") === "true").dataset.kind;
    return act("adverse", { id, session, kind, grade });
  };
  ask("adverse", send, fill(about, values));
  kinds[0].focus();
}

/** What was reported of the session on the bed, or of the last one. */
export function showReports(state) {
  const rows = state.adverse?.reports ?? [];
  const list = byId("reports");
  const now = JSON.stringify(rows);
  if (list.shown === now) return;
  list.shown = now;
  list.replaceChildren(
    ...rows.map((row) => {
      const item = document.createElement("li");
      item.textContent = `${time(row.at)} ${row.operator} ${inWords(row.text)}`;
      return item;
    }),
  );
}
