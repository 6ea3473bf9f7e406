// The wall: one page of tiles in the server's order; waveforms only for tiles that are on the screen.
import { arrange, keepFocus } from "/kit/focus.js";
import { rotate } from "./kiosk.js";
import { start } from "./page.js";
import { watchStarts } from "./starting.js";
import { waveforms } from "./stream.js";
import { Tile, create } from "./tiles.js";

const PASSED_ON = ["q", "site", "show", "group", "size", "page"];
const NOT_SAID = { show: "all", size: "24", page: "1" }; // what an address need not say
const TYPING_MS = 250;
const byId = (id) => document.getElementById(id);
const wall = byId("wall");
const list = byId("tiles");
const filters = byId("filters");
const tiles = new Map();
const visible = new Set();
const kiosk = "kiosk" in wall.dataset;
let shown = { page: Number(wall.dataset.page), pages: Number(wall.dataset.pages) }; // as the server drew it
let queued = false;
let typing = 0;
let asked = false; // a person has turned the page and wants to hear which one it is

const starts = watchStarts(byId("starting"));
const live = waveforms((block) => tiles.get(block.key)?.take(block));

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target.dataset.key);
    if (!queued) queueMicrotask(() => ((queued = false), live.watch([...visible])));
    queued = true;
  },
  { rootMargin: "40px" },
);

function add(key, tile) {
  tiles.set(key, tile);
  watcher.observe(tile.element);
}

function remove(key) {
  const { element } = tiles.get(key);
  watcher.unobserve(element);
  element.remove();
  tiles.delete(key);
  if (visible.delete(key)) live.watch([...visible]);
}

function showSummary({ order, page, tiles: rows = {} }) {
  list.removeAttribute("aria-busy");
  for (const [key, row] of Object.entries(rows)) {
    if (!tiles.has(key)) add(key, create(row));
    tiles.get(key).update(row);
  }
  if (order) keepFocus(list, () => put(order));
  if (page) showPage(page);
}

/** Take away what is not on this page; move only what is out of its place: focus and traces stay untouched. */
function put(order) {
  const wanted = new Set(order);
  for (const key of [...tiles.keys()]) if (!wanted.has(key)) remove(key);
  arrange(list, order.map((key) => tiles.get(key).element));
  if (filters.elements.group.checked) head(order);
}

/** A heading before the first tile of each clinic. */
function head(order) {
  let before = null;
  for (const key of order) {
    const { element } = tiles.get(key);
    if (element.dataset.site !== before) {
      const heading = document.createElement("li");
      heading.className = "tiles-site";
      heading.append(Object.assign(document.createElement("h2"), { textContent: element.dataset.site }));
      element.before(heading);
    }
    before = element.dataset.site;
  }
}

function showPage(page) {
  shown = page;
  wall.classList.toggle("dense", kiosk || Number(filters.elements.size.value) > 24);
  byId("page-words").textContent = page.words;
  for (const element of filters.querySelectorAll("[data-count]")) element.textContent = page.counts[element.dataset.count];
  point(byId("page-previous"), Math.max(1, page.page - 1), page.page <= 1);
  point(byId("page-next"), Math.min(page.pages, page.page + 1), page.page >= page.pages);
  const narrowed = filters.elements.q.value.trim() || filters.elements.site.value;
  byId("empty").hidden = Boolean(page.counts.all || narrowed);
  starts.wanted = page.counts.all === 0 || page.counts.away > 0;
  byId("none").hidden = Boolean(page.found || !(page.counts.all || narrowed));
  sayNone(filters.elements.site.value, page.sites);
  for (const site of page.sites) offerSite(site);
  if (asked) byId("announcer").textContent = page.words;
  asked = false;
}

/** A site that no bed was heard of at is named: it may be mistyped in the address. */
function sayNone(site, sites) {
  const strange = Boolean(site) && !sites.includes(site);
  byId("none-fits").hidden = strange;
  byId("none-site").hidden = !strange;
  byId("none-site").textContent = byId("none-site").dataset.words.replace("{site}", () => site);
}

function point(link, number, isEnd) {
  link.href = `/?${address({ page: String(number) }) || "show=all"}`;
  link.toggleAttribute("aria-disabled", isEnd);
  if (isEnd) link.setAttribute("aria-disabled", "true");
}

function offerSite(site) {
  const select = filters.elements.site;
  if (![...select.options].some((option) => option.value === site)) select.append(new Option(site, site));
}

/** The query of what the controls say, with some values changed. */
function address(changes = {}) {
  const values = { ...Object.fromEntries(new FormData(filters)), page: String(shown.page), ...changes };
  const said = PASSED_ON.filter((name) => values[name]?.trim() && values[name] !== NOT_SAID[name]);
  const query = new URLSearchParams(said.map((name) => [name, values[name].trim()]));
  if (kiosk) for (const name of ["kiosk", "rotate"]) if (here().has(name)) query.set(name, here().get(name));
  return query;
}

const here = () => new URLSearchParams(location.search);

/** Show another part of the list: the address says which, so that it can be shared and gone back to. */
function go(query, { replace = false } = {}) {
  const path = query.size ? `/?${query}` : "/?show=all";
  history[replace ? "replaceState" : "pushState"](null, "", path);
  listen();
}

function listen() {
  list.setAttribute("aria-busy", "true");
  const query = here();
  stream.go({ view: "wall", ...Object.fromEntries(PASSED_ON.filter((name) => query.has(name)).map((name) => [name, query.get(name)])) });
}

function turn(by) {
  const page = Math.min(shown.pages, Math.max(1, shown.page + by));
  if (page === shown.page) return;
  asked = !kiosk;
  go(address({ page: String(page) }));
}

wall.addEventListener("input", (event) => {
  clearTimeout(typing);
  const change = () => go(address({ page: "1" }), { replace: event.target.type === "search" });
  if (event.target.type === "search") typing = setTimeout(change, TYPING_MS);
  else change();
});
filters.addEventListener("submit", (event) => {
  if (event.submitter?.name !== "keep") event.preventDefault();
});
byId("kiosk-link").addEventListener("click", (event) => {
  event.currentTarget.href = `/?${new URLSearchParams([...address({ page: "1" }), ["kiosk", "1"]])}`;
});
for (const [id, by] of [["page-previous", -1], ["page-next", 1]]) {
  byId(id).addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    turn(by);
  });
}
document.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, select, textarea, [popover]")) return;
  event.preventDefault();
  turn(by);
});
addEventListener("popstate", () => {
  const query = here();
  for (const name of ["q", "site", "size"]) filters.elements[name].value = query.get(name) ?? { size: "24" }[name] ?? "";
  filters.elements.show.value = query.get("show") ?? "all";
  filters.elements.group.checked = query.get("group") === "site";
  asked = true;
  listen();
});

for (const element of list.querySelectorAll(".tile")) add(element.dataset.key, new Tile(element));
const first = Object.fromEntries(address({ page: here().get("page") ?? "1" }));
const stream = start({
  query: { view: "wall", ...first },
  onSummary: showSummary,
  onSilence: (silent) => tiles.forEach((tile) => (silent ? tile.blank() : tile.show())),
});
if (kiosk) rotate({ list, turnTo: (page, size) => go(address({ page: String(page), size: String(size) }), { replace: true }), shown: () => shown, seconds: Number(here().get("rotate")) });
