"""What a programme does by itself: it starts when an exercise is open at home, it is over by its day."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, func, select

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.homecare.diary.tables import ENTRIES
from services.homecare.models import Programme
from services.homecare.programmes import course, states, store
from services.homecare.programmes.states import State, Turn
from services.homecare.progression.today import last_day, plan
from services.homecare.tables import ZONES
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of, utc_now

OURSELVES: Final = "homecare"  # in whose name a programme turns by itself


class Settling:
    """``turn`` is called again and again."""

    def __init__(self, office: Office, now: Now = utc_now) -> None:
        self._office, self._now = office, now

    def turn(self) -> int:
        """Start and complete what is due; how many programmes changed."""
        at = self._now()
        with reading(self._office.engine) as connection:
            due = [one.id for one in store.unfinished(connection) if _may_turn(connection, one, at)]
        changed = sum(self._one(programme, at) for programme in due)
        if changed:
            self._office.outbox.woken.set()
        return changed

    def _one(self, programme: UUID, at: datetime) -> bool:
        with writing(self._office.engine) as connection:
            found = store.held(connection, programme)
            return settle(self._office, connection, found, at) != found.state


def _may_turn(connection: Connection, one: Programme, at: datetime) -> bool:
    if one.state == "supervised" and one.suspended is None:
        return True
    return last_day(one.wanted) < ZONES.day(connection, one.site, at)


def settle(office: Office, connection: Connection, programme: Programme, at: datetime) -> State:
    """Let it start or be over, where it is due, and tell it; the state that it is in then."""
    today = ZONES.day(connection, programme.site, at)
    if programme.state not in states.OPEN:
        return programme.state
    if last_day(programme.wanted) < today:
        state = take(connection, programme, "completed", at)
        tell(office, connection, programme, "programme.completed", at, **_counted(connection, programme))
        return state
    if programme.state != "supervised":
        return programme.state
    day = plan(programme.wanted, programme.decision, course.of(connection, programme, today), today)
    if not day.is_inside or all(one.status != "open" for one in day.items):
        return programme.state
    state = take(connection, programme, "started", at)
    data = {"cure": programme.cure and str(programme.cure), "region": programme.region}
    tell(office, connection, programme, "programme.started", at, **data)
    return state


def take(
    connection: Connection, programme: Programme, turn: Turn, at: datetime, *, reason: str = "",
    who: Principal | None = None, request: UUID | None = None,
) -> State:  # fmt: skip
    """Let a programme that is held take a turn. Raises Conflict where its state has none such."""
    was_started = store.was_started(connection, programme.id)
    state = states.after(programme.state, turn, was_started=was_started)
    at_us = us_of(at)
    store.put(connection, programme.id, state=state, changed_us=at_us)
    store.add_turn(
        connection, programme.id, turn, reason, who.name if who else OURSELVES, at_us,
        account=who.account if who else None, request=request,
    )  # fmt: skip
    return state


def tell(
    office: Office, connection: Connection, programme: Programme, kind: str, at: datetime, **data: object
) -> None:
    """An event of a programme, in the transaction of what it tells."""
    told = {"programme": str(programme.id), "patient": str(programme.patient), **data}
    event = ClinicEvent.model_validate({"id": uuid4(), "type": kind, "time": at, "data": told})
    office.outbox.add(connection, STREAMS["programme"], programme.site, event)


def _counted(connection: Connection, programme: Programme) -> dict[str, int]:
    """On how many days something was done, and on how many it was due."""
    wanted = programme.wanted
    done = select(func.count(ENTRIES.c.day.distinct())).where(
        ENTRIES.c.programme == str(programme.id),
        ENTRIES.c.kind.in_(("exercise", "session")),
        ENTRIES.c.day.between(wanted.starts_on, last_day(wanted)),
    )
    return {
        "done_days": int(connection.execute(done).scalar_one()),
        "due_days": wanted.weeks * wanted.days_per_week,
    }
