"""The wall and the bed's page in a real browser, against a real broker."""

import re

from browser.conftest import shot, sideways
from console.clinic import Bed, alarm
from playwright.sync_api import expect
from servers import eventually


def tile(page, device):
    return page.locator(f'.tile[data-device="{device}"]')


def field(where, name):
    return where.locator(f'[data-field="{name}"]').first


def over_force():
    return alarm("over_force", "high", "ZUG 512 > 450 N", "TENSION 512 > 450 N")


def test_a_console_that_has_heard_of_no_bed_says_so_and_needs_no_reload(wall, open_page):
    """The first minute of an installation must not look like a fault."""
    page = open_page(wall.address)
    expect(page.get_by_text("No bed has reported yet")).to_be_visible()
    shot(page, "wall-empty")
    wall.clinic("north", Bed("bed-01"))
    expect(field(tile(page, "bed-01"), "tension")).to_have_text(re.compile(r"^\d+$"))
    expect(page.get_by_text("No bed has reported yet")).to_be_hidden()


def test_the_number_on_a_tile_is_live_and_its_trace_is_drawn(wall, north, open_page):
    """What a tile shows is what the bed does now."""
    page = open_page(wall.address)
    number = field(tile(page, "bed-02"), "tension")
    seen = set()
    for _ in range(40):
        seen.add(number.text_content())
        page.wait_for_timeout(50)
    assert len(seen - {"--"}) >= 3
    assert (
        page.evaluate(
            """() => { const canvas = document.querySelector('[data-device="bed-01"] canvas');
           const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
           return data.filter((value, i) => i % 4 === 1 && value > 150).length; }"""
        )
        > 200
    )
    expect(field(tile(page, "bed-02"), "words")).to_have_text(
        "The muscles pull against it: the table yields."
    )
    shot(page, "wall")


def test_a_silent_bed_freezes_blanks_and_shows_its_age_and_is_an_alarm(wall, north, open_page):
    """Old numbers must not be read as new ones, and a patient nobody sees is an alarm."""
    page = open_page(wall.address)
    expect(field(tile(page, "bed-01"), "tension")).to_have_text(re.compile(r"^\d+$"))
    north.beds["bed-01"].silent = True
    bed = tile(page, "bed-01")
    expect(field(bed, "tension")).to_have_text("--", timeout=8000)
    expect(bed).to_have_class(re.compile("frozen"))
    expect(field(bed, "link_text")).to_have_text(re.compile(r"no data for \d+ s"))
    expect(bed.locator('.alarm[data-priority="medium"]')).to_contain_text("CONNECTION LOST DURING SESSION")
    expect(page.locator("#alarms")).to_contain_text("bed-01")
    shot(page, "wall-stale")
    north.beds["bed-01"].silent = False
    expect(field(bed, "tension")).to_have_text(re.compile(r"^\d+$"), timeout=8000)


def test_a_lost_gateway_loses_all_its_beds(wall, north, open_page):
    """The gateway's will speaks for its devices."""
    page = open_page(wall.address)
    north.birth("lost")
    for device in ("bed-01", "bed-02", "bed-03"):
        expect(field(tile(page, device), "link_text")).to_have_text(re.compile("gateway lost"))
        expect(field(tile(page, device), "tension")).to_have_text("--")


def test_the_worst_alarm_comes_first_and_stands_on_every_page(wall, north, open_page):
    """Who looks at another bed must still learn of the worst one."""
    page = open_page(wall.address, may_fail=("503",))
    assert page.locator(".tile").first.get_attribute("data-device") == "bed-01"
    north.alarm("bed-03", over_force())
    expect(page.locator(".tile").first).to_have_attribute("data-device", "bed-03", timeout=3000)
    expect(page.locator("#alarm-alert")).to_contain_text("Alarm high at bed-03")
    page.locator("#alarms a").first.click()
    expect(page).to_have_url(re.compile("/beds/bed-03"))
    page.goto(f"{wall.address}/beds/bed-01")
    expect(page.locator("#alarms")).to_contain_text("TENSION 512 > 450 N")
    expect(page.locator("#alarms .alarm-symbol").first).to_have_text("***")


def test_all_alarms_flash_as_one_and_no_text_flashes(wall, north, open_page):
    """Two rhythms on one wall are a distraction, and a word that vanishes cannot be read."""
    north.alarm("bed-01", over_force())
    page = open_page(wall.address)
    expect(page.locator("#alarms .alarm")).to_be_visible()
    north.alarm("bed-02", over_force())
    expect(page.locator("#alarms .alarm")).to_have_count(2)
    eventually(  # a new animation is set to the common start in its first frame
        lambda: {start for start, *_ in flashes(page)} == {0}, 3.0, "one flash for the page"
    )
    found = flashes(page)
    assert {duration for _, duration, *_ in found} == {500}
    assert all(pseudo == "::before" or name == "alarm-icon" for _, _, name, pseudo in found)


def flashes(page):
    """Start, duration (ms) and place of every flash."""
    return page.evaluate(
        """() => document.getAnimations().filter((it) => it.animationName === "alarm-flash").map((it) => [
             it.startTime, it.effect.getTiming().duration,
             it.effect.target.className, it.effect.pseudoElement])"""
    )


def test_who_wants_less_motion_gets_a_thick_border(wall, north, open_page):
    """Flashing makes some people ill; the alarm must stay as plain without it."""
    north.alarm("bed-01", over_force())
    page = open_page(wall.address, reduced_motion="reduce")
    expect(page.locator("#alarms .alarm")).to_be_visible()
    style = page.evaluate(
        """() => { const it = getComputedStyle(document.querySelector("#alarms .alarm"), "::before");
           return [it.animationName, it.borderTopWidth]; }"""
    )
    assert style == ["none", "5px"]


def test_a_broker_that_is_gone_is_said_once_and_everything_stands_still(wall, north, open_page):
    """The worst display is one that looks alive and is not."""
    page = open_page(wall.address)
    expect(field(tile(page, "bed-01"), "tension")).to_have_text(re.compile(r"^\d+$"))
    wall.broker.kill()
    expect(page.locator("#banner")).to_be_visible(timeout=8000)
    expect(page.locator("#banner")).to_contain_text("The broker has not been reachable")
    expect(field(tile(page, "bed-01"), "tension")).to_have_text("--", timeout=8000)
    expect(page.locator("#alarms .alarm")).to_have_count(1)
    shot(page, "wall-broker-down")
    wall.broker.start()


def test_a_console_that_is_gone_blanks_every_number(wall, north, open_page):
    """The page itself must notice that nobody talks to it any more."""
    page = open_page(wall.address, may_fail=("Failed to load", "WebSocket", "ERR_"))
    expect(field(tile(page, "bed-01"), "tension")).to_have_text(re.compile(r"^\d+$"))
    wall.process.kill()
    expect(page.locator("#banner")).to_contain_text("connection to the console is lost", timeout=8000)
    expect(field(tile(page, "bed-01"), "tension")).to_have_text("--")
    expect(field(tile(page, "bed-01"), "link_text")).to_have_text("--")
    expect(tile(page, "bed-01")).to_have_attribute("data-link", "stale")


def test_beds_are_found_by_site_name_and_alarm(wall, north, open_page):
    """Forty tiles are too many to read."""
    wall.clinic("south", Bed("bed-04"))
    north.alarm("bed-02", over_force())
    page = open_page(wall.address)
    expect(tile(page, "bed-04")).to_be_visible()
    page.locator("#site").select_option("south")
    expect(page.locator(".tile:visible")).to_have_count(1)
    page.locator("#site").select_option("")
    page.get_by_label("Find a bed").fill("bed-0")
    expect(page.locator(".tile:visible")).to_have_count(4)
    page.get_by_label("With alarm").check()
    expect(page.locator(".tile:visible")).to_have_count(1)
    page.reload()
    expect(page.locator(".tile:visible")).to_have_count(1)
    page.get_by_label("Find a bed").fill("nobody")
    expect(page.get_by_role("heading", name="No bed matches")).to_be_visible()


def test_a_bed_is_reached_with_the_keyboard_alone(wall, north, open_page):
    """Gloves, a broken mouse, a screen reader."""
    page = open_page(wall.address, may_fail=("503",))
    expect(tile(page, "bed-01")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "tile-link":
            break
    focus = page.evaluate("""() => getComputedStyle(document.activeElement, "::after").outlineStyle""")
    assert focus == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="bed-01")).to_be_visible()
    landmarks = page.evaluate(
        "['header','main','footer'].map((name) => document.querySelectorAll(name).length > 0)"
    )
    assert landmarks == [True, True, True]


def test_the_page_speaks_the_readers_language_and_remembers_the_choice(wall, north, open_page):
    """German by the browser's wish, English by a click, and it stays."""
    page = open_page(wall.address, locale="de-DE")
    expect(field(tile(page, "bed-02"), "words")).to_have_text(
        "Die Muskeln spannen dagegen: Die Liege gibt nach."
    )
    page.locator("#menu-button").click()
    page.get_by_role("link", name="English").click()
    expect(field(tile(page, "bed-02"), "words")).to_have_text(
        "The muscles pull against it: the table yields."
    )
    page.reload()
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator("#menu-button").click()
    page.get_by_role("link", name="Light", exact=True).click()
    assert page.locator("html").get_attribute("data-theme") == "light"
    shot(page, "wall-light")


def test_nothing_scrolls_sideways_on_a_phone(wall, north, open_page):
    """A doctor on call looks from a corridor."""
    north.alarm("bed-01", over_force())
    for path in ("/", "/beds/bed-01", "/beds/unknown"):
        page = open_page(
            f"{wall.address}{path}", width=390, height=844, locale="de-DE", may_fail=("404", "503")
        )
        expect(page.locator("#alarms .alarm").first).to_be_visible()
        assert sideways(page) <= 0, path
    shot(page, "bed-unknown-390")
