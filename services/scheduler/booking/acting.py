"""What is done to an appointment, by whatever door it is asked: permitted, done, written down, given on.

The console's and a practice system's way to move one are the same way.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.scheduler.booking import changes, store, waiting
from services.scheduler.booking.changes import Still, at_once
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Appointment, Changed, Moved
from services.scheduler.resources.store import no_such


def appointment_seen(
    connection: Connection, appointment: UUID, who: Principal, *permissions: Permission
) -> Appointment:
    """One of a site where all this is permitted. Raises NotFound, as for one that does not exist."""
    one = store.appointment_of(connection, appointment)
    if not all(who.may(permission, one.site) for permission in permissions):
        raise no_such("appointment", "Termin", appointment)
    return one


def move(
    desk: Desk, who: Principal, appointment: UUID, wanted: Moved, still: Still = at_once
) -> Sequence[Appointment]:
    """Move it, or it and every following one; their places go to who waits. Raises NotFound, Conflict."""
    with desk.reading() as connection:
        before = appointment_seen(connection, appointment, who, "appointments.write")
        old = store.of_cure(connection, before.cure)
    changed = changes.move(desk, appointment, wanted, who.name, still)
    record = f"appointment {appointment}"
    desk.office.seen(who, "appointment.moved", record, before.site, reason=wanted.reason)
    moved = {one.appointment for one in changed}
    waiting.fill(desk, [one for one in old if one.appointment in moved and one not in changed])
    return changed


def cancel(
    desk: Desk, who: Principal, appointment: UUID, wanted: Changed, still: Still = at_once
) -> Sequence[Appointment]:
    """Call it off, or it and every following one; what is freed goes to who waits."""
    note(desk, who, appointment, "cancelled", wanted.reason)
    changed = changes.cancel(desk, appointment, wanted.scope, wanted.reason, who.name, still)
    waiting.fill(desk, changed)
    return changed


def miss(
    desk: Desk, who: Principal, appointment: UUID, wanted: Changed, still: Still = at_once
) -> Sequence[Appointment]:
    """The patient did not come."""
    note(desk, who, appointment, "missed", wanted.reason)
    return changes.miss(desk, appointment, wanted.reason, who.name, still)


def note(desk: Desk, who: Principal, appointment: UUID, action: str, reason: str) -> None:
    """A row of the trail, where this one may change it. Raises NotFound."""
    with desk.reading() as connection:
        one = appointment_seen(connection, appointment, who, "appointments.write")
    desk.office.seen(who, f"appointment.{action}", f"appointment {appointment}", one.site, reason=reason)
