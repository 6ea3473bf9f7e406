"""What the books say of money: each on its own day, fees beside the invoice, both places the same."""

import csv
import io
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from billing import bank
from billing.books_rig import ACCOUNTS
from billing.test_exchange_books import money
from billing.test_payments import NORTH, billed, pay, put_in, reminded, standing

from services.billing.payments.models import State

BOOKS = {**ACCOUNTS, "fees": 2700}
MONTHS = [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
TO = {first: (first + timedelta(days=31)).replace(day=1) - timedelta(days=1) for first in MONTHS}


def booked(rig):
    """An invoice of 70.68 at a clinic whose adviser has accounts for everything."""
    invoice = billed(rig)
    rig.clinic(accounts=BOOKS)
    return invoice


def reverse(rig, payment, *, status=200, **told):
    """Take a payment back."""
    body = {"reason": "zurückgebucht"} | told
    return rig.ask("POST", f"/payments/{payment['id']}/reverse", json=body, status=status)


def figures(rig, first):
    """What revenue says of a month: received and fees."""
    told = rig.ask(
        "GET", "/revenue", params={**NORTH, "from": str(first), "to": str(TO[first]), "by": "site"}
    )
    return Decimal(told["received"]), Decimal(told["fees"])


def adviser_has(rig, first):
    """The same out of the file that the tax adviser gets."""
    span = {**NORTH, "from": str(first), "to": str(TO[first])}
    answer = rig.knock("GET", "/exports/datev", params=span)
    assert answer.status_code == 200, answer.text
    text = answer.content.decode("cp1252")
    sums = defaultdict(Decimal)
    for row in list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))[2:]:
        kind = "fees" if row[7] == str(BOOKS["fees"]) else "received" if row[6] in ("1200", "1000") else ""
        sums[kind] += money(row[0]) * (1 if row[1] == "S" else -1)
    return sums["received"], sums["fees"]


def test_no_later_action_changes_an_earlier_month_and_the_adviser_has_the_same(rig):
    """A figure that was reported and is another one afterwards is what an auditor looks for (§ 146 AO)."""
    invoice, chance = booked(rig), random.Random(6)  # noqa: S311  (the same days and amounts each time)
    living, told = [], {}
    for first in MONTHS:
        for day in sorted(chance.sample(range(1, 27), 6)):
            rig.now = datetime(first.year, first.month, day, 12, tzinfo=UTC)
            if first > MONTHS[0] or day > 23:
                act(rig, invoice, living, chance)
        for month in MONTHS[: MONTHS.index(first) + 1]:
            assert adviser_has(rig, month) == figures(rig, month)
            assert told.setdefault(month, figures(rig, month)) == figures(rig, month)
    assert len({received for received, _ in told.values()}) > 2
    assert sum(received for received, _ in told.values()) == Decimal(standing(rig, invoice)[1])


def act(rig, invoice, living, chance):
    """Something that a desk may do on this day."""
    due = rig.ask("GET", "/dunning", params=NORTH)["due"]
    if due:
        reminded(rig, invoice)
    elif living and chance.random() < 0.5:
        reverse(rig, living.pop(chance.randrange(len(living))))
    else:
        amount = f"{chance.randrange(100, 1500) / 100:.2f}"
        method = chance.choice(("bank", "cash"))
        living.append(pay(rig, invoice, amount, received_on=str(rig.now.date()), method=method))


def test_a_payment_is_taken_back_on_a_day_of_its_own_and_says_by_whom(either_rig):
    """Never before it came in, never to come, never in a period that the adviser has."""
    rig = either_rig
    invoice = booked(rig)
    payment = pay(rig, invoice, "30.00")
    rig.now = datetime(2026, 12, 2, 9, tzinfo=UTC)
    for day in ("2026-11-22", "2026-12-03"):
        assert "30.11" not in reverse(rig, payment, reversed_on=day, status=422)["detail_de"]
    adviser_has(rig, MONTHS[0])
    refused = reverse(rig, payment, reversed_on="2026-11-30", status=422)
    assert "01.12.2026 bis 02.12.2026" in refused["detail_de"]
    made = reverse(rig, payment)
    assert (made["reversed"], made["reversed_on"]) == ("zurückgebucht", "2026-12-02")
    assert made["reversed_by"]
    assert made["reversed_at"].startswith("2026-12-02T09:00")
    assert [figures(rig, month)[0] for month in MONTHS[:2]] == [Decimal("30.00"), Decimal("-30.00")]


def demanded(rig):
    """An invoice with one fee of 2.50."""
    invoice = booked(rig)
    for days in (38, 18):
        rig.now += timedelta(days=days)
        (letter,) = reminded(rig, invoice)["letters"]
    return invoice, letter


def claims(rig, invoice):
    """State, what is open of all, of the invoice and of the fees."""
    told = rig.ask("GET", f"/invoices/{invoice['id']}/payments")
    return told["state"], told["open"], told["open_invoice"], told["open_fees"]


def test_a_fee_is_paid_first_unless_the_invoice_is_paid_to_the_cent(either_rig):
    """§ 367 and § 366 BGB: nobody is overpaid for having paid what the letter asked."""
    rig = either_rig
    invoice, letter = demanded(rig)
    assert claims(rig, invoice) == ("open", "73.18", "70.68", "2.50")
    whole = pay(rig, invoice, "73.18")
    assert (whole["fees"], claims(rig, invoice)) == ("2.50", ("paid", "0.00", "0.00", "0.00"))
    reverse(rig, whole)
    exact = pay(rig, invoice, "70.68")
    assert (exact["fees"], claims(rig, invoice)) == ("0.00", ("paid", "2.50", "0.00", "2.50"))
    assert [row["open"] for row in rig.ask("GET", "/open-items", params=NORTH)["items"]] == ["2.50"]
    rig.now += timedelta(days=90)
    assert rig.ask("GET", "/dunning", params=NORTH)["due"] == [], "no costs upon costs"
    reverse(rig, exact)
    pay(rig, invoice, "50.00")
    assert claims(rig, invoice)[1:] == ("23.18", "23.18", "0.00")
    for _ in range(2):
        waived = rig.ask("POST", f"/letters/{letter}/waive", json={"reason": "Kulanz"})
    assert (waived["waived"], waived["waived_on"]) == ("Kulanz", str(rig.now.date()))
    rig.ask("POST", f"/letters/{letter}/waive", json={"reason": "anders"}, status=409)
    rig.ask("POST", f"/letters/{letter}/waive", json={"reason": "x"}, sites=("south",), status=404)
    assert claims(rig, invoice)[1:] == ("20.68", "20.68", "0.00")
    assert [figures(rig, month)[1] for month in MONTHS[1:3]] == [Decimal(0), Decimal("2.50")]
    pay(rig, invoice, "20.69")
    assert claims(rig, invoice) == ("overpaid", "-0.01", "-0.01", "0.00")


def test_a_first_reminder_has_no_fee_to_waive_and_a_cancelled_invoice_asks_for_none(rig):
    """What was invoiced by mistake was not paid late."""
    invoice, _ = demanded(rig)
    first = rig.ask("GET", f"/invoices/{invoice['id']}/payments")["letters"][0]["id"]
    refused = rig.ask("POST", f"/letters/{first}/waive", json={"reason": "Kulanz"}, status=422)
    assert "0,00 EUR" in refused["detail_de"]
    told = {"request": str(uuid4()), "reason": "falsch"}
    rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=201)
    assert claims(rig, invoice) == ("cancelled", "0.00", "0.00", "0.00")


def test_an_entry_is_proposed_by_what_is_left_of_it(rig):
    """One transfer for two invoices: the rest is what fits the second one."""
    first, second = billed(rig), billed(rig)
    rig.now += timedelta(days=10)
    put_in(rig, bank.statement(bank.entry("80.68", "beide")))
    pay(rig, second, "60.68")
    (entry,) = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    body = {"request": str(uuid4()), "invoice": first["id"], "amount": "70.68"}
    rig.ask("POST", f"/bank-entries/{entry['id']}/match", json=body, status=201)
    (entry,) = rig.ask("GET", "/bank-entries", params=NORTH)["entries"]
    (best,) = entry["candidates"]
    assert (best["number"], "amount" in best["reasons"]) == (second["number"], True)


def test_states_are_asked_of_the_database_in_pages(either_rig):
    """The thousand newest are not all; a page that follows begins behind the last one."""
    rig = either_rig
    made = [billed(rig) for _ in range(3)]
    rig.now += timedelta(days=40)
    billed(rig)
    made.append(billed(rig))
    for invoice, amount in zip(made, ("70.68", "80.00", "5.00", "10.00"), strict=True):
        pay(rig, invoice, amount)
    told = {"request": str(uuid4()), "reason": "falsch"}
    rig.ask("POST", f"/invoices/{billed(rig)['id']}/cancel", json=told, status=201)
    every, after = [], {}
    while True:
        page = rig.ask("GET", "/invoices", params={**NORTH, "most": 2, **after})
        every += page["invoices"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [int(row["number"][-5:]) for row in every] == [4, 3, 2, 1, 3, 2, 1]
    for state in State.__args__:
        wanted = [row["id"] for row in every if row["kind"] == "invoice" and row["state"] == state]
        found = rig.ask("GET", "/invoices", params={**NORTH, "state": state})["invoices"]
        assert [row["id"] for row in found] == wanted != [], state
