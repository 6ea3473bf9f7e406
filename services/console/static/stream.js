// The page's two connections: summaries by server-sent events, waveforms of visible beds by a WebSocket.
import { BY_PAGE } from "./send.js";

const SILENT_MS = 3500; // summaries come every second; after this the console counts as gone
const LOOK_MS = 500;
const RETRY_MS = [300, 1000, 2000, 5000];

/** Summaries: calls `onSummary(data)` about once a second and `onSilence(true|false)` on its edges.
 *
 * `go(address)` of the answer listens to something else from now on.
 */
export function summaries(address, onSummary, onSilence) {
  let heard = performance.now();
  let silent = false;
  let source = null;
  let attempt = 0;
  let due = 0;
  const set = (value) => {
    if (value !== silent) onSilence((silent = value));
  };
  const open = () => {
    source?.close();
    source = new EventSource(address);
    source.addEventListener("summary", (event) => {
      heard = performance.now();
      attempt = 0;
      set(false);
      onSummary(JSON.parse(event.data));
    });
  };
  open();
  setInterval(() => {
    const now = performance.now();
    if (now - heard > SILENT_MS) set(true);
    if (source.readyState !== EventSource.CLOSED || now < due) return;
    due = now + RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)];
    signInWhereAsked();
    open();
  }, LOOK_MS);
  return {
    go(next) {
      address = next;
      open();
    },
  };
}

/** The console refuses: where the sign-in has ended, the page goes to the sign-in itself. */
async function signInWhereAsked() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html", ...BY_PAGE }, redirect: "manual" });
    if (answer.type === "opaqueredirect") location.reload();
  } catch {
    // the console is away: the silence says so
  }
}

/** Waveforms: `watch(keys)` says which beds are visible; `onBlock(block)` gets their samples. */
export function waveforms(onBlock) {
  let socket = null;
  let wanted = [];
  let attempt = 0;
  const say = () => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ visible: wanted }));
  };
  const open = () => {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.addEventListener("open", () => {
      attempt = 0;
      say();
    });
    socket.addEventListener("message", (event) => JSON.parse(event.data).forEach(onBlock));
    socket.addEventListener("close", () => setTimeout(open, RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)]));
  };
  open();
  return {
    watch(keys) {
      wanted = keys;
      say();
    },
  };
}
