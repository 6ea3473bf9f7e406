"""Alarms in a real browser, against a real broker: seen, heard, acknowledged."""

import re
import time

import pytest
from browser.conftest import service, shot, sideways, stop
from console.clinic import Bed, alarm
from playwright.sync_api import expect
from servers import answers, eventually, free_port

OSCILLATORS = """
window.tones = [];
const begin = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.tones.push({ hertz: this.frequency.value, at });
  return begin.call(this, at);
};
"""
HERTZ = {"high": 880, "medium": 660, "low": 523}
PULSES = {"high": 10, "medium": 3, "low": 1}


def over_force(value=512):
    return alarm("over_force", "high", f"ZUG {value} > 450 N", f"TENSION {value} > 450 N")


def mains_lost():
    return alarm("mains_lost", "medium", "NETZSTROM AUSGEFALLEN: AKKUBETRIEB", "MAINS LOST: ON BATTERY")


def network_lost():
    return alarm("network_lost", "low", "NETZWERK AUSGEFALLEN", "NETWORK LOST")


def flashing(page):
    """Every element that flashes now."""
    return page.evaluate(
        """() => document.getAnimations()
             .filter((it) => it.animationName === "alarm-flash" && it.playState === "running")
             .map((it) => it.effect.target.closest("[data-device]")?.dataset.device ?? "")"""
    )


def wait_for_the_stream(page):
    """Until the page shows what came after it was opened."""
    eventually(lambda: page.evaluate("document.getElementById('alarms').shown"), 5.0, "the first summary")


def header_row(page, text):
    return page.locator("#alarms .alarm", has_text=text)


def test_an_alarm_is_on_an_open_page_within_a_second(wall, north, open_page):
    """A second is what a nurse at the monitor may be late; priority, symbol and values are all there."""
    page = open_page(f"{wall.address}/beds/bed-02?site=north", may_fail=("503",))
    expect(page.locator("#no-alarms")).to_be_visible()
    page.evaluate(
        """() => new MutationObserver(() => {
             if (document.querySelector("#alarms .alarm")) window.seen ??= Date.now();
           }).observe(document.getElementById("alarms"), { childList: true, subtree: true })"""
    )
    published = time.time()
    north.alarm("bed-01", over_force())
    expect(header_row(page, "TENSION 512 > 450 N")).to_be_visible()
    assert page.evaluate("window.seen") / 1000 - published < 1.0
    row = header_row(page, "TENSION 512 > 450 N")
    assert row.get_attribute("data-priority") == "high"
    expect(row.locator(".alarm-symbol")).to_have_text("***")


def test_an_alarm_is_acknowledged_by_keyboard_and_everybody_sees_by_whom(wall, north, open_page):
    """Acknowledging silences; it never hides: colour, symbol and text stay on header, tile and bed page."""
    wall.people.person("tom", "therapist@north")
    north.alarm("bed-01", over_force())
    page = open_page(wall.address, user="tom")
    other = open_page(f"{wall.address}/beds/bed-01?site=north", may_fail=("503",))
    button = header_row(page, "TENSION 512").get_by_role(
        "button", name="Acknowledge bed-01: TENSION 512 > 450 N"
    )
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Acknowledged: TENSION 512 > 450 N")
    for where in (
        page.locator("#alarms"),
        page.locator(".tile"),
        other.locator("#alarms"),
        other.locator("#bed"),
    ):
        row = where.locator(".alarm[data-acknowledged]")
        expect(row).to_contain_text("TENSION 512 > 450 N")
        expect(row).to_contain_text(re.compile(r"acknowledged \d\d:\d\d by tom"))
        expect(row).to_have_attribute("data-priority", "high")
        expect(row.locator(".alarm-symbol")).to_have_text("***")
    eventually(lambda: flashing(page) == [] and flashing(other) == [], 3.0, "the end of the flash")
    expect(page.locator('.tile[data-device="bed-01"]')).to_have_attribute("data-priority", "high")
    shot(page, "alarm-acknowledged")


def test_the_same_condition_raised_again_signals_again(wall, north, open_page):
    """Who acknowledged this morning's alarm has not seen this afternoon's."""
    page = open_page(f"{wall.address}/beds/bed-01?site=north", may_fail=("503",))
    north.alarm("bed-01", over_force())
    page.locator("#bed-alarm-card").get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#bed .alarm[data-acknowledged]")).to_be_visible()
    north.alarm("bed-01")
    expect(page.locator("#no-alarms")).to_be_visible()
    north.alarm("bed-01", over_force(530))
    expect(header_row(page, "TENSION 530").get_by_role("button")).to_be_visible()
    eventually(lambda: "bed-01" in flashing(page), 3.0, "a flash")


def test_two_consoles_on_one_database_agree(wall, north, open_page, tmp_path):
    """The room upstairs has its own console; what was acknowledged below is so there, and after a restart."""
    port = free_port()
    second = service(
        "console", tmp_path, SPONDYL_MQTT_URL=wall.broker.url, SPONDYL_HTTP_PORT=str(port),
        SPONDYL_DATA=str(tmp_path),
    )  # fmt: skip
    try:
        eventually(lambda: answers(port), 30.0, "the second console's answer")
        north.alarm("bed-01", over_force())
        page = open_page(wall.address)
        header_row(page, "TENSION 512").get_by_role("button").click()
        expect(page.locator("#alarms .alarm[data-acknowledged]")).to_be_visible()
        page.context.add_cookies(wall.people.cookies("ada", f"http://127.0.0.1:{port}"))
        page.goto(f"http://127.0.0.1:{port}/alarms")
        expect(page.locator("#alarms .alarm[data-acknowledged]")).to_contain_text("by ada")
        expect(page.locator("#all-alarms")).to_contain_text("by ada")
        page.goto("about:blank")  # an open page asks on when its console ends
    finally:
        stop(second)


def test_who_may_only_look_has_no_button_and_sees_only_their_site(wall, north, open_page):
    """The wall display at the reception acknowledges nothing, and another clinic's alarms are not its own."""
    wall.clinic("south", Bed("bed-09"))
    wall.people.person("rita", "reception@north")
    north.alarm("bed-01", over_force())
    wall.clinics[-1].alarm("bed-09", mains_lost())
    page = open_page(wall.address, user="rita")
    expect(header_row(page, "TENSION 512")).to_be_visible()
    wait_for_the_stream(page)
    assert page.locator("[data-acknowledge]").count() == 0
    assert page.locator("#alarms .alarm").count() == 1
    assert "bed-09" not in page.content()


def test_many_alarms_show_the_newest_that_signals_and_how_many_more(wall, open_page):
    """Twenty red lines hide the page; one line and a number do not. At the width of a phone, too."""
    north = wall.clinic("north", *(Bed(f"bed-{number:02}") for number in range(1, 9)))
    for number in range(1, 9):
        north.alarm(f"bed-{number:02}", over_force(500 + number))
    for name, width in (("1440", 1440), ("390", 390)):
        page = open_page(wall.address, width=width, height=844)
        more = page.locator("#more-alarms")
        expect(more).to_have_text(re.compile(r"^\d+ more$"))
        expect(header_row(page, "TENSION 508")).to_be_visible()
        expect(header_row(page, "TENSION 501")).to_be_hidden()
        assert sideways(page) <= 0
        shot(page, f"alarms-{name}")
        more.click()
        expect(more).to_have_attribute("aria-expanded", "true")
        expect(page.locator("#alarms .alarm:visible")).to_have_count(8)
        shot(page, f"alarms-{name}-open")
        page.keyboard.press("Escape")
        expect(header_row(page, "TENSION 501")).to_be_hidden()


def tones(page):
    return [tone["hertz"] for tone in page.evaluate("window.tones")]


@pytest.fixture
def listening(wall, north, open_page):
    """A wall whose oscillators are counted, with the sound's menu open."""
    page = open_page("about:blank", user=None, may_fail=("503",))
    page.add_init_script(OSCILLATORS)
    page.clock.install()  # runs on by itself, until a test moves it
    page.context.add_cookies(wall.people.cookies("ada", wall.address))
    page.goto(wall.address)
    page.locator("#sound").click()
    expect(page.locator("#sound-menu")).to_be_visible()
    return page


def test_sound_is_off_until_switched_on_and_each_priority_can_be_heard_beforehand(north, listening):
    """Who has never heard the alarm will not know it."""
    page = listening
    north.alarm("bed-01", over_force())
    expect(page.locator("#alarms .alarm")).to_be_visible()
    expect(page.locator("#sound")).to_have_attribute("data-state", "off")
    assert tones(page) == []
    for priority in HERTZ:
        page.evaluate("window.tones = []")
        page.locator(f'[data-test="{priority}"]').click()
        eventually(
            lambda wanted=priority: tones(page) == [HERTZ[wanted]] * PULSES[wanted], 3.0, "the pattern"
        )
    page.evaluate("window.tones = []")
    page.locator("#sound-switch").click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "on")
    eventually(lambda: tones(page) == [880] * 10, 3.0, "the alarm's own sound")
    shot(page, "sound")


def test_muting_counts_down_ends_by_itself_and_at_once_for_a_worse_alarm(wall, north, listening):
    """A muted alarm that nobody remembers is an alarm that is off."""
    page = listening
    page.locator("#sound-switch").click()
    north.alarm("bed-01", mains_lost())
    eventually(lambda: tones(page) == [660] * 3, 5.0, "the medium alarm's sound")
    page.locator('[data-mute="2"]').click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    expect(page.locator("#sound-word")).to_have_text(re.compile(r"^1:5\d$"))
    shot(page, "sound-muted")
    north.alarm("bed-02", alarm("tilt_mismatch", "medium", "NEIGUNG 12°", "TILT 12°"))
    expect(page.locator("#alarms")).to_contain_text("TILT")
    assert tones(page) == [660] * 3
    north.alarm("bed-03", over_force())
    expect(page.locator("#sound")).to_have_attribute("data-state", "on", timeout=3000)
    eventually(lambda: tones(page)[3:] == [880] * 10, 3.0, "the high alarm's sound")
    page.locator('[data-mute="1"]').click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    north.alarm("bed-01", mains_lost(), over_force(471))
    expect(page.locator("#sound")).to_have_attribute("data-state", "on", timeout=3000)  # high, and new
    eventually(lambda: tones(page)[13:] == [880] * 10, 3.0, "its sound")
    page.locator('[data-mute="1"]').click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    page.clock.set_system_time(time.time() - 3600)  # a pause ends by itself, whatever the clock does
    expect(page.locator("#sound")).to_have_attribute("data-state", "on", timeout=3000)
    page.locator('[data-mute="1"]').click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    page.evaluate(
        """() => { const held = JSON.parse(localStorage["alarm-sound"]);
             localStorage["alarm-sound"] = JSON.stringify({ ...held, muted_until: Date.now() + 1500 }); }"""
    )
    page.reload()
    expect(page.locator("#sound-word")).to_have_text(re.compile(r"^0:0[12]$"))
    expect(page.locator("#sound")).not_to_have_attribute("data-state", "muted", timeout=4000)


def test_sound_is_kept_by_the_browser_and_an_acknowledged_alarm_is_silent(wall, north, listening):
    """Switched on once, it is on on the next page; what is acknowledged sounds nowhere; the other goes on."""
    page = listening
    page.locator("#sound-switch").click()
    north.alarm("bed-02", over_force(480))
    eventually(lambda: len(tones(page)) == 10, 5.0, "the sound")
    north.alarm("bed-01", over_force())
    eventually(lambda: len(tones(page)) == 20, 5.0, "the sound of another")
    page.keyboard.press("Escape")
    header_row(page, "TENSION 512").get_by_role("button").click()
    expect(page.locator("#alarms .alarm[data-acknowledged]")).to_be_visible()
    assert len(tones(page)) == 20, "a burst in answer to the button would say that something new has come"
    page.clock.fast_forward(10_000)
    eventually(lambda: len(tones(page)) == 30, 5.0, "the other, ten seconds after the last burst")
    header_row(page, "TENSION 480").get_by_role("button").click()
    expect(page.locator("#alarms .alarm[data-acknowledged]")).to_have_count(2)
    page.clock.fast_forward(10_000)
    page.goto(f"{wall.address}/beds/bed-01?site=north")
    expect(page.locator("#sound")).to_have_attribute("data-state", re.compile("on|blocked"))
    expect(page.locator("#alarms .alarm[data-acknowledged]")).to_have_count(2)
    wait_for_the_stream(page)
    assert tones(page) == []


def test_the_list_of_alarms_is_a_page_of_its_own_in_german(wall, north, open_page):
    """Where there are hundreds, a header is too small."""
    north.alarm("bed-01", over_force(), mains_lost())
    north.alarm("bed-02", network_lost())
    page = open_page(f"{wall.address}/alarms", locale="de-DE")
    expect(page.locator("#all-alarms tbody tr")).to_have_count(3)
    page.locator("#all-alarms").get_by_role("button", name="bed-01: ZUG 512 > 450 N quittieren").click()
    expect(page.locator("#all-alarms")).to_contain_text(re.compile(r"quittiert \d\d:\d\d Uhr von ada"))
    expect(page.locator("#all-alarms tbody tr").last).to_contain_text("ZUG 512 > 450 N")
    north.alarm("bed-01")
    north.alarm("bed-02")
    expect(page.get_by_role("heading", name="Kein Alarm steht an")).to_be_visible()
    shot(page, "alarms-page")
