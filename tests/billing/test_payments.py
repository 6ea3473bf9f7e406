"""Payments in part and whole, open items, three reminders, bank statements, revenue."""

from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from uuid import uuid4

import pytest
from billing import bank
from billing.test_invoices import cured, issued
from pypdf import PdfReader

from services.billing.payments.tables import ENTRIES, LETTERS, PAYMENTS

NORTH = {"site": "north"}


def billed(rig, **person):
    """An invoice of 70.68."""
    rig.clinic()
    cured(rig, sessions=1, **person)
    return issued(rig)


def pay(rig, invoice, amount, *, status=201, **told):
    """Book a payment."""
    body = {"request": str(uuid4()), "amount": amount, "received_on": "2026-11-23"} | told
    return rig.ask("POST", f"/invoices/{invoice['id']}/payments", json=body, status=status)


def standing(rig, invoice):
    """State, what is paid and what is open."""
    told = rig.ask("GET", f"/invoices/{invoice['id']}/payments")
    return told["state"], told["paid"], told["open"]


def put_in(rig, data, *, status=201, site="north"):
    """Give a bank's file in."""
    files = {"file": ("auszug.xml", data, "application/xml")}
    return rig.ask("POST", "/bank-statements", params={"site": site}, files=files, status=status)


def reminded(rig, invoice, *, status=201):
    """Write the next reminder."""
    return rig.ask("POST", "/dunning", json={"site": "north", "invoices": [invoice["id"]]}, status=status)


def test_an_invoice_is_paid_in_parts_and_told_once(either_rig):
    """Every cent is booked once; the event has random ids only."""
    rig = either_rig
    invoice = billed(rig)
    first = pay(rig, invoice, "30.00")
    assert standing(rig, invoice) == ("part-paid", "30.00", "40.68")
    again = {"request": str(uuid4())}
    one = pay(rig, invoice, "40.68", **again)
    assert pay(rig, invoice, "40.68", **again)["id"] == one["id"]
    assert standing(rig, invoice) == ("paid", "70.68", "0.00")
    assert [event.type for event in rig.told("invoice")] == ["invoice.issued", "invoice.paid"]
    assert set(rig.told("invoice")[1].data) == {"invoice", "patient", "cure"}
    rig.ask("POST", f"/payments/{first['id']}/reverse", json={"reason": "zurückgebucht"})
    rig.ask("POST", f"/payments/{first['id']}/reverse", json={"reason": "noch einmal"}, status=409)
    assert standing(rig, invoice) == ("part-paid", "40.68", "30.00")
    assert rig.count(PAYMENTS) == 2


def test_a_cancelled_invoice_that_was_paid_owes_it_back(rig):
    """What came in is not lost with the invoice."""
    invoice = billed(rig)
    pay(rig, invoice, "70.68")
    told = {"request": str(uuid4()), "reason": "falsch"}
    cancellation = rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=201)
    assert standing(rig, invoice) == ("overpaid", "70.68", "-70.68")
    pay(rig, invoice, "-70.68", note="erstattet")
    assert standing(rig, invoice) == ("cancelled", "0.00", "0.00")
    assert "NORTH-2026-00001" in pay(rig, cancellation, "1.00", status=422)["detail_de"]


@pytest.mark.parametrize(
    ("amount", "received_on"), [("0.00", "2026-11-23"), ("10.00", "2026-11-24"), ("1.234", "2026-11-23")]
)
def test_no_amount_and_no_day_to_come_is_booked(rig, amount, received_on):
    """A typing error is refused whole."""
    invoice = billed(rig)
    pay(rig, invoice, amount, received_on=received_on, status=422)
    assert standing(rig, invoice) == ("open", "0.00", "70.68")


def test_three_reminders_follow_each_other_and_no_fourth(rig):
    """Each when its days are over, each a letter to the byte; the fee stands beside the invoice."""
    invoice = billed(rig)
    assert "keine Mahnung" in reminded(rig, invoice, status=409)["detail_de"]
    for step, days in ((1, 38), (2, 18), (3, 18)):
        rig.now += timedelta(days=days)
        (due,) = rig.ask("GET", "/dunning", params=NORTH)["due"]
        assert due["step"] == step
        (letter,) = reminded(rig, invoice)["letters"]
        paper = rig.knock("GET", f"/letters/{letter}/pdf")
        assert paper.headers["content-disposition"] == f'inline; filename="{invoice["number"]}-{step}.pdf"'
        words = " ".join(PdfReader(BytesIO(paper.content)).pages[0].extract_text().split())
        assert words.count("als gegenstandslos") == 1, "said once, not twice"
        reminded(rig, invoice, status=409)
    rig.now += timedelta(days=60)
    reminded(rig, invoice, status=409)
    told = rig.ask("GET", f"/invoices/{invoice['id']}/payments")
    assert (told["reminded"], told["fees"], told["open"]) == (3, "5.00", "75.68")
    assert [letter["step"] for letter in told["letters"]] == [1, 2, 3]


def test_of_several_reminders_all_are_written_or_none(rig):
    """One that is not due stops the lot before a letter is written."""
    first = billed(rig)
    rig.now += timedelta(days=40)
    second = billed(rig)
    body = {"site": "north", "invoices": [first["id"], second["id"]]}
    refused = rig.ask("POST", "/dunning", json=body, status=409)
    assert second["number"] in refused["detail_de"]
    assert rig.count(LETTERS) == 0


@pytest.mark.parametrize("version", ["02", "08"])
def test_an_entry_that_names_its_invoice_and_amount_is_booked_by_itself(rig, version):
    """However people write the number; the same file, or one that overlaps, books nothing twice."""
    invoice = billed(rig)
    rig.now += timedelta(days=10)
    sure = bank.entry("70.68", "Rechnung north 2026/00001 danke", reference="A1")
    other = bank.entry("12.00", "Kaffee", name="Büro", reference="A2")
    file = bank.statement(sure, other, version=version)
    told = put_in(rig, file)
    del told["statement"]
    assert told == {"new": 2, "known": 0, "booked": 2, "matched": 1, "left": 1, "before": None}
    assert standing(rig, invoice) == ("paid", "70.68", "0.00")
    assert put_in(rig, file)["new"] == 0
    again = put_in(rig, bank.statement(sure, bank.entry("5.00", "neu", reference="A3"), version=version))
    assert (again["new"], again["known"], again["matched"]) == (1, 1, 0)
    assert rig.count(PAYMENTS) == 1


def test_what_is_not_sure_is_proposed_and_a_person_decides(rig):
    """A name and an amount are a guess: said why, and matched by hand."""
    invoice = billed(rig)
    rig.now += timedelta(days=10)
    put_in(rig, bank.statement(bank.entry("70.68", "vielen Dank"), bank.entry("3.00", "Zinsen", name="Bank")))
    entries = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    guess = next(one for one in entries if one["amount"] == "70.68")
    assert guess["candidates"][0]["reasons"] == ["amount", "name"]
    body = {"request": str(uuid4()), "invoice": invoice["id"]}
    made = rig.ask("POST", f"/bank-entries/{guess['id']}/match", json=body, status=201)
    assert rig.ask("POST", f"/bank-entries/{guess['id']}/match", json=body, status=201)["id"] == made["id"]
    other = {"request": str(uuid4()), "invoice": invoice["id"]}
    rig.ask("POST", f"/bank-entries/{guess['id']}/match", json=other, status=409)
    interest = next(one for one in entries if one["amount"] == "3.00")
    rig.ask("POST", f"/bank-entries/{interest['id']}/ignore", json={"reason": "Zinsen"})
    assert rig.ask("GET", "/bank-entries", params=NORTH)["entries"] == []
    rig.ask("POST", f"/payments/{made['id']}/reverse", json={"reason": "falsche Rechnung"})
    assert [one["id"] for one in rig.ask("GET", "/bank-entries", params=NORTH)["entries"]] == [guess["id"]]


def test_one_transfer_pays_two_invoices_and_what_is_left_stays_open(rig):
    """People pay two invoices at once; not a cent of it is lost or booked twice."""
    first, second = billed(rig), billed(rig)
    rig.now += timedelta(days=10)
    put_in(rig, bank.statement(bank.entry("100.00", "beide")))
    (entry,) = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    path = f"/bank-entries/{entry['id']}/match"

    def match(invoice, *, status=201, **more):
        body = {"request": str(uuid4()), "invoice": invoice["id"]} | more
        return rig.ask("POST", path, json=body, status=status)

    assert "100.00" in match(first, amount="100.01", status=422)["detail_de"]
    match(first, amount="-1.00", status=422)
    match(first, amount="70.68")
    (left,) = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    assert (left["left"], left["payments"][0]["number"]) == ("29.32", first["number"])
    assert not left["payments"][0]["automatic"]
    made = match(second)
    assert (made["amount"], standing(rig, second)[0]) == ("29.32", "part-paid")
    back = {"reason": "andere Rechnung"}
    for _ in range(2):
        rig.ask("POST", f"/payments/{made['id']}/reverse", json=back)
    match(second)
    rig.ask("POST", f"/payments/{made['id']}/reverse", json=back)
    assert rig.ask("GET", "/bank-entries", params={**NORTH, "state": "open"})["entries"] == []


def test_what_was_set_aside_is_taken_out_again(rig):
    """A second click is no second decision, and no decision is for ever."""
    billed(rig)
    rig.now += timedelta(days=10)
    told = put_in(rig, bank.statement(bank.entry("3.00", "Zinsen")))
    (entry,) = rig.ask("GET", "/bank-entries", params={**NORTH, "statement": told["statement"]})["entries"]
    for _ in range(2):
        rig.ask("POST", f"/bank-entries/{entry['id']}/ignore", json={"reason": "Zinsen"})
    rig.ask("POST", f"/bank-entries/{entry['id']}/reopen")
    assert rig.ask("GET", "/bank-entries", params=NORTH)["entries"][0]["id"] == entry["id"]


def test_the_same_request_writes_a_letter_once_and_a_site_has_a_list_of_them(rig):
    """A double click must not become two letters, nor a refusal of what was done."""
    invoice = billed(rig)
    rig.now += timedelta(days=40)
    body = {"request": str(uuid4()), "site": "north", "invoices": [invoice["id"]]}
    first = rig.ask("POST", "/dunning", json=body, status=201)["letters"]
    assert rig.ask("POST", "/dunning", json=body, status=201)["letters"] == first
    (letter,) = rig.ask("GET", "/letters", params=NORTH)["letters"]
    assert (letter["id"], letter["number"], letter["step"]) == (first[0], invoice["number"], 1)
    assert [event.type for event in rig.told("invoice")].count("invoice.reminded") == 1
    rig.now += timedelta(days=40)
    (again,) = reminded(rig, invoice)["letters"]
    newest = next(one for one in rig.ask("GET", "/letters", params=NORTH)["letters"] if one["id"] == again)
    fee = Decimal(newest["fee"])
    assert Decimal(newest["asked"]) == Decimal(invoice["total"]) + fee
    assert fee > 0, "its own fee is asked for, too"


ENTITY = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Document>&b;</Document>'


@pytest.mark.parametrize(
    "data",
    [
        b"", b"no xml", b"<a/>", ENTITY, bank.statement(bank.entry("x", "")),
        bank.statement(bank.entry("1.00", "", currency="USD")),
        bank.statement(bank.entry("1.00", "", on="2026-02-30")),
        bank.statement(bank.entry("1.00", "", reference="A"), bank.entry("NaN", "")),
        bank.statement(bank.entry("1.00", ""), iban="DE89370400440532013000"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_books_nothing(rig, data):
    """Whole or not at all, and it says where it is wrong."""
    billed(rig)
    assert "Konto" in put_in(rig, data, status=422)["detail_de"]
    assert rig.count(ENTRIES) == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bank.statement(bank.entry("1.00", ""))[:-60], "endet zu früh: "),
        (b"no xml", "kein XML"), (b"<a></b></Document>", "kein XML"), (b" ", "die Datei ist leer"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_without_the_parser_s_words(rig, data, says):
    """Who downloaded half a file needs to know that, not a line and a column."""
    refused = put_in(rig, data, status=422)
    assert says in refused["detail_de"]
    assert "bank" in refused["detail"]
    assert not {"line", "column", "tag"} & {*refused["detail"].split(), *refused["detail_de"].split()}


def test_open_items_and_revenue_agree_with_what_was_issued_and_paid(either_rig):
    """Revenue is what was invoiced less what was cancelled; open is that less what came in."""
    rig = either_rig
    first, second = billed(rig), billed(rig)
    pay(rig, first, "20.68")
    told = {"request": str(uuid4()), "reason": "falsch"}
    rig.ask("POST", f"/invoices/{second['id']}/cancel", json=told, status=201)
    items = rig.ask("GET", "/open-items", params=NORTH)
    assert (items["open"], items["overdue"], len(items["items"])) == ("50.00", "0", 1)
    span = {"from": "2026-11-01", "to": "2026-11-30"}
    by_month = rig.ask("GET", "/revenue", params={**span, "by": "month"})
    (row,) = by_month["rows"]
    assert (row["key"], row["invoiced"], row["received"]) == ("2026-11", "70.68", "20.68")
    by_item = rig.ask("GET", "/revenue", params={**span, "by": "item", **NORTH})
    assert {one["key"]: one["invoiced"] for one in by_item["rows"]} == {
        "516": "6.82", "538": "4.20", "652": "59.66",
    }  # fmt: skip
    ages = rig.ask("GET", "/revenue", params={**span, "from": "1900-01-01", "by": "item"})
    assert ages["rows"] == rig.ask("GET", "/revenue", params={**span, "by": "item"})["rows"]
    by_site = rig.ask("GET", "/revenue", params={**span, "by": "site"}, sites=("south",))
    assert by_site["rows"] == []
    rig.ask("GET", "/revenue", params={**span, "from": "2027-01-01"}, status=422)
    rig.ask("GET", "/revenue", params=span, role="reception", status=403)


def test_another_site_s_money_does_not_exist(rig):
    """Payments, letters, entries: answered like what is not there."""
    invoice = billed(rig)
    rig.now += timedelta(days=40)
    put_in(rig, bank.statement(bank.entry("1.00", "x")))
    (letter,) = reminded(rig, invoice)["letters"]
    entry = rig.ask("GET", "/bank-entries", params=NORTH)["entries"][0]["id"]
    south = {"sites": ("south",), "status": 404}
    rig.ask("GET", f"/invoices/{invoice['id']}/payments", **south)
    rig.ask("GET", f"/letters/{letter}/pdf", **south)
    rig.ask("POST", f"/bank-entries/{entry}/ignore", json={"reason": "x"}, **south)
    rig.ask("GET", "/open-items", params=NORTH, **south)
    assert rig.trail("dunning.written")[0]["at_us"] > 0
    assert date.fromisoformat(invoice["issued_on"]) == date(2026, 11, 23)
