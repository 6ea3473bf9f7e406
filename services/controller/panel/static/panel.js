// The bedside page: what the bed does, live at 50 Hz, and what a person at the bed may do.
import { AlarmSound, synchroniseFlash, worse } from "/kit/alarms.js";
import { keepFocus } from "/kit/focus.js";
import { Sweep, scaleFor } from "/kit/sweep.js";
import { reportAdverse, showReports } from "./adverse.js";
import { fill, follow, language, local, post, said, texts } from "./api.js";
import { prepareSignIn, signInEnded, signedIn, whenSignedIn } from "./sign-in.js";
import { ask, dismiss, fillPrescription, painOf, prepare, prescriptionOf } from "./dialogs.js";
import { nameOf, prepareToday, showToday, startBody, startNotice, warnings } from "./today.js";
import { prepareStudio, showSession } from "./studio.js";
import { words } from "./words.js";

const SILENT_MS = 1000; // 50 frames a second come; after this nobody may trust a number
const NUMBER_MS = 160; // a person cannot read faster
const SECONDS = 30;
const COUNTER_SPAN_N = 80;
const STEP_OF = { idle: 0, ready: 1, done: 3, stopped: 3, fault: 3 };
const SETTLED = new Set(["idle", "ready"]); // what became of the last STOP is of the patient before
const NOT_SUSPENDED = ["switch-test", "start", "resume", "change"]; // nothing that would be refused is offered
const BARRED = { until_acknowledged: texts.barred_unseen, live: texts.barred_on };
const SYMBOLS = { high: "***", medium: "**", low: "*" };
const byId = (id) => document.getElementById(id);
const panel = byId("panel");
const { device } = panel.dataset;
const path = `/api/devices/${device}`;
let state = JSON.parse(byId("state").textContent);
let newest = null; // the newest frame of samples
let heard = -Infinity;
let gone = false;
let numberAt = 0;

const sweep = new Sweep(panel.querySelector("canvas"), {
  seconds: SECONDS,
  delay_ms: 100,
  labels: byId("labels"),
  lanes: [
    {
      from: 0.02, to: 0.72, min: 0, max: 300, limits: [],
      traces: [
        { key: "target", color: "--target", width: 2 },
        { key: "tension", color: "--tension", width: 3, fill: 0.14, dot: true },
      ],
    },
    {
      from: 0.77, to: 0.95, min: -10, max: COUNTER_SPAN_N, grid: 1000,
      limits: [{ value: 0, label: texts.counter, kind: "target", side: "left", color: "--grid" }],
      traces: [{ key: "counter", color: "--counter", width: 2.5, fill: 0.28 }],
    },
    { from: 0.975, to: 1, key: "phase", bands: (index) => words.colour(index) },
  ],
});

// --- what comes ------------------------------------------------------------------------------------------------
const TAKERS = {
  hello: (message) => {
    gone = false;
    takeState(message.state);
  },
  state: (message) => takeState(message.state),
  samples: takeSamples,
  gone: () => {
    gone = true;
    showTrust();
  },
};

function takeState(next) {
  state = next;
  gone = !state.fresh;
  showState();
}

function takeSamples(frame) {
  heard = performance.now();
  newest = frame;
  const count = frame.tension_n.length;
  sweep.push({
    boot: state.boot,
    seq: Math.floor(frame.seq / frame.step),
    period_ms: state.period_ms * frame.step,
    tension: frame.tension_n,
    target: frame.target_n,
    counter: frame.residual_n,
    phase: Array(count).fill(words.index(frame.phase)),
  });
  for (const mark of frame.marks) {
    if (mark.kind === "guarding_detected") sweep.mark(Math.floor(mark.seq / frame.step), "--counter");
  }
  showFrame(frame);
}

// --- what is shown ---------------------------------------------------------------------------------------------
function put(name, value) {
  for (const element of panel.querySelectorAll(`[data-field="${name}"]`)) {
    if (element.textContent !== value) element.textContent = value;
  }
}

const whole = (value) => (value === null ? "--" : String(Math.round(value) + 0));
const UNKNOWN = { load_cell: texts.tension_unknown, link: texts.tension_unknown_link };
const NOISE_N = 5;

function tensionText(value) {
  return whole(value > -NOISE_N && value < 0 ? 0 : value);
}

const trusted = () => !gone && performance.now() - heard < SILENT_MS;

function clock(seconds) {
  const full = Math.max(0, Math.round(seconds));
  return `${Math.floor(full / 60)}:${String(full % 60).padStart(2, "0")}`;
}

function showFrame(frame) {
  const now = performance.now();
  if (now - numberAt < NUMBER_MS) return;
  numberAt = now;
  put("tension", tensionText(frame.tension_n.at(-1)));
  put("target", whole(frame.target_n.at(-1)));
  put("counter", whole(frame.residual_n.at(-1)));
  put("ceiling", frame.ceiling_n && frame.phase !== "idle" ? whole(frame.ceiling_n) : "--");
  const treated = state.session !== null && frame.phase !== "idle";
  put("remaining", treated ? clock(frame.remaining_s) : "--");
  put("cycle", treated && frame.cycle ? cycles(frame) : "--");
  put("guardings", treated ? (state.guardings_limit ? `${frame.guardings} / ${state.guardings_limit}` : String(frame.guardings)) : "--");
  byId("progress").value = treated && state.traction_s ? 1 - frame.remaining_s / state.traction_s : 0;
  byId("yields").hidden = !frame.table_yields;
  showPhase(frame);
  showLimits(frame);
  showTrust();
}

function showPhase(frame) {
  const phase = byId("phase");
  phase.dataset.tone = words.tone(frame.phase);
  phase.querySelector("use").setAttribute("href", `/kit/icons.svg#${frame.phase}`);
  put("phase", words.name(frame.phase));
  const unknown = UNKNOWN[frame.unmeasured];
  put("words", unknown ? `${unknown} ${words.meaning({ ...frame, tension_n: NaN })}` : words.meaning(frame));
}

/** The cycles still to come follow from the prescription's own times; guarding and pauses make them fewer. */
function cycles({ cycle, remaining_s, peak_n }) {
  const rx = state.session?.prescription;
  if (!rx?.rise_n_s) return String(cycle);
  const swing = Math.max(0, peak_n - rx.base_n);
  const length = swing / rx.rise_n_s + rx.hold_s + swing / rx.fall_n_s + rx.rest_s;
  return fill(texts.cycle_of, { cycle, total: cycle + Math.max(0, Math.floor(remaining_s / length)) });
}

function showLimits({ ceiling_n, peak_n, base_n, phase }) {
  if (phase === "idle") sweep.set(0, { limits: [] }); // those were of the patient before
  if (!ceiling_n || phase === "idle") return;
  const limits = [{ value: ceiling_n, label: `${texts.ceiling} ${whole(ceiling_n)} N`, color: "--limit" }];
  if (peak_n) limits.push({ value: peak_n, label: `${texts.peak} ${whole(peak_n)} N`, kind: "target", side: "left", color: "--strong-line" });
  if (base_n) limits.push({ value: base_n, label: `${texts.base} ${whole(base_n)} N`, kind: "target", side: "left", color: "--strong-line" });
  sweep.set(0, { max: scaleFor(ceiling_n), limits });
}

/** Freeze, blank and say so as soon as the numbers are not the bed's present ones. */
function showTrust() {
  const sure = trusted();
  panel.classList.toggle("frozen", !sure);
  byId("lost").hidden = sure;
  if (sure) return;
  for (const name of ["tension", "target", "counter", "remaining"]) put(name, "--");
  put("words", "");
  byId("yields").hidden = true;
  byId("lost-title").textContent = gone ? texts.gone_title : texts.lost_title;
  const age = Number.isFinite(heard) ? Math.round((performance.now() - heard) / 1000) : "--";
  byId("lost-text").textContent = gone ? texts.gone_text : fill(texts.lost_text, { age });
}

function alarmItem(alarm) {
  const item = document.createElement("li");
  item.className = "alarm";
  item.dataset.priority = alarm.priority;
  item.dataset.occurrence = alarm.occurrence;
  item.toggleAttribute("data-acknowledged", !signals(alarm));
  const icon = document.createElement("span");
  icon.className = "alarm-icon";
  icon.append(byId("no-alarms").querySelector("svg").cloneNode(true));
  icon.querySelector("use").setAttribute("href", "/kit/icons.svg#alarm");
  const symbol = document.createElement("span");
  symbol.className = "alarm-symbol";
  symbol.textContent = SYMBOLS[alarm.priority];
  const text = document.createElement("span");
  text.className = "alarm-text";
  const said = local(alarm.text[language]).replace(/^[* ]+/, "");
  text.textContent = alarm.state === "gone_unacknowledged" ? fill(texts.alarm_is_over, { text: said }) : said;
  item.append(icon, symbol, text, signals(alarm) ? seenButton(alarm, text.textContent) : seenBy(alarm));
  return item;
}

const signals = (alarm) => alarm.state !== "active_acknowledged";

/** Silences this one occurrence, for good; the sound of all is paused for a while elsewhere. */
function seenButton(alarm, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "alarm-button";
  button.textContent = texts.alarm_acknowledge;
  button.setAttribute("aria-label", fill(texts.alarm_acknowledge_this, { text }));
  button.addEventListener("click", () => whenSignedIn(() => actNow("acknowledge", { occurrence: alarm.occurrence })));
  return button;
}

function seenBy(alarm) {
  const known = document.createElement("span");
  known.className = "alarm-known";
  const at = new Date(alarm.acknowledged_at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
  known.textContent = fill(texts.alarm_acknowledged, { at, name: alarm.seen_by ?? "" });
  return known;
}

function showAlarms(alarms) {
  const list = byId("alarms");
  const now = JSON.stringify(alarms);
  if (list.shown === now) return;
  list.shown = now;
  // What has the focus is found again in the same alarm, or else the group: never in another alarm's button.
  keepFocus(list, () => list.replaceChildren(...alarms.map(alarmItem)), (held) => sameButton(list, held) ?? list);
  byId("no-alarms").hidden = alarms.length > 0;
  const heard = alarms.filter(signals);
  const worst = heard.map((alarm) => alarm.priority).reduce(worse, null);
  sound.set(worst, heard.filter((alarm) => alarm.priority === worst).map((alarm) => alarm.occurrence));
}

function sameButton(list, held) {
  const { occurrence } = held.closest(".alarm")?.dataset ?? {};
  const now = [...list.children].find((item) => item.dataset.occurrence === occurrence);
  return now?.querySelector("button") ?? null;
}

const PAUSE_MINUTES = 2; // IEC 60601-1-8: an audio pause ends by itself
let pauseShown = "";

/** Pausing the sound is for all alarms and for a while; it acknowledges none. Offered while something sounds. */
function showPause({ state: now, left_s, priority }) {
  const button = byId("sound-pause");
  const paused = now === "muted";
  const text = paused ? fill(texts.sound_paused, { left: clock(left_s) }) : fill(texts.sound_pause, { minutes: PAUSE_MINUTES });
  button.hidden = !paused && !(now === "on" && priority);
  if (pauseShown === text) return;
  pauseShown = text;
  button.textContent = text;
  button.setAttribute("aria-pressed", String(paused));
}

function showState() {
  if (panel.dataset.phase !== state.phase && SETTLED.has(state.phase)) byId("stop-note").textContent = texts.stop_key;
  panel.dataset.phase = state.phase;
  showAlarms(state.alarms);
  byId("mains").hidden = state.mains;
  warnings(state);
  showToday(state);
  showSteps();
  showActions();
  showNotes();
  showReports(state);
  showPhase(newest ?? state);
}

function step() {
  const at = STEP_OF[state.phase] ?? 2;
  return at === 1 && state.switch.tested ? 2 : at;
}

function showSteps() {
  const now = step();
  [...byId("steps").children].forEach((item, index) => {
    item.dataset.state = index === now ? "now" : index < now ? "past" : "next";
    if (index === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  const { connected, tested, asking } = state.switch;
  const prepared = !tested ? texts.switch_hint : tilted() ? texts.switch_tested : tiltText();
  const hints = {
    idle: texts.confirm_hint,
    ready: !connected ? texts.switch_unplugged : asking ? texts.switch_asking : prepared,
  };
  const barred = state.phase in hints && state.barred && BARRED[state.barred.latching];
  byId("hint").textContent = barred || (hints[state.phase] ?? "");
  byId("hint").toggleAttribute("data-asking", asking);
}

function tilted() {
  return state.tilt_prescribed_deg === null || Math.abs(state.tilt_deg - state.tilt_prescribed_deg) <= state.tilt_tolerance_deg;
}

function tiltText() {
  return fill(texts.tilt_waiting, { tilt: state.tilt_deg, wanted: state.tilt_prescribed_deg });
}

function showActions() {
  const shown = new Set(state.actions);
  if (!state.switch.tested) shown.delete("start");
  else shown.delete("switch-test");
  if (state.phase === "idle" && !state.alarms.some((alarm) => alarm.latching === "until_reset")) shown.delete("reset");
  if (!state.heat.allowed) shown.delete("heat");
  if (state.session) shown.add("studio");
  if (state.suspension) for (const refused of NOT_SUSPENDED) shown.delete(refused); // the notice says why
  const actions = byId("actions");
  const redraw = () => {
    for (const button of actions.children) button.hidden = !shown.has(button.dataset.action);
    actions.querySelector('[data-action="start"]').disabled = !tilted() || Boolean(state.barred);
    actions.querySelector('[data-action="confirm"]').disabled = Boolean(state.barred);
    byId("adverse").hidden = !state.adverse;
  };
  // To the group, never to another button: a key that is held down must not do what nobody meant.
  keepFocus(actions, redraw, () => actions);
  put("heat", state.heat.on ? texts.heat_off : texts.heat_on);
  put("adverse", state.adverse?.ended_at ? texts.adverse_last : texts.adverse);
}

function showNotes() {
  const rows = state.session?.notes ?? [];
  const list = byId("notes");
  if (list.shown === rows.length) return;
  list.shown = rows.length;
  list.replaceChildren(
    ...rows.map((note) => {
      const item = document.createElement("li");
      item.textContent = `${new Date(note.at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false })} ${note.operator} ${note.text}`;
      return item;
    }),
  );
}

// --- what a person does ----------------------------------------------------------------------------------------
function answer(text, failed = false) {
  byId("answer").textContent = text;
  byId("answer").toggleAttribute("data-failed", failed);
}

async function act(action, body = {}) {
  try {
    const done = await post(`${path}/${action}`, body);
    if (done.state) takeState(done.state);
    answer(said(done));
  } catch (error) {
    if (error.status === 401) signInEnded();
    throw error;
  }
}

async function actNow(action, body) {
  try {
    await act(action, body);
  } catch (error) {
    answer(fill(texts.failed, { detail: error.message }), true);
  }
}

function startText() {
  const rx = state.session?.prescription ?? {};
  const values = {
    base: whole(state.base_n), peak: whole(rx.peak_n ?? state.peak_n), minutes: whole(state.traction_s / 60),
    region: texts[`region_${state.session?.region}`], segment: state.session?.segment, ceiling: whole(state.ceiling_n),
    tilt: state.tilt_deg, wanted: state.tilt_prescribed_deg,
  };
  return fill(texts.start_text, values);
}

function confirmBody(form) {
  const fields = new FormData(form);
  return {
    patient: fields.get("patient").trim(),
    appointment: fields.get("appointment").trim() || null,
    clearance: fields.get("clearance").trim(),
    prescription: prescriptionOf(form),
    pain_before: painOf(form, "pain_before"),
  };
}

function change() {
  fillPrescription(byId("dialog-change").querySelector("form"), state.session?.prescription);
  ask("change", (form) => act("change", { prescription: prescriptionOf(form) }));
}

const DO = {
  confirm: () => ask("confirm", (form) => act("confirm", confirmBody(form))),
  "switch-test": () => actNow("switch-test"),
  start: () => {
    startNotice(state);
    ask("start", (form) => act("start", startBody(form)), startText());
  },
  pause: () => actNow("pause"),
  resume: () => ask("resume", () => act("resume"), fill(texts.resume_text, { peak: whole(state.peak_n) })),
  reset: () => ask("reset", () => act("reset")),
  close: () => ask("close", (form) => act("close", { pain_after: painOf(form, "pain_after") })),
  change,
  heat: () =>
    state.heat.on
      ? actNow("heat", { on: false })
      : ask("heat", () => act("heat", { on: true }), fill(texts.heat_text, { temperature: state.heat.temperature_c })),
  adverse: () => reportAdverse({ state, act, pause: () => actNow("pause"), name: nameOf(state.adverse.session) }),
  studio: () => showSession(path),
  note: () => ask("note", async (form) => (await act("note", { text: new FormData(form).get("text") }), form.reset())),
};

const STOP_TRIES = 3;

/** STOP needs no question, no sign-in and no session; it is tried again before it is said to have failed. */
async function stop() {
  const button = byId("stop");
  dismiss();
  button.removeAttribute("data-failed");
  byId("stop-note").textContent = texts.stop_sent;
  for (let attempt = 1; ; attempt++) {
    try {
      const done = await post(`${path}/stop`, {}, { keepalive: true });
      byId("stop-note").textContent = said(done) || texts.stop_done;
      return;
    } catch (error) {
      if (attempt < STOP_TRIES) continue;
      button.dataset.failed = "";
      byId("stop-note").textContent = texts.stop_failed;
      answer(fill(texts.failed, { detail: error.message }), true);
      return;
    }
  }
}

for (const button of [...byId("actions").children, byId("adverse")]) {
  button.addEventListener("click", () => whenSignedIn(() => DO[button.dataset.action]()));
}
byId("stop").addEventListener("click", stop);
// Escape stops whenever there is something to stop, from a field or a dialog too; else it closes a dialog.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.repeat) return;
  event.preventDefault();
  if (state.actions.includes("stop")) stop();
  else dismiss();
});
byId("faults")?.addEventListener("submit", (event) => {
  event.preventDefault();
  actNow("fault", { kind: event.target.elements.kind.value, clear: event.submitter?.value !== "1" });
});
localStorage.removeItem("operator"); // what an earlier release kept

function showFaults() {
  if (byId("faults")) byId("faults").closest("details").hidden = !signedIn()?.may_fault;
}

synchroniseFlash();
const sound = new AlarmSound(byId("sound"), { remember: `sound ${device}`, onChange: showPause });
byId("sound-pause").addEventListener("click", () => (sound.state === "muted" ? sound.unmute() : sound.mute(PAUSE_MINUTES)));
prepare();
showState();
const live = follow(device, (message) => TAKERS[message.type]?.(message));
prepareToday({ path, act, signedIn });
prepareStudio(path);
prepareSignIn(() => {
  showToday(state);
  live.again(); // whose session it is, is told to those who may know it
  showFaults();
});
showFaults();
setInterval(showTrust, 250);
