"""The API of clearances, suspensions and gates."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.routes import Routes
from services.screening.clearance import gates, giving, people, store
from services.screening.clearance.attention import needing
from services.screening.clearance.suspension import suspend
from services.screening.clearance.words import REGIONS, reasons
from services.screening.patients.models import Long

Reader = Annotated[Principal, allow("patients.see")]
Signer = Annotated[Principal, allow("clearance.sign")]
Region = Literal["lumbar", "cervical"]
USUAL_DAYS = 90


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ToGive(_Body):
    """A clearance to be signed."""

    region: Region
    days: int = Field(USUAL_DAYS, description="how long it is valid, at most 366")


class ToSuspend(_Body):
    """A clinician's own suspension."""

    region: Region | None = Field(None, description="none: neither region")
    detail: Long = ""


class ToRestore(_Body):
    """Which suspensions end, and the words that are signed."""

    suspensions: list[UUID] = Field(max_length=100)
    reason: Long


class ToSign(_Body):
    """A review; ``cure`` may be left out where only one is due."""

    reason: Long
    cure: UUID | None = None


def router(office: Office) -> APIRouter:
    """``/patients/{patient}/clearances``, ``suspensions``, ``restore``, ``gates``; ``/attention``."""
    routes = Routes(tags=["clearance"])
    _add_reading(routes, office)
    _add_giving(routes, office)
    _add_suspending(routes, office)
    _add_gates(routes, office)
    return routes


def _add_reading(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/clearances")
    def clearances(patient: UUID, who: Reader) -> dict[str, Any]:
        """By region: the one that is running, what it lacks, what suspends it; and all there ever were."""
        with reading(office.engine) as connection:
            file = people.require(connection, patient, who, "patients.see")
            ids = people.ids(connection, patient)
            found = {
                "patient": str(file.patient),
                "regions": [giving.state(office, connection, file.patient, region) for region in REGIONS],
                "clearances": [given.as_json() for given in store.clearances(connection, ids)],
                "suspensions": [one.as_json() for one in store.suspensions(connection, ids)],
                "cures": [one.as_json() for one in gates.progress(connection, ids)],
            }
        office.seen(who, "clearance.seen", str(file.patient), file.site)
        return found

    @routes.get("/patients/{patient}/suspensions")
    def suspensions(patient: UUID, who: Reader) -> list[dict[str, Any]]:
        """Every one there was, newest first."""
        with reading(office.engine) as connection:
            file = people.require(connection, patient, who, "patients.see")
            ids = people.ids(connection, patient)
            found = [one.as_json() for one in store.suspensions(connection, ids)]
        office.seen(who, "clearance.seen", str(file.patient), file.site)
        return found

    @routes.get("/attention")
    def attention(who: Reader) -> list[dict[str, Any]]:
        """Whom a clinician has to look at today: suspended, or a review is due."""
        with reading(office.engine) as connection:
            rows = needing(office, connection, who.sites("patients.see"))
        seen = [row["patient"] for row in rows]
        office.seen(who, "attention.seen", "attention", None, shown=len(rows), patients=seen)
        return rows


def _add_giving(routes: APIRouter, office: Office) -> None:
    @routes.post("/patients/{patient}/clearances", status_code=201)
    def give(patient: UUID, body: ToGive, who: Signer) -> dict[str, Any]:
        """Signs a clearance; 409 says what is missing."""
        site = people.site_of(office, patient, who, "clearance.sign")
        office.seen(who, "clearance.given", str(patient), site, region=body.region, days=body.days)
        with writing(office.engine) as connection:
            file = people.hold(connection, patient)
            made = giving.give(
                office, connection, patient=file.patient, region=body.region, days=body.days, by=who
            )
        office.outbox.woken.set()
        return made.as_json()

    @routes.post("/patients/{patient}/restore")
    def restore(patient: UUID, body: ToRestore, who: Signer) -> dict[str, Any]:
        """Ends suspensions for a signed reason, and signs anew what they had suspended."""
        site = people.site_of(office, patient, who, "clearance.sign")
        named = " ".join(map(str, body.suspensions))
        office.seen(who, "clearance.restored", str(patient), site, suspensions=named, reason=body.reason)
        with writing(office.engine) as connection:
            file = people.hold(connection, patient)
            made = giving.restore(
                office, connection, patient=file.patient, suspensions=body.suspensions, reason=body.reason,
                by=who,
            )  # fmt: skip
        office.outbox.woken.set()
        return {"clearances": [given.as_json() for given in made]}


def _add_suspending(routes: APIRouter, office: Office) -> None:
    @routes.get("/suspension-reasons")
    def known_reasons(who: Reader) -> list[dict[str, Any]]:
        """What a suspension may be for."""
        del who
        return [row.model_dump() for row in reasons().values()]

    @routes.post("/patients/{patient}/suspensions", status_code=201)
    def stop(patient: UUID, body: ToSuspend, who: Signer) -> dict[str, Any]:
        """A clinician suspends, with their words."""
        site = people.site_of(office, patient, who, "clearance.sign")
        words = giving.signed_words(body.detail)
        office.seen(who, "clearance.suspended", str(patient), site, region=body.region, reason=words)
        with writing(office.engine) as connection:
            file = people.hold(connection, patient)
            made = suspend(
                office, connection, patient=file.patient, region=body.region, reason="clinician", by=who,
                detail=words,
            )  # fmt: skip
        office.outbox.woken.set()
        return {"suspension": str(made)}


def _add_gates(routes: APIRouter, office: Office) -> None:
    @routes.get("/patients/{patient}/gates")
    def progress(patient: UUID, who: Reader) -> list[dict[str, Any]]:
        """Each cure's sessions and reviews."""
        with reading(office.engine) as connection:
            file = people.require(connection, patient, who, "patients.see")
            found = gates.progress(connection, people.ids(connection, patient))
        office.seen(who, "clearance.seen", str(file.patient), file.site)
        return [one.as_json() for one in found]

    @routes.post("/patients/{patient}/gates/{number}/sign")
    def sign(patient: UUID, number: int, body: ToSign, who: Signer) -> dict[str, Any]:
        """Signs a review; what it had suspended is restored."""
        site = people.site_of(office, patient, who, "clearance.sign")
        office.seen(who, "gate.signed", str(patient), site, number=number, reason=body.reason)
        with writing(office.engine) as connection:
            file = people.hold(connection, patient)
            made = gates.sign(
                office, connection, patient=file.patient, number=number, cure=body.cure, reason=body.reason,
                by=who,
            )  # fmt: skip
        office.outbox.woken.set()
        return {"clearances": [given.as_json() for given in made]}
