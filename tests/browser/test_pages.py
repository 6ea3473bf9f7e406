"""What every page owes to everybody: read by all, worked by keyboard, whole on a phone, light to load."""

import contextlib
import gzip
import itertools
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import WATCH_POLICY
from browser.pages import PAGES, Page
from browser.ward import ward
from servers import eventually

DESK, PHONE = (1440, 900), (390, 844)
# Each is opened in its first look and turned to its second: every size with every theme and language.
LOOKS = (  # language, (size, theme), (size, theme)
    ("de", (DESK, "light"), (PHONE, "dark")),
    ("en", (PHONE, "light"), (DESK, "dark")),  # and here the keyboard goes on
)
BYTES = {"console": 150_000, "panel": 75_000}  # of all pages of a place together; two origins share nothing
AXE = Axe()
MOST_STOPS = 400  # the page of components has every one of them twice
FOCUS = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const box = it.getBoundingClientRect();
  const ring = (which) => {
    const style = getComputedStyle(it, which);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  const next = it.nextElementSibling ? getComputedStyle(it.nextElementSibling) : null;
  return {
    what: `${it.tagName} ${it.id || it.name || it.textContent.trim().slice(0, 30)}`,
    seen: ring(null) || ring("::after") || ring("::before")
      || (next && next.outlineStyle !== "none" && parseFloat(next.outlineWidth) >= 2),
    inside: it.closest("header.top, header.panel-top, body > nav") ? "header" : it.closest("main") ? "main"
      : it.closest("dialog[open]") ? "dialog" : "other",
    top: Math.round(box.top + scrollY), left: Math.round(box.left), class: it.className,
    sized: box.width > 0 && box.height > 0,
  };
}"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A ward at work."""
    with ward(tmp_path_factory.mktemp("ward"), minutes=2.3) as found:
        yield found


class Loads:
    """What the visited pages loaded: each file's bytes as a proxy sends it, and whatever is not ours."""

    def __init__(self):
        self.rows, self.sizes, self.foreign = set(), {place: {} for place in BYTES}, []

    def keep(self, row, answers):
        """A row's page is whole; these came for it."""
        self.rows.add(row)
        files = {urlsplit(it.url).path: it for it in answers if re.search(r"\.(js|css|svg)$", it.url)}
        sizes = self.sizes[row.at]
        for path in files.keys() - sizes.keys():
            sizes[path] = len(gzip.compress(files[path].body()))


@pytest.fixture(scope="module")
def loads():
    """Of every page that has been visited so far."""
    return Loads()


@pytest.fixture(scope="module")
def reader(browser):
    """One browser for all visits, as a reader has it: what the pages share it has read before."""
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


class Visit:
    """A page for a row of PAGES, in which one looks at it in one look after the other."""

    def __init__(self, context, here, loads, row):
        self.here, self.loads, self.row, self.errors, self.answers = here, loads, row, [], []
        self.own = here.addresses[row.at]
        self.context = context
        self.context.clear_cookies()
        self.context.add_cookies(here.cookies(row))
        self.page = self.context.new_page()
        self.page.add_init_script(WATCH_POLICY)
        self.page.on("console", lambda it: self.errors.append(it.text) if it.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self._answered)

    def _answered(self, answer):
        self.answers.append(answer)
        if not answer.url.startswith(self.own):
            self.loads.foreign.append((self.row.name, answer.url))

    def open(self, language, size, theme):
        """The page as it is in this language, size and theme."""
        address = self.here.open(self.row)
        chosen = {"theme": theme, "language": language}
        self.context.add_cookies(
            [{"name": name, "value": value, "url": address} for name, value in chosen.items()]
        )
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.answers.clear()
        self.page.goto(address)
        self.page.locator(self.row.wait).first.wait_for(timeout=20_000)
        self.loads.keep(self.row, self.answers)
        if self.row.opens:
            self.page.locator(self.row.opens).first.click()
            self.page.locator("dialog[open]").wait_for()
        html = self.page.locator("html")
        assert [html.get_attribute(name) for name in ("lang", "data-theme")] == [language, theme]
        return self.page

    def turn(self, size, theme):
        """Another size and theme without a reload, and a moment for what is drawn to follow."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        with contextlib.suppress(AssertionError):  # what still does is a complaint
            eventually(lambda: not self.sideways(), 5.0, "a page within its window")

    def sideways(self):
        """By how many pixels the page scrolls sideways."""
        return self.page.evaluate("Math.max(0, document.documentElement.scrollWidth - window.innerWidth)")

    def complaints(self, size):
        """What axe, the security policy or the page itself has against how it is now.

        Colours are a theme's, not a width's, and the dearest to look at: both themes are seen at a desk.
        """
        page = self.page
        sideways = self.sideways()
        unforgiven = [text for text in self.errors if not any(word in text for word in self.row.may_fail)]
        return [
            *grave(page, self.row, contrast=size == DESK),
            *page.evaluate("window.violations"),
            *unforgiven,
        ] + ([f"scrolls sideways by {sideways} px"] if sideways else [])

    def stops(self):
        """Where the tabulator leads until it is where it began, and a word if it never is."""
        if not self.row.opens:
            self.page.evaluate("(document.body.tabIndex = -1, document.body.focus())")
        stops = []
        for _ in range(MOST_STOPS):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(FOCUS)
            if stop is None or (stops and stop["what"] == stops[0]["what"]):
                return stops, None
            stops.append(stop)
        return stops, f"no end after {len(stops)} stops"


@contextlib.contextmanager
def visiting(reader, here, loads, row):
    """A visit that takes its streams, and whatever the page has stored, along when it ends."""
    visit = Visit(reader, here, loads, row)
    try:
        yield visit
    finally:
        visit.page.evaluate("localStorage.clear()")
        visit.page.close()


@dataclass
class Seen:
    """What one visit of a page found."""

    row: Page
    complaints: dict[tuple[str, tuple[int, int], str], list[object]] = field(default_factory=dict)
    stops: list[dict[str, object]] = field(default_factory=list)  # of the keyboard
    endless: str | None = None
    skips: int = 0  # skip links


@pytest.fixture(scope="module", params=PAGES, ids=lambda row: row.name)
def seen(request, reader, here, loads):
    """A page in all its looks, visited once for all tests that ask something of it."""
    found = Seen(request.param)
    with visiting(reader, here, loads, found.row) as visit:
        for language, first, second in LOOKS:
            visit.open(language, *first)
            found.complaints[language, *first] = visit.complaints(first[0])
            visit.turn(*second)
            found.complaints[language, *second] = visit.complaints(second[0])
        found.stops, found.endless = visit.stops()
        found.skips = visit.page.locator(".skip").count()
    return found


@pytest.fixture
def opened(reader, here, loads):
    """Open a page of PAGES by its row's name, at a desk unless told."""
    with contextlib.ExitStack() as stack:

        def open_at(name, size=DESK):
            row = next(it for it in PAGES if it.name == name)
            return stack.enter_context(visiting(reader, here, loads, row)).open("en", size, "dark")

        yield open_at


def grave(page, row, *, contrast):
    """What axe calls serious or critical: rule, element, why. Not what lies dimmed behind a dialog."""
    part = {"include": [["dialog[open]"], ["#stop"]]} if row.opens else None
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}}
    found = page.evaluate("([part, options]) => axe.run(part ?? document, options)", [part, options])
    return [
        (rule["id"], node["html"][:160], node.get("failureSummary", "")[:300])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_a_page_is_whole_for_everybody(seen):
    """Both themes, both languages, desk and phone: axe finds nothing serious, nothing scrolls sideways."""
    assert len(seen.complaints) == 4
    assert {look: found for look, found in seen.complaints.items() if found} == {}


def test_the_keyboard_reaches_everything_in_its_order_and_one_sees_where_it_is(seen):
    """A broken mouse, gloves, a screen reader: the skip link first, then header, then the page."""
    assert seen.stops
    assert seen.endless is None, [stop["what"] for stop in seen.stops]
    invisible = [stop["what"] for stop in seen.stops if stop["sized"] and not stop["seen"]]
    assert invisible == []
    if seen.row.opens:
        assert {stop["inside"] for stop in seen.stops} == {"dialog"}
        return
    skips = [number for number, stop in enumerate(seen.stops) if stop["class"] == "skip"]
    assert skips == [0][: seen.skips]
    order = [place for place, _ in itertools.groupby(stop["inside"] for stop in seen.stops[1:])]
    alarmed = ["header", "other", "main"]  # a bed's alarms, with what acknowledges them, stand between both
    assert order in (["header", "main"], ["header"], ["main"], ["header", "main", "other"], alarmed, [])


def test_the_skip_link_leads_past_the_header(opened):
    """Twelve tab stops a page are a working day's worth of them."""
    page = opened("sessions")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["inside"] == "main"


def test_the_menu_opens_closes_and_holds_language_theme_and_the_way_out(opened):
    """Escape closes what was opened, and the focus is back where it was."""
    page = opened("design", PHONE)
    button = page.locator("#menu-button")
    button.focus()
    page.keyboard.press("Enter")
    menu = page.locator("#menu")
    assert menu.is_visible()
    assert "Ada Brandt" in menu.inner_text()
    for name in ("Wall", "Sessions", "Light", "Deutsch", "Change password"):
        assert menu.get_by_role("link", name=name, exact=True).is_visible()
    assert menu.get_by_role("button", name="Sign out").is_visible()
    page.keyboard.press("Escape")
    assert not menu.is_visible()
    assert page.evaluate("document.activeElement.id") == "menu-button"


def test_a_dialog_keeps_the_focus_and_gives_it_back_and_a_toast_can_be_taken_back(opened):
    """What the design page shows works there as everywhere."""
    page = opened("design")
    opener = page.locator('[data-opens="sure-dark"]')
    opener.click()
    assert page.locator("#sure-dark").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#sure-dark").is_visible()
    assert page.evaluate("document.activeElement.dataset.opens") == "sure-dark"
    page.locator("[data-toast]").first.click()
    page.get_by_role("button", name="Undo").click()
    assert "Back again" in page.locator("#toasts").inner_text()


def test_all_pages_together_load_little_script_and_style_all_from_here(reader, here, loads):
    """A clinic's uplink is small; compressed as a proxy sends it, the font left out."""
    for row in PAGES:
        if row not in loads.rows:  # this test alone, or after a page that failed
            with visiting(reader, here, loads, row) as visit:
                visit.open("en", DESK, "dark")
    assert loads.rows == set(PAGES)
    assert loads.foreign == []
    assert min(map(len, loads.sizes.values())) > 10
    for place, sizes in loads.sizes.items():
        assert sum(sizes.values()) < BYTES[place], sorted(sizes.items(), key=lambda size: -size[1])
