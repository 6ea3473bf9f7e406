"""An account that several sites have, and files so long that they are matched in turns."""

import threading
from datetime import timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from billing import bank
from billing.test_payments import NORTH, billed, pay, put_in, standing
from sqlalchemy import event, select, text

from services.billing.payments.importing import Importing
from services.billing.payments.tables import ENTRIES, PAYMENTS
from services.kit.database import reading, writing

SOUTH = {"site": "south"}


def billed_at(rig, site):
    """An invoice of another site."""
    rig.clinic(site)
    at = {"site": site, "patient": str(rig.patient(site))}
    line = {"date": "2026-11-23", "number": "1", "factor": "2.3", "illness": "lumbar"}
    charge = rig.ask("POST", "/charges", json={**at, "request": str(uuid4()), "line": line})
    rig.ask("PUT", f"/cases/{charge['case']}", json={"payer": "private"})
    draft = rig.ask("POST", "/drafts", json={**at, "request": str(uuid4())})
    told = {"request": str(uuid4()), "revision": draft["revision"]}
    return rig.ask("POST", f"/drafts/{draft['id']}/issue", json=told)


def waiting(rig, site, **who):
    """The entries that a site's page shows as open."""
    return rig.ask("GET", "/bank-entries", params={"site": site}, **who)["entries"]


def test_a_file_of_a_shared_account_is_booked_once_whichever_site_gives_it_in(either_rig):
    """The account is one and its money too: the second import says who made the first, and adds nothing."""
    rig = either_rig
    north, south = billed(rig), billed_at(rig, "south")
    rig.now += timedelta(days=10)
    file = bank.statement(
        bank.entry("70.68", north["number"]),
        bank.entry(south["total"], south["number"]),
        bank.entry("3.00", "?"),
    )
    gate, told = threading.Barrier(2), {}

    def desk(site):
        gate.wait()
        told[site] = put_in(rig, file, site=site)

    desks = [threading.Thread(target=desk, args=[site]) for site in ("north", "south")]
    for one in desks:
        one.start()
    for one in desks:
        one.join()
    assert sorted(one["new"] for one in told.values()) == [0, 3]
    assert sum(one["matched"] for one in told.values()) == 2
    (first,) = [site for site, one in told.items() if one["new"]]
    (second,) = [one["before"] for one in told.values() if not one["new"]]
    assert (second["site"], second["at"][:10]) == (first, "2026-12-03")
    assert second["by"]
    assert (rig.count(ENTRIES), rig.count(PAYMENTS)) == (3, 2)
    assert (standing(rig, north)[0], standing(rig, south)[0]) == ("paid", "paid")
    assert [row["purpose"] for site in ("north", "south") for row in waiting(rig, site)] == ["?", "?"]
    assert put_in(rig, file, site="south")["left"] == 1


def test_an_entry_pays_an_invoice_of_any_site_of_the_account_that_the_reader_may_see(rig):
    """Who keeps one site's books sees what waits, but neither matches nor reads the other site's invoices."""
    north, south = billed(rig), billed_at(rig, "south")
    rig.clinic("west", iban="DE89370400440532013000")
    rig.now += timedelta(days=10)
    only_north = {"role": "billing", "sites": ["north"]}
    files = {
        "file": ("a.xml", bank.statement(bank.entry(south["total"], south["number"])), "application/xml")
    }
    taken = rig.ask("POST", "/bank-statements", params=NORTH, files=files, **only_north)
    assert (taken["matched"], taken["left"]) == (0, 1)
    (row,) = waiting(rig, "north", **only_north)
    assert south["number"] not in [one["number"] for one in row["candidates"]]
    body = {"request": str(uuid4()), "invoice": south["id"]}
    path = f"/bank-entries/{row['id']}"
    rig.ask("POST", f"{path}/match", json=body, status=404, **only_north)
    assert waiting(rig, "west") == []
    nowhere = {"role": "billing", "sites": ["west"]}
    rig.ask("POST", f"{path}/ignore", json={"reason": "x"}, status=404, **nowhere)
    only_south = {"role": "billing", "sites": ["south"]}
    (seen,) = waiting(rig, "south", **only_south)
    assert {one["number"] for one in seen["candidates"]} == {south["number"]}
    rig.ask("POST", f"{path}/match", json=body, **only_south)
    assert waiting(rig, "north") == []
    paid = {"state": "matched"}
    assert rig.ask("GET", "/bank-entries", params={**NORTH, **paid}, **only_north)["entries"] == []
    assert len(rig.ask("GET", "/bank-entries", params={**SOUTH, **paid}, **only_south)["entries"]) == 1
    assert standing(rig, north)[0] == "open"


def test_an_import_that_is_cut_off_goes_on_where_it_stood(either_rig):
    """What was kept and matched before the power went stays; the same file again does the rest."""
    rig = either_rig
    invoices = [billed(rig) for _ in range(3)]
    rig.now += timedelta(days=10)
    file = bank.statement(*[bank.entry("70.68", one["number"]) for one in invoices], bank.entry("1.00", "?"))
    importing = Importing(rig.office, lambda: rig.now, batch=2)
    commits = []

    @event.listens_for(rig.engine, "commit")
    def cut(_connection):
        commits.append(1)
        if len(commits) == 4:  # the entries kept, the invoices read, two matched, one more
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importing.take("north", file, "Anna", lambda _site: True)
    event.remove(rig.engine, "commit", cut)
    assert (rig.count(ENTRIES), rig.count(PAYMENTS)) == (4, 2)
    again = put_in(rig, file)
    assert (again["booked"], again["new"], again["matched"], again["left"]) == (4, 0, 1, 1)
    assert [standing(rig, one)[0] for one in invoices] == ["paid"] * 3
    assert len([one for one in rig.told("invoice") if one.type == "invoice.paid"]) == 3


def test_what_a_person_took_back_is_not_matched_again_by_the_next_import(rig):
    """Whoever undid a match had a reason; the same file again must not do it over."""
    invoice = billed(rig)
    rig.now += timedelta(days=10)
    file = bank.statement(bank.entry("70.68", invoice["number"]))
    put_in(rig, file)
    (payment,) = rig.ask("GET", f"/invoices/{invoice['id']}/payments")["payments"]
    rig.ask("POST", f"/payments/{payment['id']}/reverse", json={"reason": "gehört zu einer anderen"})
    assert put_in(rig, file)["matched"] == 0
    assert standing(rig, invoice)[0] == "open"


def test_an_invoice_paid_at_the_desk_meanwhile_is_not_paid_twice(rig):
    """Each sure match is looked at again with the invoice locked."""
    first, second = billed(rig), billed(rig)
    rig.now += timedelta(days=10)
    file = bank.statement(*[bank.entry("70.68", one["number"]) for one in (first, second)])
    ended = []

    @event.listens_for(rig.engine, "commit")
    def pay_meanwhile(_connection):
        ended.append(1)
        if len(ended) == 2:  # entries kept, invoices read, nothing is locked yet
            pay(rig, first, "70.68")

    assert put_in(rig, file)["matched"] == 1
    event.remove(rig.engine, "commit", pay_meanwhile)
    assert [standing(rig, one)[:2] for one in (first, second)] == [("paid", "70.68")] * 2


def test_the_statements_of_an_import_grow_with_what_is_matched_alone(rig):
    """A long file costs per match what a short one costs, and nothing for entries that match nothing."""
    invoices = [billed(rig) for _ in range(4)]
    rig.now += timedelta(days=10)
    counted = []

    @event.listens_for(rig.engine, "before_cursor_execute")
    def count(*_told):
        counted.append(1)

    def cost(*entries):
        counted.clear()
        put_in(rig, bank.statement(*entries))
        return len(counted)

    def sure(*wanted):
        return [bank.entry("70.68", one["number"]) for one in wanted]

    rest = [bank.entry("1.00", f"Zweck {at}") for at in range(150)]
    one, three = cost(*sure(invoices[0])), cost(*sure(*invoices[1:]))
    nothing, plenty = cost(rest[0]), cost(*rest[1:])
    assert plenty == nothing
    assert three - one <= 2 * 16


def test_what_two_sites_imported_before_is_one_entry_after_the_migration(either_rig):
    """Of two that are one, the one that paid stays; the other waits for nobody, and no row is lost."""
    rig = either_rig
    invoice = billed(rig)
    rig.now += timedelta(days=10)
    put_in(rig, bank.statement(bank.entry("70.68", invoice["number"]), bank.entry("3.00", "?")))
    step = import_module("services.billing.migrations.versions.0011_accounts")
    with writing(rig.engine) as connection, Operations.context(MigrationContext.configure(connection)):
        step.downgrade()
        connection.execute(
            text(
                "INSERT INTO billing_statements (id, site, sha256, iban, content, by, at_us) "
                "SELECT 's2', 'a-south', sha256, iban, content, by, 1 FROM billing_statements"
            )
        )
        connection.execute(
            text(
                "INSERT INTO billing_entries (id, statement, site, mark, booked_on, amount_ct, name, iban, "
                "purpose, state) SELECT 'x' || amount_ct, 's2', 'a-south', mark, booked_on, amount_ct, name, "
                "iban, purpose, 'open' FROM billing_entries"
            )
        )
        step.upgrade()
    with reading(rig.engine) as connection:
        rows = connection.execute(select(ENTRIES.c.site, ENTRIES.c.amount_ct, ENTRIES.c.state)).all()
    assert sorted(tuple(row) for row in rows) == [
        ("a-south", 300, "open"), ("a-south", 7068, "ignored"), ("north", 300, "ignored"),
        ("north", 7068, "matched"),
    ]  # fmt: skip
