"""What is done with a questionnaire: an answer taken, a condition signed, a decision kept."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Text
from services.screening import zones
from services.screening.clearance import suspension
from services.screening.clearance.ending import endings, soon
from services.screening.clearance.giving import go_on
from services.screening.clearance.telling import tell_standing, telling
from services.screening.errors import Conflict
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.patients.models import File
from services.screening.rules import store
from services.screening.rules.answers import read, refused, unknown_rule
from services.screening.rules.decision import Decision, require_possible
from services.screening.rules.models import REGIONS, Region, Rule
from services.screening.rules.ruleset import Ruleset
from services.screening.settings import ScreeningSettings

GivenBy = Literal["patient", "staff"]
MOST_REASON: Final = 2000
_NOT_THEIRS: Final = (
    "it needs findings: a clinician or the staff answers it, not the patient",
    "dazu braucht es Befunde: das beantwortet das Team, nicht die Patientin oder der Patient",
)


def rules_for(office: Office, on: date) -> Ruleset:
    """The rules of a day under this service's settings."""
    settings = office.settings
    return store.rules_of(on, settings.disputed() if isinstance(settings, ScreeningSettings) else None)


def require_region(region: str) -> Region:
    """Raise Invalid for a region that nobody is treated in."""
    for known in REGIONS:
        if region == known:
            return known
    raise refused("region", region, "lumbar or cervical", "lumbar oder cervical")


def questionnaire(office: Office, connection: Connection, patient: UUID, region: str) -> dict[str, Any]:
    """The questions of this region in their order, with the answers that count."""
    file = keeping_file(connection, patient)
    today = zones.today(connection, file.site)
    ruleset = rules_for(office, today)
    given = store.answers(connection, patients.family(connection, patient))
    asked = ruleset.questions(require_region(region), file.content.sex)
    again = {one.of for one in soon(endings(office, connection, file.patient, region), today)}
    rows = [_question(ruleset, rule, given.get(rule.id), again) for rule in asked]
    return {
        "patient": str(file.patient), "site": file.site, "region": region, "questions": rows,
        "total": len(rows),
        "answered": sum(row["given"] is not None and not row["ask_again"] for row in rows),
        "version": ruleset.version.name,
    }  # fmt: skip


def keeping_file(connection: Connection, patient: UUID) -> File:
    """The file that counts. Raises NotFound."""
    file = patients.current(connection, patient)
    if file is None:
        raise keeping.unknown(patient)
    return file


def _question(
    ruleset: Ruleset, rule: Rule, given: store.Given | None, again: Collection[str]
) -> dict[str, Any]:
    return {
        **ruleset.shown(rule), "section": rule.section, "test": rule.test, "limit": rule.limit,
        "given": given.body() if given else None, "ask_again": rule.id in again,
    }  # fmt: skip


def answer(
    office: Office, who: Principal, patient: UUID, rule: str, value: Mapping[str, Any], given_by: GivenBy
) -> bool:
    """Keep an answer; a new one suspends the clearances it concerns. False: it is the one that counts, which
    on a later day is kept as asked again.

    Raises NotFound, Invalid.
    """
    return answer_all(office, who, patient, {rule: value}, given_by) == [rule]


def answer_all(
    office: Office, who: Principal, patient: UUID, values: Mapping[str, Mapping[str, Any]], given_by: GivenBy
) -> list[str]:
    """The same of several, all or none; gives the rules that are answered anew. Raises NotFound, Invalid."""
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, "screening.answer", patient)
        on = zones.today(connection, head["site"])
    ruleset = rules_for(office, on)
    taken = {rule: read(ruleset, rule, dict(value)) for rule, value in values.items()}
    for rule, given in taken.items():
        if given_by == "patient" and ruleset.of(rule).asked == "clinician":
            raise refused(f"answers.{rule}", given.answer, *_NOT_THEIRS)
    for rule in taken:
        office.seen(who, "answer.given", head["id"], head["site"], rule=rule, given_by=given_by)
    counts = UUID(head["id"])
    with writing(office.engine) as connection:
        patients.hold(connection, counts)
        require_possible(store.case_of(keeping_file(connection, counts), "lumbar", on), taken)
        known = store.answers(connection, patients.family(connection, counts))
        fresh = [rule for rule, given in taken.items() if rule not in known or known[rule].answer != given]
        zone = zones.zone_of(connection, head["site"])
        again = [rule for rule in taken if rule not in fresh and known[rule].on(zone) < on]
        with telling(office, connection, counts):
            for rule in [*again, *fresh]:
                store.add_answer(connection, who, counts, rule, taken[rule], given_by)
        for rule in fresh:
            region = None if ruleset.of(rule).region == "any" else ruleset.of(rule).region
            suspension.suspend(
                office, connection, patient=counts, region=region, reason="answer", by=who, detail=rule
            )
        if again or fresh:
            go_on(office, connection, counts)
    office.outbox.woken.set()
    return fresh


def sign(
    office: Office, who: Principal, patient: UUID, region: str, rule: str, *, holds: bool, reason: str
) -> Decision:
    """A clinician signs a relative contraindication, or takes the signature back.

    Raises NotFound, Invalid, Conflict.
    """
    place = require_region(region)
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, "screening.decide", patient)
        on = zones.today(connection, head["site"])
    ruleset = rules_for(office, on)
    kept = _signable(ruleset, rule, reason)
    action = "condition.signed" if holds else "condition.unsigned"
    office.seen(who, action, head["id"], head["site"], rule=rule, region=place)
    counts = UUID(head["id"])
    with writing(office.engine) as connection:
        patients.hold(connection, counts)
        decision = store.decision_of(connection, counts, place, on, ruleset.settings)
        if rule not in decision.conditions:
            raise Conflict(f"the rule {rule} does not apply to this patient now", _NOTHING)
        given = store.answers(connection, patients.family(connection, counts))
        found = store.answered(ruleset, rule, given)
        row = found.row if found else 0
        with telling(office, connection, counts):
            store.add_signature(connection, who, counts, place, rule, row, holds=holds, reason=kept)
        if not holds:
            suspension.suspend(
                office, connection, patient=counts, region=place, reason="answer", by=who, detail=rule
            )
        made = store.decision_of(connection, counts, place, on, ruleset.settings)
    office.outbox.woken.set()
    return made


_NOTHING: Final[Text] = {
    "de": "Diese Bedingung besteht zurzeit nicht: Es gibt nichts zu zeichnen.",
    "en": "This condition does not hold now: there is nothing to sign.",
}


def _signable(ruleset: Ruleset, rule: str, reason: str) -> str:
    """The reason that a relative contraindication is signed with. Raises Invalid."""
    if not ruleset.knows(rule):
        raise unknown_rule("rule", rule, ruleset.version.name)
    if ruleset.of(rule).is_absolute(ruleset.settings):
        raise refused("rule", rule, "it is absolute: nobody can sign it away",
                      "sie ist absolut: niemand kann sie durch Unterschrift aufheben")  # fmt: skip
    kept = keeping.checked_text(reason, MOST_REASON, "reason", "Die Begründung")
    if not kept:
        raise refused("reason", reason, "a signature needs a reason in words",
                      "eine Unterschrift braucht eine Begründung in Worten")  # fmt: skip
    return kept


def decided(
    office: Office, who: Principal, patient: UUID, region: str, wanted: date | None
) -> tuple[UUID, Decision]:
    """Decide for a day of treatment, today where none is wanted, and keep it. Raises NotFound, Invalid."""
    place = require_region(region)
    with reading(office.engine) as connection:
        head = keeping.find_head(connection, who, "screening.answer", patient)
        on = wanted or zones.today(connection, head["site"])
    office.seen(who, "decision.kept", head["id"], head["site"], region=place, on=on.isoformat())
    counts = UUID(head["id"])
    with writing(office.engine) as connection:
        patients.hold(connection, counts)
        made = store.decision_of(connection, counts, place, on, rules_for(office, on).settings)
        kept = store.add_decision(connection, who, counts, made)
        tell_standing(office, connection, counts)
    office.outbox.woken.set()
    return kept, made
