"""Charges: a session once, by its own record; what a hand enters; who pays by which tariff."""

import threading
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from billing.billing_rig import BillingRig
from servers import eventually

from services.billing.charges import cases, charging
from services.billing.charges.completing import Completing
from services.billing.charges.models import Terms
from services.billing.charges.tables import CHARGES, SESSIONS, WAITING
from services.kit.database import reading, writing
from services.kit.errors import SpondylError


def numbers(rig, patient=None, site="north"):
    """Number and factor of what is open."""
    query = {"site": site} | ({} if patient is None else {"patient": str(patient)})
    charges = rig.ask("GET", "/charges", params=query)["charges"]
    return [(one["line"]["number"], one["line"]["factor"]) for one in charges]


def total(rig, patient):
    """What is open, in euro."""
    charges = rig.ask("GET", "/charges", params={"site": "north", "patient": str(patient)})["charges"]
    return sum(Decimal(one["line"]["amount"]) for one in charges)


def case_of(rig, patient, site="north"):
    """The patient's only case."""
    (case,) = rig.ask("GET", "/cases", params={"site": site, "patient": str(patient)})["cases"]
    return case


def test_a_session_is_charged_once_however_often_it_is_told(either_rig):
    """Five deliveries, and a second event about the same session, are one treatment."""
    rig = either_rig
    patient = rig.patient()
    event = rig.session(patient, rig.cure(patient))
    for _ in range(4):
        rig.session(patient, event=event)
    rig.session(patient, event=event.model_copy(update={"id": uuid4()}))
    assert numbers(rig, patient) == [("516", "1.8"), ("652", "2.3"), ("538", "1.8")]
    assert total(rig, patient) == Decimal("70.68")


def test_no_order_of_deliveries_changes_what_is_charged(tmp_path, rig):
    """Whatever arrives first, the cure or its session, the patient pays the same."""
    patient = rig.patient()
    cure = uuid4()
    rig.session(patient, cure)
    told = {"cure": cure, "patient": patient, "region": "lumbar", "segment": "L4/5", "sessions": 18}
    rig.clinic_event("cure.planned", **told)
    assert (total(rig, patient), case_of(rig, patient)["illness"]) == (Decimal("70.68"), "lumbar")


@pytest.mark.parametrize(
    ("region", "summary", "amount"),
    [
        ("cervical", {}, "66.48"),
        ("lumbar", {"heat_s": 0.0}, "66.48"),
    ],
)
def test_infrared_is_charged_where_the_record_shows_it(rig, region, summary, amount):
    """538 only if the lamp was on, and never for the neck."""
    patient = rig.patient()
    rig.session(patient, region=region, **summary)
    assert total(rig, patient) == Decimal(amount)


def test_a_session_that_was_aborted_at_once_costs_nothing_and_says_why(rig):
    """§ 4 Abs. 2 GOÄ: what was not done is not charged; the record of the decision stays."""
    patient = rig.patient()
    rig.session(patient, completed=False, traction_s=20.0, heat_s=0.0)
    assert numbers(rig, patient) == []
    assert rig.count(SESSIONS) == 1


def test_a_session_that_is_told_with_another_end_is_not_charged_anew_in_silence(rig):
    """Charged as aborted, told as completed: one of the two is wrong, and a person has to say which."""
    patient = rig.patient()
    first = rig.session(patient, completed=False, traction_s=20.0, heat_s=0.0)
    event = rig.session_event(patient, session=first.session)
    with pytest.raises(SpondylError, match="aborted and is told as completed"):
        rig.session(patient, event=event)
    assert numbers(rig, patient) == []


def test_a_self_payer_is_asked_for_and_pays_by_the_lower_factor(rig):
    """Screening knows how somebody is insured; what was charged before follows."""
    patient = rig.patient(insurance="self-payer")
    rig.session(patient)
    assert case_of(rig, patient)["payer"] is None
    Completing(rig.office, rig.people, lambda: rig.now).turn()
    case = case_of(rig, patient)
    assert (case["payer"], case["tariff"]) == ("self-payer", "self")
    assert case["diagnosis"] == "Bandscheibenvorfall L4/5"
    assert total(rig, patient) == Decimal("57.71")


def test_a_session_of_somebody_nobody_told_of_waits_until_screening_knows_them(rig):
    """A billing service that was set up later loses no session; a simulated bed's patients cost nobody."""
    patient, invented = uuid4(), uuid4()
    rig.session(patient)
    rig.session(invented)
    rig.screening.files[str(patient)] = rig.screening.files[str(rig.patient())]
    completing = Completing(rig.office, rig.people, lambda: rig.now)
    assert numbers(rig) == []
    completing.turn()
    assert total(rig, patient) == Decimal("70.68")
    assert rig.count(WAITING) == 1
    completing.turn()
    assert rig.screening.asked.count(str(invented)) == 1


def test_a_merged_file_s_charges_are_the_one_patient_s(rig):
    """Two files of one person are one account."""
    one, other = rig.patient(), rig.patient()
    rig.session(one)
    rig.session(other)
    rig.clinic_event("patient.merged", patient=other, into=one)
    assert total(rig, one) == total(rig, other) == Decimal("141.36")
    rig.clinic_event("patient.unmerged", patient=other, into=one)
    assert total(rig, one) == Decimal("70.68")


def test_what_a_hand_enters_is_charged_once_and_taken_back_with_a_reason(rig):
    """A double click is one charge; nothing is deleted."""
    patient = rig.patient()
    body = {
        "request": str(uuid4()), "site": "north", "patient": str(patient),
        "line": {"date": "2026-11-23", "number": "1", "factor": "2.3", "illness": "lumbar"},
    }  # fmt: skip
    first = rig.ask("POST", "/charges", json=body, status=201)
    assert rig.ask("POST", "/charges", json=body, status=201)["id"] == first["id"]
    back = rig.ask("POST", f"/charges/{first['id']}/reverse", json={"reason": "falscher Tag"})
    assert back["reversed"] == "falscher Tag"
    assert numbers(rig, patient) == []
    again = rig.ask("POST", f"/charges/{first['id']}/reverse", json={"reason": "noch einmal"}, status=409)
    assert "falscher Tag" in again["detail_de"]
    assert rig.count(CHARGES) == 1


def test_another_site_s_charge_is_one_that_does_not_exist(rig):
    """Who works in the south sees nothing of the north."""
    patient = rig.patient()
    rig.session(patient)
    rig.ask("GET", "/charges", params={"site": "north"}, sites=("south",), status=404)
    case = case_of(rig, patient)["id"]
    terms = {"payer": "private"}
    assert rig.ask("PUT", f"/cases/{case}", json=terms, sites=("south",), status=404)
    assert rig.ask("PUT", f"/cases/{case}", json=terms, role="reception", status=403)


def test_an_unknown_tariff_is_refused_whole(rig):
    """Neither the tariff nor anything else of the terms is taken."""
    patient = rig.patient()
    rig.session(patient)
    case = case_of(rig, patient)
    body = {"payer": "self-payer", "tariff": "rabatt"}
    refused = rig.ask("PUT", f"/cases/{case['id']}", json=body, status=422)
    assert "rabatt" in refused["detail_de"]
    assert case_of(rig, patient) == case


def test_a_session_heard_while_a_tariff_is_agreed_on_is_charged_by_it(postgres, tmp_path):
    """Whoever is second waits: read a moment too early, the old tariff would stand on the invoice."""
    rig = BillingRig(tmp_path, postgres.database())
    patient = rig.patient()
    rig.cure(patient)
    event, case = rig.session_event(patient), case_of(rig, patient)["id"]
    bed = threading.Thread(target=lambda: rig.session(patient, event=event))
    with writing(rig.engine) as connection:
        held = cases.one(connection, UUID(case), lock=True)
        bed.start()
        terms = Terms(payer="self-payer", tariff="self")
        charging.agree(connection, held, terms, "desk", rig.now)
        assert eventually(lambda: waits(rig) or not bed.is_alive())
    bed.join()
    assert total(rig, patient) == Decimal("57.71")
    rig.close()


def waits(rig):
    """Whether a transaction waits for another one's row."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with reading(rig.engine) as connection:
        return connection.exec_driver_sql(query).scalar() > 0
