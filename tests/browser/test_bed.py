"""One bed's page in a real browser: limits, marks, progress, the way to the store, and STOP."""

import re
import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from browser.conftest import shot, sideways
from console.clinic import Bed, alarm
from playwright.sync_api import expect
from servers import eventually
from simulated_session import SESSION

from broker import contract
from broker.bus import Bus
from broker.messages import Committed, Reply

AWAY = ("503",)  # telemetry is not there in most of these tests


def field(page, name):
    return page.locator(f'[data-field="{name}"]').first


@pytest.fixture
def bed_page(wall, north, open_page):
    """The page of a bed that pulls; it needs no telemetry."""

    def open_bed(device="bed-01", site="north", may_fail=(), **options):
        address = f"{wall.address}/beds/{device}?site={site}"
        return open_page(address, may_fail=(*AWAY, *may_fail), **options)

    return open_bed


@pytest.fixture
def gateway(wall):
    """A gateway that answers commands: what it heard, in its order."""
    bus = Bus(wall.broker.url, "gw-under-test", site="north")
    bus.subscribe(contract.COMMAND)
    bus.start()
    assert bus.wait_connected(10)
    heard, over = [], threading.Event()

    def answer():
        while not over.is_set():
            for delivery in bus.take(1, 0.2):
                command = delivery.message
                heard.append((delivery.device, command.action, command.by))
                now = datetime.now(UTC)
                done = Reply(id=command.id, action=command.action, accepted=True, at=now, detail="stopped")
                bus.reply(delivery, done)
                bus.acknowledge([delivery])

    thread = threading.Thread(target=answer)
    thread.start()
    yield heard
    over.set()
    thread.join(5)
    bus.close()


def test_the_trace_has_its_limits_marks_and_events(bed_page, north):
    """What the numbers mean stands where they are drawn; what happened stands at its time."""
    page = bed_page()
    expect(page.locator("#labels")).to_contain_text("Limit 400 N")
    expect(page.locator("#labels")).to_contain_text("Peak 280 N")
    north.event("bed-01", "guarding.detected", tension_n=180.0)
    expect(page.locator("#events li").first).to_contain_text(
        "Guarding detected: the table yields", timeout=4000
    )
    marks = "document.querySelector('.bed-sweep canvas').sweep.marks.map((mark) => mark.label)"
    assert page.evaluate(marks) == ["Guarding"]
    crossed = "document.querySelector('.bed-sweep canvas').sweep.crossed(0)"
    eventually(lambda: page.evaluate(crossed), 30, "the trace crosses its limit's line")
    expect(page.locator("footer")).to_contain_text("not a certified medical device")
    shot(page, "bed")


def test_an_alarm_stands_on_the_trace_where_it_came_on(bed_page, north):
    """Who looks up when it sounds sees beside which pull it was; by its symbol too, never by colour alone."""
    page = bed_page()
    text = {"de": "** GURT RUTSCHT 24 mm", "en": "** STRAP SLIPS 24 mm"}
    north.event("bed-01", "alarm.raised", condition="strap_slip", priority="medium", text=text)
    north.event("bed-01", "alarm.cleared", condition="strap_slip", priority="medium", text=text)
    expect(page.locator('#events li[data-type="alarm.cleared"]')).to_be_visible(timeout=4000)
    marks = "document.querySelector('.bed-sweep canvas').sweep.marks.map((mark) => [mark.label, mark.color])"
    assert page.evaluate(marks) == [["**", "--medium-text"]]
    drawn = """() => { const canvas = document.querySelector(".bed-sweep canvas");
      const colour = getComputedStyle(canvas).getPropertyValue("--medium-text").trim();
      const wanted = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if (wanted.every((part, i) => Math.abs(data[at + i] - part) < 8)) count++;
      return count; }"""
    eventually(lambda: page.evaluate(drawn) > 100, 30, "the mark's line")
    shot(page, "bed-alarm-mark")


def test_the_clock_is_that_of_the_site_wherever_the_browser_stands(bed_page):
    """A chain's centre looks at a clinic: the curve and the events beside it must tell the same times."""
    page = bed_page()
    page.evaluate("document.documentElement.dataset.zone = 'Pacific/Auckland'")
    there = ZoneInfo("Pacific/Auckland")
    times = [f"{datetime.now(there) + timedelta(minutes=more):%H:%M}" for more in (0, 1)]
    expect(page.locator("#clock")).to_have_text(re.compile("|".join(times)), timeout=4000)


def test_target_measured_value_and_limit_stand_in_one_row(bed_page):
    """Who compares three numbers must not look for them."""
    page = bed_page()
    expect(field(page, "tension")).to_have_text(re.compile(r"^\d+$"))
    rows = [
        page.locator(f'.value[data-fact="{name}"]').bounding_box()
        for name in ("target", "tension", "ceiling")
    ]
    bottoms = {round(box["y"] + box["height"]) for box in rows}
    assert max(bottoms) - min(bottoms) <= 1
    assert rows[0]["x"] < rows[1]["x"] < rows[2]["x"]


def test_the_sessions_stage_cycle_and_times_are_shown(bed_page):
    """A therapist plans the next patient by it."""
    page = bed_page()
    expect(page.locator('#stages li[data-state="now"]')).to_have_text("Cycles")
    expect(page.locator('#stages li[aria-current="step"]')).to_have_count(1)
    expect(page.locator('#cycle li[data-state="now"]')).to_have_count(1)
    expect(field(page, "gone")).to_have_text(re.compile(r"^\d+:\d\d$"))
    expect(field(page, "remaining")).to_have_text(re.compile(r"^\d+:\d\d$"))


def test_a_table_that_yields_is_said_in_words(bed_page):
    """The one thing a person at the screen must see without reading numbers."""
    page = bed_page("bed-02")
    expect(page.locator("#cycle li")).to_have_text(["Guarding"])
    expect(field(page, "words")).to_have_text("The muscles pull against it: the table yields.")
    shot(page, "bed-guarding")


def test_the_way_from_the_bed_to_the_store_is_told_part_by_part(bed_page, north):
    """Where the samples are held up is the first question when something is late."""
    page = bed_page()
    chain = page.locator("#chain")
    expect(chain.locator('[data-part="gateway"]')).to_have_attribute("data-health", "good")
    expect(chain.locator('[data-part="spool"]')).to_contain_text("nothing heard from the store yet")
    stored = Committed(boot=north.boot, next={"tension": north.beds["bed-01"].seq}, at=datetime.now(UTC))
    north.bus.publish(contract.COMMITTED, stored, device="bed-01").wait(5)
    expect(chain.locator('[data-part="spool"]')).to_contain_text("all but the last", timeout=4000)
    expect(chain.locator('[data-part="panel"]')).to_have_attribute("data-health", "bad", timeout=6000)
    expect(chain.locator('[data-part="telemetry"]')).to_contain_text("does not answer")


def test_a_lost_load_cell_leaves_a_gap_in_the_trace_and_no_number(bed_page, north):
    """A solid line at zero and a counter-tension of zero would be believed beside a blanked number."""
    page = bed_page()
    expect(field(page, "counter")).to_have_text(re.compile(r"^-?\d+$"))
    north.beds["bed-01"].lost = "load_cell"
    north.alarm("bed-01", alarm("load_cell_lost", "high", "KRAFTMESSUNG AUSGEFALLEN", "LOAD CELL LOST"))
    expect(field(page, "counter")).to_have_text("--", timeout=4000)
    expect(field(page, "tension")).to_have_text("--")
    expect(field(page, "words")).to_contain_text("Tension is not known")
    newest = """(key) => { const { sweep } = document.querySelector('.bed-sweep canvas');
        return Number.isNaN(sweep.data[key][sweep.head % sweep.size]); }"""
    eventually(lambda: page.evaluate(newest, "tension"), 5, "a gap in the trace")
    assert page.evaluate(newest, "counter")
    assert not page.evaluate(newest, "target")
    shot(page, "bed-load-cell-lost")


def test_a_bed_that_falls_silent_freezes_and_tells_its_age(bed_page, north):
    """A number that is no longer true must not look as if it were."""
    page = bed_page()
    expect(field(page, "tension")).to_have_text(re.compile(r"^\d+$"))
    north.beds["bed-01"].silent = True
    expect(field(page, "tension")).to_have_text("--", timeout=8000)
    expect(page.locator("#bed")).to_have_class(re.compile("frozen"))
    expect(page.locator(".bed-age")).to_be_visible()
    expect(page.locator(".bed-age")).to_have_text(re.compile(r"no data for \d+ s"))
    expect(page.locator('#stages li[data-state="now"]')).to_have_count(0)
    shot(page, "bed-stale")


def test_a_console_that_is_gone_leaves_no_bed_called_live(bed_page, wall):
    """The green `live` above dashes was the one word that was no longer true."""
    page = bed_page(may_fail=("Failed to load", "WebSocket", "ERR_"))
    expect(page.locator("#bed")).to_have_attribute("data-link", "live", timeout=8000)
    wall.process.kill()
    expect(page.locator("#banner")).to_contain_text("connection to the console is lost", timeout=8000)
    expect(page.locator("#bed")).to_have_attribute("data-link", "stale")
    expect(page.locator("#bed .badge")).to_have_text("--")


def test_a_broker_that_is_gone_leaves_a_clear_page(bed_page, wall):
    """Nothing to be seen is said, and so is that a stop will not go out."""
    page = bed_page(may_fail=("502",))
    expect(field(page, "tension")).to_have_text(re.compile(r"^\d+$"))
    wall.broker.kill()
    expect(page.locator("#banner")).to_contain_text("The broker has not been reachable", timeout=8000)
    expect(page.locator('[data-part="link"]')).to_contain_text("the broker cannot be reached", timeout=4000)
    page.get_by_role("button", name="STOP").click()
    expect(page.locator("#answer")).to_contain_text("NOT STOPPED", timeout=10_000)
    shot(page, "bed-broker-down")
    wall.broker.start()


def test_telemetry_that_is_away_costs_the_curve_and_nothing_else(bed_page):
    """The live trace needs no archive."""
    page = bed_page()
    expect(page.locator("#history-note")).to_contain_text("Telemetry does not answer")
    expect(field(page, "tension")).to_have_text(re.compile(r"^\d+$"))


def test_stop_is_one_press_and_its_answer_is_shown_with_who_and_when(bed_page, gateway):
    """Stop is the one thing a remote must always be able to say."""
    page = bed_page()
    page.get_by_role("button", name="STOP").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("STOP confirmed", timeout=8000)
    expect(answer).to_contain_text(re.compile(r"\d\d:\d\d:\d\d, by ada"))
    assert [row[:2] for row in gateway] == [("bed-01", "stop")]
    shot(page, "bed-stopped")


def test_a_pause_is_asked_once_and_only_then_sent(bed_page, gateway):
    """A pause that slipped costs a patient minutes: only the bedside can resume."""
    page = bed_page()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Only the bedside can resume")
    page.get_by_role("button", name="Back", exact=True).click()
    assert gateway == []
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Pause now").click()
    expect(page.locator("#answer")).to_contain_text("Pause confirmed", timeout=8000)
    assert [row[:2] for row in gateway] == [("bed-01", "pause")]


def test_a_stop_that_nobody_answers_is_said_loudly(bed_page):
    """Silence must never be taken for a stop, nor for a bed that goes on: nobody knows."""
    page = bed_page(may_fail=("504",))
    page.get_by_role("button", name="STOP").click()
    answer = page.locator("#answer")
    expect(answer).to_have_attribute("role", "alert", timeout=10_000)
    expect(answer).to_contain_text("GO TO THE BED: whether it stopped is not known")
    expect(answer).not_to_contain_text("NOT STOPPED")
    size = answer.locator("strong").evaluate("(it) => parseFloat(getComputedStyle(it).fontSize)")
    assert size >= 24
    shot(page, "bed-not-stopped")


def test_a_bed_that_stopped_without_an_answer_takes_the_alarm_back(bed_page, north):
    """Who runs to a bed that has stopped is missing at another one."""
    page = bed_page(may_fail=("504",))
    page.get_by_role("button", name="STOP").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("NO ANSWER", timeout=10_000)
    north.beds["bed-01"].phase = "stopped"
    expect(answer).to_contain_text(re.compile(r"Stopped after all, at \d\d:\d\d:\d\d"), timeout=4000)
    expect(answer).to_have_attribute("data-state", "done")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_stop_stays_in_sight_however_far_the_page_is_scrolled(bed_page, width, height):
    """An emergency does not wait for a scroll bar."""
    page = bed_page(width=width, height=height)
    stop = page.get_by_role("button", name="STOP")
    for place in (0, 600, 99_999):
        page.evaluate(f"window.scrollTo(0, {place})")
        box = stop.bounding_box()
        assert 0 <= box["y"] <= height - box["height"]
        hit = "([x, y]) => document.elementFromPoint(x, y).closest('button')?.dataset.command"
        assert page.evaluate(hit, [box["x"] + 10, box["y"] + 10]) == "stop"


def test_who_may_only_watch_sees_why_there_is_no_stop_and_cannot_send_one(wall, bed_page):
    """A button that would be refused is a trap; the rule itself is the server's."""
    wall.people.person("screen", "monitor")
    page = bed_page(user="screen", may_fail=("403",))
    expect(page.get_by_role("button", name="STOP")).to_have_count(0)
    expect(page.locator(".bed-why")).to_contain_text("may watch this bed but not stop it")
    expect(page.locator("#history")).to_have_count(0)
    sent = """async () => { const { send } = await import("/assets/send.js");
        return (await send("/api/beds/bed-01/stop?site=north")).status; }"""
    assert page.evaluate(sent) == 403
    shot(page, "bed-monitor")


def test_another_sites_bed_is_answered_like_none(wall, bed_page):
    """Which beds another clinic has is nobody's business."""
    wall.people.person("anna", "therapist@south")
    page = bed_page(user="anna", may_fail=("404",))
    words = page.locator("main").inner_text()
    assert "No bed bed-01 at site north has been heard of" in words
    page.goto(f"{wall.address}/beds/bed-77?site=north")
    assert page.locator("main").inner_text() == words.replace("bed-01", "bed-77")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_speaks_german_and_fits_a_phone(wall, bed_page, north, theme):
    """A doctor on call looks from a corridor."""
    north.alarm("bed-01", alarm("over_force", "high", "ZUG 512 > 450 N", "TENSION 512 > 450 N"))
    page = bed_page(width=390, height=844, locale="de-DE")
    page.goto(f"{wall.address}/preferences?theme={theme}&next=/beds/bed-01")
    expect(page.get_by_role("button", name="STOPP")).to_be_visible()
    expect(page.locator("#chain")).to_contain_text("Verbindung")
    expect(page.locator(".bed-alarms .alarm")).to_contain_text("ZUG 512 > 450 N")
    assert sideways(page) <= 0
    shot(page, f"bed-390-{theme}")
    page.evaluate("window.scrollTo(0, 99999)")
    shot(page, f"bed-390-{theme}-end")


def test_a_session_without_stored_samples_says_so_instead_of_an_empty_plot(wall_with_archive, open_page):
    """An axis of nonsense times would look like a curve that is lost."""
    wall_with_archive.clinic("north", Bed("bed-01", phase="hold", session=SESSION))
    page = open_page(f"{wall_with_archive.address}/beds/bed-01?site=north")
    with page.expect_response(lambda it: "/curve?" in it.url and it.ok):
        expect(page.locator("#history-note")).to_have_text("Nothing of this session has been stored yet.")
    expect(page.locator("#history")).to_be_hidden()
    shot(page, "bed-nothing-stored")


def test_the_curve_is_drawn_from_what_lies_in_the_archive(wall_with_archive, open_page):
    """What has left Redis is the same curve to who looks at it."""
    wall_with_archive.clinic("north", Bed("bed-01"))
    page = open_page(f"{wall_with_archive.address}/beds/bed-01?site=north")
    page.get_by_label("15 min").check()
    expect(page.locator("#history canvas")).to_be_visible(timeout=8000)
    expect(page.locator("#history-note")).to_have_text("")
    drawn = page.evaluate(
        """() => { const canvas = document.querySelector("#history canvas");
           const colour = getComputedStyle(document.documentElement).getPropertyValue("--tension").trim();
           const pen = document.createElement("canvas").getContext("2d");
           pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
           const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
           const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
           const columns = new Set();
           for (let at = 0; at < data.length; at += 4)
             if ([red, green, blue].every((part, i) => Math.abs(data[at + i] - part) < 10))
               columns.add((at / 4) % canvas.width);
           return columns.size / canvas.width; }"""
    )
    assert drawn > 0.5  # of the width: the curve of tension, from its beginning to its end
    page.locator("#history").scroll_into_view_if_needed()
    shot(page, "bed-history")
