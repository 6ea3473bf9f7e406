// Reminders: one box chooses all; it says so when only some are.
const form = document.getElementById("remind");
const row = document.getElementById("choose-all");
if (form && row) {
  const all = row.querySelector("input");
  const boxes = [...form.querySelectorAll('input[name="invoice"]')];
  const show = () => {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
  form.addEventListener("change", (event) => { if (event.target !== all) show(); });
  row.hidden = false;
  show();
}
