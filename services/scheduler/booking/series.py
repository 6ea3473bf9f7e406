"""A cure: shown before it is booked, booked whole or not at all."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from services.kit.database import is_crossed
from services.kit.language import Text
from services.scheduler.booking import ask, care, reckon, standing, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import (
    FEWEST_SESSIONS,
    MOST_SESSIONS,
    Appointment,
    CureAsked,
    PlanAsked,
    PreviewAsked,
)
from services.scheduler.clock import us_of
from services.scheduler.errors import Conflict, Invalid, NotFound, said
from services.scheduler.planner.cadences import CADENCES, Cadence
from services.scheduler.planner.problem import (
    ALL_DAYS,
    Placed,
    Plan,
    Problem,
    Reason,
    Refused,
    Request,
    Wishes,
)
from services.scheduler.resources.models import WEEKDAYS

Row = dict[str, Any]
TRIES: Final = 4  # another desk was quicker: planned anew around what it booked
TAKEN: Final[Text] = {
    "de": "Jemand war schneller: einer dieser Termine ist eben vergeben worden. Gebucht ist nichts.",
    "en": "Somebody was quicker: one of these appointments has just been taken. Nothing is booked.",
}


def cadence_of(name: str) -> Cadence:
    """A named pattern. Raises Invalid, with the names there are."""
    if name not in CADENCES:
        known = ", ".join(CADENCES)
        raise said(
            Invalid,
            {
                "de": f"Den Rhythmus {name!r} gibt es nicht, nur {known}",
                "en": f"there is no cadence {name!r}: {known} are known",
            },
        )
    return CADENCES[name]


def wishes_of(asked: PlanAsked) -> Wishes:
    """What the patient wishes, as the planner is told."""
    days = frozenset(WEEKDAYS.index(day) for day in asked.weekdays)
    return Wishes(reckon.windows_of(asked.times), days or ALL_DAYS, asked.device, asked.therapist)


def request_of(asked: PlanAsked) -> Request:
    """A cure to be placed. Raises Invalid for a length that no cure has."""
    if not FEWEST_SESSIONS <= asked.sessions <= MOST_SESSIONS:
        limits = f"{FEWEST_SESSIONS}-{MOST_SESSIONS}"
        raise said(
            Invalid,
            {
                "de": f"{asked.sessions} Sitzungen: nach der Methode hat eine Kur {limits}",
                "en": f"{asked.sessions} sessions: by the method a cure has {limits}",
            },
        )
    return Request(
        asked.patient, asked.site, asked.region, asked.sessions, cadence_of(asked.cadence), asked.earliest,
        wishes_of(asked),
    )  # fmt: skip


def preview(desk: Desk, asked: PreviewAsked) -> Row:
    """The whole series as it would be booked now, or why there is none and what would work.

    With what speaks against treating this patient, and against the first prescription where one is given.
    """
    from services.scheduler.progression import store as progression

    request = request_of(asked)
    with desk.reading() as connection:
        whole = reckon.problem(connection, asked.site, desk.now(), [asked.patient])
        stands = standing.of(connection, asked.patient, asked.region, desk.now())
        faults: list[Row] = []
        if asked.prescription is not None:
            faults = progression.faults_of(asked.region, asked.prescription)
            faults += standing.against_file(
                connection, asked.patient, asked.region, asked.prescription, desk.now()
            )
    return _previewed(desk, whole, request) | {"care": stands.row(), "prescription": faults}


def _previewed(desk: Desk, whole: Problem, request: Request) -> Row:
    found = ask.place(whole, request, desk.effort)
    if isinstance(found, Refused):
        return {
            "appointments": [], "proven": found.proven, "figures": None,
            "conflicts": [reason.row() for reason in found.reasons],
            "alternatives": ask.alternatives(whole, request),
        }  # fmt: skip
    return {
        "appointments": [ask.shown_place(one) for one in found.appointments], "proven": found.proven,
        "figures": asdict(found.figures), "conflicts": [], "alternatives": [],
    }  # fmt: skip


def plan_cure(desk: Desk, asked: CureAsked, by: str) -> UUID:
    """Book the whole series. Raises Conflict with the rules, and with alternatives that work.

    Asked again with the same ``request`` it is the cure of the first time. With ``appointments`` these are
    booked as they are; without them the best series there is.
    """
    request = request_of(asked)
    for _ in range(TRIES):
        with desk.reading() as connection:
            if (known := store.cure_of_request(connection, asked.request)) is not None:
                return _same(known, asked)
            standing.require(connection, asked, desk.now())
            whole = reckon.problem(connection, asked.site, desk.now(), [asked.patient])
        plan = _chosen(desk, whole, request, asked)
        try:
            with desk.writing() as connection:
                care.hold_patient(connection, asked.patient, asked.site)
                if still_good(connection, whole, asked.site, desk):
                    return _book(desk, connection, asked, plan, by)
        except IntegrityError:
            pass  # taken by another desk, or this request came twice at once: looked at again
        except OperationalError as error:
            if not is_crossed(error):
                raise
        if asked.appointments is not None:
            _raise_if_taken(desk, request, asked)
    raise Conflict(TAKEN["en"], TAKEN, {"rules": [], "alternatives": []})


def _same(known: Row, asked: CureAsked) -> UUID:
    """The cure that the request made; another question under the same id is refused."""
    wanted = (str(asked.patient), asked.site, asked.region, asked.sessions, asked.cadence)
    if wanted != tuple(known[name] for name in ("patient", "site", "region", "sessions", "cadence")):
        raise said(
            Conflict,
            {
                "de": f"Die Anfrage {asked.request} hat schon eine andere Kur gebucht",
                "en": f"the request {asked.request} has booked another cure already",
            },
        )
    return UUID(known["cure"])


def _chosen(desk: Desk, whole: Problem, request: Request, asked: CureAsked) -> Plan:
    """The plan to be booked. Raises Conflict."""
    if asked.appointments is not None:
        length = timedelta(minutes=whole.sites[asked.site].appointment_min)
        wanted = [
            Placed(one.number, one.starts_at, one.starts_at + length, one.device, one.therapist)
            for one in asked.appointments
        ]
        by_hand = replace(request, wishes=Wishes())
        if reasons := ask.reasons_against(whole, by_hand, wanted, by_hand=True):
            raise refusal(whole, request, reasons)
        return ask.as_plan(whole, request, wanted)
    found = ask.place(whole, request, desk.effort)
    if isinstance(found, Refused):
        raise refusal(whole, request, found.reasons)
    return found


def _raise_if_taken(desk: Desk, request: Request, asked: CureAsked) -> None:
    with desk.reading() as connection:
        if store.cure_of_request(connection, asked.request) is not None:
            return
        whole = reckon.problem(connection, asked.site, desk.now(), [asked.patient])
    _chosen(desk, whole, request, asked)


def refusal(
    whole: Problem, request: Request, reasons: Sequence[Reason], alternatives: list[Row] | None = None
) -> Conflict:
    """Why it is not booked, and what would be."""
    offered = ask.alternatives(whole, request) if alternatives is None else alternatives
    return said(
        Conflict,
        {
            "de": "; ".join(reason.text["de"] for reason in reasons[:3]),
            "en": "; ".join(reason.text["en"] for reason in reasons[:3]),
        },
        rules=[reason.row() for reason in reasons],
        alternatives=offered,
    )


def still_good(connection: Connection, whole: Problem, site: str, desk: Desk) -> bool:
    """With the site held: whether beds, people and hours are those that were planned with."""
    now = reckon.places(connection, site, desk.now(), lock=True)
    return now == reckon.places_of(whole, site)


def _book(desk: Desk, connection: Connection, asked: CureAsked, plan: Plan, by: str) -> UUID:
    """Cure, appointments, what they take, first prescription and what is told: one transaction."""
    from services.scheduler.progression import store as progression

    at_us = desk.at_us
    if care.is_erased(connection, asked.patient):
        raise no_file(asked.patient)
    standing.require(connection, asked, desk.now())
    cure = store.add_cure(connection, _columns(asked, plan, by, at_us))
    made = appointments_of(connection, asked, cure, plan.appointments)
    require_rest(connection, made)
    store.add(connection, made, by, "", at_us)
    desk.tell(
        connection, "cure.planned", asked.site, cure=cure, patient=asked.patient, region=asked.region,
        segment=asked.segment, sessions=asked.sessions,
    )  # fmt: skip
    desk.tell_all(connection, "booked", made)
    if asked.prescription is not None:
        progression.prescribe_first(desk, connection, cure, asked, by)
    return cure


def no_file(patient: UUID) -> NotFound:
    """The refusal of a patient whose file is gone."""
    words: Text = {"de": f"Die Akte {patient} ist gelöscht", "en": f"the file {patient} is erased"}
    return said(NotFound, words)


def _columns(asked: CureAsked, plan: Plan, by: str, at_us: int) -> Row:
    wishes = asked.model_dump(mode="json", include={"earliest", "times", "weekdays", "device", "therapist"})
    return {
        "request": str(asked.request), "patient": str(asked.patient), "site": asked.site,
        "region": asked.region, "segment": asked.segment, "sessions": asked.sessions,
        "cadence": asked.cadence, "wishes": wishes, "by": by, "planned_us": at_us,
        "figures": {"proven": plan.proven, **asdict(plan.figures)},
    }  # fmt: skip


def appointments_of(
    connection: Connection, asked: PlanAsked, cure: UUID, placed: Sequence[Placed]
) -> list[Appointment]:
    """New appointments of a plan."""
    from services.scheduler.resources.store import site_of

    clean_up = timedelta(minutes=site_of(connection, asked.site).clean_up_min)
    return [
        Appointment(
            uuid4(), cure, asked.patient, asked.site, one.device, one.therapist, asked.region, one.number,
            one.starts_at, one.ends_at, one.ends_at + clean_up, "booked", confirmed=False,
        )
        for one in placed
    ]  # fmt: skip


def require_rest(
    connection: Connection, wanted: Sequence[Appointment], besides: Sequence[Appointment] = ()
) -> None:
    """With the patient held: nothing else of theirs lies too near, at whatever site. Raises Conflict.

    ``besides``: what is being moved with it, in its new places.
    """
    from services.scheduler.resources.store import site_of

    if not wanted:
        return
    rest = timedelta(hours=site_of(connection, wanted[0].site).rest_h)
    first = min(us_of(one.starts_at - rest) for one in wanted)
    mine = {one.appointment for one in (*wanted, *besides)}
    person = care.same_people(connection, [wanted[0].patient])
    others = [one for one in besides if one.patient in person and one not in wanted] + [
        one for one in store.of_patients(connection, person, first) if one.appointment not in mine
    ]
    for one in wanted:
        near = next((o for o in others if _too_near(o, one, rest)), None)
        if near is not None:
            raise said(
                Conflict,
                {
                    "de": f"{near.starts_at:%d.%m.%Y %H:%M} UTC hat dieser Patient schon einen Termin; "
                    f"zwischen zwei Behandlungen liegen {rest.total_seconds() / 3600:g} h (Standort)",
                    "en": f"this patient has an appointment at {near.starts_at:%Y-%m-%d %H:%M} UTC already; "
                    f"{rest.total_seconds() / 3600:g} h lie between two sessions (the site's rule)",
                },
            )


def _too_near(one: Appointment, other: Appointment, rest: timedelta) -> bool:
    return one.starts_at < other.ends_at + rest and other.starts_at < one.ends_at + rest
