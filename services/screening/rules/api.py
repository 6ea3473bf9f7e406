"""The rules, a patient's questionnaire, conditions and decisions over HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.routes import Routes
from services.screening import zones
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.rules import store, taking
from services.screening.rules.answers import iso_day, refused

Reader = Annotated[Principal, allow("patients.see")]
Asker = Annotated[Principal, allow("screening.answer")]
Decider = Annotated[Principal, allow("screening.decide")]
Place = Annotated[str, Query(max_length=20)]
Day = Annotated[str, Query(max_length=10)]


class AnswerBody(BaseModel):
    """An answer as a page sends it: its details beside it, and who gave it."""

    model_config = ConfigDict(extra="forbid")

    value: dict[str, Any] = Field(max_length=8)
    given_by: Literal["patient", "staff"] = "staff"


class SignBody(BaseModel):
    """A condition signed, or its signature taken back (``holds`` false)."""

    model_config = ConfigDict(extra="forbid")

    region: str = Field(max_length=20)
    reason: str = Field(max_length=20_000)
    holds: bool = True


class DecideBody(BaseModel):
    """For which region and which day a decision is kept; without a day: today."""

    model_config = ConfigDict(extra="forbid")

    region: str = Field(max_length=20)
    on: str = Field("", max_length=10)


def router(office: Office) -> APIRouter:
    """``/rules``, ``/patients/{patient}/questionnaire``, ``answers``, ``conditions``, ``decision``."""
    routes = Routes(tags=["screening"])
    _add_reading(routes, office)
    _add_writing(routes, office)
    return routes


def _add_reading(routes: APIRouter, office: Office) -> None:
    @routes.get("/rules")
    def rules(_who: Reader, on: Day = "") -> dict[str, Any]:
        """Every contraindication rule of a day, with its source."""
        found = taking.rules_for(office, _day(on) or zones.now().astimezone().date())
        return {
            "version": found.version.name, "valid_from": found.version.valid_from.isoformat(),
            "sha256": found.sha256, "settings": dict(found.settings),
            "rules": [found.shown(rule) for rule in found.rules],
        }  # fmt: skip

    @routes.get("/patients/{patient}/questionnaire")
    def questionnaire(who: Asker, patient: UUID, region: Place) -> dict[str, Any]:
        """The questions of a region, with the answers that count."""
        with reading(office.engine) as connection:
            head = keeping.find_head(connection, who, "screening.answer", patient)
            told = taking.questionnaire(office, connection, patient, region)
        office.seen(who, "questionnaire.seen", head["id"], head["site"], region=region)
        return told

    @routes.get("/patients/{patient}/answers")
    def answers(who: Reader, patient: UUID) -> dict[str, Any]:
        """Every answer and every signed condition, those that were replaced included."""
        with reading(office.engine) as connection:
            head = keeping.find_head(connection, who, "patients.see", patient)
            ids = patients.family(connection, patient)
            told = {"answers": store.history(connection, ids), "conditions": store.signed(connection, ids)}
        office.seen(who, "answers.seen", head["id"], head["site"])
        return told

    @routes.get("/patients/{patient}/decision")
    def decision(who: Reader, patient: UUID, region: Place, on: Day = "") -> dict[str, Any]:
        """What the answers say now of treatment on a day, and what was decided before."""
        wanted = _day(on)
        with reading(office.engine) as connection:
            head = keeping.find_head(connection, who, "patients.see", patient)
            day = wanted or zones.today(connection, head["site"])
            settings = taking.rules_for(office, day).settings
            place = taking.require_region(region)
            made = store.decision_of(connection, patient, place, day, settings)
            kept = store.decisions(connection, patients.family(connection, patient))
        office.seen(who, "decision.seen", head["id"], head["site"], region=region, on=day.isoformat())
        return {**made.body(), "patient": head["id"], "site": head["site"], "kept": kept}


def _add_writing(routes: APIRouter, office: Office) -> None:
    @routes.put("/patients/{patient}/answers/{rule}")
    def answer(who: Asker, patient: UUID, rule: str, body: AnswerBody) -> dict[str, Any]:
        """Keep one answer; a new one suspends clearances."""
        is_new = taking.answer(office, who, patient, rule, body.value, body.given_by)
        return {"rule": rule, "new": is_new}

    @routes.post("/patients/{patient}/conditions/{rule}")
    def condition(who: Decider, patient: UUID, rule: str, body: SignBody) -> dict[str, Any]:
        """Sign a relative contraindication with a reason, or take the signature back."""
        made = taking.sign(office, who, patient, body.region, rule, holds=body.holds, reason=body.reason)
        return made.body()

    @routes.post("/patients/{patient}/decisions", status_code=201)
    def decide(who: Asker, patient: UUID, body: DecideBody) -> dict[str, Any]:
        """Decide and keep it, with the version of the rules."""
        kept, made = taking.decided(office, who, patient, body.region, _day(body.on))
        return {"id": str(kept), **made.body()}


def _day(text: str) -> date | None:
    """A day of the calendar; empty: none. Raises Invalid."""
    if not text:
        return None
    try:
        found: date = iso_day(text)
    except ValueError:
        raise refused("on", text, "a day like 2026-11-22", "ein Tag wie 2026-11-22") from None
    return found
