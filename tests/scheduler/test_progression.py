"""The next prescription from the last results: raised after tolerated sessions alone, never past a limit."""

from uuid import uuid4

import pytest
from scheduler.scheduler_rig import PRESCRIPTION
from scheduler.threads import at_once

from services.kit.therapy.prescription import check_document
from services.scheduler.progression.rules import Result, gate, propose, table
from services.scheduler.progression.tables import PRESCRIPTIONS

JSON = {"content-type": "application/json"}


def result(number=1, *, peak=150.0, completed=True, guardings=0, before=6, after=5):
    """What a session came to."""
    return Result(number, completed, peak, guardings, before, after)


def told(*results, **prescription):
    """The proposal behind these."""
    return propose(PRESCRIPTION | prescription, results)


@pytest.mark.parametrize(
    ("results", "rule", "peak"),
    [
        ([result()], "not-yet", 150.0),
        ([result(1), result(2)], "tolerated", 172.0),
        ([result(1), result(2), result(3)], "tolerated", 172.0),
        ([result(1), result(2, peak=120.0)], "not-yet", 150.0),
        ([result(1), result(2, guardings=1)], "guarded", 150.0),
        ([result(1), result(2, guardings=3)], "guarded-often", 135.0),
        ([result(1), result(2, after=7)], "pain-slightly-worse", 150.0),
        ([result(1), result(2, after=8)], "pain-worse", 120.0),
        ([result(1), result(2, after=9, guardings=4)], "pain-worse", 120.0),
        ([result(1), result(2, completed=False)], "aborted", 120.0),
        ([result(1), result(2, after=None)], "pain-unknown", 150.0),
        ([result(1), result(2, before=None)], "pain-unknown", 150.0),
        ([result(n) for n in range(1, 11)], "no-gain", 150.0),
    ],
)
def test_each_rule_says_what_the_next_session_is(results, rule, peak):
    """A row of the table each, with its reason in both languages and its source."""
    found = told(*results)
    assert (found.rule, found.prescription["peak_n"]) == (rule, peak)
    assert found.reason["de"]
    assert found.reason["en"]
    assert "{" not in found.reason["de"] + found.reason["en"]
    assert found.source
    assert check_document(found.prescription) == []


def test_every_rule_of_the_table_can_decide():
    """A row that none of the cases above reaches would be a rule that never holds."""
    reached = {row[1] for row in test_each_rule_says_what_the_next_session_is.pytestmark[0].args[1]}
    assert reached == {row.id for row in table().rule}


def test_a_raise_never_passes_the_dosing_tables_ceiling():
    """80 kg: 50 % of body weight + 44 N is 436 N; the reason says what cut it."""
    found = told(result(8, peak=425.0), result(9, peak=425.0), peak_n=425.0, session_number=9)
    assert found.prescription["peak_n"] == 436.0
    assert "436" in found.reason["en"]
    assert "PMC2899427" in found.reason["en"]
    again = told(result(8, peak=436.0), result(9, peak=436.0), peak_n=436.0, session_number=9)
    assert again.prescription["peak_n"] == 436.0


def test_a_lowered_pull_keeps_the_shares_of_base_and_first_peak():
    """The base may not be more than half of a peak that has become smaller."""
    found = told(result(2, completed=False), peak_n=160.0, base_n=80.0)
    assert found.prescription["peak_n"] == 128.0
    assert found.prescription["base_n"] <= 64.0
    assert check_document(found.prescription) == []


def test_a_prescription_that_breaks_a_limit_by_itself_is_left_to_the_clinician():
    """Heat is for the lumbar spine: no rule of progression mends that."""
    found = told(result(1), result(2), heat_min=200.0)
    assert found.prescription is None
    assert found.needs_signature
    assert found.refusals


def test_cervical_pull_is_raised_by_less():
    """5 N a step, and never past 10 % of the body's weight."""
    neck = {"region": "cervical", "segment": "C5-7", "heat_min": 0.0, "peak_n": 60.0}
    found = told(result(1, peak=60.0), result(2, peak=60.0), **neck)
    assert (found.rule, found.prescription["peak_n"]) == ("tolerated", 65.0)
    capped = told(result(1, peak=76.0), result(2, peak=76.0), **(neck | {"peak_n": 76.0}))
    assert capped.prescription["peak_n"] == 78.0


def test_improvement_is_expected_at_six_to_eight_and_promised_never():
    """Information: nothing before session six, a plain sentence then."""
    assert gate([result(n) for n in range(1, 6)]) is None
    found = gate([*(result(n) for n in range(1, 6)), result(6, after=3)])
    assert (found["gain"], found["improved"], found["is_due"]) == (3, True, False)
    assert "6" in found["text_en"]
    unknown = gate([result(n, before=None, after=None) for n in range(1, 9)])
    assert (unknown["improved"], unknown["is_due"]) == (None, True)


def test_a_clinician_confirms_the_proposal(rig):
    """Proposed with its reason, signed, told, and what the next worklist has; a desk cannot."""
    rig.clinic()
    cure = rig.cure()
    path = f"/cures/{cure['cure']}"
    assert "first prescription" in rig.ask("GET", f"{path}/proposal", status=409)["detail"]
    rig.session(cure, 1)
    found = rig.ask("GET", f"{path}/proposal")
    assert (found["number"], found["rule"], found["prescription"]["peak_n"]) == (2, "not-yet", 150.0)
    body = {"number": 2, "prescription": found["prescription"], "reason": found["reason_en"]}
    rig.sign(cure, role="reception", status=403, **body)
    after = rig.sign(cure, **body)
    assert after["appointments"][1]["prescription"]["session_number"] == 2
    assert rig.told("cure")[-1].data == {
        "cure": cure["cure"], "patient": cure["patient"], "number": 2, "peak_n": 150.0,
    }  # fmt: skip
    rig.sign(cure, status=409, **body | {"number": 1})
    rig.sign(cure, status=404, **body | {"number": 77})
    wild = body | {"prescription": found["prescription"] | {"peak_n": 300.0}}
    refused = rig.sign(cure, status=422, **wild)
    assert "300 N" in refused["detail"]


def test_a_prescription_at_the_segment_is_kept_and_told_with_its_pull(rig):
    """A gateway or a console that knows no model of the spine reads the pull; proposals go on by it."""
    rig.clinic()
    cure = rig.cure()
    by_force = {name: value for name, value in PRESCRIPTION.items() if name != "peak_n"}
    by_force |= {"session_number": 2, "segment_peak_n": 120.0}
    after = rig.sign(cure, number=2, prescription=by_force)
    kept = after["appointments"][1]["prescription"]
    assert kept["segment_peak_n"] == 120.0
    assert kept["peak_n"] > 120.0
    assert rig.told("cure")[-1].data["peak_n"] == kept["peak_n"]
    refused = rig.sign(cure, status=422, number=2, prescription=by_force | {"segment_peak_n": 700.0})
    assert "at the segment, by the model a pull" in refused["detail"]
    proposed = propose(kept, [result(2, peak=kept["peak_n"])]).prescription
    assert proposed["peak_n"] <= kept["peak_n"]
    assert "segment_peak_n" not in proposed


def test_a_signature_that_is_sent_twice_is_one(either_rig):
    """A double click or a lost answer: one row, told once; another thing under its name is refused."""
    rig = either_rig
    rig.clinic()
    cure = rig.cure()
    body = {"request": str(uuid4()), "number": 2, "prescription": PRESCRIPTION | {"session_number": 2}}
    path = f"/cures/{cure['cure']}/prescriptions"
    answers = at_once([lambda: rig.knock("POST", path, role="clinician", json=body)] * 3)
    assert [answer.status_code for answer in answers] == [201] * 3
    rig.sign(cure, **body | {"request": str(uuid4())})
    assert rig.count(PRESCRIPTIONS) == 2, "the first one's, and this"
    assert len([event for event in rig.told("cure") if event.type == "cure.prescribed"]) == 2
    other = body | {"prescription": body["prescription"] | {"peak_n": 140.0}}
    assert "something else already" in rig.sign(cure, status=409, **other)["detail"]
    rig.sign(cure, **other | {"request": str(uuid4())})
    assert rig.count(PRESCRIPTIONS) == 3


def test_within_a_clinicians_limits_it_goes_by_itself(rig):
    """Raised after two tolerated sessions without a signature, and not where one is needed."""
    rig.clinic()
    cure = rig.cure()
    path = f"/cures/{cure['cure']}"
    limits = {"most_peak_n": 172.0, "most_step_n": 22.0}
    rig.ask("PUT", f"{path}/automatic", json=limits, status=403)
    rig.ask("PUT", f"{path}/automatic", role="clinician", json=limits | {"most_step_n": 100}, status=422)
    rig.ask("PUT", f"{path}/automatic", role="clinician", json=limits)
    rig.session(cure, 1)
    rig.session(cure, 2)
    given = [row for row in rig.shown(cure)["prescriptions"] if row["automatic"]]
    assert [(row["number"], row["prescription"]["peak_n"], row["by"]) for row in given] == [
        (2, 150.0, "clinician"), (3, 172.0, "clinician"),
    ]  # fmt: skip
    rig.session(cure, 3, pain_after=9)
    assert max(row["number"] for row in rig.shown(cure)["prescriptions"]) == 3, "worse pain needs a look"
    rig.ask("PUT", f"{path}/automatic", role="clinician", content=b"null", headers=JSON)
    assert rig.shown(cure)["automatic"] is None
