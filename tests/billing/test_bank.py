"""Bank files as banks make them, and desks that book at the same time: no cent twice, none lost."""

import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from billing import bank
from billing.test_payments import NORTH, billed, pay, put_in, reminded, standing

from services.billing.charges.tables import CHARGES
from services.billing.payments import statements
from services.billing.payments.tables import ENTRIES, LETTERS, PAYMENTS

BATCH = """<Ntry><Amt Ccy="EUR">{whole}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
  <BookgDt><Dt>2026-12-01</Dt></BookgDt><NtryDtls>{parts}</NtryDtls></Ntry>"""
PART = """<TxDtls><AmtDtls><InstdAmt><Amt Ccy="USD">99.00</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">{amount}</Amt>
  </TxAmt></AmtDtls><RmtInf><Ustrd>{purpose}</Ustrd></RmtInf></TxDtls>"""


def batch(whole, *parts):
    """Several transfers that a bank booked at once; abroad they were sent in dollars."""
    told = "".join(PART.format(amount=amount, purpose=purpose) for amount, purpose in parts)
    return BATCH.format(whole=whole, parts=told)


def booked(rig):
    """Amounts of the entries that wait."""
    return sorted(row["amount"] for row in rig.ask("GET", "/bank-entries", params=NORTH)["entries"])


def test_overlapping_files_without_a_bank_s_reference_book_nothing_twice(rig):
    """Two equal transfers of one day are two, in whichever file; the next file adds only the new."""
    rig.clinic()
    first, second = bank.entry("5.00", "Attest"), bank.entry("6.00", "Kopie", on="2026-12-02")
    assert put_in(rig, bank.statement(first, first, second))["new"] == 3
    told = put_in(rig, bank.statement(second, bank.entry("7.00", "neu", on="2026-12-03")))
    assert (told["new"], told["known"]) == (1, 1)
    nonref = bank.entry("8.00", "Attest", reference="NONREF")
    assert put_in(rig, bank.statement(nonref, nonref))["new"] == 2
    assert booked(rig) == ["5.00", "5.00", "6.00", "7.00", "8.00", "8.00"]


def test_a_batch_is_taken_apart_only_where_its_parts_add_up(rig):
    """What was sent in dollars arrived in euro; parts that say less than was booked are no entries."""
    rig.clinic()
    put_in(rig, bank.statement(batch("30.00", ("10.00", "eins"), ("20.00", "zwei"))))
    assert booked(rig) == ["10.00", "20.00"]
    put_in(rig, bank.statement(batch("31.00", ("10.00", "drei"), ("20.00", "vier"))))
    assert booked(rig) == ["10.00", "20.00", "31.00"]


def test_a_file_of_several_accounts_is_refused(rig):
    """Somebody else's account beside the clinic's own must not become the clinic's money."""
    rig.clinic()
    own = bank.statement(bank.entry("1.00", "x")).decode()
    other = "<Stmt><Id>2</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct></Stmt></BkToCstmrStmt>"
    refused = put_in(rig, own.replace("</BkToCstmrStmt>", other).encode(), status=422)
    assert "DE89370400440532013000" in refused["detail_de"]
    assert rig.count(ENTRIES) == 0


def test_the_account_of_before_still_counts_for_ninety_days(rig):
    """People pay by the invoice that they have, and the last statement comes when the account is another."""
    invoice = billed(rig)
    rig.now = datetime(2026, 12, 10, 8, tzinfo=UTC)
    rig.clinic(iban="DE89370400440532013000")
    paid = bank.entry("70.68", invoice["number"], on="2026-12-09", reference="A")
    late = bank.entry("1.00", "spät", on="2027-03-11", reference="B")
    refused = put_in(rig, bank.statement(paid, late), status=422)
    assert "10.03.2027" in refused["detail_de"]
    assert "11.03.2027" in refused["detail_de"]
    assert rig.count(ENTRIES) == 0
    assert put_in(rig, bank.statement(paid))["matched"] == 1
    never = bank.statement(paid, iban="DE75512108001245126199")
    assert "DE75512108001245126199" in put_in(rig, never, status=422)["detail_de"]


def test_a_number_within_another_site_s_number_names_no_invoice(rig):
    """UP-NORTH-2026-00001 is not NORTH-2026-00001, though both sites share an account."""
    invoice = billed(rig)
    rig.clinic("up-north")
    patient = rig.patient("up-north")
    line = {"date": "2026-11-23", "number": "1", "factor": "2.3", "illness": "lumbar"}
    at = {"site": "up-north", "patient": str(patient)}
    charge = rig.ask("POST", "/charges", json={**at, "request": str(uuid4()), "line": line})
    rig.ask("PUT", f"/cases/{charge['case']}", json={"payer": "private"})
    draft = rig.ask("POST", "/drafts", json={**at, "request": str(uuid4())})
    told = {"request": str(uuid4()), "revision": draft["revision"]}
    other = rig.ask("POST", f"/drafts/{draft['id']}/issue", json=told)
    assert other["number"] == "UP-NORTH-2026-00001"
    rig.now += timedelta(days=10)
    assert put_in(rig, bank.statement(bank.entry("70.68", other["number"])))["matched"] == 0
    assert standing(rig, invoice)[0] == "open"
    assert put_in(rig, bank.statement(bank.entry("70.68", "NORTH 2026 00001 vom 23.11.2026")))["matched"] == 1


def test_no_more_is_paid_back_than_came_in(rig):
    """A returned transfer takes away what it paid, never more: an invoice owes at most its own total."""
    invoice = billed(rig)
    pay(rig, invoice, "70.68")
    assert "70.68" in pay(rig, invoice, "-70.69", status=422)["detail_de"]
    pay(rig, invoice, "-70.68")
    pay(rig, invoice, "-0.01", status=422)
    assert standing(rig, invoice) == ("open", "0.00", "70.68")


def test_a_payment_s_request_says_the_same_each_time(rig):
    """Another amount or invoice under the same id is refused, not answered as if it had been booked."""
    first, second = billed(rig), billed(rig)
    again = {"request": str(uuid4())}
    pay(rig, first, "1.00", **again)
    pay(rig, first, "1.00", **again)
    pay(rig, first, "2.00", status=409, **again)
    pay(rig, second, "1.00", status=409, **again)
    rig.now += timedelta(days=10)
    put_in(rig, bank.statement(bank.entry("3.00", "x")))
    (entry,) = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    body = {**again, "invoice": first["id"]}
    rig.ask("POST", f"/bank-entries/{entry['id']}/match", json=body, status=409)
    assert rig.count(PAYMENTS) == 1


def test_two_desks_that_pay_and_remind_at_once_are_told_once(either_rig):
    """However two transactions meet: one `paid`, one letter, and no answer is an error of the database."""
    rig = either_rig
    first, second = billed(rig), billed(rig)
    rig.now += timedelta(days=40)
    gate, seen, request = threading.Barrier(4), [], str(uuid4())
    payment = {"request": request, "amount": "70.68", "received_on": "2026-11-23"}

    def desk(path, body):
        gate.wait()
        seen.append(rig.knock("POST", path, json=body).status_code)

    path = f"/invoices/{first['id']}/payments"
    works = [(path, payment)] * 2 + [("/dunning", {"site": "north", "invoices": [second["id"]]})] * 2
    threads = [threading.Thread(target=desk, args=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [201, 201, 201, 409]
    assert (rig.count(PAYMENTS), rig.count(LETTERS)) == (1, 1)
    assert sorted(event.type for event in rig.told("invoice"))[2:] == ["invoice.paid", "invoice.reminded"]


def test_reminders_are_of_the_site_that_is_named_and_of_its_day(rig):
    """The trail says where a letter went out; just past midnight in Berlin it is not yesterday."""
    invoice = billed(rig)
    rig.now += timedelta(days=40)
    body = {"site": "south", "invoices": [invoice["id"]]}
    rig.ask("POST", "/dunning", json=body, status=404)
    assert rig.count(LETTERS) == 0
    rig.now = datetime(2026, 12, 29, 23, 30, tzinfo=UTC)
    assert rig.ask("GET", "/open-items", params=NORTH)["on"] == "2026-12-30"
    assert rig.ask("GET", "/dunning", params=NORTH)["on"] == "2026-12-30"
    reminded(rig, invoice)
    assert [row["record"] for row in rig.trail("invoice.reminded")] == [invoice["patient"]]


def test_a_large_file_meets_thousands_of_open_invoices_quickly(rig):
    """A year's file is matched by what it says, not by comparing everything with everything."""
    invoice = billed(rig)
    with_items = rig.ask("GET", "/open-items", params=NORTH)["items"]
    assert [row["id"] for row in with_items] == [invoice["id"]]
    item = statements_item(rig, invoice)
    many = [statements.Opened([item] * 5000, "north", ())]
    entries = [
        statements.Entry(str(at), date(2026, 12, 1), Decimal(at), f"Name {at}", "", f"Zweck {at}")
        for at in range(1, 2001)
    ]
    began = time.process_time()
    assert all(not statements.candidates(entry, many) for entry in entries)
    assert time.process_time() - began < 5


def statements_item(rig, invoice):
    """An open item as the matching sees it."""
    from services.billing.payments import booking
    from services.kit.database import reading

    with reading(rig.engine) as connection:
        return next(
            one for one in booking.open_items(connection, "north") if str(one.invoice.id) == invoice["id"]
        )


@pytest.mark.parametrize("state", ["open", "overdue", "paid"])
def test_invoices_are_found_by_their_state(rig, state):
    """Whatever their number: what is owed is asked of the database."""
    paid, owed = billed(rig), billed(rig)
    pay(rig, paid, "70.68")
    rig.now += timedelta(days=40 if state == "overdue" else 0)
    found = rig.ask("GET", "/invoices", params={**NORTH, "state": state})["invoices"]
    assert [row["id"] for row in found] == [(paid if state == "paid" else owed)["id"]]


def test_what_two_desks_send_at_once_is_there_once_and_both_are_answered(either_rig):
    """A double click on a new charge, one file given in twice: the second finds what the first made."""
    rig = either_rig
    rig.clinic()
    line = {"date": "2026-11-20", "number": "1", "factor": "2.3", "illness": "lumbar"}
    body = {"request": str(uuid4()), "patient": str(rig.patient()), "line": line, **NORTH}
    file = bank.statement(*[bank.entry("3.00", f"Zweck {at}") for at in range(300)])
    gate, made = threading.Barrier(6), []

    def charge():
        gate.wait()
        made.append(rig.knock("POST", "/charges", json=body).status_code)

    def give_in():
        gate.wait()
        made.append(put_in(rig, file)["statement"])

    threads = [threading.Thread(target=work) for work in [charge, give_in] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.count(201) == 3
    assert len(set(made)) == 2
    assert (rig.count(ENTRIES), rig.count(CHARGES)) == (300, 1)
