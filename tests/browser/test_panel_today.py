"""Today's list at the bed in a real browser: who comes, who lies here, who must not be treated."""

from datetime import timedelta
from uuid import uuid4

import pytest
from bedside_rig import NECK, Served, Ticking
from browser.conftest import shot, sideways
from commissioned import measured
from controller.panel_rig import Time
from operator_rig import PIN, THERAPIST
from playwright.sync_api import expect
from worklist_rig import NOW, ListedClinic, suspension

from services.controller.panel import pages
from services.kit.sealed import Person


@pytest.fixture
def clinic(tmp_path):
    """Two beds with a centre."""
    ticking = Ticking()
    hands = Time()
    clinic = ListedClinic(tmp_path, ticking, hands.clocks(), silent_after_h=12.0)
    clinic.hands = hands
    clinic.served = Served(clinic.panel(pages=pages.router, todays=clinic.todays))
    yield clinic
    clinic.served.close()
    clinic.centre.says(at=NOW + timedelta(hours=20))
    clinic.clear_up()
    clinic.store.close()
    ticking.close()


def open_bed(clinic, open_page, **options):
    """The page of bed-01, somebody signed in."""
    address = f"http://127.0.0.1:{clinic.served.port}"
    page = open_page(f"{address}/bed-01", may_fail=("409",), **options)
    page.request.post(f"{address}/api/sign-in", data={"name": THERAPIST, "pin": PIN})
    page.reload()
    expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
    return page


def rows(page):
    return page.locator("#today-list .today-row")


def test_the_patient_of_the_list_is_asked_confirmed_and_not_treated_once_suspended(clinic, open_page):
    """Nothing is typed at the bed, and nothing is pulled that a clinician took back."""
    one, other = clinic.entry(), uuid4()
    elsewhere = clinic.entry(patient=other, person=Person("محمد بن أحمد", NOW.date()), in_h=1.0)
    held = clinic.entry(patient=uuid4(), person=None, cleared=False, in_h=2.0)
    clinic.centre.says(one, held)
    clinic.centre.says(elsewhere, device="bed-02")
    page = open_bed(clinic, open_page)
    expect(rows(page)).to_have_count(3, timeout=30_000)
    expect(rows(page).nth(0)).to_contain_text("Erika Mustermann")
    expect(rows(page).nth(0)).to_contain_text("4 May 1961")
    expect(rows(page).nth(1)).to_be_disabled()
    expect(rows(page).nth(1)).to_contain_text("no clearance in force")
    expect(rows(page).nth(2)).to_contain_text("listed at bed-02")
    shot(page, "panel-today")
    page.set_viewport_size({"width": 390, "height": 844})
    assert sideways(page) <= 0
    rows(page).nth(2).scroll_into_view_if_needed()
    shot(page, "panel-today-390")
    page.set_viewport_size({"width": 1440, "height": 900})
    rows(page).nth(0).click()
    dialog = page.locator("#dialog-listed")
    expect(dialog).to_contain_text("Ask the patient to say their name and birth date")
    shot(page, "panel-listed")
    dialog.locator("[data-yes]").click()
    expect(dialog).to_be_visible()  # the box is not ticked
    dialog.get_by_label("Asked: name and birth date agree").check()
    dialog.locator("[data-yes]").click()
    expect(page.locator("#panel")).to_have_attribute("data-phase", "ready", timeout=30_000)
    expect(page.locator("#today")).to_be_hidden()
    clinic.centre.says(one, suspended=[suspension(reason="adverse", adverse=True)])
    expect(page.locator("#suspended")).to_contain_text("an adverse event was reported", timeout=30_000)
    shot(page, "panel-suspended")


def test_a_silent_centre_is_asked_before_the_start_and_a_report_pauses_without_it(clinic, open_page):
    """On a narrow screen and in German, too: whoever starts must have read it, whoever reports is obeyed."""
    clinic.ready(prescription={**NECK, "traction_min": 20.0})
    clinic.centre.says()
    clinic.hands.pass_s(13 * 3600.0)
    measured("bed-01", harness_n_mm=6.0).save(clinic.directory)
    page = open_bed(clinic, open_page, locale="de-DE", width=390, height=844)
    expect(page.locator("#unsuitable")).to_contain_text("Gurt 6 N/mm: mindestens 10 N/mm", timeout=30_000)
    expect(page.locator("#silent")).to_contain_text("nichts von der Zentrale gehört", timeout=30_000)
    assert sideways(page) <= 0
    shot(page, "panel-silent-390")
    page.locator('[data-action="start"]').click()
    dialog = page.locator("#dialog-start")
    expect(dialog).to_contain_text("Gurt 6 N/mm: mindestens 10 N/mm")
    dialog.locator("[data-yes]").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("Gesehen, am Empfang nachgefragt").check()
    dialog.locator("[data-yes]").click()
    expect(page.locator("#panel")).not_to_have_attribute("data-phase", "ready", timeout=30_000)
    report_weakness(page)
    expect(page.locator("#suspended")).to_contain_text("ein unerwünschtes Ereignis wurde gemeldet")
    expect(page.locator('[data-action="resume"]')).to_be_hidden()
    page.locator("#reports").scroll_into_view_if_needed()
    shot(page, "panel-reported-390")
    ((_, made),) = clinic.store.reports()
    assert (made.kind, made.grade, made.region) == ("weakness", 2, "cervical")


def report_weakness(page):
    """Two touches, by keyboard; the bed has paused before the first."""
    page.locator('[data-action="adverse"]').click()
    dialog = page.locator("#dialog-adverse")
    expect(dialog).to_contain_text("Der Zug ist angehalten")
    expect(page.locator("#panel")).to_have_attribute("data-phase", "paused", timeout=30_000)
    expect(dialog.get_by_role("button", name="2 Mäßig")).to_be_disabled()
    assert sideways(page) <= 0
    shot(page, "panel-adverse-390")
    dialog.get_by_role("button", name="Schwäche oder Lähmung").press("Enter")
    dialog.get_by_role("button", name="2 Mäßig").press("Enter")
    expect(dialog).to_be_hidden(timeout=30_000)
    expect(page.locator("#answer")).to_contain_text("gemeldet: Schwäche oder Lähmung")
    expect(page.locator("#reports li")).to_have_count(1)
