"""`spondyl audit` looks past the keys at what was written down."""

from uuid import uuid4

import pytest
from billing.test_invoices import cured, issued, turn
from sqlalchemy import insert, select

from services.billing.charges.tables import CHARGES
from services.billing.invoices.tables import INVOICES
from services.kit.database import reading, writing

CLEAN = {"sessions_charged_twice": [], "sessions_billed_twice": [], "invoice_places_missing": []}


def counted(rig, **query):
    """What billing says of itself."""
    return rig.ask("GET", "/audit", params=query, role="administrator")


def copied(rig, table, **changed):
    """The newest row once more, written as no program of ours does it."""
    with writing(rig.office.engine) as connection:
        row = dict(connection.execute(select(table).order_by(table.c.seq.desc())).mappings().first())
        del row["seq"]
        connection.execute(insert(table), row | {"id": str(uuid4()), "request": str(uuid4())} | changed)
    return row


@pytest.fixture
def billed(either_rig):
    """A cure of two sessions on one invoice."""
    either_rig.clinic()
    cured(either_rig)
    issued(either_rig)
    return either_rig


def test_what_was_billed_once_is_counted_and_nothing_is_named(billed):
    """An audit that always finds something is an audit that nobody reads."""
    assert counted(billed) == {"sessions": 2, "invoices": 1} | CLEAN
    again = billed.ask("POST", f"/invoices/{newest(billed)}/cancel",
                       json={"request": str(uuid4()), "reason": "wrong recipient"}, status=201)  # fmt: skip
    assert again["kind"] == "cancellation"
    turn(billed)
    issued(billed)
    assert counted(billed) == {"sessions": 2, "invoices": 3} | CLEAN


def newest(rig):
    """The id of the last invoice."""
    with reading(rig.office.engine) as connection:
        return connection.execute(select(INVOICES.c.id).order_by(INVOICES.c.seq.desc())).scalars().first()


def test_a_session_on_two_living_invoices_is_named(billed):
    """The one thing an accountant must never find first."""
    row = copied(billed, INVOICES, number="again", counted=2)
    with reading(billed.office.engine) as connection:
        query = select(CHARGES.c.session).where(CHARGES.c.id.in_(row["charges"])).distinct()
        sessions = sorted(connection.execute(query).scalars())
    assert counted(billed)["sessions_billed_twice"] == sessions
    assert len(sessions) == 2


def test_a_service_that_was_charged_twice_for_a_session_is_named(billed):
    """Before it is on an invoice."""
    row = copied(billed, CHARGES)
    assert counted(billed)["sessions_charged_twice"] == [row["session"]]


def test_a_place_without_an_invoice_is_named(billed):
    """Numbers run on (section 14 UStG): whoever takes one away leaves a hole."""
    row = copied(billed, INVOICES, number="far", counted=3, charges=[])
    assert counted(billed)["invoice_places_missing"] == [f"north {row['year']} 2"]
