"""The page of the GDT folders in a real browser, over screening as a process."""

import pytest
from browser.conftest import shot, sideways
from browser.office_rig import practice
from playwright.sync_api import expect
from servers import eventually

from services.screening.exchange.gdt.writing import Form, write

PERSON = {"3000": "4711", "3101": "Mustermann", "3102": "Erika", "3103": "13081964", "3110": "2"}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A console and its screening, beside a folder that a practice system shares."""
    directory = tmp_path_factory.mktemp("exchange")
    (directory / "gdt" / "north" / "in").mkdir(parents=True)
    with practice(directory) as (wall, screening):
        wall.people.person("desk", "reception@north")
        yield wall, screening, directory / "gdt" / "north"


def put(folder, name, **fields):
    """Let the practice system write a file."""
    (folder / "in" / name).write_bytes(write("6301", list((PERSON | fields).items()), Form()).content)


def test_a_doubtful_record_is_assigned_at_the_desk(here, open_page):
    """The same name, another birth date: the page says why it waits, and one press says whose it is."""
    wall, screening, folder = here
    patient = screening.patient()
    put(folder, "SPDLPRAX.001")
    (folder / "in" / "SPDLPRAX.002").write_bytes(b"no GDT at all")
    eventually(lambda: len(screening.ask("GET", "/exchange/records")) == 2, 60.0, "both files taken")
    page = open_page(f"{wall.address}/exchange", user="desk", locale="de-DE")
    expect(page.locator("h1")).to_have_text("Austausch")
    expect(page.locator("#waiting h3")).to_contain_text("Mustermann, Erika")
    expect(page.locator("main")).to_contain_text("Das ist kein GDT")
    shot(page, "exchange-waiting-de")
    page.get_by_role("button", name="Ist Mustermann, Erika, 12.08.1964").click()
    expect(page.get_by_role("status").filter(has_text="zugeordnet")).to_be_visible()
    expect(page.locator("#waiting")).to_have_count(0)
    expect(page.locator(f"main a[href='/patients/{patient}']").first).to_be_visible()
    assert screening.ask("GET", f"/patients/{patient}")["content"]["birth_date"] == "1964-08-13"


def test_the_page_fits_a_telephone_in_english(here, open_page):
    """Nothing runs out of the side."""
    wall, _, folder = here
    put(folder, "SPDLPRAX.003", **{"3000": "1", "3101": "Sehr-Langername-Ohneende", "3103": "13081964"})
    page = open_page(f"{wall.address}/exchange", user="desk", width=390, height=844, locale="en-GB")
    expect(page.locator("h1")).to_have_text("Exchange")
    expect(page.locator(".exchange-counts").first).to_contain_text("rejected")
    assert sideways(page) == 0
    shot(page, "exchange-telephone-en")
