"""What a programme does by itself: it starts when an exercise is open at home, it is over by its day."""

from datetime import date, datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, func, select

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.homecare.diary.tables import ENTRIES
from services.homecare.models import Programme
from services.homecare.programmes import course, states, store
from services.homecare.programmes.states import State, Turn
from services.homecare.progression.today import Course, last_day, plan
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
            due = _due(connection, at)
        changed = sum(self._one(programme, at) for programme in due)
        if changed:
            self._office.outbox.woken.set()
        return changed

    def _one(self, programme: UUID, at: datetime) -> bool:
        with writing(self._office.engine) as connection:
            found = store.held(connection, programme)
            return settle(self._office, connection, found, at) != found.state


def _due(connection: Connection, at: datetime) -> list[UUID]:
    """Those that have a turn to take, without holding anybody up for the others."""
    every = store.unfinished(connection)
    days = {site: ZONES.day(connection, site, at) for site in {one.site for one in every}}
    found = course.courses(connection, [one for one in every if one.state == "supervised"])
    return [one.id for one in every if _next(one, found.get(one.id), days[one.site]) is not None]


def _next(programme: Programme, now: Course | None, today: date) -> Turn | None:
    """What it does by itself on this day; ``now``: where it stands, of one that has not begun."""
    if last_day(programme.wanted) < today:
        return "completed"
    if programme.state != "supervised" or now is None:
        return None
    day = plan(programme.wanted, programme.decision, now, today)
    return "started" if day.is_inside and any(one.status == "open" for one in day.items) else None


def settle(office: Office, connection: Connection, programme: Programme, at: datetime) -> State:
    """Let it start or be over, where it is due, and tell it; the state that it is in then."""
    today = ZONES.day(connection, programme.site, at)
    if programme.state not in states.OPEN:
        return programme.state
    turn = _next(programme, course.of(connection, programme, today), today)
    if turn is None:
        return programme.state
    state = take(connection, programme, turn, at)
    data: dict[str, object] = {"cure": programme.cure and str(programme.cure), "region": programme.region}
    if turn == "completed":
        data = dict(_counted(connection, programme))
    tell(office, connection, programme, f"programme.{turn}", at, **data)
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
