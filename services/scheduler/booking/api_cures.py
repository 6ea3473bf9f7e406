"""Cures over HTTP: shown before they are booked, booked whole, prescribed, ended."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Connection

from broker.fields import Data, Slug
from services.kit.auth.guard import allow, lacking
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.moments import instant_of
from services.kit.routes import Routes
from services.scheduler.booking import care, changes, series, standing, store, waiting
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import CureAsked, Ended, PreviewAsked
from services.scheduler.booking.shown import shown
from services.scheduler.errors import Conflict, said
from services.scheduler.planner.cadences import CADENCES
from services.scheduler.progression import rules
from services.scheduler.progression import store as progression
from services.scheduler.resources.api import here
from services.scheduler.resources.models import Sent, Written
from services.scheduler.resources.store import no_such

Row = dict[str, Any]
Seeing = Annotated[Principal, allow("appointments.see")]
Planning = Annotated[Principal, allow("cures.plan")]
Signing = Annotated[Principal, allow("prescriptions.sign")]


class Prescribed(Sent):
    """A prescription of one session, signed; ``request`` makes asking twice harmless."""

    request: UUID
    number: Annotated[int, Field(ge=1, le=100)]
    prescription: Data
    reason: Annotated[Written, Field(max_length=500)] = ""


class Automatic(Sent):
    """Within what a next prescription needs no signature."""

    most_peak_n: Annotated[float, Field(gt=0, le=1000)]
    most_step_n: Annotated[float, Field(ge=0, le=45)]  # kdttechnique.com: 45 N at most


def router(desk: Desk) -> APIRouter:
    """The routes."""
    made = Routes(tags=["cures"])
    _planning(made, desk)
    _booking(made, desk)
    _reading(made, desk)
    _proposing(made, desk)
    _prescribing(made, desk)
    return made


def cure_seen(connection: Connection, cure: UUID, who: Principal, permission: Permission) -> Row:
    """A cure of a site where this is permitted. Raises NotFound, as for one that does not exist."""
    row = store.cure_of(connection, cure)
    if not who.may(permission, row["site"]):
        raise no_such("cure", "Kur", cure)
    return row


def _planning(router: APIRouter, desk: Desk) -> None:
    @router.get("/cadences")
    def cadences(_who: Seeing) -> list[Row]:
        """The named patterns."""
        return [
            {
                "id": one.id, "text_de": one.text["de"], "text_en": one.text["en"], "source": one.source,
                "steps": [{"per_week": step.per_week, "weeks": step.weeks} for step in one.steps],
            }
            for one in CADENCES.values()
        ]  # fmt: skip

    @router.post("/cures/preview")
    def cure_preview(body: PreviewAsked, who: Planning) -> Row:
        """The whole series as it would be booked now, or the rules against it and what would work.

        `care`: whether the patient may be treated; `prescription`: what its first one breaks, if one is sent.
        """
        here(who, "cures.plan", body.site)
        desk.office.seen(who, "cure.previewed", f"patient {body.patient}", body.site)
        return series.preview(desk, body)


def _booking(router: APIRouter, desk: Desk) -> None:
    @router.post("/cures", status_code=201)
    def cure_new(body: CureAsked, who: Planning) -> Row:
        """Book the whole series or nothing; the same `request` again is the same cure."""
        here(who, "cures.plan", body.site)
        if body.prescription is not None:
            if not who.may("prescriptions.sign", body.site):
                raise lacking(who, "prescriptions.sign", body.site)
            progression.require_sound({"region": body.region}, body.prescription)
        cure = series.plan_cure(desk, body, who.name)
        desk.office.seen(who, "cure.planned", f"cure {cure}", body.site, patient=str(body.patient))
        with desk.reading() as connection:
            return whole_cure(connection, store.cure_of(connection, cure))

    @router.post("/cures/{cure}/end")
    def cure_end(cure: UUID, body: Ended, who: Planning) -> Row:
        """Nothing more of it takes place."""
        with desk.reading() as connection:
            row = cure_seen(connection, cure, who, "cures.plan")
        freed = changes.end(desk, cure, body.reason, who.name)
        desk.office.seen(who, "cure.ended", f"cure {cure}", row["site"], reason=body.reason)
        waiting.fill(desk, freed)
        with desk.reading() as connection:
            return whole_cure(connection, store.cure_of(connection, cure))


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/cures")
    def cures(
        who: Seeing,
        site: Slug | None = None,
        patient: UUID | None = None,
        state: Literal["open", "ended"] | None = None,
    ) -> list[Row]:
        """Cures, newest first."""
        allowed = who.sites("appointments.see")
        if site is not None:
            allowed = frozenset({site}) if allowed is None or site in allowed else frozenset()
        with desk.reading() as connection:
            patients = care.same(connection, patient) if patient else None
            is_open = None if state is None else state == "open"
            rows = store.cures(connection, allowed, patients, is_open=is_open)
            counts = store.counts(connection, [row["cure"] for row in rows])
        desk.office.seen(who, "cures.seen", f"patient {patient}" if patient else "cures", site)
        return [_shown_cure(row) | {"counts": counts[row["cure"]]} for row in rows]

    @router.get("/cures/{cure}")
    def cure_shown(cure: UUID, who: Seeing) -> Row:
        """One with its appointments, prescriptions and results."""
        with desk.reading() as connection:
            row = cure_seen(connection, cure, who, "appointments.see")
            found = whole_cure(connection, row)
            stands = standing.of(connection, UUID(row["patient"]), row["region"], desk.now())
        desk.office.seen(who, "cure.seen", f"cure {cure}", row["site"])
        return found | {"care": stands.row()}


def _proposing(router: APIRouter, desk: Desk) -> None:
    @router.get("/cures/{cure}/proposal")
    def cure_proposal(cure: UUID, who: Seeing) -> Row:
        """The next session's prescription as the rules say it, with the reason."""
        with desk.reading() as connection:
            row = cure_seen(connection, cure, who, "appointments.see")
            number, found = progression.proposal_of(connection, cure)
            known = progression.history(connection, cure)
            given = progression.in_force(connection, cure)
        desk.office.seen(who, "proposal.seen", f"cure {cure}", row["site"])
        return {
            "number": number, "prescription": found.prescription, "rule": found.rule,
            "reason_de": found.reason["de"], "reason_en": found.reason["en"], "source": found.source,
            "previous_peak_n": found.previous_peak_n, "is_prescribed": number in given,
            "automatic": bool(row["automatic"]) and progression.is_within(found, row["automatic"]),
            "rules": progression.shown_refusals(found.refusals), "gate": rules.gate(known),
        }  # fmt: skip


def _prescribing(router: APIRouter, desk: Desk) -> None:
    @router.post("/cures/{cure}/prescriptions", status_code=201)
    def prescription_new(cure: UUID, body: Prescribed, who: Signing) -> Row:
        """Sign the prescription of a session that is still to come; the same `request` again is the same."""
        row = _signed(desk, cure, body, who)
        desk.office.seen(who, "prescription.signed", f"cure {cure}", row["site"], number=body.number)
        with desk.reading() as connection:
            return whole_cure(connection, store.cure_of(connection, cure))

    @router.put("/cures/{cure}/automatic")
    def automatic_put(cure: UUID, who: Signing, body: Automatic | None = None) -> Row:
        """Let next prescriptions within these limits go without a signature; null: none."""
        limits = body.model_dump() | {"by": who.name} if body else None
        with desk.writing() as connection:
            row = cure_seen(connection, cure, who, "prescriptions.sign")
            store.change_cure(connection, cure, automatic=limits)
            if limits:
                progression.continue_automatically(desk, connection, store.cure_of(connection, cure))
        desk.office.seen(who, "cure.automatic", f"cure {cure}", row["site"], limits=limits)
        with desk.reading() as connection:
            return whole_cure(connection, store.cure_of(connection, cure))


@changes.steadily
def _signed(desk: Desk, cure: UUID, body: Prescribed, who: Principal) -> Row:
    with desk.writing() as connection:
        cure_seen(connection, cure, who, "prescriptions.sign")
        row = store.cure_of(connection, cure, lock=True)
        given = body.number, body.prescription
        if progression.is_given(connection, cure, *given, who.name, body.request):
            return row
        _require_to_come(connection, cure, body.number)
        progression.prescribe(
            desk, connection, row, *given, rule=progression.SIGNED,
            reason={"de": body.reason, "en": body.reason}, automatic=False, by=who.name, request=body.request,
        )  # fmt: skip
        return row


def _require_to_come(connection: Connection, cure: UUID, number: int) -> None:
    one = next((one for one in store.of_cure(connection, cure) if one.number == number), None)
    if one is None:
        raise no_such("appointment", "Termin", number)
    if one.state != "booked":
        words = changes.STATES[one.state]
        raise said(
            Conflict,
            {
                "de": f"Termin {number} ist {words['de']}: dafür wird nichts mehr verordnet",
                "en": f"appointment {number} is {words['en']}: nothing is prescribed for it any more",
            },
        )


def whole_cure(connection: Connection, row: Mapping[str, Any]) -> Row:
    """A cure with everything that belongs to it."""
    cure = UUID(row["cure"])
    appointments = store.with_prescriptions(connection, store.of_cure(connection, cure))
    known = progression.history(connection, cure)
    given = progression.prescriptions(connection, cure)
    return {
        **_shown_cure(row),
        "appointments": [shown(one) for one in sorted(appointments, key=lambda one: one.number)],
        "prescriptions": _shown_prescriptions(given),
        "results": [_shown_result(one) for one in progression.results(connection, cure)],
        "gate": rules.gate(known) if known else None,
        "suspended": [
            one.model_dump(mode="json") for one in care.suspended(connection, patients=[UUID(row["patient"])])
        ],
    }


def _shown_cure(row: Mapping[str, Any]) -> Row:
    names = ("cure", "patient", "site", "region", "segment", "sessions", "cadence", "wishes", "automatic",
             "figures", "by", "end_reason")  # fmt: skip
    return {name: row[name] for name in names} | {
        "state": "ended" if row["ended_us"] is not None else "open",
        "planned_at": instant_of(row["planned_us"]),
        "ended_at": instant_of(row["ended_us"]) if row["ended_us"] is not None else None,
    }


def _shown_prescriptions(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    newest = {row["number"]: row["row"] for row in rows}
    return [
        {
            "number": row["number"], "prescription": row["prescription"], "rule": row["rule"],
            "reason_de": row["reason"]["de"], "reason_en": row["reason"]["en"],
            "automatic": row["automatic"], "by": row["by"], "at": instant_of(row["at_us"]),
            "in_force": newest[row["number"]] == row["row"],
        }
        for row in rows
    ]  # fmt: skip


def _shown_result(row: Mapping[str, Any]) -> Row:
    names = ("session", "appointment", "number", "device", "completed", "reason", "peak_n", "traction_s",
             "guardings", "pain_before", "pain_after")  # fmt: skip
    return {name: row[name] for name in names} | {"ended_at": instant_of(row["ended_us"])}
