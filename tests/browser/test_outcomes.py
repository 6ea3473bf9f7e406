"""From an adverse event to a clinician's signature, in a real browser, over screening as a process."""

from uuid import UUID

import pytest
from browser.conftest import shot, sideways
from browser.office_rig import practice
from playwright.sync_api import expect
from screening.treated import ended
from servers import eventually

from broker.bus import Bus
from broker.contract import EVENT

REFUSED = ("422", "409")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """One console and its screening for this file's tests."""
    with practice(tmp_path_factory.mktemp("practice")) as (wall, screening):
        wall.people.person("doctor", "clinician")
        wall.people.person("theo", "therapist@north")
        yield wall, screening


def three_sessions(wall, screening, patient):
    """As a bed tells them, over the broker."""
    bus = Bus(wall.broker.url, "gw-north", site="north")
    bus.start()
    try:
        assert bus.wait_connected(20)
        for days_ago in (3, 2, 1):
            event = ended(UUID(patient), days_ago=days_ago, pain_before=5 + days_ago)
            assert bus.publish(EVENT, event, device="bed-01").wait(20)
        eventually(lambda: counted(screening, patient) == 3, 30, "three sessions to be counted")
    finally:
        bus.close()


def counted(screening, patient):
    """How many sessions screening has heard of."""
    return sum(cure["completed"] for cure in screening.ask("GET", f"/patients/{patient}/gates"))


def test_an_event_at_the_bed_suspends_until_a_clinician_signs(here, open_page):
    """Reported by a therapist, seen by a doctor in a list, reviewed, signed, told in the history."""
    wall, screening = here
    patient = screening.patient()
    three_sessions(wall, screening, patient)

    page = open_page(
        f"{wall.address}/patients/{patient}/adverse", user="theo", width=820, height=1180, may_fail=REFUSED
    )
    page.get_by_label("Description").fill("seit heute Morgen im linken Bein")
    page.get_by_label("What happened").select_option("radiating-pain")
    page.get_by_label("Moderate").check()
    page.get_by_label("lumbar").check()
    page.get_by_role("main").get_by_role("button", name="Report an event").click()
    expect(page.get_by_text("suspended until a clinician signs")).to_be_visible()
    expect(page.locator("main")).to_contain_text("seit heute Morgen im linken Bein")

    page.goto(f"{wall.address}/patients/{patient}/outcomes/questionnaire?instrument=odi")
    for group in page.locator(".out-question").all()[:9]:
        group.get_by_label("3 much").check()
    shot(page, "outcomes-questionnaire")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("60.0 %")

    doctor = open_page(f"{wall.address}/attention", user="doctor", may_fail=REFUSED)
    row = doctor.get_by_role("row").filter(has_text="Mustermann")
    expect(row).to_contain_text("An adverse event was reported")
    expect(row).to_contain_text("Review 3")
    row.get_by_role("link", name="Mustermann, Erika").click()
    restore = doctor.get_by_label("Reason", exact=True).first
    restore.fill("   ")
    doctor.get_by_role("button", name="Sign and lift").click()
    expect(doctor.locator("main [role=alert]")).to_contain_text("needs a reason")
    doctor.get_by_label("Reason", exact=True).first.fill("Untersucht: keine neuen Ausfälle")
    doctor.get_by_role("button", name="Sign and lift").click()
    expect(doctor.get_by_text("The suspension is lifted.")).to_be_visible()
    doctor.get_by_label("Findings and decision").fill("Verträgt die Behandlung, weniger Schmerz")
    doctor.get_by_role("button", name="Sign the review").click()
    expect(doctor.get_by_text("The review is signed.")).to_be_visible()
    expect(doctor.locator(".timeline")).to_contain_text("Untersucht: keine neuen Ausfälle")
    doctor.goto(f"{wall.address}/attention")
    expect(doctor.get_by_text("Nobody waits")).to_be_visible()
    assert not sideways(doctor)


def test_what_was_typed_stays_when_it_is_refused_and_a_correction_leaves_the_original(here, open_page):
    """On a phone, in German: half a form is nobody's to type twice."""
    wall, screening = here
    patient = screening.patient(given_name="Änne", birth_date="1970-01-01")
    page = open_page(
        f"{wall.address}/patients/{patient}/outcomes", user="theo", width=390, height=844, locale="de-DE",
        may_fail=REFUSED,
    )  # fmt: skip
    pain = page.locator("#pain")
    pain.get_by_label("In Ruhe oder vorher").fill("8")
    pain.get_by_label("Wann").fill("2001-01-01T08:00")
    pain.get_by_role("button", name="Speichern").click()
    expect(page.locator("main [role=alert]")).to_contain_text("innerhalb des letzten Jahres")
    expect(pain.get_by_label("In Ruhe oder vorher")).to_have_value("8")
    pain.get_by_label("Wann").fill("")
    pain.get_by_label("Wann").evaluate("field => field.removeAttribute('required')")
    pain.get_by_role("button", name="Speichern").click()
    expect(page.get_by_text("Gespeichert.")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Eine einzige Messung")
    expect(page.get_by_text("Nicht bedeutsam gebessert")).to_have_count(0)
    page.get_by_text("Berichtigen").first.click()
    form = page.locator(".out-correct form")
    form.get_by_label("In Ruhe oder vorher").fill("3")
    form.get_by_label("Grund der Berichtigung").fill("vertippt")
    form.get_by_role("button", name="Berichtigen").click()
    expect(page.locator("main")).to_contain_text("Berichtigung")
    expect(page.get_by_text("berichtigt", exact=True)).to_be_visible()
    assert not sideways(page)
    report = open_page(f"{wall.address}/outcomes", user="doctor", width=390, height=844, may_fail=REFUSED)
    expect(report.get_by_text("Fewer than 5 people: no figures.")).to_be_visible()
    with report.expect_download() as download:
        report.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
