"""The focus stays with a person while the page updates itself: on a tile, an alarm's button, a link."""

import pytest
from browser.conftest import shot
from browser.test_alarms import mains_lost, network_lost, over_force, wait_for_the_stream
from console.clinic import Bed
from playwright.sync_api import expect
from servers import eventually

FOCUSED = "() => document.activeElement.textContent.trim()"
WATCH = """() => {
  window.lost = [];
  const look = () => {
    const it = document.activeElement;
    if (!it || it === document.body || !it.checkVisibility()) window.lost.push(performance.now());
    requestAnimationFrame(look);
  };
  look();
}"""
ORDER = "[...document.querySelectorAll('.tile')].map((it) => it.dataset.device)"


@pytest.fixture
def ward(wall):
    """Three beds at work."""
    return wall.clinic("north", Bed("bed-01"), Bed("bed-02", offset_s=8), Bed("bed-03", offset_s=15))


def watch(page):
    """From now on, notice every frame in which nothing has the focus."""
    page.evaluate(WATCH)


def order_is(page, *devices):
    eventually(lambda: page.evaluate(ORDER) == list(devices), 25.0, f"the order {devices}")


def test_a_tile_keeps_the_focus_while_tiles_pass_it_and_it_passes_them(wall, ward, open_page):
    """Who has walked to a bed by keyboard stays at that bed, whatever becomes worse around it."""
    page = open_page(wall.address)
    order_is(page, "bed-01", "bed-02", "bed-03")
    page.locator(".tile-link", has_text="bed-02").focus()
    watch(page)
    ward.alarm("bed-03", mains_lost())
    order_is(page, "bed-03", "bed-01", "bed-02")
    ward.alarm("bed-02", over_force())
    order_is(page, "bed-02", "bed-03", "bed-01")
    ward.alarm("bed-01", over_force(530))
    ward.alarm("bed-02", network_lost())
    ward.alarm("bed-03")
    order_is(page, "bed-01", "bed-02", "bed-03")
    assert page.evaluate(FOCUSED) == "bed-02"
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "bed-03"
    assert page.evaluate("window.lost") == []


def test_a_tile_that_leaves_gives_its_focus_to_the_one_in_its_place(wall, ward, open_page):
    """A list that shows only alarms gets shorter while somebody works in it."""
    ward.alarm("bed-01", mains_lost())
    ward.alarm("bed-02", mains_lost())
    page = open_page(f"{wall.address}/?show=alarm")
    expect(page.locator(".tile")).to_have_count(2)
    wait_for_the_stream(page)
    page.locator(".tile-link", has_text="bed-01").focus()
    watch(page)
    ward.alarm("bed-01")
    expect(page.locator(".tile")).to_have_count(1, timeout=25_000)
    assert page.evaluate(FOCUSED) == "bed-02"
    ward.alarm("bed-02")
    expect(page.locator(".tile")).to_have_count(0, timeout=25_000)
    assert page.evaluate("document.activeElement.id") == "content"
    assert page.evaluate("window.lost") == []


@pytest.mark.parametrize("path", ["/", "/beds/bed-02?site=north", "/alarms"])
def test_an_acknowledge_button_keeps_the_focus_while_alarms_come_and_go(wall, ward, open_page, path):
    """Enter must acknowledge the alarm that was read, not the one that has just moved there."""
    ward.alarm("bed-02", mains_lost())
    page = open_page(f"{wall.address}{path}", may_fail=("503",))
    part = {"/": "#alarms", "/alarms": "#all-alarms"}.get(path, "#bed-alarm-card")
    button = page.locator(f"{part} .alarm", has_text="MAINS LOST").get_by_role("button")
    button.focus()  # as the server has rendered it, before the first update
    watch(page)
    wait_for_the_stream(page)
    for value in (512, 520, 531):
        ward.alarm("bed-01", over_force(value))
        ward.alarm("bed-02", over_force(value), mains_lost())
        expect(page.locator(f"{part} .alarm", has_text=str(value)).first).to_be_attached()
    ward.alarm("bed-01")
    ward.alarm("bed-02", mains_lost())
    expect(page.locator(f"{part} .alarm")).to_have_count(1)
    assert button.evaluate("(it) => it === document.activeElement")
    shot(page, f"focus-{part[1:]}")
    page.keyboard.press("Enter")
    expect(page.locator(f"{part} .alarm[data-acknowledged]")).to_contain_text("MAINS LOST")
    assert page.evaluate("window.lost") == []


def test_an_alarm_that_ends_under_the_focus_leaves_it_on_the_next_one_then_on_the_page(wall, ward, open_page):
    """A keyboard without a place begins at the top of the page again."""
    ward.alarm("bed-01", over_force())
    ward.alarm("bed-02", mains_lost())
    page = open_page(wall.address)
    wait_for_the_stream(page)
    page.locator("#alarms .alarm", has_text="TENSION 512").get_by_role("button").focus()
    watch(page)
    ward.alarm("bed-01")
    expect(page.locator("#alarms .alarm")).to_have_count(1)
    where = "document.activeElement.closest('.alarm')?.dataset.device"
    assert page.evaluate(where) == "bed-02"
    ward.alarm("bed-02")
    expect(page.locator("#no-alarms")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "content"
    assert page.evaluate("window.lost") == []
