// The panel's own API: JSON in and out, errors as one line for a person.
export const language = document.documentElement.lang;
export const texts = JSON.parse(document.getElementById("texts").textContent);

/** Fill a text with its values. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

const LOCALE = language === "de" ? "de-DE" : "en-GB";
const MOMENT = /(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}) UTC/g;

/** A text of the gateway with its times as the clock on the wall has them: of today the time alone. */
export function local(text) {
  return text.replace(MOMENT, (_, day, time) => {
    const at = new Date(`${day}T${time}:00Z`);
    const today = at.toDateString() === new Date().toDateString();
    const date = today ? {} : { day: "numeric", month: "long", year: "numeric" };
    return at.toLocaleString(LOCALE, { ...date, hour: "2-digit", minute: "2-digit", hour12: false });
  });
}

/** POST and answer the body; throws an Error whose `message` is for a person, with `status` and `refusals`. */
export async function post(path, body, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...options,
    });
  } catch {
    throw new Error(texts.no_answer);
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  const error = new Error(said(found) || texts.no_answer);
  error.refusals = found.refusals ?? [];
  error.status = answer.status;
  throw error;
}

/** GET and answer the body; throws an Error whose `message` is for a person, with `status`, 0 when nobody answers. */
export async function get(path) {
  const answer = await fetch(path).catch(() => ({ ok: false, status: 0, json: async () => ({}) }));
  if (answer.ok) return answer.json();
  const found = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(said(found) || texts.no_answer), { status: answer.status });
}

/** What an answer says in the page's language. */
export function said(answer) {
  return local((language === "de" && answer.detail_de) || answer.detail || "");
}

const RETRY_MS = [200, 500, 1000, 2000];

/** The live socket of a bed, opened again for ever: `onMessage(message)` gets every frame. `again()` opens it anew. */
export function follow(device, onMessage) {
  let attempt = 0;
  let socket = null;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/api/devices/${device}/live`);
    socket.addEventListener("message", (event) => {
      attempt = 0;
      onMessage(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => setTimeout(open, RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)]));
  };
  open();
  return { again: () => socket.close() };
}
