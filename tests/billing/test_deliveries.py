"""Whatever arrives in which order, how often: the same invoice. What no invoice may carry is refused."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from billing.billing_rig import NOW, BillingRig
from billing.test_invoices import drafts, turn
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from broker.contract import EVENT
from services.billing.charges.tables import CASES, CHARGES, CURES, PATIENTS, SESSIONS
from services.billing.invoices.tables import DRAFTED, DRAFTS
from services.kit.database import writing

PATIENT, CURE = UUID(int=7), UUID(int=8)
SESSIONS_OF_CURE = 3
PLANNED = {
    "cure": CURE,
    "patient": PATIENT,
    "region": "lumbar",
    "segment": "L4/5",
    "sessions": SESSIONS_OF_CURE,
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """One billing service for every order."""
    made = BillingRig(tmp_path_factory.mktemp("orders"))
    made.screening.files[str(PATIENT)] = {
        "family_name": "Muster",
        "birth_date": "1980-05-17",
        "insurance": "private",
    }
    yield made
    made.close()


def forget(rig):
    """As it was before anything was told."""
    with writing(rig.engine) as connection:
        for table in (CHARGES, SESSIONS):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table.name}_no_delete")
        for table in (DRAFTED, DRAFTS, CHARGES, SESSIONS, CASES, CURES, PATIENTS):
            connection.execute(delete(table))


def tell(rig, one, events):
    """Let billing hear one of them."""
    kind, number = one
    if kind == "session":
        rig.hear(EVENT, events[number], "north", "bed-01")
    else:
        rig.clinic_event(kind, **PLANNED)


def lines(rig):
    """What the draft would charge."""
    (head,) = drafts(rig)
    shown = rig.ask("GET", f"/drafts/{head['id']}")
    return shown["total"], [one["line"]["number"] for one in shown["lines"]]


TOLD = [("cure.planned", 0), ("cure.ended", 0), *(("session", number) for number in range(SESSIONS_OF_CURE))]


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(TOLD + TOLD))
def test_no_permutation_of_deliveries_changes_an_invoice(room, order):
    """Everything told twice, in any order: one draft, to the cent."""
    forget(room)
    days = [NOW - timedelta(days=3 - number) for number in range(SESSIONS_OF_CURE)]
    events = [room.session_event(PATIENT, CURE, at=day) for day in days]
    for one in order:
        tell(room, one, events)
    turn(room)
    turn(room)
    assert lines(room) == ("212.04", ["516", "652", "538"] * SESSIONS_OF_CURE)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"number": "99999"}, "99999"),
        ({"factor": "9"}, ""),
        ({"count": -1}, "count"),
        ({"date": "1999-12-31"}, "1999"),
        ({"date": "2026-02-30"}, "date"),
        ({"factor": "NaN"}, "factor"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_line_that_no_invoice_may_carry_is_refused_or_stops_the_draft(rig, changed, said):
    """Nothing of it half-applies; a factor beyond the law is stopped by its paragraph."""
    rig.clinic()
    patient = rig.patient()
    line = {"date": "2026-11-23", "number": "1", "factor": "2.3", "illness": "lumbar"} | changed
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "line": line}
    answer = rig.knock("POST", "/charges", json=body)
    if answer.status_code == 422:
        assert said in answer.text
        assert rig.count(CHARGES) == 0
        return
    turn(rig)
    made = {"request": str(uuid4()), "site": "north", "patient": str(patient)}
    draft = rig.ask("POST", "/drafts", json=made, status=201)
    assert [one["paragraph"] for one in draft["findings"] if one["verdict"] == "forbidden"]
    told = {"request": str(uuid4()), "revision": draft["revision"]}
    assert "§" in rig.ask("POST", f"/drafts/{draft['id']}/issue", json=told, status=422)["detail_de"]
