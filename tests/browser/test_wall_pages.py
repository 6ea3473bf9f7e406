"""The wall of a large clinic in a real browser: pages, filters, monitors, and whose beds they are."""

import re

from browser.conftest import ADMINISTRATOR, shot, sideways
from browser.test_wall import field, over_force, tile
from console.clinic import Bed
from playwright.sync_api import expect
from servers import eventually


def many(wall, count=300):
    """A clinic of so many beds with a message a second each; every third is free."""
    beds = [Bed(f"bed-{number:03}", phase="hold" if number % 3 else "idle") for number in range(count)]
    return wall.clinic("north", *beds, history_s=2, block=50)


def test_hundreds_of_beds_are_shown_a_page_at_a_time(wall, open_page):
    """Paging by mouse, arrow key, back button and shared address, heard by who cannot see it."""
    many(wall)
    page = open_page(wall.address)
    expect(page.locator("#beds")).to_contain_text("300 beds", timeout=15_000)
    expect(page.locator(".tile")).to_have_count(24)
    expect(page.locator("#page-words")).to_have_text("Page 1 of 13 · 300 beds")  # the beds above count first
    page.locator("#page-next").click()
    expect(page.locator("#page-words")).to_have_text("Page 2 of 13 · 300 beds")
    expect(page.locator("#announcer")).to_have_text("Page 2 of 13 · 300 beds")
    expect(tile(page, "bed-024")).to_be_visible()
    expect(tile(page, "bed-000")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#page-words")).to_contain_text("Page 3 of 13")
    expect(page).to_have_url(re.compile("page=3"))
    shot(page, "wall-page")
    page.go_back()
    expect(page.locator("#page-words")).to_contain_text("Page 2 of 13")
    page.reload()
    expect(tile(page, "bed-024")).to_be_visible()
    page.locator("#size").select_option("48")
    expect(page.locator(".tile")).to_have_count(48)
    page.get_by_label("Group by site").check()
    expect(page.get_by_role("heading", name="north", exact=True)).to_be_visible()
    shot(page, "wall-48")


def test_a_page_is_turned_before_the_first_live_row_has_come(wall, open_page):
    """What the server drew says how many pages there are: a click must never be swallowed."""
    many(wall)
    eventually(lambda: len(wall.read("/api/beds").json()["beds"]) >= 300, 15.0, "every bed's first message")
    page = open_page("about:blank", may_fail=("ERR_FAILED",))
    page.route("**/stream*", lambda route: route.abort())
    page.context.add_cookies(wall.people.cookies(ADMINISTRATOR, wall.address))
    page.goto(wall.address)
    expect(page.locator("#page-words")).to_have_text("Page 1 of 13 · 300 beds")
    page.locator("#page-next").click()
    expect(page).to_have_url(re.compile("page=2"))


def test_an_alarm_of_a_bed_on_another_page_comes_to_the_front_within_a_second(wall, open_page):
    """What is not on the screen must still be seen: at most a second from the gateway's word."""
    north = many(wall)
    page = open_page(wall.address)
    expect(page.locator("#beds")).to_contain_text("300 beds", timeout=15_000)
    expect(tile(page, "bed-250")).to_have_count(0)
    north.alarm("bed-250", over_force())
    expect(page.locator(".tile").first).to_have_attribute("data-device", "bed-250", timeout=1000)
    expect(page.locator("#alarms")).to_contain_text("bed-250")
    expect(field(tile(page, "bed-250"), "tension")).to_have_text(re.compile(r"^\d+$"))


def test_filters_count_and_a_kept_view_opens_first(wall, north, open_page):
    """Who watches one clinic wants it every morning without choosing it again."""
    wall.clinic("south", Bed("bed-04"))
    page = open_page(wall.address)
    expect(page.locator('[data-count="all"]')).to_have_text("4")
    expect(page.locator('[data-count="session"]')).to_have_text("3")
    page.locator("#site").select_option("north")
    page.get_by_label("In session").check()
    expect(page.locator(".tile")).to_have_count(2)
    expect(page).to_have_url(re.compile("site=north&show=session"))
    page.get_by_role("button", name="Keep this view").click()
    expect(page.get_by_text("From now on this view opens first.")).to_be_visible()
    page.goto(wall.address)
    expect(page.locator(".tile")).to_have_count(2)
    page.goto(f"{wall.address}/?show=all")
    expect(page.locator(".tile")).to_have_count(4)


def test_a_monitor_shows_tiles_that_fit_and_turns_its_pages(wall, open_page):
    """Nobody touches the screen on the wall; alarms are on its first page."""
    north = many(wall, 60)
    wall.people.person("wall", "monitor")
    page = open_page(f"{wall.address}/?kiosk=1&rotate=5", user="wall")
    expect(page.locator(".tile").first).to_be_visible(timeout=15_000)
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator("#page-words")).to_contain_text("Page 1 of")
    page.wait_for_url("**size=*")  # it asks for as many tiles as fit
    over = "document.documentElement.scrollHeight - innerHeight"
    eventually(lambda: page.evaluate(over) <= 0, 5.0, "rows that fit")
    shot(page, "wall-kiosk")
    expect(page.locator("#page-words")).to_contain_text("Page 2 of", timeout=9000)
    north.alarm("bed-050", over_force())
    expect(page.locator("#page-words")).to_contain_text("Page 1 of", timeout=3000)
    expect(page.locator(".tile").first).to_have_attribute("data-device", "bed-050")


def test_a_reader_of_one_clinic_sees_nothing_of_another(wall, north, open_page):
    """Neither tile nor alarm, count or name."""
    south = wall.clinic("south", Bed("bed-09"))
    south.alarm("bed-09", over_force())
    wall.people.person("nora", "reception@north")
    page = open_page(wall.address, user="nora")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator("#beds")).to_contain_text("3 beds")
    expect(page.locator("#no-alarms")).to_be_visible()
    assert "south" not in page.content()
    assert "bed-09" not in page.content()


def test_an_ended_sign_in_ends_its_streams(wall, north, open_page):
    """Whose account is switched off must not go on watching the screen that is open already."""
    wall.people.person("nora", "reception@north")
    page = open_page(wall.address, user="nora", may_fail=("401", "Failed to load", "WebSocket"))
    expect(field(tile(page, "bed-01"), "tension")).to_have_text(re.compile(r"^\d+$"))
    wall.people.sign_out_everywhere("nora")
    expect(page).to_have_url(re.compile("/sign-in"), timeout=15_000)


def test_the_wall_is_there_without_scripts(wall, north):
    """The least that a page must do is to say what is known."""
    eventually(lambda: len(wall.read("/api/beds").json()["beds"]) == 3, 15, "three beds")
    html = wall.read("/?size=48&site=north").text
    assert html.count('<li class="tile') == 4  # and the template of one
    assert '<option value="north" selected>' in html
    assert "Apply</button></noscript>" in html


def test_the_wall_holds_its_pages_on_a_phone_in_german(wall, open_page):
    """A doctor on call looks from a corridor."""
    many(wall, 60)
    page = open_page(wall.address, width=390, height=844, locale="de-DE")
    expect(page.locator("#page-words")).to_have_text("Seite 1 von 3 · 60 Liegen", timeout=15_000)
    assert sideways(page) <= 0
    shot(page, "wall-390-de")
    page.locator("#page-next").click()
    expect(page.locator("#page-words")).to_have_text("Seite 2 von 3 · 60 Liegen")
