"""The bedside page against a real gateway: a session by hand, stopped by hand."""

import contextlib
import os
import re
import signal
import uuid
from datetime import timedelta

import httpx
import pytest
import replayed
from browser.conftest import shot, sideways
from console.account_rig import AccountRig
from machine import Machine
from operator_rig import PIN, THERAPIST
from playwright.sync_api import expect
from servers import eventually

from services.kit import clearance

PULLING = re.compile("slack|precondition|ramp|hold|release|rest|guarded|rebuild")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A whole system without a therapist: what happens at its beds happens in this file."""
    options = ("--beds", "2", "--sites", "1", "--no-therapist")
    system = Machine(tmp_path_factory.mktemp("panel") / "data", *options).start()
    employ(system)
    yield system
    if system.running:
        system.stop(10.0)
    replayed.left_behind(system)


def employ(system):
    """An operator with a PIN, and the administrator's role for the faults; every panel knows them."""
    system.spondyl(
        "users", "add", THERAPIST, "--role", "therapist", "--role", "administrator"
    ).check_returncode()
    system.spondyl("users", "pin", THERAPIST, typed=f"{PIN}\n").check_returncode()
    for address in system.addresses["panels"].values():
        door = httpx.URL(address).join("/api/sign-in")
        eventually(lambda door=door: httpx.get(door).json()["operators"], 20, f"operators at {door}")


def origin(page):
    """The panel's address without a path."""
    return page.evaluate("location.origin")


@pytest.fixture
def panel(clinic, open_page):
    """The panel of a bed that is live."""

    def open_panel(device="bed-01", **options):
        page = open_page(clinic.addresses["panels"][device], **options)
        page.request.post(f"{origin(page)}/api/sign-in", data={"name": THERAPIST, "pin": PIN})
        page.reload()
        expect(page.locator("#sign-out")).to_be_visible()
        expect(page.locator("#lost")).to_be_hidden(timeout=15_000)
        return page

    return open_panel


def phase_is(page, phase, timeout_s=20):
    expect(page.locator("#panel")).to_have_attribute("data-phase", phase, timeout=timeout_s * 1000)


def confirm(page, clinic):
    """Open the form and fill it."""
    page.get_by_role("button", name="Confirm patient").first.click()
    return confirm_filled(page, clinic)


def confirm_filled(page, clinic):
    """Fill the form as a person would, with a clearance that is valid."""
    patient = uuid.uuid4()
    token = clearance.issue(
        clinic.data / "secrets/clearance.key", patient, "lumbar", valid_for=timedelta(hours=1)
    )[0]
    dialog = page.locator("#dialog-confirm")
    dialog.get_by_label("Patient (id)").fill(str(patient))
    dialog.get_by_label("Segment", exact=True).select_option("L4/5")
    for label, value in (
        ("Body weight (kg)", "80"), ("Age (years)", "45"),
        ("Session no. of the cure", "3"), ("Peak (N)", "200"),
    ):  # fmt: skip
        dialog.get_by_label(label).fill(value)
    dialog.get_by_label("Clearance (token)").fill(token)
    return dialog


def start_session(page, clinic):
    """From a free bed to one that pulls."""
    phase_is(page, "idle")
    confirm(page, clinic).locator("[data-yes]").click()
    phase_is(page, "ready")
    page.get_by_role("button", name="Test switch").click()
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled(timeout=60_000)  # the support moves to its angle first
    start.click()
    dialog = page.locator("#dialog-start")
    expect(dialog).to_contain_text("to at most 200 N")
    shot(page, "panel-start")
    dialog.locator("[data-yes]").click()
    phase_is(page, PULLING)


def end_session(page):
    """From stopped to free again."""
    phase_is(page, "stopped")
    close = page.get_by_role("button", name="Close session").first
    close.click()
    dialog = page.locator("#dialog-close")
    dialog.locator('label:has(input[value="2"])').click()
    expect_closed(page, dialog)


def expect_closed(page, dialog):
    """Close as soon as the gateway lets: the tension has to be let out first."""
    for _ in range(60):
        if page.locator("#panel").get_attribute("data-phase") == "idle":
            break
        if dialog.is_visible():
            dialog.locator("[data-yes]").click()
        page.wait_for_timeout(500)
    phase_is(page, "idle")


def test_a_session_by_hand_from_confirmation_to_stop_and_close(clinic, panel):
    """The whole flow at the bed, every step in the order the page shows it."""
    page = panel(may_fail=("409",))  # closing is refused until the tension is out
    start_session(page, clinic)
    expect(page.locator('#steps li[data-state="now"]')).to_contain_text("Treat")
    expect(page.locator('[data-field="tension"]')).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#labels")).to_contain_text("Limit")
    shot(page, "panel")
    page.locator("#stop").click()
    phase_is(page, "stopped")
    expect(page.locator("#stop-note")).to_have_text("stopped")
    end_session(page)


def test_escape_stops_even_from_within_a_dialog(clinic, panel):
    """The fastest key must work whatever is open."""
    page = panel("bed-02", may_fail=("409",))
    start_session(page, clinic)
    page.get_by_role("button", name="Add note").first.click()
    expect(page.locator("#dialog-note")).to_have_accessible_description(re.compile("Esc is STOP"))
    page.locator("#f-note").type("tingling in the l")
    page.keyboard.press("Escape")
    phase_is(page, "stopped")
    expect(page.locator("dialog[open]")).to_have_count(0)
    end_session(page)


def pressed_at(page, selector):
    """Press where something is, whatever lies there or above it."""
    box = page.locator(selector).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def heard(page):
    """What a screen reader finds: the names of the buttons and links, and the roles of everything."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in tree if not node["ignored"]]
    usable = ("button", "link", "combobox", "textbox", "DisclosureTriangle")
    names = {node["name"]["value"] for node in shown if node["role"]["value"] in usable}
    return names, {node["role"]["value"] for node in shown}


def tabbed(page, key, times=30):
    """Which elements the focus comes to."""
    where = "(document.activeElement.closest('dialog') ?? document.activeElement).id"
    reached = set()
    for _ in range(times):
        page.keyboard.press(key)
        reached.add(page.evaluate(where))
    return reached


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_behind_a_dialog_can_be_used_but_stop(clinic, panel, width):
    """A page that only looks shut takes a press that was meant for the dialog; STOP is never shut."""
    page = panel("bed-02", width=width, height=844)
    note = page.get_by_role("button", name="Confirm patient").first
    note.click()
    dialog = page.locator("#dialog-confirm")
    expect(dialog).to_be_visible()
    pressed_at(page, "#sign-out")
    assert page.evaluate("document.querySelector('#sign-out').closest('[inert]') !== null")
    assert tabbed(page, "Tab") <= {"dialog-confirm", "stop", ""}
    assert {"dialog-confirm", "stop"} <= tabbed(page, "Shift+Tab", 60)
    names, roles = heard(page)
    assert "Sign out" not in names
    assert "Back" in names
    assert any(name.startswith("STOP") for name in names)
    assert {"dialog", "log"} <= roles  # an alarm that comes is still spoken
    shot(page, f"panel-modal-{width}")
    dialog.get_by_role("button", name="Back").click()
    expect(page.locator("#sign-out")).to_be_visible()
    expect(note).to_be_focused()
    assert page.locator("[inert]").count() == 0


def test_stop_is_pressed_beside_an_open_dialog_with_a_finger_and_with_the_keyboard(clinic, panel):
    """The dialog is shut to everything else on the page, and STOP shuts the dialog."""
    page = panel("bed-02", may_fail=("409",))
    for press in (
        lambda: pressed_at(page, "#stop"),
        lambda: (page.locator("#stop").focus(), page.keyboard.press("Enter")),
    ):
        start_session(page, clinic)
        page.get_by_role("button", name="Add note").first.click()
        expect(page.locator("#dialog-note")).to_be_visible()
        press()
        phase_is(page, "stopped")
        expect(page.locator("dialog[open]")).to_have_count(0)
        assert page.locator("[inert]").count() == 0
        end_session(page)


def test_a_sign_in_that_ends_under_a_dialog_shuts_that_dialog_too(clinic, panel):
    """Two dialogs are open: only the upper one is for using, and the lower one is still there afterwards."""
    page = panel("bed-02", may_fail=("401", "409"))
    page.get_by_role("button", name="Confirm patient").first.click()
    page.request.post(f"{origin(page)}/api/sign-out", data={})
    dialog = confirm_filled(page, clinic)
    dialog.locator("[data-yes]").click()
    sign_in = page.locator("#dialog-sign-in")
    expect(sign_in).to_be_visible()
    expect(dialog).to_be_hidden()
    assert tabbed(page, "Tab") <= {"dialog-sign-in", "stop", ""}
    sign_in.get_by_role("button", name="Back").click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Back").click()
    assert page.locator("[inert]").count() == 0


def test_a_refusal_is_shown_with_value_limit_and_source(clinic, panel):
    """Who is refused must learn what would be taken."""
    page = panel(may_fail=("409", "422"))
    phase_is(page, "idle")
    dialog = confirm(page, clinic)
    dialog.get_by_label("Peak (N)").fill("900")
    dialog.get_by_role("button", name="Check prescription").click()
    expect(dialog.locator("[data-refusals]")).to_contain_text("900 N")
    dialog.locator("[data-yes]").click()
    expect(dialog.locator("[data-refusals]")).to_contain_text("900 N")
    expect(dialog).to_be_visible()
    shot(page, "panel-refused")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_be_hidden()
    phase_is(page, "idle")


def test_a_panel_that_hears_nothing_blanks_and_says_so_in_large_letters(clinic, panel):
    """A frozen gateway must not leave a believable number on the screen."""
    page = panel(may_fail=("WebSocket", "Failed to load", "ERR_"))
    expect(page.locator('[data-field="tension"]')).to_have_text(re.compile(r"^\d+$"))
    pid = panel_pid(clinic)
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.locator("#lost")).to_be_visible(timeout=5000)
        expect(page.locator('[data-field="tension"]')).to_have_text("--")
        expect(page.locator("#lost")).to_contain_text("No connection to the controller")
        shot(page, "panel-lost")
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(page.locator("#lost")).to_be_hidden(timeout=15_000)


def panel_pid(clinic):
    """The panel's process: the one that listens on its port."""
    port = int(clinic.addresses["panels"]["bed-01"].split(":")[2].split("/")[0])
    listening = [
        process.pid
        for process in clinic.family()
        if any(it.status == "LISTEN" and it.laddr.port == port for it in process.net_connections("tcp"))
    ]
    assert len(listening) == 1
    return listening[0]


def test_the_panel_speaks_german_and_fits_a_phone(clinic, panel):
    """STOP stays in reach on the smallest screen."""
    page = panel(width=390, height=844, locale="de-DE")
    stop = page.locator("#stop")
    expect(stop).to_contain_text("STOPP")
    assert sideways(page) <= 0
    box = stop.bounding_box()
    assert box["y"] + box["height"] <= 844
    assert box["width"] > 300
    shot(page, "panel-390")


def test_stop_and_the_steps_are_reached_with_the_keyboard_alone(clinic, panel):
    """A mouse can fall off the bed."""
    page = panel()
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.action || ''"))
    assert {"stop", "sign-out", "confirm"} <= reached


def test_the_wall_of_the_whole_system_is_live(clinic, open_page):
    """Panel, recorder, broker, console and browser, all real."""
    console = clinic.addresses["console"]
    page = open_page(console)
    with contextlib.closing(AccountRig(f"sqlite:///{clinic.data / 'console' / 'console.db'}")) as people:
        people.person("ada", "administrator")
        page.context.add_cookies(people.cookies("ada", console))
    page.goto(console)
    for device in ("bed-01", "bed-02"):
        number = page.locator(f'.tile[data-device="{device}"] [data-field="tension"]')
        expect(number).to_have_text(re.compile(r"^\d+$"), timeout=15_000)
    page.locator(".tile-link").first.click()
    expect(page.locator("#history .uplot")).to_be_visible(timeout=20_000)
    shot(page, "bed-real")


def test_a_fault_at_the_bed_is_on_an_open_page_within_a_second_and_is_acknowledged(clinic, open_page):
    """From the load cell's last word to the monitoring room, everything on the way real."""
    console = clinic.addresses["console"]
    page = open_page(console, may_fail=("503",))
    with contextlib.closing(AccountRig(f"sqlite:///{clinic.data / 'console' / 'console.db'}")) as people:
        people.person("ada", "administrator")
        page.context.add_cookies(people.cookies("ada", console))
    page.goto(console)
    expect(page.locator(".tile")).to_have_count(2, timeout=15_000)
    page.evaluate(
        """() => new MutationObserver(() => {
             const row = document.getElementById("alarms").querySelector('[data-condition="load_cell_lost"]');
             if (row) window.seen ??= Date.now();
           }).observe(document.getElementById("alarms"), { childList: true, subtree: true })"""
    )
    clinic.spondyl("bed", "fault", "bed-02", "sensor-lost").check_returncode()
    alarm = page.locator('#alarms [data-condition="load_cell_lost"]')
    expect(alarm).to_contain_text("LOAD CELL LOST", timeout=10_000)
    rows = page.evaluate("fetch('/api/alarms?lang=en').then((answer) => answer.json())")["alarms"]
    since_us = next(row["since_us"] for row in rows if row["condition"] == "load_cell_lost")
    assert page.evaluate("window.seen") - since_us / 1000 < 1000
    alarm.get_by_role("button", name="Acknowledge").click()
    expect(alarm).to_have_attribute("data-acknowledged", "")
    expect(alarm).to_contain_text("by ada")
    shot(page, "alarm-real")
    clinic.spondyl("bed", "fault", "bed-02", "sensor-lost", "--clear").check_returncode()
