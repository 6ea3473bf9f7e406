"""What every page owes to everybody: read by all, worked by keyboard, whole on a phone, light to load."""

import contextlib
import gzip
import itertools
import re
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import WATCH_POLICY
from browser.pages import PAGES
from browser.ward import ward
from servers import eventually

DESK, PHONE = (1440, 900), (390, 844)
# Each is opened in its first look and turned to its second: every size with every theme and language.
LOOKS = (  # language, (size, theme), (size, theme)
    ("en", (DESK, "dark"), (PHONE, "light")),
    ("de", (PHONE, "dark"), (DESK, "light")),
)
PAGE_BYTES = 150_000
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


class Visit:
    """A browser of its own for a row of PAGES, which looks at it in one look after the other."""

    def __init__(self, browser, here, row):
        self.here, self.row, self.errors = here, row, []
        self.context = browser.new_context(reduced_motion="reduce")
        self.context.add_cookies(here.cookies(row))
        self.page = self.context.new_page()
        self.page.add_init_script(WATCH_POLICY)
        self.page.on("console", lambda it: self.errors.append(it.text) if it.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, language, size, theme):
        """The page as it is in this language, size and theme."""
        address = self.here.open(self.row)
        chosen = {"theme": theme, "language": language}
        self.context.add_cookies(
            [{"name": name, "value": value, "url": address} for name, value in chosen.items()]
        )
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.goto(address)
        self.page.locator(self.row.wait).first.wait_for(timeout=20_000)
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

    def complaints(self):
        """What axe, the security policy or the page itself has against how it is now."""
        page = self.page
        sideways = self.sideways()
        unforgiven = [text for text in self.errors if not any(word in text for word in self.row.may_fail)]
        return [*grave(page, self.row), *page.evaluate("window.violations"), *unforgiven] + (
            [f"scrolls sideways by {sideways} px"] if sideways else []
        )


@pytest.fixture
def visit(browser, here):
    """Visit a row of PAGES."""
    visits = []

    def begin(row):
        visits.append(Visit(browser, here, row))
        return visits[-1]

    yield begin
    for one in visits:
        one.context.close()


@pytest.fixture
def opened(visit):
    """Open a row of PAGES, by its name or itself, at a desk unless told."""

    def open_at(row, size=DESK):
        row = next(it for it in PAGES if row in (it, it.name))
        return visit(row).open("en", size, "dark")

    return open_at


def grave(page, row):
    """What axe calls serious or critical: rule, element, why. Not what lies dimmed behind a dialog."""
    part = {"include": [["dialog[open]"], ["#stop"]]} if row.opens else None
    found = AXE.run(page, context=part, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (rule["id"], node["html"][:160], node.get("failureSummary", "")[:300])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_a_page_is_whole_for_everybody(visit, row):
    """Both themes, both languages, desk and phone: axe finds nothing serious, nothing scrolls sideways."""
    visitor = visit(row)
    for language, first, second in LOOKS:
        visitor.open(language, *first)
        assert visitor.complaints() == [], (language, first)
        visitor.turn(*second)
        assert visitor.complaints() == [], (language, second)


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_the_keyboard_reaches_everything_in_its_order_and_one_sees_where_it_is(opened, row):
    """A broken mouse, gloves, a screen reader: the skip link first, then header, then the page."""
    page = opened(row)
    if not row.opens:
        page.evaluate("(document.body.tabIndex = -1, document.body.focus())")  # where a reader begins
    stops = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None or (stops and stop["what"] == stops[0]["what"]):
            break
        stops.append(stop)
    else:
        pytest.fail(f"no end after {len(stops)} stops: {[stop['what'] for stop in stops]}")
    assert stops
    invisible = [stop["what"] for stop in stops if stop["sized"] and not stop["seen"]]
    assert invisible == []
    if row.opens:
        assert {stop["inside"] for stop in stops} == {"dialog"}
        return
    skips = [number for number, stop in enumerate(stops) if stop["class"] == "skip"]
    assert skips == [0][: page.locator(".skip").count()]
    order = [place for place, _ in itertools.groupby(stop["inside"] for stop in stops[1:])]
    assert order in (["header", "main"], ["header"], ["main"], ["header", "main", "other"], [])


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


def test_all_pages_together_load_less_than_150_kb_of_script_and_style_all_from_here(browser, here):
    """A clinic's uplink is small; compressed as a proxy sends it, the font left out."""
    sizes, foreign = {}, []
    context = browser.new_context()
    for row in PAGES:
        context.clear_cookies()
        context.add_cookies(here.cookies(row))
        page, answers, own = context.new_page(), [], here.addresses[row.at]
        page.on("response", lambda it, kept=answers: kept.append(it))
        page.goto(here.open(row))
        page.locator(row.wait).first.wait_for(timeout=20_000)
        foreign += [answer.url for answer in answers if not answer.url.startswith(own)]
        files = {urlsplit(it.url).path: it for it in answers if re.search(r"\.(js|css|svg)$", it.url)}
        sizes |= {path: len(gzip.compress(files[path].body())) for path in files.keys() - sizes.keys()}
        page.close()
    context.close()
    assert foreign == []
    assert len(sizes) > 10
    assert sum(sizes.values()) < PAGE_BYTES, sorted(sizes.items(), key=lambda row: -row[1])
