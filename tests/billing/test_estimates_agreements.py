"""Fee agreements (§ 2 GOÄ): what may be agreed on, how, and what an invoice makes of it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from billing.billing_rig import CLINIC
from billing.test_estimates import PDF, handed

from services.billing.estimates import store
from services.kit.database import reading


def agreement(rig, patient, *lines, status=201):
    """An agreement on these numbers and factors."""
    body = {
        "request": str(uuid4()), "site": "north", "patient": str(patient),
        "lines": [{"number": number, "factor": factor} for number, factor in lines],
    }  # fmt: skip
    return rig.ask("POST", "/agreements", json=body, status=status)


def charged(rig, patient, number="7", factor="2.3", **more):
    """A charge by hand, today."""
    line = {
        "date": rig.now.date().isoformat(),
        "number": number,
        "factor": factor,
        "illness": "lumbar",
        **more,
    }
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "line": line}
    return rig.ask("POST", "/charges", json=body, status=201)


def verdicts(rig, patient, charge, factor):
    """What a draft says when its line is changed to this factor: verdicts of the rule on factors."""
    made = {"request": str(uuid4()), "site": "north", "patient": str(patient)}
    draft = rig.ask("POST", "/drafts", json=made, status=201)
    change = {"revision": draft["revision"], "lines": [{"charge": charge["id"], "factor": factor}]}
    left = rig.ask("PUT", f"/drafts/{draft['id']}", json=change)
    agreed = [one["line"]["agreed"] for one in left["lines"]]
    return [one["verdict"] for one in left["findings"] if one["rule"] == "factor"], agreed


def test_an_agreement_says_number_name_factor_amount_and_the_warning_and_nothing_else(rig):
    """§ 2 Abs. 2 Satz 2 and 3 GOÄ."""
    rig.clinic()
    made = agreement(rig, rig.patient(), ("7", "4.0"), ("800", "5"))
    assert [one["line"]["amount"] for one in made["content"]["clauses"]] == ["37.30", "56.83"]
    text = " ".join(rig.knock("GET", f"/agreements/{made['id']}/text").text.split())
    for piece in ("§ 2 GOÄ", "Faktor 4,0", "37,30", "möglicherweise nicht in vollem Umfang"):
        assert piece in text
    assert rig.knock("GET", f"/agreements/{made['id']}/pdf").content.startswith(b"%PDF")
    assert rig.told("estimate") == []


@pytest.mark.parametrize("number", ["516", "538", "3501", "5000", "2"])
def test_sections_a_e_m_and_o_cannot_be_agreed_on(rig, number):
    """§ 2 Abs. 3 GOÄ; 652 (section F) can, 516 and 538 never."""
    rig.clinic()
    patient = rig.patient()
    refused = agreement(rig, patient, ("652", "3.8"), (number, "4"), status=422)
    assert "§ 2" in refused["detail_de"]
    assert number in refused["detail"]
    assert rig.ask("GET", f"/agreements?site=north&patient={patient}")["agreements"] == []


def test_what_is_no_agreement_is_refused(rig):
    """A number twice, one that there is not, no line, nobody who could sign it."""
    rig.clinic()
    patient = rig.patient()
    for lines in ([("7", "4"), ("7", "5")], [("99999", "4")], [], [("7", "0")], [("7", "-1")]):
        agreement(rig, patient, *lines, status=422)
    rig.ask("PUT", "/clinics/north", json={**CLINIC, "doctor": None})
    assert agreement(rig, patient, ("7", "4"), status=422)["field"] == "doctor"


def test_only_a_signed_agreement_counts_and_from_its_day_on(rig):
    """§ 2 Abs. 2 Satz 1 GOÄ: in writing, before the service."""
    rig.clinic()
    patient = rig.patient()
    made = agreement(rig, patient, ("7", "4.0"))

    def counts(number, days=0):
        on = rig.now.date() + timedelta(days=days)
        with reading(rig.engine) as connection:
            return store.agreed(connection, patient, "north", number, on)

    handed(rig, made, "agreements", how="email", status=422)
    handed(rig, made, "agreements", how="signed", status=422)
    assert counts("7") is None
    handed(rig, made, "agreements", how="signed", file=PDF)
    assert [counts("7"), counts("7", -1), counts("800")] == [4, None, None]
    rig.ask("POST", f"/agreements/{made['id']}/withdraw", json={"reason": "auf Wunsch"})
    assert counts("7") is None


def test_a_factor_beyond_the_maximum_stands_on_an_invoice_only_under_an_agreement(rig):
    """What was agreed on needs no reason; beyond it nothing helps, nor does saying so by hand."""
    rig.clinic()
    patient = rig.patient()
    charge = charged(rig, patient, agreed=True)
    assert verdicts(rig, patient, charge, "4.0") == (["forbidden"], [False])

    other = rig.patient()
    handed(rig, agreement(rig, other, ("7", "4.0")), "agreements", how="signed", file=PDF)
    assert verdicts(rig, other, charged(rig, other), "4.0") == (["fine"], [True])

    third = rig.patient()
    handed(rig, agreement(rig, third, ("7", "4.0")), "agreements", how="signed", file=PDF)
    assert verdicts(rig, third, charged(rig, third), "4.5") == (["forbidden"], [False])
    assert charged(rig, third, factor="4.0")["line"]["agreed"] is True
