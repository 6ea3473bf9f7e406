"""Drafts and invoices: checked by a person, numbered without a gap, cancelled and never deleted."""

import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select

from services.billing.charges.completing import Completing
from services.billing.charges.tables import BILLED
from services.billing.invoices import store
from services.billing.invoices.drafting import Drafting
from services.billing.invoices.tables import DRAFTS, INVOICES
from services.kit.database import reading

ISSUE = {"request": "11111111-1111-4111-8111-111111111111", "revision": 1}


def turn(rig):
    """What the background does: who pays, what is due."""
    Completing(rig.office, rig.people, lambda: rig.now).turn()
    return Drafting(rig.office, lambda: rig.now).turn()


def cured(rig, sessions=2, **person):
    """A patient whose cure of so many sessions is over, with a draft of it."""
    patient = rig.patient(**person)
    cure = rig.cure(patient)
    for day in range(sessions):
        rig.session(patient, cure, at=rig.now - timedelta(days=7 - day))
    rig.clinic_event("cure.ended", cure=cure, patient=patient, region="lumbar", sessions=sessions)
    turn(rig)
    return patient


def drafts(rig, site="north"):
    """The site's drafts."""
    return rig.ask("GET", "/drafts", params={"site": site})["drafts"]


def issued(rig, draft=None, **body):
    """The invoice of a draft."""
    draft = draft or drafts(rig)[0]
    told = {"request": str(uuid4()), "revision": draft["revision"]} | body
    return rig.ask("POST", f"/drafts/{draft['id']}/issue", json=told, status=201)


def test_a_cure_s_end_makes_one_draft_and_a_person_issues_it(either_rig):
    """The machine counts, a person answers for the invoice; the event has random ids only."""
    rig = either_rig
    rig.clinic()
    patient = cured(rig)
    turn(rig)
    (draft,) = drafts(rig)
    assert (draft["why"], draft["lines"], draft["total"], draft["stops"]) == ("cure", 6, "141.36", 0)
    invoice = issued(rig, draft)
    assert (invoice["number"], invoice["total"]) == ("NORTH-2026-00001", "141.36")
    assert invoice["paper"]["recipient"]["name"] == "Anna Muster"
    assert drafts(rig) == []
    (event,) = rig.told("invoice")
    assert event.type == "invoice.issued"
    assert set(event.data) == {"invoice", "patient", "cure"}
    assert event.data["patient"] == str(patient)
    assert rig.knock("GET", f"/invoices/{invoice['id']}/pdf").content.startswith(b"%PDF-")
    assert b"CrossIndustryInvoice" in rig.knock("GET", f"/invoices/{invoice['id']}/xml").content


def test_the_same_request_is_the_same_invoice(rig):
    """A double click, or a lost answer, bills nobody twice."""
    rig.clinic()
    cured(rig)
    draft = drafts(rig)[0]
    first = issued(rig, draft, **ISSUE)
    assert issued(rig, draft, **ISSUE)["id"] == first["id"]
    assert rig.count(INVOICES) == 1


def test_many_desks_at_once_leave_no_gap_and_no_double(either_rig):
    """Numbers follow each other whoever was quicker; every charge stands on one invoice."""
    rig = either_rig
    rig.clinic()
    for _ in range(6):
        cured(rig, sessions=1)
    waiting = drafts(rig)
    made, gate = [], threading.Barrier(6)

    def desk(draft):
        gate.wait()
        made.append(issued(rig, draft, request=draft["id"])["number"])
        made.append(issued(rig, draft, request=draft["id"])["number"])  # and again, by the same request

    threads = [threading.Thread(target=desk, args=(draft,)) for draft in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(made)) == [f"NORTH-2026-{number:05d}" for number in range(1, 7)]
    with reading(rig.engine) as connection:
        assert store.gaps(connection) == []
    assert rig.count(BILLED) == 18


def test_sites_and_years_count_by_themselves(rig):
    """Every clinic's year begins with one."""
    rig.clinic()
    cured(rig, sessions=1)
    assert issued(rig)["number"] == "NORTH-2026-00001"
    rig.now = rig.now.replace(year=2027, month=1, day=4)
    cured(rig, sessions=1)
    assert issued(rig)["number"] == "NORTH-2027-00001"


def test_an_invoice_is_cancelled_by_another_one_and_its_charges_are_open_again(rig):
    """§ 146 Abs. 4 AO: what was issued stays readable."""
    rig.clinic()
    cured(rig)
    invoice = issued(rig)
    told = {"request": str(uuid4()), "reason": "falscher Tarif"}
    cancellation = rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=201)
    assert (cancellation["number"], cancellation["total"]) == ("NORTH-2026-00002", "-141.36")
    assert rig.ask("GET", f"/invoices/{invoice['id']}")["cancelled_by"] == cancellation["id"]
    assert [event.type for event in rig.told("invoice")] == ["invoice.issued", "invoice.cancelled"]
    again = {"request": str(uuid4()), "reason": "noch einmal"}
    rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=again, status=409)
    rig.ask("POST", f"/invoices/{cancellation['id']}/cancel", json=again, status=409)
    turn(rig)
    assert issued(rig)["number"] == "NORTH-2026-00003"


@pytest.mark.parametrize("field", ["iban", "tax_number", "doctor", "address"])
def test_an_invoice_cannot_be_issued_while_the_letterhead_lacks_something(rig, field):
    """It says what is missing, and nothing of it is kept."""
    rig.clinic(**{field: None})
    cured(rig)
    draft = drafts(rig)[0]
    refused = rig.ask("POST", f"/drafts/{draft['id']}/issue", json=ISSUE, status=422)
    assert any(field in one for one in refused["missing"])
    assert rig.count(INVOICES) == 0
    assert rig.ask("GET", f"/drafts/{draft['id']}")["missing"]


def test_an_invoice_without_an_address_is_refused_by_name(rig):
    """The desk knows whose file to complete."""
    rig.clinic()
    cured(rig, street="")
    refused = rig.ask("POST", f"/drafts/{drafts(rig)[0]['id']}/issue", json=ISSUE, status=422)
    assert "Anna Muster" in refused["detail_de"]


def test_nothing_is_issued_while_screening_does_not_answer(rig):
    """An invoice without a name is none; the draft waits."""
    rig.clinic()
    cured(rig)
    rig.screening.is_away = True
    refused = rig.ask("POST", f"/drafts/{drafts(rig)[0]['id']}/issue", json=ISSUE, status=409)
    assert "Patientenakten" in refused["detail_de"]
    rig.screening.is_away = False
    assert issued(rig)["number"] == "NORTH-2026-00001"


def test_a_factor_above_the_threshold_waits_for_its_reason(rig):
    """§ 12 Abs. 3 GOÄ: the draft says which line, and cannot be issued before."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = rig.ask("GET", f"/drafts/{drafts(rig)[0]['id']}")
    line = next(one for one in draft["lines"] if one["line"]["number"] == "652")
    change = {"revision": 1, "lines": [{"charge": line["charge"], "factor": "3.0"}]}
    changed = rig.ask("PUT", f"/drafts/{draft['id']}", json=change)
    assert any(one["verdict"] == "justification" for one in changed["findings"])
    refused = rig.ask(
        "POST", f"/drafts/{draft['id']}/issue", json={**ISSUE, "revision": changed["revision"]}, status=422
    )
    assert "§ 12 Abs. 3" in refused["detail_de"]
    line = next(one for one in changed["lines"] if one["line"]["number"] == "652")
    reason = {"charge": line["charge"], "justification": "Ungewöhnlich hoher Aufwand"}
    changed = rig.ask(
        "PUT", f"/drafts/{draft['id']}", json={"revision": changed["revision"], "lines": [reason]}
    )
    assert Decimal(issued(rig, changed)["total"]) == Decimal("77.81") + Decimal("6.82") + Decimal("4.20")


def test_a_draft_that_changed_meanwhile_is_not_issued(rig):
    """What a person checked is what goes out."""
    rig.clinic()
    cured(rig)
    draft = drafts(rig)[0]
    rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 1, "remarks": ["Vielen Dank"]})
    rig.ask("POST", f"/drafts/{draft['id']}/issue", json=ISSUE, status=409)
    assert rig.count(INVOICES) == 0


def test_a_line_that_is_left_out_stays_open(rig):
    """It comes on another invoice."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = rig.ask("GET", f"/drafts/{drafts(rig)[0]['id']}")
    out = {"charge": draft["lines"][0]["charge"], "leave_out": True}
    changed = rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 1, "lines": [out]})
    issued(rig, changed)
    (left,) = rig.ask("GET", "/charges", params={"site": "north"})["charges"]
    assert left["id"] == draft["lines"][0]["charge"]


@pytest.mark.parametrize(("mode", "days"), [("session", 0), ("month", 8)])
def test_who_pays_by_session_or_month_gets_drafts_then(rig, mode, days):
    """Per session at once; per month when the month is over, by the site's clock."""
    rig.clinic()
    patient = rig.patient()
    rig.session(patient, rig.cure(patient))
    (case,) = rig.ask("GET", "/cases", params={"site": "north"})["cases"]
    rig.ask("PUT", f"/cases/{case['id']}", json={"payer": "private", "mode": mode})
    if days:
        turn(rig)
        assert rig.count(DRAFTS) == 0
        rig.now += timedelta(days=days)
    turn(rig)
    turn(rig)
    assert [draft["why"] for draft in drafts(rig)] == [mode]


def test_a_late_session_joins_the_draft_that_waits(rig):
    """A bed that was offline tells its last session after the cure's end: still one invoice."""
    rig.clinic()
    patient = cured(rig, sessions=1)
    cure = rig.ask("GET", "/charges", params={"site": "north", "patient": str(patient)})["charges"][0]["cure"]
    rig.session(patient, cure)
    turn(rig)
    (draft,) = drafts(rig)
    assert (draft["lines"], draft["revision"]) == (6, 2)


def test_only_who_may_issues_and_another_site_s_invoice_does_not_exist(rig):
    """A clinician prepares; billing issues; the south sees nothing of the north."""
    rig.clinic()
    cured(rig)
    draft = drafts(rig)[0]
    path = f"/drafts/{draft['id']}/issue"
    rig.ask("POST", path, json=ISSUE, role="clinician", status=403)
    rig.ask("POST", path, json=ISSUE, sites=("south",), status=404)
    invoice = issued(rig, draft)
    rig.ask("GET", f"/invoices/{invoice['id']}", sites=("south",), status=404)
    rig.ask("GET", f"/invoices/{invoice['id']}/pdf", sites=("south",), status=404)
    assert rig.trail("invoice.issued")[0]["site"] == "north"


def test_what_was_billed_is_found_by_number_and_name(rig):
    """The accountant types what stands on the bank statement."""
    rig.clinic()
    cured(rig, family_name="Żółć")
    invoice = issued(rig)
    for text in ("2026-00001", "żółć", "Anna"):
        found = rig.ask("GET", "/invoices", params={"site": "north", "q": text})["invoices"]
        assert [one["id"] for one in found] == [invoice["id"]], text
    assert rig.ask("GET", "/invoices", params={"site": "north", "q": "%"})["invoices"] == []
    with reading(rig.engine) as connection:
        assert connection.execute(select(INVOICES.c.recipient)).scalar() == "Anna Żółć"


def test_a_charge_joins_the_draft_that_it_is_added_to(rig):
    """Whoever checks a draft and misses a service adds it there, once, and only of the same treatment."""
    rig.clinic()
    patient = cured(rig, sessions=1)
    (draft,) = drafts(rig)
    line = {"date": "2026-11-20", "number": "1", "factor": "2.3", "illness": "lumbar"}
    body = {"site": "north", "patient": str(patient), "case": draft["case"]["id"], "line": line}
    charge = rig.ask("POST", "/charges", json={**body, "request": str(uuid4())})["id"]
    for revision in (1, 2):
        told = {"revision": revision, "add": [charge]}
        changed = rig.ask("PUT", f"/drafts/{draft['id']}", json=told)
    assert [line["charge"] for line in changed["lines"]].count(charge) == 1
    assert len(changed["lines"]) == 4
    other = rig.ask("POST", "/charges", json={
        "request": str(uuid4()), "site": "north", "patient": str(rig.patient()), "line": line,
    })["id"]  # fmt: skip
    rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 3, "add": [other]}, status=409)
    page = rig.knock("GET", f"/drafts/{draft['id']}/pdf")
    assert page.content.startswith(b"%PDF")
    assert store_is_empty(rig)


def store_is_empty(rig):
    """A preview takes no number."""
    return rig.ask("GET", "/invoices", params={"site": "north"})["invoices"] == []
