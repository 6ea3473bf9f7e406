"""After a session that was broken off, or one that did not take place: it counts, is made up for, or ends the
cure.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from services.scheduler.booking import ask, reckon, store
from services.scheduler.booking.changes import (
    STATES,
    Course,
    attempt,
    course_of,
    held_fast,
    steadily,
    unchanged,
)
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.ending import end_cure, end_if_over
from services.scheduler.booking.models import Appointment, Decided, State
from services.scheduler.booking.series import TAKEN, refusal, require_rest
from services.scheduler.errors import Conflict, said
from services.scheduler.planner.problem import Placed, Refused


def decide(desk: Desk, appointment: UUID, decided: Decided, by: str) -> list[Appointment]:
    """What a session that was broken off counts as; one that was missed or cancelled may be made up for."""
    with desk.reading() as connection:
        one = store.appointment_of(connection, appointment)
        before = {row["action"] for row in store.history_of(connection, appointment)}
    may_repeat = one.state in ("missed", "cancelled") and "repeat" not in before
    if one.state != "undecided" and not (decided.decision == "repeat" and may_repeat):
        words = STATES[one.state]
        raise said(
            Conflict,
            {
                "de": f"Termin {one.number} ist {words['de']}: es gibt nichts zu entscheiden",
                "en": f"appointment {one.number} is {words['en']}: there is nothing to decide",
            },
        )
    if decided.decision == "repeat":
        return _repeat(desk, one, decided.reason, by)
    return _decided(desk, one, decided, by)


@steadily
def _decided(desk: Desk, one: Appointment, decided: Decided, by: str) -> list[Appointment]:
    state: State = "completed" if decided.decision == "counts" else "aborted"
    with desk.writing() as connection:
        changed = [_settle(desk, connection, one, state, decided.decision, decided.reason, by)]
        if decided.decision == "end":
            changed += end_cure(desk, connection, one.cure, decided.reason, by)
        else:
            end_if_over(desk, connection, one.cure)
        return changed


def _settle(
    desk: Desk, connection: Connection, read: Appointment, state: State, action: str, reason: str, by: str
) -> Appointment:
    """Once: whoever decided in the meantime was quicker. Raises Conflict."""
    one = held_fast(connection, read.appointment)
    before = {row["action"] for row in store.history_of(connection, one.appointment)}
    if one.state != read.state or (action == "repeat" and "repeat" in before):
        raise Conflict(TAKEN["en"], TAKEN)
    changed = replace(one, state=state)
    store.put(connection, action, [changed], by, reason, desk.at_us)
    if state != read.state:
        desk.tell_all(connection, "completed" if state == "completed" else "cancelled", [changed], reason)
    return changed


def _repeat(desk: Desk, one: Appointment, reason: str, by: str) -> list[Appointment]:
    """One more appointment behind the others, as the cure's wishes and its cadence say. Raises Conflict."""

    def once() -> list[Appointment] | None:
        course = course_of(desk, one.cure)
        stay = [held for held in course.held if held.appointment != one.appointment]
        fixed = [reckon.placed_of(held, place) for place, held in enumerate(stay, start=1)]
        start = None if stay else desk.now().date()
        request = course.request(len(stay) + 1, fixed, start=start)
        found = ask.place(course.whole, request, course.effort)
        if isinstance(found, Refused):
            raise refusal(course.whole, request, found.reasons)
        with desk.writing() as connection:
            if not unchanged(desk, connection, course):
                return None
            state: State = "aborted" if one.state == "undecided" else one.state
            settled = _settle(desk, connection, one, state, "repeat", reason, by)
            return [settled, _append(desk, connection, course, one, found.appointments[-1], by, reason)]

    return attempt(once)


def _append(
    desk: Desk, connection: Connection, course: Course, one: Appointment, placed: Placed, by: str, reason: str
) -> Appointment:
    number = max(each.number for each in store.of_cure(connection, one.cure)) + 1
    clean_up = timedelta(minutes=course.whole.sites[course.site].clean_up_min)
    made = Appointment(
        uuid4(), one.cure, one.patient, one.site, placed.device, placed.therapist, one.region, number,
        placed.starts_at, placed.ends_at, placed.ends_at + clean_up, "booked", confirmed=False,
    )  # fmt: skip
    require_rest(connection, [made])
    store.add(connection, [made], by, reason, desk.at_us)
    desk.tell_all(connection, "booked", [made], reason)
    return made
