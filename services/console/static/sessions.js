// The list of past sessions: the days are asked for only where they count.
import { start } from "./page.js";

const span = document.getElementById("f-span");
const days = ["f-since", "f-until"].map((id) => document.getElementById(id).closest(".field"));

function show() {
  for (const day of days) day.hidden = span.value !== "dates" && !day.querySelector("input").value;
}

span.addEventListener("change", show);
for (const day of days) day.addEventListener("change", () => (span.value = "dates"));
show();
start();
