"""What becomes of appointments: moved, cancelled, missed, confirmed; a cure ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from services.kit.database import is_crossed
from services.kit.language import Text
from services.scheduler.booking import ask, care, reckon, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.ending import call_off, end_cure, end_if_over
from services.scheduler.booking.models import HELD, Appointment, Moved, Scope
from services.scheduler.booking.series import TAKEN, TRIES, cadence_of, refusal, require_rest, still_good
from services.scheduler.errors import Conflict, said
from services.scheduler.planner.problem import (
    ALL_DAYS,
    Effort,
    Placed,
    Problem,
    Reason,
    Refused,
    Request,
    Wishes,
)
from services.scheduler.resources.models import WEEKDAYS

Row = dict[str, Any]
Done = TypeVar("Done")
Given = ParamSpec("Given")
Still = Callable[[Connection], None]  # asked inside the transaction, raises when it is not to be any more
STATES: Final[dict[str, Text]] = {
    "booked": {"de": "gebucht", "en": "booked"},
    "completed": {"de": "abgeschlossen", "en": "completed"},
    "missed": {"de": "versäumt", "en": "missed"},
    "cancelled": {"de": "abgesagt", "en": "cancelled"},
    "undecided": {"de": "abgebrochen und noch nicht entschieden", "en": "broken off and not decided yet"},
    "aborted": {"de": "abgebrochen", "en": "broken off"},
}


@dataclass(frozen=True, slots=True)
class Course:
    """A cure with its held appointments in order, and the problem around it, as they were read."""

    cure: Row
    held: list[Appointment]
    whole: Problem
    effort: Effort

    @property
    def site(self) -> str:
        """Where it takes place."""
        return str(self.cure["site"])

    def request(
        self, count: int, fixed: Sequence[Placed], wishes: Wishes | None = None, start: date | None = None
    ) -> Request:
        """The cure with so many sessions, these staying as they are."""
        asked = self.cure["wishes"]
        return Request(
            UUID(self.cure["patient"]), self.site, self.cure["region"], count,
            cadence_of(self.cure["cadence"]), start or date.fromisoformat(asked["earliest"]),
            wishes or wishes_again(asked), tuple(fixed), UUID(self.cure["cure"]),
        )  # fmt: skip


def wishes_again(asked: Row) -> Wishes:
    """What was wished when the cure was planned."""
    days = frozenset(WEEKDAYS.index(day) for day in asked["weekdays"])
    therapist = asked["therapist"]
    return Wishes(
        reckon.windows_of(asked["times"]), days or ALL_DAYS, asked["device"],
        UUID(therapist) if therapist else None,
    )  # fmt: skip


def course_of(desk: Desk, cure: UUID) -> Course:
    """Read it. Raises NotFound."""
    with desk.reading() as connection:
        return _course(desk, connection, cure)


def _course(desk: Desk, connection: Connection, cure: UUID) -> Course:
    row = store.cure_of(connection, cure)
    held = [one for one in store.of_cure(connection, cure) if one.state in HELD]
    whole = reckon.problem(connection, row["site"], desk.now(), [UUID(row["patient"])])
    return Course(row, held, whole, desk.effort)


def attempt(work: Callable[[], Done | None]) -> Done:
    """What plans outside a transaction and books inside one, again while others are quicker."""
    for _ in range(TRIES):
        try:
            if (done := work()) is not None:
                return done
        except IntegrityError:
            continue
        except OperationalError as error:
            if not is_crossed(error):
                raise
    raise Conflict(TAKEN["en"], TAKEN, {"rules": [], "alternatives": []})


def steadily(work: Callable[Given, Done]) -> Callable[Given, Done]:
    """Again when the database ended it for another one that it waited for in a circle."""

    @wraps(work)
    def steady(*given: Given.args, **named: Given.kwargs) -> Done:
        return attempt(lambda: work(*given, **named))

    return steady


def unchanged(desk: Desk, connection: Connection, course: Course) -> bool:
    """With patient and site held: whether everything is still as it was planned with."""
    cure = UUID(course.cure["cure"])
    care.hold_patient(connection, UUID(course.cure["patient"]), course.site)
    held = [one for one in store.of_cure(connection, cure) if one.state in HELD]
    return still_good(connection, course.whole, course.site, desk) and held == course.held


def held_fast(connection: Connection, appointment: UUID) -> Appointment:
    """An appointment that nobody else changes until the transaction ends. Raises NotFound.

    Patients first, then the site, then the rest: in one order, two transactions never wait in a circle.
    """
    known = store.appointment_of(connection, appointment)
    care.hold_patient(connection, known.patient, known.site)
    return store.appointment_of(connection, appointment, lock=True)


def require_open(desk: Desk, one: Appointment) -> None:
    """It is booked and still to come. Raises Conflict: what was, stays."""
    if one.state != "booked":
        words = STATES[one.state]
        raise said(
            Conflict,
            {
                "de": f"Termin {one.number} ist {words['de']}: daran ändert sich nichts mehr",
                "en": f"appointment {one.number} is {words['en']}: it is not changed any more",
            },
        )
    if one.starts_at <= desk.now():
        raise said(
            Conflict,
            {
                "de": f"Termin {one.number} hat um {one.starts_at:%d.%m.%Y %H:%M} UTC begonnen: "
                "Vergangenes wird nicht geändert",
                "en": f"appointment {one.number} began at {one.starts_at:%Y-%m-%d %H:%M} UTC: "
                "the past is not changed",
            },
        )


# --- move -----------------------------------------------------------------------------------------------
def check_move(desk: Desk, appointment: UUID, wanted: Moved) -> list[Row]:
    """The rules against it; none: it may be moved there. Raises Conflict for what is over."""
    course, one = _with_course(desk, appointment)
    require_open(desk, one)
    if wanted.scope == "this":
        return [reason.row() for reason in _against(course, one, _target(course, one, wanted))]
    found = _following(course, _target(course, one, wanted))
    return [reason.row() for reason in found.reasons] if isinstance(found, Refused) else []


def at_once(_connection: Connection) -> None:
    """Nothing more is asked before the change."""


def move(desk: Desk, appointment: UUID, wanted: Moved, by: str, still: Still = at_once) -> list[Appointment]:
    """Move it, or it and every following one. Raises Conflict with the rules and what would work."""

    def once() -> list[Appointment] | None:
        course, one = _with_course(desk, appointment)
        require_open(desk, one)
        changed = _moved(course, one, wanted)
        if not changed:
            return [one]
        with desk.writing() as connection:
            if not unchanged(desk, connection, course):
                return None
            still(connection)
            put_moved(desk, connection, changed, by, wanted.reason)
        return changed

    return attempt(once)


def put_moved(
    desk: Desk, connection: Connection, changed: Sequence[Appointment], by: str, reason: str
) -> None:
    """Rows, history and what is told. Raises IntegrityError, Conflict."""
    require_rest(connection, changed)
    store.put(connection, "moved", changed, by, reason, desk.at_us)
    desk.tell_all(connection, "moved", changed, reason)


def _with_course(desk: Desk, appointment: UUID) -> tuple[Course, Appointment]:
    with desk.reading() as connection:
        one = store.appointment_of(connection, appointment)
        return _course(desk, connection, one.cure), one


def _target(course: Course, one: Appointment, wanted: Moved) -> Placed:
    length = timedelta(minutes=course.whole.sites[course.site].appointment_min)
    return Placed(
        _place_of(course, one), wanted.starts_at, wanted.starts_at + length, wanted.device or one.device,
        wanted.therapist or one.therapist,
    )  # fmt: skip


def _place_of(course: Course, one: Appointment) -> int:
    """Where it stands among those that are held, from 1."""
    return [held.appointment for held in course.held].index(one.appointment) + 1


def _fixed(course: Course, besides: Sequence[Appointment]) -> list[Placed]:
    """Those that stay, with their places."""
    moving = {one.appointment for one in besides}
    return [
        reckon.placed_of(one, place)
        for place, one in enumerate(course.held, start=1)
        if one.appointment not in moving
    ]


def _against(course: Course, one: Appointment, target: Placed) -> list[Reason]:
    request = course.request(len(course.held), _fixed(course, [one]), Wishes())
    return ask.reasons_against(course.whole, request, [target], by_hand=True)


def _moved(course: Course, one: Appointment, wanted: Moved) -> list[Appointment]:
    target = _target(course, one, wanted)
    is_same = (target.starts_at, target.device, target.therapist) == (
        one.starts_at,
        one.device,
        one.therapist,
    )
    if is_same and wanted.scope == "this":
        return []
    if wanted.scope == "this":
        if reasons := _against(course, one, target):
            request = course.request(len(course.held), _fixed(course, [one]), Wishes())
            near = ask.places_near(course.whole, request, one.appointment, target)
            raise refusal(course.whole, request, reasons, near)
        return [at_place(course, one, target)]
    found = _following(course, target)
    if isinstance(found, Refused):
        later = course.held[target.number - 1 :]
        raise refusal(
            course.whole, course.request(len(course.held), _fixed(course, later)), list(found.reasons)
        )
    places = {placed.number: placed for placed in found}
    later = course.held[target.number - 1 :]
    changed = [at_place(course, held, places[n]) for n, held in enumerate(later, start=target.number)]
    return [new for new, old in zip(changed, later, strict=True) if new != old]


def _following(course: Course, target: Placed) -> Sequence[Placed] | Refused:
    """This one there and those behind it placed anew: at the same time of day, else as was wished."""
    later = course.held[target.number - 1 :]
    if reasons := ask.reasons_against(
        course.whole,
        course.request(len(course.held), _fixed(course, later), Wishes()),
        [target],
        by_hand=True,
    ):
        return Refused(tuple(reasons))
    fixed = [*_fixed(course, later), target]
    zone = course.whole.sites[course.site].zone
    found = ask.place(
        course.whole, course.request(len(course.held), fixed, _like(target, zone)), course.effort
    )
    if isinstance(found, Refused):
        again = wishes_again(course.cure["wishes"])
        found = ask.place(course.whole, course.request(len(course.held), fixed, again), course.effort)
    return found if isinstance(found, Refused) else found.appointments


def _like(target: Placed, zone: str) -> Wishes:
    from zoneinfo import ZoneInfo

    local = target.starts_at.astimezone(ZoneInfo(zone))
    start = local.hour * 60 + local.minute
    length = round((target.ends_at - target.starts_at).total_seconds() / 60)
    return Wishes(((start, start + length),), device=target.device, therapist=target.therapist)


def at_place(course: Course, one: Appointment, placed: Placed) -> Appointment:
    """The appointment moved there; the patient has to be told anew."""
    if (placed.starts_at, placed.device, placed.therapist) == (one.starts_at, one.device, one.therapist):
        return one
    clean_up = timedelta(minutes=course.whole.sites[course.site].clean_up_min)
    return replace(
        one, starts_at=placed.starts_at, ends_at=placed.ends_at, free_at=placed.ends_at + clean_up,
        device=placed.device, therapist=placed.therapist, confirmed=False,
    )  # fmt: skip


# --- cancel, confirm, missed ----------------------------------------------------------------------------
@steadily
def cancel(
    desk: Desk, appointment: UUID, scope: Scope, reason: str, by: str, still: Still = at_once
) -> list[Appointment]:
    """Call it off, or it and every following one; called off twice is once."""
    with desk.writing() as connection:
        one = held_fast(connection, appointment)
        still(connection)
        if one.state == "cancelled" and scope == "this":
            return []
        if scope == "this" or one.state == "booked":
            require_open(desk, one)
        chosen = [one] if scope == "this" else store.following(connection, one, desk.now())
        return call_off(desk, connection, chosen, by, reason)


@steadily
def confirm(desk: Desk, appointment: UUID, scope: Scope, reason: str, by: str) -> list[Appointment]:
    """The patient knows: no planner moves it by itself any more."""
    with desk.writing() as connection:
        one = held_fast(connection, appointment)
        require_open(desk, one)
        chosen = [one] if scope == "this" else store.following(connection, one, desk.now())
        changed = [replace(each, confirmed=True) for each in chosen if not each.confirmed]
        store.put(connection, "confirmed", changed, by, reason, desk.at_us)
        return changed


@steadily
def miss(desk: Desk, appointment: UUID, reason: str, by: str, still: Still = at_once) -> list[Appointment]:
    """The patient did not come. Raises Conflict before it began."""
    with desk.writing() as connection:
        one = held_fast(connection, appointment)
        still(connection)
        if one.state == "missed":
            return []
        if one.state == "booked" and one.starts_at > desk.now():
            raise said(
                Conflict,
                {
                    "de": f"Termin {one.number} beginnt erst {one.starts_at:%d.%m.%Y %H:%M} UTC: "
                    "wer absagt, hat ihn nicht versäumt",
                    "en": f"appointment {one.number} begins at {one.starts_at:%Y-%m-%d %H:%M} UTC: "
                    "who calls off has not missed it",
                },
            )
        if one.state != "booked":
            require_open(desk, one)
        changed = [replace(one, state="missed")]
        store.put(connection, "missed", changed, by, reason, desk.at_us)
        desk.tell_all(connection, "missed", changed, reason)
        end_if_over(desk, connection, one.cure)
        return changed


@steadily
def end(desk: Desk, cure: UUID, reason: str, by: str) -> list[Appointment]:
    """Nothing more of the cure takes place; ended twice is once."""
    with desk.writing() as connection:
        return end_cure(desk, connection, cure, reason, by)
