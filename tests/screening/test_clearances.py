"""Giving, suspending and restoring clearances, over the API of screening."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from screening.treated import CLINICIAN, answered, cleared, consented, ended, hear, open_reasons, state
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from services.kit import clearance as kit
from services.kit.clearance import Clocks
from services.kit.database import writing
from services.screening.clearance.suspension import suspend
from services.screening.clearance.tables import CLEARANCE, SUSPENSION

REASON = "Befund besprochen, weiter vertretbar"


def give(rig, patient, region="lumbar", days=90, status=201, role="clinician", sites=()):
    """Sign one."""
    body = {"region": region, "days": days}
    return rig.ask(
        "POST", f"/patients/{patient}/clearances", json=body, status=status, role=role, sites=sites
    )


def restore(rig, patient, status=200, reason=REASON, role="clinician"):
    """Lift everything that is open."""
    rows = rig.ask("GET", f"/patients/{patient}/suspensions")
    body = {"suspensions": [row["suspension"] for row in rows if not row["restored"]], "reason": reason}
    return rig.ask("POST", f"/patients/{patient}/restore", json=body, status=status, role=role)


def test_a_clearance_says_what_is_missing_until_nothing_is(either):
    """A decision that clears and a consent in force: without either nobody is treated."""
    patient = either.patient()
    refused = give(either, patient, status=409)
    assert "decision" in refused["detail"]
    assert "consent" in refused["detail"]
    assert "Einwilligung" in refused["detail_de"]
    answered(either, patient)
    assert "decision" not in give(either, patient, status=409)["detail"]
    consented(either, patient)
    assert state(either, patient)["missing"] == []
    given = give(either, patient)
    assert state(either, patient)["state"] == "cleared"
    assert state(either, patient, "cervical")["state"] == "none"
    said = kit.read(given["token"], kit.ensure_keys(either.directory).public.read_bytes())
    assert (str(said.id), str(said.patient), said.region) == (given["clearance"], patient, "lumbar")


def test_a_given_clearance_is_told_with_its_token_and_a_bed_takes_it(rig):
    """The worklists are made of the event: it has everything, and no name."""
    patient = cleared(rig)
    (told,) = [event for event in rig.told("clearance") if event.type == "clearance.given"]
    public = kit.ensure_keys(rig.directory).public.read_bytes()
    kit.verify(told.data["token"], public, UUID(patient), "lumbar", Clocks())
    assert set(told.data) == {
        "clearance", "patient", "region", "token", "valid_from", "valid_until", "conditions"
    }  # fmt: skip
    days = datetime.fromisoformat(told.data["valid_until"]) - datetime.now(UTC)
    assert timedelta(days=26) < days < timedelta(days=28)  # the first answer that it stands on ages then


def test_signed_conditions_stand_in_the_token_and_unsigned_ones_refuse(rig):
    """A relative contraindication is a clinician's to weigh, and the bed shows that it was."""
    patient = rig.patient()
    answered(rig, patient, claustrophobia="yes")
    consented(rig, patient)
    give(rig, patient, status=409)
    body = {"region": "lumbar", "reason": "Probeliegen ohne Angst"}
    rig.ask("POST", f"/patients/{patient}/conditions/claustrophobia", json=body)
    given = give(rig, patient)
    assert given["conditions"] == ["claustrophobia"]
    said = kit.read(given["token"], kit.ensure_keys(rig.directory).public.read_bytes())
    assert said.conditions == ("claustrophobia",)
    regions = rig.ask("GET", f"/patients/{patient}/clearances")["regions"]
    (named,) = next(row["conditions"] for row in regions if row["region"] == "lumbar")
    assert named == {"rule": "claustrophobia", "text_de": "Klaustrophobie", "text_en": "Claustrophobia"}


@pytest.mark.parametrize("days", [0, -1, 367, 10**9])
def test_no_clearance_is_for_ever(rig, days):
    """It expires: at most 366 days."""
    patient = cleared(rig)
    assert "366" in give(rig, patient, days=days, status=422)["detail_de"]
    assert give(rig, patient, days=366)["region"] == "lumbar"


def test_a_new_clearance_ends_the_one_before(rig):
    """Two of one region at once would outlive each other's suspension."""
    patient = cleared(rig)
    second = give(rig, patient, days=30)
    first = rig.ask("GET", f"/patients/{patient}/clearances")["clearances"][1]
    assert first["replaced_by"] == second["clearance"]
    assert first["ended_at"]
    assert [event.type for event in rig.told("clearance")] == [
        "clearance.given", "clearance.ended", "clearance.given"
    ]  # fmt: skip


def test_a_new_answer_suspends_at_once_and_a_signed_reason_gives_it_back(either):
    """Nobody is treated on answers that no longer hold, until somebody has looked."""
    patient = cleared(either)
    before = state(either, patient)["clearance"]
    body = {"value": {"answer": "yes"}, "given_by": "staff"}
    either.ask("PUT", f"/patients/{patient}/answers/pregnancy", json=body)
    assert open_reasons(either, patient) == ["answer"]
    assert state(either, patient)["state"] == "suspended"
    assert "refuses" in restore(either, patient, status=409)["detail"]
    assert open_reasons(either, patient) == ["answer"]  # nothing was half restored
    either.ask("PUT", f"/patients/{patient}/answers/pregnancy", json={**body, "value": {"answer": "no"}})
    (again,) = restore(either, patient)["clearances"]
    assert again["clearance"] != before["clearance"]
    ends = [datetime.fromisoformat(one["valid_until"]) for one in (before, again)]
    assert abs(ends[1] - ends[0]) < timedelta(minutes=1)  # no longer than what was signed first
    assert state(either, patient)["state"] == "cleared"
    kinds = [event.type for event in either.told("clearance") if event.type != "clearance.decided"]
    assert kinds[1:] == [
        "clearance.suspended", "clearance.restored", "clearance.ended", "clearance.given"
    ]  # fmt: skip


def test_a_withdrawn_consent_suspends_and_is_not_signed_away(rig):
    """BGB 630d(3): what nobody consents to is not treated, whatever a clinician signs."""
    patient = rig.patient()
    consent = consented(rig, answered(rig, patient))
    give(rig, patient)
    body = {"how": "oral", "at": "", "note": ""}
    rig.ask("POST", f"/patients/{patient}/consents/{consent}/withdrawal", json=body)
    assert open_reasons(rig, patient) == ["consent"]
    assert "consent" in restore(rig, patient, status=409)["detail"]
    consented(rig, patient)
    assert len(restore(rig, patient)["clearances"]) == 1


def test_answers_of_somebody_without_a_clearance_suspend_nothing(rig):
    """The first questionnaire must not leave a suspension that somebody has to lift."""
    patient = rig.patient()
    body = {"value": {"answer": "no"}, "given_by": "staff"}
    rig.ask("PUT", f"/patients/{patient}/answers/implant", json=body)
    assert open_reasons(rig, patient) == []


def test_the_same_reason_suspends_once_while_it_is_open(either):
    """Five new answers are one thing to look at; a later one is another."""
    patient = cleared(either)
    for _ in range(3):
        with writing(either.engine) as connection:
            suspend(either.office, connection, patient=UUID(patient), region="lumbar", reason="answer")
    assert len(either.ask("GET", f"/patients/{patient}/suspensions")) == 1
    restore(either, patient)
    with writing(either.engine) as connection:
        suspend(either.office, connection, patient=UUID(patient), region="lumbar", reason="answer")
    assert open_reasons(either, patient) == ["answer"]


def test_nobody_unknown_is_suspended(rig):
    """Simulated beds treat people whom nobody has a file of."""
    with writing(rig.engine) as connection:
        found = suspend(rig.office, connection, patient=uuid4(), region=None, reason="aborted")
    assert found is None
    assert rig.told("clearance") == []


@pytest.mark.parametrize("reason", ["", "   ", "a\0b", "x" * 2001])
def test_a_signature_needs_words(rig, reason):
    """What cannot be read later is no reason; nothing is lifted by it."""
    patient = cleared(rig)
    body = {"region": None, "detail": "Patientin klagt über Fieber"}
    rig.ask("POST", f"/patients/{patient}/suspensions", json=body, status=201)
    restore(rig, patient, reason=reason, status=422)
    assert open_reasons(rig, patient) == ["clinician"]


def test_only_a_clinician_signs_and_only_at_their_site(rig):
    """Another site's patient is answered like one that does not exist."""
    patient = cleared(rig)
    for role in ("reception", "therapist", "administrator"):
        give(rig, patient, role=role, status=403)
    give(rig, patient, sites=("south",), status=404)
    unknown = give(rig, uuid4(), sites=("south",), status=404)
    assert "no patient" in unknown["detail"]
    rig.ask("GET", f"/patients/{patient}/clearances", role="therapist", sites=("south",), status=404)
    assert give(rig, patient, sites=("north",))["by"] == "clinician"


def test_a_suspension_is_restored_once(rig):
    """The second clinician learns who was first."""
    patient = cleared(rig)
    hear(rig, ended(UUID(patient), kind="session.aborted", reason="patient_switch"))
    rows = rig.ask("GET", f"/patients/{patient}/suspensions")
    body = {"suspensions": [rows[0]["suspension"]], "reason": REASON}
    rig.ask("POST", f"/patients/{patient}/restore", json=body)
    assert "clinician" in rig.ask("POST", f"/patients/{patient}/restore", json=body, status=409)["detail"]
    other = cleared(rig, given_name="Anna", birth_date="1970-01-01")
    rig.ask("POST", f"/patients/{other}/restore", json=body, status=404)


def test_nothing_that_was_signed_can_be_changed_or_deleted(either):
    """The database itself refuses: what a bed was told stays to be read."""
    cleared(either)
    for change in (
        update(CLEARANCE).values(region="cervical"),
        delete(CLEARANCE),
        update(SUSPENSION).values(detail="x"),
    ):
        rows = either.count(CLEARANCE)
        if change.table is SUSPENSION:
            patient = cleared(either, given_name="Anna", birth_date="1970-01-01")
            hear(either, ended(UUID(patient), kind="session.aborted"))
        with pytest.raises(DBAPIError), writing(either.engine) as connection:
            connection.execute(change)
        assert either.count(CLEARANCE) >= rows


def test_who_saw_and_signed_what_stands_in_the_trail(rig):
    """Every look at a file is one that somebody may have to answer for."""
    patient = cleared(rig)
    state(rig, patient)
    assert [row["record"] for row in rig.trail("clearance.given")] == [patient]
    assert rig.trail("clearance.seen")[0]["name"] == "clinician"


def test_a_merged_file_keeps_its_suspensions(rig):
    """Whoever was suspended under one id must not be treated under another."""
    kept, gone = cleared(rig), cleared(rig, given_name="Erica")
    hear(rig, ended(UUID(gone), kind="session.aborted"))
    rig.ask("POST", f"/patients/{gone}/merge", json={"into": kept, "reason": "dieselbe Person"})
    assert state(rig, kept)["state"] == "suspended"
    restore(rig, kept)
    assert state(rig, gone)["state"] == "cleared"


def test_the_copy_of_a_file_has_its_clearances_and_a_clinician_s_name(rig):
    """BGB 630g: all of it."""
    from services.kit.database import reading
    from services.screening.outcomes.parts import PART

    patient = UUID(cleared(rig))
    hear(rig, ended(patient))
    with reading(rig.engine) as connection:
        rows = PART.rows(connection, [patient])
        assert PART.last_on(connection, [patient]) == datetime.now(UTC).date()
    assert {row["what"] for row in rows} == {"clearance", "session"}
    assert rows[-1]["by"] == CLINICIAN.name
