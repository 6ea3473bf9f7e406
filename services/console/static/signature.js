// The signature pad: drawn by finger, pen or mouse, sent as PNG with the form.
const pad = document.getElementById("pad");
const state = document.getElementById("pad-state");
const form = document.getElementById("sign");
const pen = pad.getContext("2d");
let last = null;
let isDrawn = false;

pen.lineWidth = 5;
pen.lineCap = "round";
pen.lineJoin = "round";
pen.strokeStyle = "#0b1823"; // ink, in either theme: the pad is paper

function place(event) {
  const box = pad.getBoundingClientRect();
  return { x: ((event.clientX - box.left) * pad.width) / box.width, y: ((event.clientY - box.top) * pad.height) / box.height };
}

function stroke(to) {
  pen.beginPath();
  pen.moveTo(last.x, last.y);
  pen.lineTo(to.x + 0.01, to.y);
  pen.stroke();
  last = to;
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  last = place(event);
  stroke(last);
  isDrawn = true;
  state.textContent = state.dataset.drawn;
  event.preventDefault();
});

pad.addEventListener("pointermove", (event) => {
  if (last === null) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) stroke(place(each));
});

for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (last = null));

document.getElementById("clear").addEventListener("click", () => {
  pen.clearRect(0, 0, pad.width, pad.height);
  isDrawn = false;
  state.textContent = state.dataset.empty;
});

form.addEventListener("submit", (event) => {
  if (!isDrawn) {
    event.preventDefault();
    state.classList.add("field-error");
    state.textContent = state.dataset.empty;
    pad.scrollIntoView({ block: "center" });
    return;
  }
  form.elements.png.value = pad.toDataURL("image/png");
});

form.querySelector("button[disabled]").disabled = false; // nothing could be drawn before
