// Every text of the page, in both languages, from locale/*.json.
const LANGUAGES = ["de", "en"];
const tables = {};
let chosen = "de";

export const here = (path) => new URL(path, import.meta.url).href;

export async function load() {
  await Promise.all(LANGUAGES.map(async (language) => {
    tables[language] = await (await fetch(here(`locale/${language}.json`))).json();
  }));
}

export const language = () => chosen;
export const other = () => LANGUAGES.find((one) => one !== chosen);

export function speak(wanted) {
  chosen = LANGUAGES.includes(wanted) ? wanted : "de";
  document.documentElement.lang = chosen;
  document.title = say("title");
}

// A text by its key, {name} filled in; with a count, `key.one` where it is one.
export function say(key, values = {}) {
  const table = tables[chosen];
  const text = (values.count === 1 ? table[`${key}.one`] : undefined) ?? table[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const has = (key) => key in tables[chosen];

// What the server says in both languages.
export const both = (text) => (typeof text === "string" ? text : text?.[chosen] ?? text?.de ?? "");
export const join = (list) => new Intl.ListFormat(chosen, { type: "conjunction" }).format(list);
