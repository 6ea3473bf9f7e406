"""Answers, signed conditions and decisions as they are kept: all of this room's SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, delete, insert, select

from services.kit.auth.principal import Principal
from services.kit.moments import instant_of
from services.screening import zones
from services.screening.errors import NotFound
from services.screening.patients import store as patients
from services.screening.patients.models import Content, File
from services.screening.patients.tables import VERSION
from services.screening.rules import ruleset as rulesets
from services.screening.rules.answers import Answer, Answers
from services.screening.rules.decision import Decision, Signature, decide
from services.screening.rules.findings import Case
from services.screening.rules.models import Region, Test
from services.screening.rules.ruleset import Ruleset
from services.screening.rules.tables import ANSWER, DECISION, SIGNATURE

Ids = Sequence[UUID]
_EVERY: Final = ("birth_date", "sex", "body_weight_kg")
FACTS: Final[Mapping[Test, tuple[str, ...]]] = {  # of the file, on which a rule without an answer stands
    "age": ("birth_date",), "answer": _EVERY, "since": _EVERY, "bone-loss": _EVERY, "some-bone-loss": _EVERY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: by whom and when, and its row, which a signature refers to."""

    row: int
    answer: Answer
    at_us: int
    by: str
    given_by: str
    first_row: int  # since which it was the same each time it was asked

    def on(self, zone: tzinfo | None) -> date:
        """The day it was given, by this clock."""
        return instant_of(self.at_us).astimezone(zone).date()

    def body(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            **self.answer.body(), "at": instant_of(self.at_us).isoformat(), "by": self.by,
            "given_by": self.given_by,
        }  # fmt: skip


def decision_of(
    connection: Connection, patient: UUID, region: str, on: date, settings: Mapping[str, str] | None = None,
    *, at_any_age: bool = False,
) -> Decision:  # fmt: skip
    """What the answers, the file and the signed conditions say of treatment on a day, decided now.

    ``settings`` of disputed points are the environment's unless given; ``at_any_age``: as if everything had
    been asked today. Raises NotFound, Invalid.
    """
    file = patients.current(connection, patient)
    if file is None:
        english = f"no patient {patient} is known here"
        raise NotFound(english, {"de": f"Hier ist keine Akte {patient} bekannt.", "en": english})
    ids = patients.family(connection, patient)
    ruleset = rules_of(on, settings)
    given = answers(connection, ids)
    zone = zones.zone_of(connection, file.site)
    case = case_of(file, region, on, None if at_any_age else weighed_on(connection, file, zone))
    known: Answers = {rule: row.answer for rule, row in given.items() if ruleset.knows(rule)}
    signed = signatures(connection, file, region, ruleset, given)
    days = {} if at_any_age else {rule: given[rule].on(zone) for rule in known}
    return decide(ruleset, case, known, signed, days)


def rules_of(on: date, settings: Mapping[str, str] | None = None) -> Ruleset:
    """The rules of a day, under the settings given, else the environment's."""
    if settings is None:
        from services.screening.settings import ScreeningSettings

        settings = ScreeningSettings.load().disputed()
    return rulesets.load().on(on, settings)


def weighed_on(connection: Connection, file: File, zone: tzinfo | None) -> date | None:
    """The day of the weight in the file: the one that it names, or since when it is there; the later one."""
    content, since = file.content, file.at
    if content.body_weight_kg is None:
        return None
    for row in reversed(patients.rows_of(connection, VERSION, [file.patient])):
        version = Content.model_validate_json(row["content"])
        if version.body_weight_kg != content.body_weight_kg:
            break
        since = instant_of(row["at_us"])
    return max(since.astimezone(zone).date(), content.body_weight_on or date.min)


def case_of(file: File, region: str, on: date, weighed: date | None = None) -> Case:
    """Who is to be treated, by their file."""
    place: Region = "cervical" if region == "cervical" else "lumbar"
    content = file.content
    return Case(content.birth_date, on, place, content.sex, content.body_weight_kg, weighed)


def answers(connection: Connection, ids: Ids) -> dict[str, Given]:
    """The newest answer to every rule that has one."""
    found: dict[str, Given] = {}
    for row in patients.rows_of(connection, ANSWER, ids):
        said, before = Answer.model_validate_json(row["answer"]), found.get(row["rule"])
        first = before.first_row if before is not None and before.answer == said else row["row"]
        found[row["rule"]] = Given(row["row"], said, row["at_us"], row["name"], row["given_by"], first)
    return found


def add_answer(
    connection: Connection, who: Principal, patient: UUID, rule: str, answer: Answer, given_by: str
) -> None:
    """Keep an answer, beside those before it."""
    row = {"rule": rule, "answer": json.dumps(answer.body()), "given_by": given_by}
    connection.execute(insert(ANSWER), {"patient": str(patient), **patients.who_columns(who), **row})


def answered(ruleset: Ruleset, rule: str, given: Mapping[str, Given]) -> Given | None:
    """The answer that a rule follows from, if it follows from one."""
    found = ruleset.of(rule)
    return given.get(found.of or found.id)


def signatures(
    connection: Connection, file: File, region: str, ruleset: Ruleset, given: Mapping[str, Given]
) -> list[Signature]:
    """The conditions that are signed for this region, each about the fact that still holds: an answer that
    was the same ever since, and what the file said then.
    """
    ids = patients.family(connection, file.patient)
    query = select(SIGNATURE).where(
        SIGNATURE.c.patient.in_([str(one) for one in ids]), SIGNATURE.c.region == region
    )
    held: dict[str, Signature] = {}
    for row in connection.execute(query.order_by(SIGNATURE.c.row)).mappings():
        rule = row["rule"]
        held.pop(rule, None)
        if row["holds"] and ruleset.knows(rule) and _stands(connection, file, ruleset, row, given):
            held[rule] = Signature(rule, row["name"], row["reason"])
    return list(held.values())


def _stands(
    connection: Connection, file: File, ruleset: Ruleset, signed: RowMapping, given: Mapping[str, Given]
) -> bool:
    """Whether what was signed is what holds now."""
    found = answered(ruleset, signed["rule"], given)
    if found is not None:
        return bool(found.first_row <= signed["answer_row"])
    facts = FACTS[ruleset.of(signed["rule"]).test]
    then = patients.content_at(connection, UUID(signed["patient"]), signed["at_us"])
    return signed["answer_row"] == 0 and all(
        getattr(then, name, None) == getattr(file.content, name) for name in facts
    )


def add_signature(
    connection: Connection, who: Principal, patient: UUID, region: str, rule: str, row: int, *, holds: bool,
    reason: str,
) -> None:  # fmt: skip
    """Keep that somebody signed a condition, or took it back."""
    told = {"region": region, "rule": rule, "answer_row": row, "holds": holds, "reason": reason}
    connection.execute(insert(SIGNATURE), {"patient": str(patient), **patients.who_columns(who), **told})


def add_decision(connection: Connection, who: Principal, patient: UUID, decision: Decision) -> UUID:
    """Keep a decision, with the version of the rules that it was made by."""
    made = uuid4()
    row = {
        "id": str(made), "region": decision.region, "treatment_on": decision.on.isoformat(),
        "outcome": decision.outcome, "version": decision.version, "rules_sha256": decision.rules_sha256,
        "body": json.dumps(decision.body(), ensure_ascii=False),
    }  # fmt: skip
    connection.execute(insert(DECISION), {"patient": str(patient), **patients.who_columns(who), **row})
    return made


def decisions(connection: Connection, ids: Ids) -> list[dict[str, Any]]:
    """What was decided and kept, newest first."""
    rows = patients.rows_of(connection, DECISION, ids)
    told = [
        {"id": row["id"], "at": instant_of(row["at_us"]).isoformat(), "by": row["name"],
         **json.loads(row["body"])}
        for row in rows
    ]  # fmt: skip
    return told[::-1]


def history(connection: Connection, ids: Ids) -> list[dict[str, Any]]:
    """Every answer that was ever given, oldest first."""
    return [
        {"rule": row["rule"], **json.loads(row["answer"]), "at": instant_of(row["at_us"]).isoformat(),
         "by": row["name"], "given_by": row["given_by"]}
        for row in patients.rows_of(connection, ANSWER, ids)
    ]  # fmt: skip


def signed(connection: Connection, ids: Ids) -> list[dict[str, Any]]:
    """Every condition that was signed or taken back, oldest first."""
    return [
        {"rule": row["rule"], "region": row["region"], "holds": bool(row["holds"]), "reason": row["reason"],
         "at": instant_of(row["at_us"]).isoformat(), "by": row["name"]}
        for row in patients.rows_of(connection, SIGNATURE, ids)
    ]  # fmt: skip


def erase(connection: Connection, ids: Ids) -> None:
    """Delete this room's rows of somebody whose file is erased."""
    for table in (ANSWER, SIGNATURE, DECISION):
        connection.execute(delete(table).where(table.c.patient.in_([str(one) for one in ids])))
