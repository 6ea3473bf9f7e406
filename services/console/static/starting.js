// Sites whose control loop is being compiled: asked for only while beds are missing.
const ASK_MS = 2000;

/** Fills `list` while `wanted` is true of what this returns. */
export function watchStarts(list) {
  const state = { wanted: list.dataset.wanted === "yes" };
  const look = async () => {
    const rows = state.wanted ? await ask() : [];
    list.hidden = rows.length === 0;
    list.replaceChildren(...rows.map(line));
  };
  setInterval(look, ASK_MS);
  look();
  return state;
}

async function ask() {
  try {
    return (await (await fetch("/api/starting")).json()).starting ?? []; // a refusal has none
  } catch {
    return [];
  }
}

function line({ text, percent }) {
  const item = document.createElement("li");
  const bar = document.createElement("progress");
  const words = document.createElement("span");
  bar.max = 100;
  if (percent !== null) bar.value = percent;
  bar.setAttribute("aria-label", text);
  words.textContent = text;
  item.append(words, bar);
  return item;
}
