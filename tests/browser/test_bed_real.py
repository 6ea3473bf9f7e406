"""The bed's page and the patient's view over a whole system: real loop, real broker, real archive."""

import contextlib
import re

import pytest
import replayed
from browser.conftest import shot
from console.account_rig import AccountRig
from machine import Machine
from playwright.sync_api import expect
from servers import eventually
from sqlalchemy import select

from services.console.tables import TRAIL

PULLING = re.compile("slack|precondition|ramp|hold|release|rest|guarded|rebuild")
NUMBER = re.compile(r"^\d+$")
FIRST_START_MS = 90_000  # the simulated therapist confirms, tests the switch and tilts before the first pull


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Two beds with a simulated therapist who treats at both."""
    made = Machine(tmp_path_factory.mktemp("bed") / "data", "--beds", "2", "--sites", "1").start()
    yield made
    if made.running:
        made.stop(10.0)
    replayed.left_behind(made)


@pytest.fixture
def people(system):
    """Accounts of the running console."""
    with contextlib.closing(AccountRig(f"sqlite:///{system.data / 'console' / 'console.db'}")) as rig:
        rig.person("tim", "therapist@north")
        rig.person("screen", "monitor")
        yield rig


@pytest.fixture
def page_of(system, people, open_page):
    """A page of the console, opened by somebody."""

    def open_it(path, user, **options):
        console = system.addresses["console"]
        page = open_page(f"{console}/sign-in", **options)
        page.context.add_cookies(people.cookies(user, console))
        page.goto(console + path)
        return page

    return open_it


def test_stop_from_the_beds_page_stops_the_bed_and_is_on_record(page_of, people):
    """The whole way: browser, console, broker, gateway, loop, and back."""
    page = page_of("/beds/bed-01?site=north", "tim")
    bed = page.locator("#bed")
    expect(bed).to_have_attribute("data-phase", PULLING, timeout=FIRST_START_MS)
    expect(page.locator("#history .uplot")).to_be_visible(timeout=20_000)
    expect(page.locator('[data-part="spool"]')).to_have_attribute("data-health", "good", timeout=10_000)
    expect(page.locator('[data-part="telemetry"]')).to_have_attribute("data-health", "good", timeout=15_000)
    expect(page.locator('[data-part="panel"]')).to_have_attribute("data-health", "good", timeout=15_000)
    shot(page, "bed-real")
    page.get_by_role("button", name="STOP").click()
    expect(page.locator("#answer")).to_contain_text("STOP confirmed", timeout=8000)
    expect(page.locator("#answer")).to_contain_text("by tim")
    expect(bed).to_have_attribute("data-phase", re.compile("stopped|done|idle"), timeout=5000)
    with people.store.engine.connect() as connection:
        rows = connection.execute(select(TRAIL).where(TRAIL.c.action == "bed.stop")).all()
    assert [(row.name, row.record, row.site) for row in rows] == [("tim", "north/bed-01", "north")]


def test_a_role_that_may_not_stop_is_refused_by_the_server_itself(page_of):
    """What a page hides, a person can still send."""
    page = page_of("/beds/bed-02?site=north", "screen", may_fail=("403",))
    expect(page.get_by_role("button", name="STOP")).to_have_count(0)
    sent = """async () => { const { send } = await import("/assets/send.js");
        const answer = await send("/api/beds/bed-02/stop?site=north");
        return [answer.status, (await answer.json()).detail]; }"""
    status, detail = page.evaluate(sent)
    assert status == 403
    assert "beds.stop is not permitted to 'screen'" in detail


def test_the_curve_grows_at_its_end_without_being_asked_for_whole(page_of):
    """Half an hour of samples must not travel every few seconds."""
    page = page_of("/beds/bed-02?site=north", "tim")
    expect(page.locator("#bed")).to_have_attribute("data-phase", PULLING, timeout=FIRST_START_MS)
    page.reload()
    expect(page.locator("#history .uplot")).to_be_visible(timeout=20_000)
    with page.expect_response(lambda it: "/curve?" in it.url and "seq=" in it.url, timeout=15_000) as answer:
        pass
    times = answer.value.json()["time"]
    assert 0 < times[-1] - times[0] < 15  # seconds: what came since, not the session


def test_the_patients_view_follows_the_same_bed(page_of):
    """Patient and therapist see one and the same pull."""
    page = page_of("/beds/bed-02/patient?site=north", "screen")
    expect(page.locator('[data-field="pull"]')).to_have_text(NUMBER, timeout=FIRST_START_MS)
    expect(page.locator('[data-field="left"]')).to_have_text(re.compile("left|nearly"))
    shot(page, "patient-real")


def test_a_fault_of_a_bed_is_an_alarm_on_the_wall_within_a_second(page_of, system):
    """From the tick that found it to the pixel, by the gateway's own clock, on the same machine."""
    page = page_of("/", "tim")
    expect(page.locator(".tile")).to_have_count(2)
    page.evaluate(
        """() => new MutationObserver(() => {
             if (document.getElementById("alarms").textContent.includes("bed-02")) window.seen ??= Date.now();
           }).observe(document.getElementById("alarms"), { childList: true, subtree: true })"""
    )
    assert system.spondyl("bed", "fault", "bed-02", "switch-pressed").returncode == 0
    expect(page.locator("#alarms")).to_contain_text("bed-02", timeout=10_000)
    rows = page.evaluate("fetch('/api/alarms?lang=en').then((answer) => answer.json())")["alarms"]
    since_us = next(row["since_us"] for row in rows if row["device"] == "bed-02")
    assert page.evaluate("window.seen") - since_us / 1000 < 1000
    # worst first, once the other bed's stop is over and tiles may move again
    expect(page.locator(".tile").first).to_have_attribute("data-device", "bed-02", timeout=30_000)
    shot(page, "wall-fault")
    assert system.spondyl("bed", "fault", "bed-02", "switch-pressed", "--clear").returncode == 0


def test_a_lost_load_cell_is_a_gap_with_a_name_in_the_stored_curve(page_of, system):
    """From the loop's tick over block, broker, ingest and window to the picture: no flat line at 0 N."""
    page = page_of("/beds/bed-01?site=north", "tim")
    assert system.spondyl("bed", "fault", "bed-01", "sensor-lost").returncode == 0
    expect(page.locator("#alarms")).to_contain_text("LOAD CELL LOST", timeout=10_000)
    page.get_by_label("5 min", exact=True).check()
    expect(page.locator("#history-unmeasured")).to_have_text(
        re.compile("Not measured, as .*: [0-9:]+"), timeout=20_000
    )
    asked = "fetch('/api/beds/bed-01/curve?site=north&minutes=5').then((answer) => answer.json())"
    curve = eventually(
        lambda: next((it for it in [page.evaluate(asked)] if None in it["tension"]), None), what="a gap"
    )
    (begin, end), *_ = curve["unmeasured"]
    lost = [at for at, tension in zip(curve["time"], curve["tension"], strict=True) if tension is None]
    assert begin - 1 < min(lost) <= max(lost) < end + 1
    page.locator("#history").scroll_into_view_if_needed()
    shot(page, "bed-unmeasured")
    assert system.spondyl("bed", "fault", "bed-01", "sensor-lost", "--clear").returncode == 0
