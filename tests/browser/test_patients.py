"""A patient's file in a browser, as a desk works with it: found, opened, corrected, merged; findings."""

from pathlib import Path

import pytest
from browser.conftest import shot, sideways
from browser.office_rig import practice
from playwright.sync_api import expect
from pydicom.data import get_testdata_file

MRI = Path(get_testdata_file("MR_small.dcm"))
CT = Path(get_testdata_file("CT_small.dcm"))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A console with screening behind it, and a doctor at one site."""
    with practice(tmp_path_factory.mktemp("practice")) as (wall, screening):
        wall.people.person("nora", "clinician@north")
        wall.screening = screening
        yield wall


def test_a_file_from_the_first_contact_to_a_merge(here, open_page):
    """New, noticed as a duplicate, corrected, a note, a copy, merged and taken apart again."""
    first = here.screening.patient(family_name="Mustermann", given_name="Erika")
    page = open_page(f"{here.address}/patients", user="nora", may_fail=("409", "422"), accept_downloads=True)
    page.get_by_role("searchbox").press_sequentially("musterman erca")
    expect(page.locator("#found a.person-name")).to_have_text("Mustermann, Erika")
    page.get_by_role("searchbox").fill("Xylo")
    page.get_by_role("link", name="New file").last.click()

    page.get_by_label("Family name").fill("Mustermann")
    page.get_by_label("Given name").fill("Erica")
    page.get_by_label("Date of birth").fill("1964-08-12")
    page.get_by_label("Body weight").fill("70.5")
    page.get_by_role("button", name="Open the file").click()
    expect(page.get_by_text("This person may have a file already")).to_be_visible()
    expect(page.get_by_label("Given name")).to_have_value("Erica")
    page.get_by_label("It is somebody else").check()
    page.get_by_role("button", name="Open the file").click()
    expect(page.get_by_text("The file is open.")).to_be_visible()
    second = page.url.partition("/patients/")[2].partition("?")[0]

    page.get_by_role("link", name="Correct").click()
    page.get_by_label("E-mail").fill("erica@example")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.locator("#f-email-error")).to_contain_text("usual form")
    page.get_by_label("E-mail").fill("erica@example.org")
    page.get_by_label("Reason for the change").fill("told at the desk")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("The new version is saved.")).to_be_visible()
    page.get_by_label("New note").fill("Kommt lieber vormittags.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#notes")).to_contain_text("Kommt lieber vormittags.")
    with page.expect_download() as copy:
        page.get_by_role("link", name="Copy (ZIP)").click()
    assert Path(copy.value.path()).read_bytes()[:2] == b"PK"

    page.get_by_role("link", name="Versions", exact=True).click()
    expect(page.get_by_role("row", name="E-mail")).to_contain_text("erica@example.org")
    expect(page.get_by_text("told at the desk")).to_be_visible()

    page.goto(f"{here.address}/patients/{second}/merge?into={first}")
    page.get_by_label("Reason").fill("opened twice")
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("The files are merged.")).to_be_visible()
    assert first in page.url
    page.get_by_label("Reason").fill("two people after all")
    page.get_by_role("button", name="Take apart again").click()
    expect(page.get_by_text("The file is its own again.")).to_be_visible()
    assert second in page.url


def test_an_mri_before_and_after_beside_each_other(here, open_page):
    """Filed at a desk, drawn from DICOM, looked at on a phone in German; a wrong file is refused."""
    patient = here.screening.patient(family_name="Weber", given_name="Tom", birth_date="1970-01-02")
    page = open_page(f"{here.address}/patients/{patient}/findings", user="nora", may_fail=("422",))
    for path, kind in ((MRI, "mri-before"), (CT, "mri-after")):
        page.locator("#f-file").set_input_files(path)
        page.locator("#f-kind").select_option(kind)
        page.locator("#f-taken_on").fill("2026-01-02")
        page.get_by_role("button", name="File it").click()
        expect(page.get_by_text("The finding is filed.")).to_be_visible()
    before, after = page.locator("#compare img").first, page.locator("#compare img").last
    expect(before).to_have_js_property("naturalHeight", 64)
    expect(after).to_have_js_property("naturalHeight", 128)
    page.locator("#f-file").set_input_files(
        {"name": "mrt.png", "mimeType": "image/png", "buffer": b"<svg></svg>"}
    )
    page.get_by_role("button", name="File it").click()
    expect(page.locator("#f-file-error")).to_contain_text("DICOM")
    shot(page, "patient-findings")

    phone = open_page(
        f"{here.address}/patients/{patient}/findings", width=390, height=844, locale="de-DE", user="nora"
    )
    expect(phone.locator(".finding strong").last).to_have_text("MRT vor der Behandlung")
    assert sideways(phone) <= 0
