"""Answers, signed conditions and decisions as they are kept: all of this room's SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, func, insert, select

from services.kit.auth.principal import Principal
from services.kit.moments import instant_of
from services.screening.errors import NotFound
from services.screening.patients import store as patients
from services.screening.patients.models import File
from services.screening.rules import ruleset as rulesets
from services.screening.rules.answers import Answer, Answers
from services.screening.rules.decision import Decision, Signature, decide
from services.screening.rules.findings import Case
from services.screening.rules.models import Region
from services.screening.rules.ruleset import Ruleset
from services.screening.rules.tables import ANSWER, DECISION, SIGNATURE

Ids = Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: by whom and when, and its row, which a signature refers to."""

    row: int
    answer: Answer
    at_us: int
    by: str
    given_by: str

    def body(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            **self.answer.body(), "at": instant_of(self.at_us).isoformat(), "by": self.by,
            "given_by": self.given_by,
        }  # fmt: skip


def decision_of(
    connection: Connection, patient: UUID, region: str, on: date, settings: Mapping[str, str] | None = None
) -> Decision:
    """What the answers, the file and the signed conditions say of treatment on a day, decided now.

    ``settings`` of disputed points are the environment's unless given. Raises NotFound, Invalid.
    """
    file = patients.current(connection, patient)
    if file is None:
        english = f"no patient {patient} is known here"
        raise NotFound(english, {"de": f"Hier ist keine Akte {patient} bekannt.", "en": english})
    ids = patients.family(connection, patient)
    ruleset = rules_of(on, settings)
    given = answers(connection, ids)
    case = case_of(file, region, on)
    known: Answers = {rule: row.answer for rule, row in given.items() if ruleset.knows(rule)}
    return decide(ruleset, case, known, signatures(connection, ids, region, ruleset, given))


def rules_of(on: date, settings: Mapping[str, str] | None = None) -> Ruleset:
    """The rules of a day, under the settings given, else the environment's."""
    if settings is None:
        from services.screening.settings import ScreeningSettings

        settings = ScreeningSettings.load().disputed()
    return rulesets.load().on(on, settings)


def case_of(file: File, region: str, on: date) -> Case:
    """Who is to be treated, by their file."""
    place: Region = "cervical" if region == "cervical" else "lumbar"
    content = file.content
    return Case(content.birth_date, on, place, content.sex, content.body_weight_kg)


def answers(connection: Connection, ids: Ids) -> dict[str, Given]:
    """The newest answer to every rule that has one."""
    newest = (
        select(func.max(ANSWER.c.row))
        .where(ANSWER.c.patient.in_([str(one) for one in ids]))
        .group_by(ANSWER.c.rule)
    )
    rows = connection.execute(select(ANSWER).where(ANSWER.c.row.in_(newest))).mappings()
    return {
        row["rule"]: Given(
            row["row"], Answer.model_validate_json(row["answer"]), row["at_us"], row["name"], row["given_by"]
        )
        for row in rows
    }


def add_answer(
    connection: Connection, who: Principal, patient: UUID, rule: str, answer: Answer, given_by: str
) -> None:
    """Keep an answer, beside those before it."""
    row = {"rule": rule, "answer": json.dumps(answer.body()), "given_by": given_by}
    connection.execute(insert(ANSWER), {"patient": str(patient), **patients.who_columns(who), **row})


def answer_row(ruleset: Ruleset, rule: str, given: Mapping[str, Given]) -> int:
    """The row of the answer that a rule follows from; 0 where it follows from none."""
    found = ruleset.of(rule)
    answered = given.get(found.of or found.id)
    return answered.row if answered else 0


def signatures(
    connection: Connection, ids: Ids, region: str, ruleset: Ruleset, given: Mapping[str, Given]
) -> list[Signature]:
    """The conditions that are signed for this region, each about the answer that counts now."""
    query = select(SIGNATURE).where(
        SIGNATURE.c.patient.in_([str(one) for one in ids]), SIGNATURE.c.region == region
    )
    held: dict[str, Signature] = {}
    for row in connection.execute(query.order_by(SIGNATURE.c.row)).mappings():
        rule = row["rule"]
        held.pop(rule, None)
        if row["holds"] and ruleset.knows(rule) and row["answer_row"] == answer_row(ruleset, rule, given):
            held[rule] = Signature(rule, row["name"], row["reason"])
    return list(held.values())


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
