"""Questionnaire, decision, consent and documents in a real browser, over screening as a process."""

import re
from datetime import UTC, datetime

import pytest
from browser.conftest import shot, sideways
from browser.office_rig import practice
from console.account_rig import ADMINISTRATOR
from playwright.sync_api import expect

from services.screening.consent.words import POINTS

REFUSED = ("422", "409")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """One console and its screening for this file's tests."""
    with practice(tmp_path_factory.mktemp("practice")) as (wall, screening):
        wall.people.person("doctor", "clinician")
        wall.people.person("desk", "reception@north")
        yield wall, screening


def answer_all(screening, patient, region="lumbar", **but):
    """Every question answered with no, but for those named (``_`` for ``-``)."""
    given = {name.replace("_", "-"): value for name, value in but.items()}
    sheet = screening.ask("GET", f"/patients/{patient}/questionnaire?region={region}")
    for row in sheet["questions"]:
        body = {"value": {"answer": given.get(row["id"], "no")}}
        screening.ask("PUT", f"/patients/{patient}/answers/{row['id']}", json=body)


def test_a_patient_answers_on_the_tablet_and_the_desk_goes_on_from_there(here, open_page):
    """Large buttons, one question at a time, in either language; nothing is lost between the two."""
    wall, screening = here
    patient, other = screening.patient(), screening.patient()
    desk = f"{wall.address}/patients/{patient}/questionnaire?region=lumbar"
    page = open_page(
        desk, user="desk", width=1024, height=1180, locale="de-DE", may_fail=("422", "409", "401")
    )
    page.get_by_role("link", name="Auf dem Tablet").click()
    page.get_by_role("button", name="Jetzt übergeben").click()
    expect(page.locator("h1")).to_contain_text("Tumor")
    shot(page, "screening-tablet-de")
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_contain_text("tumour")
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.locator("h1")).to_contain_text("pregnant")
    for button in page.locator(".tablet-answer").all():
        assert button.bounding_box()["height"] >= 90
    page.get_by_role("button", name="Not sure").click()
    expect(page.locator("h1")).to_contain_text("osteoporosis")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_role("button", name="Not sure")).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.locator("h1")).to_contain_text("pregnant")
    assert "Mustermann" not in page.content()
    for path in (f"/patients/{patient}", f"/patients/{other}/questionnaire", "/patients"):
        page.goto(f"{wall.address}{path}")
        expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.goto(f"{wall.address}/tablet")
    page.get_by_role("link", name="For the staff").click()
    expect(page).to_have_url(re.compile(rf"/sign-in\?next=.*{patient}.*decision"))
    page = open_page(desk, user="desk", may_fail=REFUSED)
    expect(page.locator("#progress .number")).to_have_text(re.compile(r"^2 / "))
    expect(page.locator("html[data-keeps]")).to_have_count(1)
    question = page.locator("#q-compression-fracture")
    question.get_by_text("Yes", exact=True).click()
    expect(question.locator(".question-state")).to_have_text("Saved")
    question.get_by_label("When?").fill("2999-01-01")
    expect(question.locator(".field-error")).to_contain_text("2999-01-01")
    question.get_by_label("When?").fill("2020-01-31")
    expect(question.locator(".question-state")).to_have_text("Saved")
    expect(page.locator("#progress .number")).to_have_text(re.compile(r"^3 / "))
    page.reload()
    expect(question.get_by_label("When?")).to_have_value("2020-01-31")
    shot(page, "screening-questionnaire-en")
    assert sideways(page) <= 0


def test_a_tablet_is_used_up_by_the_last_answer_and_taken_back_from_another_screen(here, open_page):
    """One hand-over, one questionnaire: who holds the tablet later finds nothing of it."""
    wall, screening = here
    patient = screening.patient()
    path = f"{wall.address}/patients/{patient}/questionnaire/tablet?region=lumbar"
    for row in screening.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")["questions"]:
        if row["id"] != "pregnancy":
            body = {"value": {"answer": "no"}}
            screening.ask("PUT", f"/patients/{patient}/answers/{row['id']}", json=body)
    tablet = open_page(path, user="desk", width=390, may_fail=("401",))
    tablet.get_by_role("button", name="Hand over now").click()
    tablet.get_by_role("button", name="No", exact=True).click()
    expect(tablet.locator(".tablet-end")).to_be_visible()
    expect(tablet.get_by_role("link", name="Back")).to_have_count(0)
    tablet.goto(f"{wall.address}/tablet?at=pregnancy")
    expect(tablet.locator(".tablet-answer")).to_have_count(0)
    shot(tablet, "screening-tablet-end-en")
    tablet = open_page(path, user="desk", width=390, may_fail=("401",))
    tablet.get_by_role("button", name="Hand over now").click()
    expect(tablet).to_have_url(f"{wall.address}/tablet")
    staff = open_page(path, user="desk", width=1024)
    shot(staff, "screening-handing-en")
    staff.get_by_role("button", name="Withdraw the hand-over").click()
    expect(staff.get_by_role("button", name="Withdraw the hand-over")).to_have_count(0)
    tablet.reload()
    expect(tablet).to_have_url(f"{wall.address}/sign-in")


def test_a_refusal_says_its_rule_and_a_condition_waits_for_a_clinician_s_reason(here, open_page):
    """Why, by which source, and what would change it: in words that can be told to the patient."""
    wall, screening = here
    refused, weighed = screening.patient(), screening.patient()
    answer_all(screening, refused, pregnancy="yes")
    page = open_page(f"{wall.address}/patients/{refused}/decision", user="desk", locale="de-DE")
    expect(page.locator(".outcome")).to_contain_text("Darf nicht behandelt werden")
    expect(page.locator("#r-pregnancy")).to_contain_text("Klinikseite")
    shot(page, "screening-refused-de")
    answer_all(screening, weighed, claustrophobia="yes")
    page = open_page(f"{wall.address}/patients/{weighed}/decision", user="doctor")
    expect(page.locator(".outcome")).to_contain_text("must not be treated yet")
    page.get_by_label("Reason why").fill("Lay in the harness without fear")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.locator(".outcome")).to_contain_text("may be treated")
    expect(page.locator(".reason-signed")).to_contain_text("Lay in the harness without fear")
    page.get_by_role("button", name="Keep this decision").click()
    expect(page.locator(".kept li")).to_have_count(1)
    shot(page, "screening-conditions-en")


def test_a_consent_is_informed_signed_by_hand_copied_and_withdrawn(here, open_page):
    """The way of every consent, with a real signature drawn on the pad."""
    wall, screening = here
    patient = screening.patient()
    page = open_page(
        f"{wall.address}/patients/{patient}/consent", user="desk", locale="de-DE", may_fail=REFUSED
    )
    page.get_by_label("Aufgeklärt durch").fill("Dr. Weber")
    page.get_by_role("button", name="Festhalten und weiter").click()
    expect(page.locator(".alert[data-kind=error]")).to_contain_text("§ 630e")
    expect(page.get_by_label("Aufgeklärt durch")).to_have_value("Dr. Weber")
    for point in POINTS:
        page.locator(f"#f-point-{point}").check()
    page.get_by_role("button", name="Festhalten und weiter").click()
    pad = page.locator("#pad")
    expect(pad).to_be_visible()
    page.get_by_role("button", name="Unterschreiben", exact=True).click()
    expect(page.locator("#pad-state")).to_have_class(re.compile("field-error"))
    draw(page, pad)
    expect(page.locator("#pad-state")).to_have_text("Unterschrift gezeichnet.")
    shot(page, "screening-consent-pad-de")
    page.get_by_role("button", name="Unterschreiben", exact=True).click()
    expect(page.locator("img.signature")).to_be_visible()
    expect(page.locator("img.signature")).not_to_have_js_property("naturalWidth", 0)
    page.get_by_role("button", name="Übergabe festhalten").click()
    expect(page.get_by_role("status").filter(has_text="Abschrift")).to_be_visible()
    shot(page, "screening-consent-signed-de")
    page.get_by_role("button", name="Widerruf festhalten").click()
    expect(page.get_by_role("heading", name="Frühere")).to_be_visible()
    minor = screening.patient(given_name="Kim", birth_date=f"{datetime.now(UTC).year - 16}-01-01")
    told = {"region": "lumbar", "informed_by": "Dr. Weber", "points": list(POINTS)}
    screening.ask("POST", f"/patients/{minor}/consents", json=told)
    page.goto(f"{wall.address}/patients/{minor}/consent")
    expect(page.get_by_text("in der Regel beide Eltern")).to_be_visible()
    expect(page.locator("#sign input[name=role][value=guardian]")).to_be_checked()
    expect(page.locator("#sign-name")).to_have_value("")


def draw(page, pad):
    """A line over the pad, as a hand moves."""
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(1, 12):
        page.mouse.move(
            box["x"] + 40 + step * 25, box["y"] + box["height"] * (0.3 if step % 2 else 0.7), steps=3
        )
    page.mouse.up()


def test_a_leaflet_is_edited_with_its_preview_and_the_version_before_stays(here, open_page):
    """The clinic's own words, seen before they count."""
    wall, _ = here
    page = open_page(f"{wall.address}/documents", user=ADMINISTRATOR)
    page.locator("a[href^='/documents/before/en?']").click()
    page.locator("#f-body").fill("## Please\n- come **early**")
    expect(page.locator("#preview strong")).to_have_text("early")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("link", name="Version 1", exact=True)).to_be_visible()
    shot(page, "screening-document-en")
    page.get_by_role("link", name="Version 1", exact=True).click()
    expect(page.locator("#preview li")).to_have_text("come early")
