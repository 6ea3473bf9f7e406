"""All SQL of the gateway's ``session.db``: sessions, operators' notes, actions and reports.

The panel writes, the recorder reads. A session's number counts up over the gateway's life and is never used
again; the row is committed before the kernel hears of the session. Notes and actions only grow.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.bedside.reports import Report
from services.controller.errors import StoreUnavailable, UnknownSession
from services.controller.rows import (
    NewSession,
    Note,
    Session,
    action_of,
    id_text,
    note_of,
    now,
    report_of,
    report_row,
    session_of,
)
from services.controller.tables import (
    ACKNOWLEDGEMENTS,
    ACTIONS,
    APPEND_ONLY,
    CLOCK,
    METADATA,
    NOTES,
    REPORTS,
    SESSIONS,
)
from services.kit import database


class Store:
    """``session.db`` of one gateway. Every method is one transaction; failures raise StoreUnavailable.

    ``read_only`` makes nothing and never waits for whoever writes; a file of an earlier release it brings up
    to date as the panel does, which may start later.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._engine = database.open_database(f"sqlite:///{path}")
        if read_only:
            if self._is_older():
                with self._writing() as connection:
                    _grow(connection)
            sa.event.listen(self._engine, "connect", _query_only)
            self._engine.dispose()  # the connection it was tried with
            return
        database.create_schema(self._engine, METADATA)
        with self._writing() as connection:
            _grow(connection)
            for trigger in APPEND_ONLY:
                connection.execute(trigger)

    def _is_older(self) -> bool:
        with self._reading() as connection:
            is_there = sa.inspect(connection).has_table(SESSIONS.name)
            return is_there and bool(_lacking(connection))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def ping(self) -> None:
        """Raise StoreUnavailable when nothing can be read."""
        with self._reading() as connection:
            connection.execute(sa.select(sa.literal(1)))

    # --- a session's life --------------------------------------------------------------------------------

    def add(self, new: NewSession) -> Session:
        """Commit a session's row, state ``loading``, with its new number."""
        row = new.as_row()
        with self._writing() as connection:
            connection.execute(SESSIONS.insert().values(row))
            return _one(connection, SESSIONS.c.session == row["session"])

    def set_parameters(
        self, session: UUID, parameters: Sequence[float], prescription: Mapping[str, Any] | None = None
    ) -> None:
        """Keep what was compiled, and the prescription it came from when that has changed."""
        values: dict[str, Any] = {"parameters": json.dumps([float(value) for value in parameters])}
        if prescription is not None:
            values["prescription"] = json.dumps(dict(prescription))
        self._update(session, values)

    def loaded(self, session: UUID) -> None:
        """The kernel has taken it."""
        self._update(session, {"state": "open"})

    def refuse(self, session: UUID) -> None:
        """The kernel has not taken it: nothing happened, the row says so."""
        self._update(session, {"state": "refused", "ended_at": now()})

    def started(self, session: UUID) -> None:
        """Traction was started for the first time."""
        self._update(session, {"started_at": now()}, SESSIONS.c.started_at.is_(None))

    def ended(self, session: UUID) -> None:
        """The kernel has left the session."""
        self._update(session, {"state": "closed", "ended_at": now()}, SESSIONS.c.ended_at.is_(None))

    def set_pain(self, session: UUID, when: Literal["before", "after"], value: int) -> None:
        """Pain by the numeric rating scale, 0 to 10."""
        self._update(session, {f"pain_{when}": value})

    def add_note(self, session: UUID, operator: str, text: str) -> None:
        """Append a note."""
        row = {"session": str(session), "at": now(), "operator": operator, "text": text}
        with self._writing() as connection:
            connection.execute(NOTES.insert().values(row))

    def add_action(
        self,
        device: str,
        session: UUID | None,
        operator: str,
        action: str,
        *,
        accepted: bool,
        detail: str,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Append what an operator did and what came of it."""
        row = {
            "session": id_text(session),
            "device": device,
            "at": now(),
            "operator": operator,
            "action": action,
            "accepted": accepted,
            "detail": detail,
            "data": json.dumps(dict(data or {})),
        }
        with self._writing() as connection:
            connection.execute(ACTIONS.insert().values(row))

    # --- looking up --------------------------------------------------------------------------------------

    def by_number(self, session_no: int) -> Session | None:
        """The session the kernel calls by this number."""
        return self._find(SESSIONS.c.session_no == session_no)

    def by_id(self, session: UUID) -> Session:
        """One session; raises UnknownSession."""
        found = self._find(SESSIONS.c.session == str(session))
        if found is None:
            raise UnknownSession(f"there is no session {session} at this gateway")
        return found

    def unfinished(self) -> list[Session]:
        """Sessions that have not ended as far as is known here."""
        with self._reading() as connection:
            rows = connection.execute(SESSIONS.select().where(SESSIONS.c.ended_at.is_(None))).mappings()
            return [session_of(row) for row in rows]

    def of_appointments(self, appointments: Sequence[UUID]) -> dict[UUID, Session]:
        """The newest session of each of them that the kernel took."""
        names = [str(appointment) for appointment in appointments]
        query = SESSIONS.select().where(
            SESSIONS.c.appointment.in_(names), SESSIONS.c.state.in_(("open", "closed"))
        )
        with self._reading() as connection:
            rows = [
                session_of(row)
                for row in connection.execute(query.order_by(SESSIONS.c.session_no)).mappings()
            ]
        return {session.appointment: session for session in rows if session.appointment is not None}

    def notes(self, session: UUID) -> list[Note]:
        """The session's notes, oldest first."""
        query = NOTES.select().where(NOTES.c.session == str(session)).order_by(NOTES.c.id)
        with self._reading() as connection:
            rows = connection.execute(query).mappings()
            return [note_of(row) for row in rows]

    def actions(self, session: UUID) -> list[dict[str, Any]]:
        """What operators did in the session, oldest first."""
        query = ACTIONS.select().where(ACTIONS.c.session == str(session)).order_by(ACTIONS.c.id)
        with self._reading() as connection:
            rows = connection.execute(query).mappings()
            return [action_of(row) for row in rows]

    def add_report(self, made: Report) -> None:
        """Append a report of an adverse event, once by its id."""
        row = report_row(made)
        with self._writing() as connection:
            known = REPORTS.select().where(REPORTS.c.report == row["report"])
            if connection.execute(known).first() is None:
                connection.execute(REPORTS.insert().values(row))

    def reports(self, behind: int = 0) -> list[tuple[int, Report]]:
        """The reports of adverse events behind a row, each with its row."""
        query = REPORTS.select().where(REPORTS.c.id > behind).order_by(REPORTS.c.id)
        with self._reading() as connection:
            return [(row["id"], report_of(row)) for row in connection.execute(query).mappings()]

    def add_acknowledgement(self, given: Acknowledgement) -> None:
        """Append who has seen an occurrence of an alarm."""
        with self._writing() as connection:
            connection.execute(ACKNOWLEDGEMENTS.insert().values(given.as_row()))

    def acknowledgements(self, boot: UUID) -> list[Acknowledgement]:
        """Those of the loop's boot, oldest first."""
        of_boot = ACKNOWLEDGEMENTS.select().where(ACKNOWLEDGEMENTS.c.boot == str(boot))
        with self._reading() as connection:
            rows = connection.execute(of_boot.order_by(ACKNOWLEDGEMENTS.c.id)).mappings()
            return [Acknowledgement.of_row(row) for row in rows]

    def last_treated(self, device: str) -> Session | None:
        """The last session at this bed that was started."""
        query = SESSIONS.select().where(SESSIONS.c.device == device, SESSIONS.c.started_at.is_not(None))
        with self._reading() as connection:
            newest = query.order_by(SESSIONS.c.session_no.desc()).limit(1)
            row = connection.execute(newest).mappings().first()
            return session_of(row) if row is not None else None

    def clock_anchor(self, machine_boot: str, wall_s: float, steady_s: float) -> tuple[float, float]:
        """The (wall, steady) seconds to count from since the machine started; these, when there are none."""
        row = {"machine_boot": machine_boot, "wall_s": wall_s, "steady_s": steady_s}
        with self._writing() as connection:
            known = CLOCK.select().where(CLOCK.c.machine_boot == machine_boot)
            found = connection.execute(known).mappings().first()
            if found is not None:
                return found["wall_s"], found["steady_s"]
            connection.execute(CLOCK.delete())
            connection.execute(CLOCK.insert().values(row))
            return wall_s, steady_s

    def move_clock_anchor(self, machine_boot: str, wall_s: float, steady_s: float) -> None:
        """The anchor is this one from now on; only ever to a later time."""
        later = CLOCK.c.wall_s - CLOCK.c.steady_s < wall_s - steady_s
        moved = CLOCK.update().where(CLOCK.c.machine_boot == machine_boot, later)
        with self._writing() as connection:
            connection.execute(moved.values(wall_s=wall_s, steady_s=steady_s))

    # --- plumbing ----------------------------------------------------------------------------------------

    def _find(self, condition: sa.ColumnElement[bool]) -> Session | None:
        with self._reading() as connection:
            row = connection.execute(SESSIONS.select().where(condition)).mappings().first()
            return session_of(row) if row is not None else None

    def _update(self, session: UUID, values: Mapping[str, Any], *conditions: sa.ColumnElement[bool]) -> None:
        statement = SESSIONS.update().where(SESSIONS.c.session == str(session), *conditions).values(values)
        with self._writing() as connection:
            connection.execute(statement)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _plainly(), database.writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _plainly(), database.reading(self._engine) as connection:
            yield connection


def _query_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


@contextmanager
def _plainly() -> Iterator[None]:
    """A database's failure in one line."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise StoreUnavailable(f"the session log cannot be used: {str(reason).splitlines()[0]}") from error


def _one(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Session:
    return session_of(connection.execute(SESSIONS.select().where(condition)).mappings().one())


def _grow(connection: sa.Connection) -> None:
    """Add the columns that a file of an earlier release lacks."""
    for name in _lacking(connection):
        connection.execute(sa.text(f"ALTER TABLE sessions ADD COLUMN {name} TEXT"))


def _lacking(connection: sa.Connection) -> list[str]:
    present = {row["name"] for row in sa.inspect(connection).get_columns(SESSIONS.name)}
    return [name for name in ("account", "cleared_until", "correlation") if name not in present]
