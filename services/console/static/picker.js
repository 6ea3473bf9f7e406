// The item picker: a combobox over the fee schedule, which says while one types what an item would break.
import { refusalOf, send } from "./send.js";

const WAIT_MS = 180; // a pause in typing
const CHECKED = ["date", "number", "factor", "count", "justification", "duration_min", "analogue"];

for (const root of document.querySelectorAll("[data-picker]")) picker(root);

function element(tag, options = {}, ...children) {
  const made = Object.assign(document.createElement(tag), options);
  made.append(...children);
  return made;
}

function later(run) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, WAIT_MS);
  };
}

/** The newest question's answer; of an older one nothing. */
function newest(address, show, fail) {
  let asked = 0;
  return async (body) => {
    const mine = ++asked;
    const answer = await send(address, { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).catch(() => null);
    const told = await answer?.json().catch(() => null);
    if (mine !== asked) return;
    if (answer?.ok) show(told);
    else fail(told ? refusalOf(told) : "");
  };
}

function picker(root) {
  const input = root.querySelector("[role=combobox]");
  const list = root.querySelector("[role=listbox]");
  const count = root.querySelector("[data-count]");
  const field = (name) => root.querySelector(`[name="${name}"]`);
  const base = { tariff: root.dataset.tariff, site: root.dataset.site, lines: JSON.parse(root.dataset.lines) };
  const beside = () => ({ ...base, on: field("date").value });
  const check = checker(root, field, base);
  let items = [];
  let at = -1;

  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    at = index;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    const option = list.children[at];
    if (!option) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  const choose = (index) => {
    const item = items[index];
    input.value = item.number;
    field("factor").value = item.factor;
    close();
    check();
  };
  const tell = (text, isSeen) => {
    count.textContent = text;
    count.className = isSeen ? "field-hint" : "visually-hidden";
  };
  const clear = () => {
    close();
    tell("", false);
  };
  const show = ({ items: found }) => {
    if (!input.value.trim()) return clear(); // emptied while it was asked
    items = found;
    list.replaceChildren(...items.map(optionOf));
    tell(items.length ? `${items.length} ${count.dataset.some}` : count.dataset.none, !items.length);
    const isOpen = items.length > 0 && document.activeElement === input;
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    mark(-1);
  };
  const refuse = (why) => {
    close();
    tell(why, Boolean(why));
  };
  const ask = newest("/api/billing/pick", show, refuse);
  const look = later(() => (input.value.trim() ? ask({ ...beside(), q: input.value.trim() }) : clear()));

  input.addEventListener("input", look);
  input.addEventListener("change", () => list.hidden && check());
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const option = event.target.closest("[role=option]");
    if (option) choose([...list.children].indexOf(option));
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key === "ArrowDown" && input.value.trim()) look();
      return;
    }
    const last = items.length - 1;
    const keys = {
      ArrowDown: () => mark(at >= last ? 0 : at + 1),
      ArrowUp: () => mark(at <= 0 ? last : at - 1),
      Enter: () => choose(Math.max(at, 0)),
      Escape: close,
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const name of CHECKED) if (name !== "number") field(name).addEventListener("input", later(check));
  if (input.value && field("factor").value) check();
  else if (document.activeElement === input) look(); // it was typed before this was here
}

function optionOf(item, index) {
  const head = element("span", { className: "picker-head" }, element("strong", { className: "number", textContent: item.number }),
    element("span", { className: "number", textContent: item.amount }));
  const option = element("li", { id: `f-number-option-${index}` }, head, element("span", { className: "picker-name", textContent: item.name, lang: "de" }));
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  if (item.finding) option.append(verdict(item.finding), element("span", { className: "picker-why", textContent: `${item.finding.text} (${item.finding.paragraph})` }));
  return option;
}

function verdict(finding) {
  const badge = element("span", { className: "tag", textContent: finding.label });
  badge.dataset.tone = finding.tone;
  return badge;
}

/** What the line that stands in the form costs, and what is to be known of it. */
function checker(root, field, base) {
  const picked = root.querySelector("[data-picked]");
  const words = picked.dataset;
  const law = (rule) => element("p", { className: "muted" }, element("strong", { textContent: rule.paragraph }), rule.sentence ? ": " : "",
    element("q", { textContent: rule.sentence, lang: "de", hidden: !rule.sentence }));
  const spoken = (one) => {
    const row = element("li", { className: "finding" }, element("p", {}, verdict(one), ` ${one.text}`), law(one));
    row.dataset.verdict = one.verdict;
    return row;
  };
  const show = (told) => {
    const about = told.rules.length
      ? [element("details", { className: "billing-more" }, element("summary", { textContent: `${words.about} (${told.rules.length})` }), ...told.rules.map(law))]
      : [];
    picked.replaceChildren(
      element("p", { className: "picked-head" }, element("span", { textContent: told.name, lang: "de" }),
        element("strong", { className: "number", textContent: `${told.points} ${words.points} · ${told.amount}` })),
      element("p", { className: "muted", textContent: told.text }),
      told.findings.length ? element("ul", { className: "findings" }, ...told.findings.map(spoken)) : element("p", { textContent: words.fine }),
      ...about,
    );
  };
  const fail = (why) => picked.replaceChildren(element("p", { className: "field-error", textContent: why }));
  const ask = newest("/api/billing/check", show, fail);
  return () => {
    const line = Object.fromEntries(CHECKED.map((name) => [name, field(name).value]));
    if (!line.number.trim() || !line.factor.trim() || !line.date) return picked.replaceChildren();
    ask({ ...base, patient: root.dataset.patient, line });
  };
}
