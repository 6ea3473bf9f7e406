"""A programme from the clinician's form to the phone; pain from the phone to every page and the clearance."""

import contextlib
import re

import pytest
from browser.conftest import Wall, service, stop
from browser.office_rig import Screening
from browser.test_screening import answer_all
from playwright.sync_api import expect
from servers import answers, eventually, free_port

PHONE = {"width": 390, "height": 844}
PATIENT_MS = 30_000


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Console, screening and homecare as processes on one bus; a clinician and a therapist."""
    directory = tmp_path_factory.mktemp("home")
    ports = {name: free_port() for name in ("screening", "homecare")}
    urls = {f"SPONDYL_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with contextlib.ExitStack() as stack:
        wall = Wall(directory, **urls)
        stack.callback(wall.end)
        screening = Screening(directory, wall.broker.url, ports["screening"])
        stack.callback(screening.end)
        homecare = service(
            "homecare", directory, SPONDYL_MQTT_URL=wall.broker.url, SPONDYL_DATA=str(directory),
            SPONDYL_HTTP_PORT=str(ports["homecare"]),
        )  # fmt: skip
        stack.callback(stop, homecare)
        eventually(lambda: answers(ports["homecare"]), 60.0, "homecare's answer")
        wall.people.person("doctor", "clinician")
        wall.people.person("thea", "therapist@north")
        yield wall, screening


def test_a_programme_goes_home_and_its_pain_comes_back_at_once(here, open_page, browser):
    """Set in a form, signed beside a therapist, done on a telephone; a report suspends and is answered."""
    wall, screening = here
    patient = screening.patient()
    answer_all(screening, patient)
    link = _set_and_handed_over(wall, open_page, patient)
    elsewhere = open_page(f"{wall.address}/patients", user="thea")
    place = elsewhere.locator("nav").get_by_role("link", name=re.compile("Home programmes"))
    expect(place).not_to_contain_text("1 report")
    phone = browser.new_context(viewport=PHONE, locale="de-DE").new_page()
    phone.set_default_timeout(PATIENT_MS)
    phone.goto(link)
    _reports_pain(phone)
    expect(place).to_contain_text("1 report of pain open", timeout=PATIENT_MS)
    expect(elsewhere.get_by_role("link", name="Pain at home reported")).to_be_visible()
    eventually(lambda: _suspended(screening, patient) == ["home-pain"], 60.0, "the suspended clearance")
    _answered(wall, open_page, patient)
    expect(place).not_to_contain_text("1 report", timeout=PATIENT_MS)
    phone.reload()
    expect(phone.get_by_text("Erst einmal Pause.")).to_be_visible(timeout=PATIENT_MS)
    phone.context.close()


def _set_and_handed_over(wall, open_page, patient):
    """The address of a link to a new programme whose bridge is open at home."""
    page = open_page(f"{wall.address}/patients/{patient}/homecare/new", user="doctor")
    page.set_default_timeout(PATIENT_MS)
    page.get_by_label("Stage").select_option("chronic")
    page.get_by_label("Displacement").select_option("protrusion")
    page.get_by_label("Size").select_option("slight")
    expect(page.locator("#exercises")).to_contain_text("Bridge", timeout=PATIENT_MS)
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_text("Hand it over now")).to_be_visible(timeout=PATIENT_MS)
    programme = re.search(r"/homecare/([0-9a-f-]{36})", page.url)[1]
    beside = open_page(f"{wall.address}/homecare/{programme}", user="thea")
    bridge = beside.locator("#exercise-bridge")
    bridge.get_by_role("button", name=re.compile("^Went well")).click()
    expect(beside.locator("#exercise-bridge")).to_contain_text("open", timeout=PATIENT_MS)
    page.reload()
    page.get_by_role("button", name="Hand out a link with its code").first.click()
    return page.locator("#address").inner_text()


def _reports_pain(phone):
    """Beside no exercise in particular: one tap from the first screen."""
    expect(phone.get_by_role("button", name=re.compile("Brücke"))).to_be_visible(timeout=PATIENT_MS)
    phone.get_by_role("button", name=re.compile("^Brücke")).click()
    phone.get_by_role("button", name="Es tut weh", exact=True).click()
    phone.get_by_role("button", name="Unterer Rücken", exact=True).click()
    phone.get_by_role("button", name=re.compile("^7,")).click()
    phone.get_by_role("button", name="Nein, nichts davon", exact=True).click()
    phone.get_by_role("button", name="An die Klinik senden", exact=True).click()
    expect(phone.get_by_role("main").get_by_text("Ihre Klinik weiß Bescheid")).to_be_visible()


def _suspended(screening, patient):
    rows = screening.ask("GET", f"/patients/{patient}/suspensions")
    return [row["reason"] for row in rows if row["restored"] is None]


def _answered(wall, open_page, patient):
    """From the patient's file, by a clinician."""
    page = open_page(f"{wall.address}/homecare", user="doctor")
    page.locator("#pains a").first.click()
    form = page.locator(".home-pain").first
    form.get_by_label("Goes on one level lower").check()
    form.get_by_label("Words that stand on the telephone").fill("Erst einmal Pause.")
    form.get_by_role("button", name="Answer").click()
    expect(page.locator(".home-pain")).to_have_count(0, timeout=PATIENT_MS)
    assert patient in page.content()
