"""Signing in at the bed in a real browser: PIN, badge, lock-out, idle end, and STOP that asks for nothing."""

import re
import time
from uuid import uuid4

import pytest
from bedside_rig import NECK, Clinic, Served, Ticking
from browser.conftest import shot, sideways
from browser.test_alarms import OSCILLATORS
from operator_rig import BADGE, PIN, THERAPIST
from playwright.sync_api import expect
from servers import eventually

from services.controller.kernel.faults import SENSOR_LOST
from services.controller.panel import pages

UNSIGNED = ("401", "429", "409")


@pytest.fixture(scope="module")
def ticking():
    """Two simulated beds under the compiled kernel."""
    beds = Ticking()
    yield beds
    beds.close()


class Bedside:
    """A panel over ticking beds; ``restart`` is what the gateway does when the process dies."""

    def __init__(self, clinic):
        self.clinic, self.open_page = clinic, None
        self.idle_s, self.served = 600.0, None
        self.restart()

    def restart(self, idle_s=None):
        """Another process over the same directory."""
        if self.served is not None:
            self.served.close()
        self.idle_s = idle_s or self.idle_s
        self.served = Served(self.clinic.panel(self.clinic.sign_ins(self.idle_s), pages=pages.router))

    def page(self, **options):
        """The page of bed-01."""
        options.setdefault("may_fail", UNSIGNED)
        page = self.open_page(f"http://127.0.0.1:{self.served.port}/bed-01", **options)
        expect(page.locator("#lost")).to_be_hidden(timeout=15_000)
        return page


@pytest.fixture
def gateway(tmp_path, ticking):
    """A panel with one operator, M. Keller."""
    clinic = Clinic(tmp_path, ticking)
    made = Bedside(clinic)
    yield made
    made.served.close()
    clinic.clear_up()
    clinic.store.close()


@pytest.fixture
def bedside(gateway, open_page):
    """The same with a browser, whose pages end before the panel does."""
    gateway.open_page = open_page
    return gateway


def sign_in(page, pin=PIN):
    """As a person does: the button, the name, the PIN."""
    page.locator("#sign-in").click()
    dialog = page.locator("#dialog-sign-in")
    dialog.locator(f'label:has(input[value="{THERAPIST}"])').click()
    dialog.locator("#operator-pin").fill(pin)
    dialog.locator("[data-yes]").click()
    return dialog


def badge(page, number=BADGE):
    """What a reader types: a key every 10 ms, Enter at its end."""
    keyboard, at = page.context.new_cdp_session(page), time.time()
    keys = [{"key": char, "text": char} for char in number]
    keys.append({"key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13})
    for index, key in enumerate(keys):
        for kind in ("keyDown", "keyUp"):
            moment = {"type": kind, "timestamp": at + index / 100}
            keyboard.send(
                "Input.dispatchKeyEvent", moment | (key if kind == "keyDown" else {"key": key["key"]})
            )
    keyboard.detach()


def signed_in(page, title="M. Keller"):
    expect(page.locator("#who")).to_have_text(title)
    expect(page.locator("#sign-out")).to_be_visible()


def signed_out(page):
    expect(page.locator("#sign-in")).to_be_visible()
    expect(page.locator("#signed-out-hint")).to_be_visible()


def test_a_person_signs_in_with_name_and_pin_and_out_again(bedside):
    """The name is on the page as long as somebody is signed in, and gone afterwards."""
    page = bedside.page()
    signed_out(page)
    sign_in(page)
    signed_in(page)
    expect(page.locator("#dialog-sign-in")).to_be_hidden()
    page.locator("#sign-out").click()
    signed_out(page)


def test_the_pin_pad_is_enough_for_gloved_fingers(bedside):
    """A bedside screen has no keyboard."""
    page = bedside.page(has_touch=True)
    page.locator("#sign-in").tap()
    dialog = page.locator("#dialog-sign-in")
    for digit in "9" + PIN:
        dialog.locator(f'[data-digit="{digit}"]').tap()
    dialog.locator("[data-clear]").tap()
    for digit in PIN:
        dialog.locator(f'[data-digit="{digit}"]').tap()
    for button in dialog.locator("button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 44, button.inner_text()
    shot(page, "panel-sign-in")
    dialog.locator("[data-yes]").tap()
    signed_in(page)


@pytest.mark.requirement("stop-without-sign-in")
@pytest.mark.parametrize("focused", [None, "#stop", "#sign-in"])
def test_a_badge_signs_in_whatever_has_the_focus_and_presses_nothing(bedside, focused):
    """A reader ends with Enter: on STOP it would end a treatment, on a button do what nobody asked for."""
    bedside.clinic.started()
    page = bedside.page()
    if focused:
        page.locator(focused).focus()
    badge(page)
    signed_in(page)
    assert page.locator("#panel").get_attribute("data-phase") != "stopped"


def test_a_badge_nobody_has_is_refused_and_leaves_no_number_in_a_field(bedside):
    """The dialog that opens says so; what the reader typed is taken out of the field again."""
    page = bedside.page()
    page.locator("#sign-in").click()
    page.locator("#operator-pin").focus()
    badge(page, "NO-SUCH-1")
    expect(page.locator("#dialog-sign-in [data-refusals]")).to_contain_text("not known here")
    expect(page.locator("#operator-pin")).to_have_value("")
    signed_out(page)


def test_what_was_wanted_happens_after_the_sign_in(bedside):
    """Nobody presses a button twice because the panel wanted to know who presses it."""
    page = bedside.page()
    page.locator('[data-action="confirm"]').click()
    expect(page.locator("#dialog-sign-in")).to_be_visible()
    page.locator("#operator-pin").fill(PIN)
    page.locator("#dialog-sign-in [data-yes]").click()
    expect(page.locator("#dialog-confirm")).to_be_visible()
    signed_in(page)


def test_five_wrong_pins_are_a_wait_that_a_restart_does_not_end(bedside):
    """Six digits are guessed by whoever may try without end."""
    page = bedside.page(may_fail=(*UNSIGNED, "WebSocket", "ERR_", "Failed to load"))
    dialog = sign_in(page, "000111")
    for _ in range(4):
        expect(dialog.locator("[data-refusals]")).to_contain_text("wrong")
        expect(dialog.locator("[data-yes]")).to_be_enabled()
        dialog.locator("[data-refusals]").evaluate("it => it.replaceChildren()")
        dialog.locator("#operator-pin").fill("000111")
        dialog.locator("[data-yes]").click()
    expect(dialog.locator("[data-refusals]")).to_contain_text("wrong")
    dialog.locator("#operator-pin").fill(PIN)
    dialog.locator("[data-yes]").click()
    expect(dialog.locator("[data-refusals]")).to_contain_text(re.compile(r"5 wrong tries: .* in (30|2\d) s"))
    shot(page, "panel-locked")
    bedside.restart()
    again = bedside.page()
    dialog = sign_in(again)
    expect(dialog.locator("[data-refusals]")).to_contain_text("5 wrong tries")
    signed_out(again)


def test_an_untouched_sign_in_ends_after_a_visible_countdown(bedside):
    """Whoever walks away must not leave the bed open; whoever stays sees it coming."""
    bedside.restart(idle_s=6.0)
    page = bedside.page()
    sign_in(page)
    signed_in(page)
    expect(page.locator("#idle")).to_be_visible()
    expect(page.locator("#idle")).to_contain_text(re.compile(r"Signing out in \d+ s"))
    began = time.monotonic()
    signed_out_after(page, 12)
    assert time.monotonic() - began > 2


def signed_out_after(page, seconds):
    expect(page.locator("#sign-in")).to_be_visible(timeout=seconds * 1000)


def test_touching_the_screen_keeps_the_sign_in(bedside):
    """A therapist who works is not signed out under their hands."""
    bedside.restart(idle_s=4.0)
    page = bedside.page()
    sign_in(page)
    signed_in(page)
    until = time.monotonic() + 8
    while time.monotonic() < until:
        page.mouse.click(400, 500)
        page.wait_for_timeout(400)
        signed_in(page)
    signed_out_after(page, 10)


@pytest.mark.requirement("stop-without-sign-in")
@pytest.mark.parametrize("with_dialog", [False, True])
@pytest.mark.parametrize("by", ["pointer", "key"])
def test_stop_asks_for_nobody_also_while_the_sign_in_is_open(bedside, with_dialog, by):
    """The red button works for whoever stands there."""
    bedside.clinic.started()
    page = bedside.page()
    if with_dialog:
        page.locator("#sign-in").click()
        expect(page.locator("#dialog-sign-in")).to_be_visible()
    if by == "pointer":
        page.locator("#stop").click()
    else:
        page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_attribute("data-phase", "stopped", timeout=5000)
    signed_out(page)


def test_a_stranger_sees_the_bed_and_nothing_of_the_patient(bedside):
    """Who lies there and what was noted is for those who treat; what the bed does is for everybody."""
    session = bedside.clinic.started(operator=THERAPIST, note="slight pull left")
    page = bedside.page()
    expect(page.locator('[data-field="tension"]')).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#notes")).to_be_empty()
    assert str(session.patient) not in page.content()
    badge(page)
    expect(page.locator("#notes")).to_contain_text("slight pull left")
    page.locator("#sign-out").click()
    signed_out(page)
    expect(page.locator("#notes")).to_be_empty()


def test_an_operator_who_was_taken_off_the_list_is_signed_out(bedside):
    """Whoever leaves the clinic at noon does not treat at one."""
    page = bedside.page()
    sign_in(page)
    signed_in(page)
    staff = bedside.clinic.staff
    staff.enlist(bedside.clinic.directory, staff.person("other", account=uuid4(), badge=None))
    page.wait_for_timeout(1500)
    page.locator('[data-action="confirm"]').click()
    dialog = page.locator("#dialog-confirm")
    dialog.locator("[data-cancel]").click()
    page.locator("#sign-out").or_(page.locator("#sign-in")).first.wait_for()
    signed_out_after(page, 20)


def test_without_a_list_in_force_the_page_says_since_when_and_why(bedside):
    """Somebody has to know whom to ring; STOP stays."""
    bedside.clinic.staff.enlist(bedside.clinic.directory, issued_s=time.time() - 40 * 86400)
    page = bedside.page()
    expect(page.locator("#signed-out-hint")).to_contain_text(re.compile(r"expired \d{4}-\d\d-\d\d"))
    page.locator("#sign-in").click()
    expect(page.locator("#sign-in-trouble")).to_contain_text("until the console is reached")
    shot(page, "panel-no-list")
    expect(page.locator("#stop")).to_be_enabled()


@pytest.mark.parametrize(("locale", "words"), [("de-DE", "Anmelden"), ("en-GB", "Sign in")])
def test_the_sign_in_fits_a_phone_in_both_languages(bedside, locale, words):
    """STOP stays in reach below the open dialog."""
    page = bedside.page(width=390, height=844, locale=locale)
    assert sideways(page) <= 0
    page.locator("#sign-in").click()
    expect(page.locator("#dialog-sign-in [data-yes]")).to_have_text(words)
    assert sideways(page) <= 0
    stop = page.locator("#stop").bounding_box()
    assert stop["y"] + stop["height"] <= 844
    dialog = page.locator("#dialog-sign-in").bounding_box()
    assert dialog["y"] + dialog["height"] <= stop["y"]
    shot(page, f"panel-sign-in-390-{locale[:2]}")


def test_the_keyboard_alone_signs_in(bedside):
    """A screen that does not feel a finger must not keep a therapist out."""
    page = bedside.page()
    page.locator("#sign-in").focus()
    page.keyboard.press("Enter")
    page.keyboard.type(PIN, delay=120)  # one name: the PIN's field has the focus
    page.keyboard.press("Enter")
    signed_in(page)
    assert NECK["peak_n"]  # nothing was started by it
    assert page.locator("#panel").get_attribute("data-phase") == "idle"
    focus_is(page, "actions")


def focus_is(page, name):
    """The element of this id has the focus, or one of this action."""
    held = "document.activeElement.id || document.activeElement.dataset.action || ''"
    eventually(lambda: page.evaluate(held) == name, 10, f"the focus on {name}")


@pytest.mark.parametrize("action", ["pause", "note"])
def test_a_button_that_goes_leaves_the_focus_beside_those_that_stay_and_on_none_of_them(bedside, action):
    """A key that is still held down must not press what came in its place; the next Tab goes on there."""
    bedside.clinic.under_way(operator=THERAPIST)
    page = bedside.page()
    badge(page)
    signed_in(page)
    page.locator(f'[data-action="{action}"]').focus()
    bedside.served.post("bed-01/stop").raise_for_status()
    expect(page.locator("#panel")).to_have_attribute("data-phase", "stopped", timeout=5000)
    expect(page.locator('[data-action="pause"]')).to_be_hidden()
    focus_is(page, "actions" if action == "pause" else "note")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0 if action == "pause" else 1)
    if action == "pause":
        page.keyboard.press("Tab")
        held = page.evaluate("document.activeElement.dataset.action")
        assert held == page.locator("#actions button:visible").first.get_attribute("data-action")


def test_a_dialog_whose_button_went_meanwhile_gives_the_focus_to_the_actions(bedside):
    """Else the next Tab begins at the top of the page, and a screen reader says nothing."""
    bedside.clinic.under_way(operator=THERAPIST)
    page = bedside.page()
    badge(page)
    signed_in(page)
    page.locator('[data-action="change"]').click()
    expect(page.locator("#dialog-change")).to_be_visible()
    bedside.served.post("bed-01/stop").raise_for_status()
    expect(page.locator('[data-action="change"]')).to_be_hidden()
    page.locator("#dialog-change [data-cancel]").click()
    focus_is(page, "actions")


def test_a_sign_in_that_ends_by_itself_leaves_the_focus_on_the_way_back_in(bedside):
    """Who comes back with the keyboard does not search for it."""
    bedside.restart(idle_s=4.0)
    page = bedside.page()
    badge(page)
    signed_in(page)
    page.locator("#sign-out").focus()
    signed_out_after(page, 12)
    focus_is(page, "sign-in")


def alarmed(bedside, page):
    """The load cell is lost; the alarm's row on the page, and what this occurrence is called."""
    bedside.clinic.memory.faults[0] = SENSOR_LOST
    row = page.locator("#alarms .alarm", has_text="LOAD CELL LOST")
    expect(row).to_be_visible(timeout=10_000)
    return row, row.get_attribute("data-occurrence")


def rings(page):
    """Tones that were begun since the last look."""
    begun = page.evaluate("window.tones.length")
    page.evaluate("window.tones = []")
    return begun


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_an_alarm_is_acknowledged_by_keyboard_and_the_next_occurrence_sounds_again(bedside):
    """Who silenced the first must hear the second; until then the bed is quiet and says who has seen it."""
    page = bedside.page()
    page.add_init_script(OSCILLATORS)
    page.reload()
    badge(page)
    signed_in(page)
    page.locator("#sound").click()
    row, first = alarmed(bedside, page)
    eventually(lambda: rings(page), 5.0, "the high alarm's sound")
    row.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-acknowledged", "")
    expect(row).to_contain_text(f"by {THERAPIST}")
    expect(row.get_by_role("button")).to_have_count(0)
    focus_is(page, "alarms")
    assert page.evaluate("document.getAnimations().every((it) => it.animationName !== 'alarm-flash')")
    bedside.clinic.memory.faults[0] = 0
    eventually(lambda: bedside.clinic.bedside.act("bed-01", "reset"), 5.0, "a reset")
    expect(page.locator("#alarms .alarm")).to_have_count(0, timeout=10_000)
    rings(page)
    row, second = alarmed(bedside, page)
    assert second != first
    eventually(lambda: rings(page), 5.0, "the sound again")
    expect(row.get_by_role("button", name="Acknowledge")).to_be_visible()
