"""What sessions at the beds do to appointments: closed by a completed one, undecided after an aborted one."""

from dataclasses import replace

from sqlalchemy import Connection

from broker.messages import Event, SessionSummary
from services.kit.business.inbox import Heard
from services.kit.errors import SpondylError
from services.scheduler.booking import care, store
from services.scheduler.booking.changes import held_fast
from services.scheduler.booking.desk import SYSTEM, Desk
from services.scheduler.booking.ending import end_if_over
from services.scheduler.booking.models import Appointment, State
from services.scheduler.clock import us_of
from services.scheduler.errors import NotFound
from services.scheduler.progression import store as progression

ENDS = ("session.completed", "session.aborted")


def hear(desk: Desk, connection: Connection, heard: Heard) -> None:
    """One event of a bed. A session that belongs to no appointment of ours is passed over.

    Raises SpondylError for one that claims another patient's or another site's appointment.
    """
    event = heard.message
    if not isinstance(event, Event) or event.type not in ENDS or event.summary is None:
        return
    summary = event.summary
    if summary.appointment is None:
        return
    try:
        one = held_fast(connection, summary.appointment)
    except NotFound:
        return  # simulated beds invent some
    _require_same(connection, one, summary, heard.site)
    completed = event.type == "session.completed"
    if progression.add_result(connection, _result(one, summary, heard, completed=completed)):
        _close(desk, connection, one, summary, completed=completed)


def _require_same(connection: Connection, one: Appointment, summary: SessionSummary, site: str) -> None:
    told, planned = care.current(connection, summary.patient), care.current(connection, one.patient)
    if (told, site, summary.region) != (planned, one.site, one.region):
        raise SpondylError(
            f"session {summary.session} of patient {told} ({summary.region}) at {site} names the appointment "
            f"{one.appointment} of patient {planned} ({one.region}) at {one.site}"
        )


def _result(one: Appointment, summary: SessionSummary, heard: Heard, *, completed: bool) -> dict[str, object]:
    return {
        "session": str(summary.session), "cure": str(one.cure), "appointment": str(one.appointment),
        "number": one.number, "site": heard.site, "device": heard.device or one.device,
        "completed": completed, "reason": summary.reason, "ended_us": us_of(summary.ended_at),
        "peak_n": summary.peak_n, "traction_s": summary.traction_s, "guardings": summary.guardings,
        "pain_before": summary.pain_before, "pain_after": summary.pain_after,
    }  # fmt: skip


def _close(
    desk: Desk, connection: Connection, one: Appointment, summary: SessionSummary, *, completed: bool
) -> None:
    """The appointment as the session left it, what is told, the next prescription, the end of the cure.

    One that counts already stays counted, whatever another session of it came to.
    """
    if one.state == "completed":
        store.note(connection, "session", [one], SYSTEM, summary.reason, desk.at_us)
        return
    state: State = "completed" if completed else "undecided"
    changed = replace(one, state=state, session=summary.session)
    store.put_state(connection, state, changed, SYSTEM, summary.reason, desk.at_us)
    desk.tell_all(connection, state, [changed], "" if completed else summary.reason)
    if completed:
        cure = store.cure_of(connection, one.cure)
        progression.continue_automatically(desk, connection, cure)
        end_if_over(desk, connection, one.cure)
