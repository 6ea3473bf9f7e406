"""What every page owes to everybody: read by all, worked by keyboard, whole on a phone, light to load."""

import gzip
import itertools
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import WATCH_POLICY
from browser.pages import PAGES
from browser.ward import ward

# width, height, theme, language; axe reads the first two, which have one of each
LOOKS = (
    (1440, 900, "dark", "en"),
    (390, 844, "light", "de"),
    (1440, 900, "light", "de"),
    (390, 844, "dark", "en"),
)
PAGE_BYTES = 150_000
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
    inside: it.closest("header.top, body > nav") ? "header" : it.closest("main") ? "main" : "other",
    top: Math.round(box.top + scrollY), left: Math.round(box.left), class: it.className,
    sized: box.width > 0 && box.height > 0,
  };
}"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A ward at work."""
    with ward(tmp_path_factory.mktemp("ward"), minutes=2.3) as found:
        yield found


@pytest.fixture
def opened(browser, here):
    """Open a row of PAGES in a look; at the end no page may have made an error."""
    contexts = []

    def open_at(row, look):
        width, height, theme, language = look
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale=f"{language}-GB", reduced_motion="reduce"
        )
        contexts.append(context)
        chosen = {"theme": theme, "language": language}
        context.add_cookies(
            [{"name": name, "value": value, "url": here.address} for name, value in chosen.items()]
        )
        context.add_cookies(here.cookies(row.role))
        page = context.new_page()
        page.add_init_script(WATCH_POLICY)
        page.errors = []
        page.on("console", lambda it: page.errors.append(it.text) if it.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(here.fill(row.path))
        page.locator(row.wait).first.wait_for(timeout=20_000)
        return page

    yield open_at
    for context in contexts:
        context.close()


def grave(page):
    """What axe calls serious or critical: rule, element, why."""
    return [
        (rule["id"], node["html"][:160], node.get("failureSummary", "")[:300])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def unforgiven(page, row):
    return [text for text in page.errors if not any(word in text for word in row.may_fail)]


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_a_page_is_whole_for_everybody(opened, row):
    """Both themes, both languages, desk and phone: axe finds nothing serious, nothing scrolls sideways."""
    for number, look in enumerate(LOOKS):
        page = opened(row, look)
        assert page.locator("html").get_attribute("lang") == look[3]
        assert page.locator("html").get_attribute("data-theme") == look[2]
        assert number > 1 or grave(page) == [], look
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, look
        assert page.evaluate("window.violations") == []
        assert unforgiven(page, row) == []
        page.context.close()


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_the_keyboard_reaches_everything_in_its_order_and_one_sees_where_it_is(opened, row):
    """A broken mouse, gloves, a screen reader: the skip link first, then header, then the page."""
    page = opened(row, LOOKS[0])
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
    skips = [number for number, stop in enumerate(stops) if stop["class"] == "skip"]
    assert skips == [0][: page.locator(".skip").count()]
    order = [place for place, _ in itertools.groupby(stop["inside"] for stop in stops[1:])]
    assert order in (["header", "main"], ["header"], ["main"], ["header", "main", "other"], [])


def test_the_skip_link_leads_past_the_header(opened):
    """Twelve tab stops a page are a working day's worth of them."""
    page = opened(next(row for row in PAGES if row.name == "sessions"), LOOKS[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["inside"] == "main"


def test_the_menu_opens_closes_and_holds_language_theme_and_the_way_out(opened):
    """Escape closes what was opened, and the focus is back where it was."""
    page = opened(next(row for row in PAGES if row.name == "design"), LOOKS[3])
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
    page = opened(next(row for row in PAGES if row.name == "design"), LOOKS[0])
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
        context.add_cookies(here.cookies(row.role))
        page, answers = context.new_page(), []
        page.on("response", lambda it, kept=answers: kept.append(it))
        page.goto(here.fill(row.path))
        page.locator(row.wait).first.wait_for(timeout=20_000)
        foreign += [answer.url for answer in answers if not answer.url.startswith(here.address)]
        files = {answer.url: answer for answer in answers if re.search(r"\.(js|css|svg)$", answer.url)}
        sizes |= {url: len(gzip.compress(files[url].body())) for url in files.keys() - sizes.keys()}
        page.close()
    context.close()
    assert foreign == []
    assert len(sizes) > 10
    assert sum(sizes.values()) < PAGE_BYTES, sorted(sizes.items(), key=lambda row: -row[1])
