// The gateway's beds, asked once a second.
import { synchroniseFlash } from "/kit/alarms.js";
import { language } from "./api.js";

const list = document.getElementById("beds");

async function look() {
  let rows = [];
  try {
    rows = (await (await fetch("/api/devices")).json()).devices;
  } catch {
    rows = [];
  }
  const byDevice = new Map(rows.map((row) => [row.device, row]));
  for (const item of list.children) show(item, byDevice.get(item.dataset.device));
}

function show(item, row) {
  const sure = (row?.fresh && row.tension_known) ?? false;
  item.classList.toggle("frozen", !sure);
  item.dataset.priority = row?.priority ?? "";
  item.toggleAttribute("data-quiet", row?.quiet ?? false);
  item.querySelector('[data-field="tension"]').textContent = sure ? String(Math.round(row.tension_n) + 0) : "--";
  if (!row) return;
  const alarm = item.querySelector('[data-field="alarm"]');
  alarm.textContent = row.alarm?.[language] ?? ""; // with the symbol of its priority
  alarm.hidden = !row.alarm;
  item.querySelector('[data-field="word"]').textContent = row.word[language];
  item.querySelector("use").setAttribute("href", `/kit/icons.svg#${row.phase}`);
}

synchroniseFlash();
setInterval(look, 1000);
look();
