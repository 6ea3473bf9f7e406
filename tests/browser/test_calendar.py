"""The calendar in a real browser: carried by mouse and by keys, checked at every place, taken back."""

import re

import pytest
from bedside_rig import Served
from browser.conftest import shot, sideways
from browser.planned import apart
from console.planning_rig import PlanningRig
from playwright.sync_api import expect

ROW_PX = 6  # five minutes


def clinic(directory):
    """Two patients at ten, each on a bed of their own; a third without a cure."""
    made = PlanningRig(directory)
    for device, *name in (("bed-01", "Aas", "Berit"), ("bed-02", "Dybdahl", "Emil")):
        made.cure(made.patient(*name), device=device, times=[["10:00", "10:45"]])
    made.patient("Christensen", "Mette")
    return made


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A clinic with two patients on one day."""
    made = apart(clinic, tmp_path_factory.mktemp("calendar"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def address(rig):
    """Where its console is."""
    served = Served(rig.room.app)
    yield f"http://127.0.0.1:{served.port}"
    served.close()


@pytest.fixture
def page(open_page, rig, address):
    """The calendar of the first day, opened by the desk."""
    found = open_page("about:blank", height=1000)
    found.set_default_timeout(30_000)
    found.context.add_cookies(rig.room.people.cookies("rita", address))
    found.goto(f"{address}/calendar?site=north&day={rig.monday}")
    found.locator("#calendar[data-placed]").wait_for()
    return found


def block(page, name):
    """The appointment of this patient."""
    return page.locator(".cal-block", has_text=name)


def carry(page, name, *, aside=0, rows=0):
    """Press on an appointment and take it so far (pixels aside, rows down); the button stays down."""
    box = block(page, name).bounding_box()
    x, y = box["x"] + 40, box["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 12, steps=3)
    page.mouse.move(x + aside, y + rows * ROW_PX, steps=6)


def test_an_appointment_is_dragged_where_it_may_go_and_taken_back(page, rig):
    """A forbidden place says its rule while the button is still down; a free one asks which and why."""
    width = page.locator(".cal-column").first.bounding_box()["width"]
    carry(page, "Aas", aside=width)
    expect(page.locator(".cal-say[data-ok=no]")).to_contain_text("bed-02")
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(page.locator(".cal-ghost")).to_have_count(0)
    carry(page, "Aas", rows=24)
    expect(page.locator(".cal-say[data-ok=yes]")).to_contain_text("12:00")
    shot(page, "calendar-drag")
    page.mouse.up()
    dialog = page.locator("#move")
    expect(dialog).to_contain_text("12:00")
    dialog.get_by_label("Reason").fill("comes by train")
    dialog.get_by_role("button", name="Move", exact=True).click()
    expect(block(page, "Aas")).to_have_attribute("data-at", f"{rig.monday}T12:00")
    page.get_by_role("button", name="Undo").click()
    expect(block(page, "Aas")).to_have_attribute("data-at", f"{rig.monday}T10:00")


def test_the_same_goes_by_keys_and_is_spoken(page, rig):
    """Nobody needs a mouse: every place and what forbids it is said aloud."""
    block(page, "Dybdahl").locator("a").focus()
    page.keyboard.press("m")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#announcer")).to_contain_text("not possible")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#announcer")).to_contain_text("it fits there")
    page.keyboard.press("Enter")
    dialog = page.locator("#move")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(block(page, "Dybdahl")).to_have_attribute("data-at", f"{rig.monday}T10:00")
    expect(block(page, "Dybdahl").locator("a")).to_be_focused()


SUBMITS_NOTHING = """() => {
  const form = document.getElementById("plan");
  form.addEventListener("submit", (event) => event.preventDefault(), { once: true });
  form.querySelector('button[value="preview"]').click();
}"""


def shown_busy(page):
    """The preview takes a while: the button says so until the page is there again."""
    page.wait_for_load_state("load")
    button = page.locator('button[value="preview"]')
    page.evaluate(SUBMITS_NOTHING)
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_contain_text("The plan is being worked out")
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow'))")
    expect(button).not_to_have_attribute("aria-busy", "true")


def test_a_cure_is_planned_booked_and_stands_on_the_board(page, rig, address):
    """From a name with a typing error to the day's board, at a desk's screen and on a phone."""
    page.goto(f"{address}/planning?site=north")
    page.get_by_role("searchbox", name="Patient").fill("Kristensen")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Christensen, Mette").click()
    page.get_by_label("Earliest start").fill(str(rig.monday))
    page.get_by_label("Sessions").fill("15")
    expect(page.locator("main")).to_contain_text("Not cleared yet")
    shown_busy(page)
    page.get_by_role("button", name="Show the whole series").click()
    expect(page.locator(".plan-series li")).to_have_count(15)
    page.get_by_role("button", name="Book all 15").click()
    expect(page).to_have_url(re.compile(r"/cures/[0-9a-f-]{36}\?done=booked"))
    expect(page.locator("#appointments tbody tr")).to_have_count(15)
    cure = page.url.rpartition("/")[2].partition("?")[0]
    first = apart(rig.scheduler.ask, "GET", f"/cures/{cure}")["appointments"][0]
    page.goto(f"{address}/board?site=north&day={first['starts_at'][:10]}")
    expect(page.locator(".board-row", has_text="Christensen, Mette")).to_contain_text("No clearance")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert sideways(page) <= 0
