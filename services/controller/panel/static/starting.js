// Until the control loop ticks: how far it is, asked once a second; then the page that was wanted.
const texts = JSON.parse(document.getElementById("texts").textContent);
const byId = (id) => document.getElementById(id);

async function look() {
  try {
    if ((await fetch("/api/devices")).ok) location.reload();
    else show((await (await fetch("/readyz")).json()).starting);
  } catch {
    show("loading"); // the panel itself begins again
  }
}

/** `starting` is percent compiled, "loading", or "" while nothing starts. */
function show(starting) {
  const compiling = /^\d+$/.test(starting);
  const waiting = starting ? texts.starting_loading : texts.starting_none;
  byId("starting-words").textContent = compiling ? texts.starting_compiling : waiting;
  byId("starting-percent").textContent = compiling ? `${starting} %` : "";
  if (compiling) byId("starting-bar").value = Number(starting);
  else byId("starting-bar").removeAttribute("value");
}

setInterval(look, 1000);
