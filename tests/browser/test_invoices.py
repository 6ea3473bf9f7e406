"""A draft is checked, mended, issued, handed out and cancelled in a browser, in front of a real billing."""

import contextlib
from uuid import uuid4

import pytest
from bedside_rig import Served
from browser.consoles import CONSOLES
from browser.planned import apart
from console.billing_rig import BillingRoom
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Where the console is, and a draft of one session."""
    room = apart(BillingRoom, tmp_path_factory.mktemp("billing"))
    draft = apart(_drafted, room)
    served = Served(room.room.app)
    address = f"http://127.0.0.1:{served.port}"
    CONSOLES[address] = room.room.people
    yield address, draft
    served.close()
    apart(room.close)


def _drafted(room):
    patient = room.patient("Grünwald", "Änne")
    case = room.treated(patient, sessions=1)
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "case": case["id"]}
    return room.billing.ask("POST", "/drafts", json=body)["id"]


def test_a_draft_becomes_an_invoice_once_its_rules_are_kept(desk, open_page):
    """Whoever bills sees the law's sentence while typing, mends it, issues, and can take it back."""
    address, draft = desk
    page = open_page(f"{address}/billing/drafts", user="bill", accept_downloads=True)
    page.get_by_role("link", name="Grünwald, Änne").click()
    _add_what_is_excluded(page)
    page.get_by_role("button", name="Take back: 653").click()
    expect(page.get_by_text("No rule stops this invoice")).to_be_visible()
    _issue(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="XML").click()
    assert b"CrossIndustryInvoice" in download.value.path().read_bytes()
    path = page.get_by_role("link", name="PDF, print").get_attribute("href")
    pdf = page.request.get(f"{address}{path}")
    assert pdf.body().startswith(b"%PDF")
    page.get_by_role("button", name="Cancel the invoice").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Falscher Empfänger")
    dialog.get_by_role("button", name="Cancel the invoice").click()
    expect(page.get_by_text("Its charges are open again")).to_be_visible()
    expect(page.locator("main .tag", has_text="cancelled")).to_be_visible()
    gone = page.request.get(f"{address}/billing/drafts/{draft}")
    assert gone.status == 409, "it says which invoice it became"


def _add_what_is_excluded(page):
    """By words with a slip, the arrow keys and Enter; the rule stands there before anything is kept."""
    number = page.get_by_role("combobox", name="GOÄ number")
    none_found = page.locator("main [data-count]")
    for tries_left in reversed(range(4)):  # a service that is busy beside a whole suite may be asked again
        number.fill("")
        number.press_sequentially("99999")
        with contextlib.nullcontext() if not tries_left else contextlib.suppress(AssertionError):
            expect(none_found).to_have_text("Nothing found", timeout=10_000)
            break
    expect(none_found).not_to_have_class("visually-hidden")
    number.fill("")
    expect(none_found).to_have_class("visually-hidden")
    number.press_sequentially("telemetrschem")
    options = page.locator("#f-number-list [role=option]")
    expect(options.first).to_contain_text("653")
    expect(options.first).to_contain_text("forbidden")
    number.press("ArrowDown")
    expect(number).to_have_attribute("aria-activedescendant", "f-number-option-0")
    number.press("Enter")
    expect(number).to_have_value("653")
    expect(page.locator("[data-picked]")).to_contain_text("Nummern 650 bis 653 sind nicht nebeneinander")
    page.get_by_role("button", name="Add a line").click()
    expect(page.locator("#rules")).to_contain_text("1 rule stops it")
    expect(page.locator("#rules q").first).to_contain_text("nicht nebeneinander berechnungsfähig")


def _issue(page):
    """With its confirmation."""
    page.get_by_role("button", name="Issue the invoice").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("I have checked this draft").check()
    dialog.get_by_role("button", name="Issue the invoice").click()
    expect(page.get_by_role("heading", name="Invoice NORTH-")).to_be_visible(timeout=30_000)
