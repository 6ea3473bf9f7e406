// Whoever pays and has the patient's name: only then is it asked whether it is the patient.
const asked = document.getElementById("namesake");
const field = document.getElementById("f-recipient_name");
const words = (name) => name.normalize("NFC").toLowerCase().split(/[\s,]+/).filter(Boolean).sort().join(" ");

function show() {
  asked.hidden = asked.disabled = words(field.value) !== words(asked.dataset.name);
}

if (asked && field) {
  field.addEventListener("input", show);
  show();
}
