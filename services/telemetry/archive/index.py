"""The SQL index of the archive: what lies where; SQLite on one machine, PostgreSQL by URL for many."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.exc import SQLAlchemyError

from services.kit.auth.principal import Sites
from services.kit.database import PATIENCE_S, Migrate, Prepared, migrate, open_database, reading, writing
from services.kit.moments import now_us
from services.telemetry.archive.rows import (
    NOTHING,
    Commit,
    Marks,
    ObjectRow,
    SessionRow,
    Span,
    Stray,
    object_of,
    parse_cursor,
    session_of,
    source_of,
    spans_of,
)
from services.telemetry.archive.steps import commit_steps
from services.telemetry.archive.tables import BOOTS, GAPS, OBJECTS, SESSIONS, STRAYS, TOMBSTONES
from services.telemetry.errors import ArchiveUnavailable, UnknownSession
from services.telemetry.models import KINDS, MAX_SEQ, Gap, Kind, Place, Source

PACKAGE: Final = "services.telemetry"
_STATE: Final = "session."
BOOTS_AT_ONCE: Final = 5000  # values in one IN (...)
_Limit = ColumnElement[bool]


class Index:
    """Many threads may use it at once. Every method raises ArchiveUnavailable when the database is away."""

    def __init__(self, url: str, patience_s: float = PATIENCE_S, migrating: Migrate = "at-start") -> None:
        """Opens the database and brings its tables up to date. Raises SpondylError."""
        self.engine = open_database(url, patience_s)
        try:
            migrate(self.engine, PACKAGE, migrating)
        except BaseException:
            self.engine.dispose()
            raise
        self._within = {kind: Prepared(self.engine, _within(kind)) for kind in KINDS}

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    # --- writing --------------------------------------------------------------------------------------------
    def commit(self, step: Commit) -> bool:
        """Make a step of the archive known; False, and nothing done, when the marks are not ``before``."""
        return self.commit_all([step])[0]

    def commit_all(self, steps: Sequence[Commit]) -> list[bool]:
        """The same for many steps in one transaction: each is taken or left by itself, in order."""
        with self.write() as connection:
            return commit_steps(connection, steps, now_us())

    def strays(self) -> list[tuple[Source, Stray]]:
        """What was stored and cannot be read, byte for byte."""
        query = select(STRAYS, BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot).join(BOOTS)
        with self.read() as connection:
            rows = connection.execute(query.order_by(STRAYS.c.archived_at_us, STRAYS.c.first)).mappings()
            return [
                (
                    source_of(row),
                    Stray(row["kind"], row["first"], row["after"], row["content"], row["reason"]),
                )
                for row in rows
            ]

    def stray_rows(self) -> list[dict[str, Any]]:
        """Where each of them was, its size and why it cannot be read; without its content."""
        columns = [STRAYS.c[name] for name in ("kind", "first", "after", "sha256", "reason")]
        place = [BOOTS.c[name] for name in ("site", "device", "boot")]
        query = select(*place, *columns, func.length(STRAYS.c.content).label("bytes")).join(BOOTS)
        order = (*place, STRAYS.c.kind, STRAYS.c.first)
        with self.read() as connection:
            return [dict(row) for row in connection.execute(query.order_by(*order)).mappings()]

    # --- boots ----------------------------------------------------------------------------------------------
    def sources(self) -> list[Source]:
        """Every device and boot that the archive has anything of."""
        with self.read() as connection:
            query = select(BOOTS).order_by(BOOTS.c.site, BOOTS.c.device, BOOTS.c.id)
            return [source_of(row) for row in connection.execute(query).mappings()]

    def places(self) -> list[Place]:
        """Every device that the archive has anything of."""
        with self.read() as connection:
            found = connection.execute(select(BOOTS.c.site, BOOTS.c.device).distinct())
            return sorted(Place(site, device) for site, device in found)

    def boots(self, place: Place) -> list[UUID]:
        """A device's boots in the order in which they were archived first."""
        query = select(BOOTS.c.boot).where(BOOTS.c.site == place.site, BOOTS.c.device == place.device)
        with self.read() as connection:
            return [UUID(boot) for (boot,) in connection.execute(query.order_by(BOOTS.c.id))]

    def marks(self, source: Source) -> Marks:
        """Below these numbers everything is archived or named as a gap."""
        return self.all_marks([source]).get(source, dict(NOTHING))

    def all_marks(self, sources: Iterable[Source]) -> dict[Source, Marks]:
        """The marks of those sources of which anything is archived."""
        return {source_of(row): {kind: row[_mark(kind)] for kind in KINDS} for row in self._boots(sources)}

    def archived_before(self, sources: Iterable[Source], before_us: int) -> set[Source]:
        """Those of which the last was archived before a time."""
        return {source_of(row) for row in self._boots(sources) if row["archived_at_us"] < before_us}

    def _boots(self, sources: Iterable[Source]) -> Iterator[RowMapping]:
        boots = iter(sorted({str(source.boot) for source in sources}))
        with self.read() as connection:
            while part := list(islice(boots, BOOTS_AT_ONCE)):
                yield from connection.execute(select(BOOTS).where(BOOTS.c.boot.in_(part))).mappings()

    def gaps(self, source: Source) -> list[Gap]:
        """The numbers that are known to come never, as far as the archive goes."""
        with self.read() as connection:
            rows = connection.execute(
                select(GAPS).join(BOOTS).where(_is(source)).order_by(GAPS.c.kind, GAPS.c.first)
            )
            return [Gap(row.kind, source, row.first, row.after, row.reason) for row in rows]

    # --- objects --------------------------------------------------------------------------------------------
    def spans(self, kind: Kind, source: Source) -> list[Span]:
        """(first, after) of every stretch that was archived, what has expired since included; in order.

        A number that lies in two of them was archived twice.
        """
        found: list[Span] = []
        with self.read() as connection:
            for table in (OBJECTS, TOMBSTONES):
                for (spans,) in connection.execute(select(table.c.spans).join(BOOTS).where(_is(source))):
                    found += spans_of(spans)[kind]
        return sorted(found)

    def objects(
        self, source: Source, kind: Kind, first: int = 0, after: int | None = None
    ) -> list[ObjectRow]:
        """The objects that hold any of the numbers ``first`` .. ``after - 1`` (None: all), in order."""
        place = {"site": source.place.site, "device": source.place.device, "boot": str(source.boot)}
        window = {"from": first, "to": MAX_SEQ if after is None else after}
        try:
            return [object_of(row) for row in self._within[kind].rows(place | window)]
        except SQLAlchemyError as error:
            raise ArchiveUnavailable(_words(error)) from None

    def objects_between(self, place: Place, since_us: int, until_us: int) -> list[ObjectRow]:
        """A device's objects of samples that reach into a time, of any boot, oldest first."""
        where = and_(BOOTS.c.site == place.site, BOOTS.c.device == place.device)
        within = and_(OBJECTS.c.ended_at_us > since_us, OBJECTS.c.started_at_us < until_us)
        return self._objects(
            where, within, OBJECTS.c.tension_first.is_not(None), order=OBJECTS.c.started_at_us
        )

    def all_objects(
        self, *, since_us: int | None = None, before_us: int | None = None, behind: int = 0, limit: int = 1000
    ) -> list[ObjectRow]:
        """A page of the objects that end in this time, by id from behind ``behind`` on."""
        limits: list[_Limit] = [OBJECTS.c.id > behind]
        if since_us is not None:
            limits.append(OBJECTS.c.ended_at_us >= since_us)
        if before_us is not None:
            limits.append(OBJECTS.c.ended_at_us < before_us)
        return self._objects(*limits, order=OBJECTS.c.id, limit=limit)

    def directories_of(self, ids: Iterable[int]) -> dict[int, bytes]:
        """The directories of several objects, by their ids."""
        query = select(OBJECTS.c.id, OBJECTS.c.directory).where(OBJECTS.c.id.in_(list(ids)))
        with self.read() as connection:
            return {number: directory for number, directory in connection.execute(query)}  # noqa: C416  (rows)

    def directory(self, object_id: int) -> bytes:
        """An object's directory, kept here so that a window costs no look into the store for it."""
        with self.read() as connection:
            found: bytes = connection.execute(
                select(OBJECTS.c.directory).where(OBJECTS.c.id == object_id)
            ).scalar_one()
            return found

    def directories(self, *, since_us: int | None = None, before_us: int | None = None) -> list[bytes]:
        """The directories of all objects that end in this time, in one query."""
        limits: list[_Limit] = []
        if since_us is not None:
            limits.append(OBJECTS.c.ended_at_us >= since_us)
        if before_us is not None:
            limits.append(OBJECTS.c.ended_at_us < before_us)
        with self.read() as connection:
            return list(connection.execute(select(OBJECTS.c.directory).where(*limits)).scalars())

    def count_objects(self) -> int:
        """How many objects there are."""
        with self.read() as connection:
            return int(connection.execute(select(func.count()).select_from(OBJECTS)).scalar_one())

    def known_paths(self, paths: Iterable[str]) -> set[str]:
        """Which of these are objects, or were until they expired."""
        wanted = list(paths)
        with self.read() as connection:
            return {
                path
                for table in (OBJECTS, TOMBSTONES)
                for (path,) in connection.execute(select(table.c.path).where(table.c.path.in_(wanted)))
            }

    def undead(self) -> list[str]:
        """Objects that have expired and were not deleted from the store yet."""
        with self.read() as connection:
            query = select(TOMBSTONES.c.path).where(TOMBSTONES.c.deleted_at_us.is_(None))
            return sorted(path for (path,) in connection.execute(query))

    # --- sessions -------------------------------------------------------------------------------------------
    def session(self, session: UUID) -> SessionRow:
        """One session. Raises UnknownSession."""
        with self.read() as connection:
            found = connection.execute(select(SESSIONS).where(SESSIONS.c.id == str(session)))
            row = found.mappings().one_or_none()
        if row is None:
            raise UnknownSession(f"session {session} is not in the archive")
        return session_of(row)

    def sessions(
        self,
        *,
        site: str | None = None,
        device: str | None = None,
        cure: UUID | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        state: str | None = None,
        region: str | None = None,
        patient: UUID | None = None,
        appointment: UUID | None = None,
        sites: Sites = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> tuple[list[SessionRow], str | None]:
        """A page of the sessions that started in this time, newest first, and the cursor of the next page.

        ``sites``: none but these are looked at. ``state`` is completed, aborted or lost (its end was never
        heard of). Raises BadCursor.
        """
        equal = {
            "site": site, "device": device, "region": region,
            "cure": cure, "patient": patient, "appointment": appointment,
        }  # fmt: skip
        limits = [SESSIONS.c[name] == str(value) for name, value in equal.items() if value is not None]
        if sites is not None:
            limits.append(SESSIONS.c.site.in_(sorted(sites)))
        if since_us is not None:
            limits.append(SESSIONS.c.started_at_us >= since_us)
        if until_us is not None:
            limits.append(SESSIONS.c.started_at_us < until_us)
        if state is not None:
            limits.append(SESSIONS.c.ended_by == (None if state == "lost" else f"{_STATE}{state}"))
        if cursor is not None:
            limits.append(tuple_(SESSIONS.c.started_at_us, SESSIONS.c.id) < parse_cursor(cursor))
        newest_first = (SESSIONS.c.started_at_us.desc(), SESSIONS.c.id.desc())
        with self.read() as connection:
            query = select(SESSIONS).where(*limits).order_by(*newest_first).limit(limit + 1)
            rows = [session_of(row) for row in connection.execute(query).mappings()]
        page = rows[:limit]
        return page, f"{page[-1].started_at_us}.{page[-1].id}" if len(rows) > limit else None

    def known_sessions(self, sessions: Iterable[UUID]) -> set[UUID]:
        """Which of these are in the archive with their end."""
        mine = SESSIONS.c.id.in_([str(session) for session in sessions])
        with self.read() as connection:
            found = connection.execute(select(SESSIONS.c.id).where(mine, SESSIONS.c.ended_by.is_not(None)))
            return {UUID(session) for (session,) in found}

    # --- connections ----------------------------------------------------------------------------------------
    def read(self) -> "Guarded":
        """A consistent view of the database; its own errors become ArchiveUnavailable."""
        return Guarded(reading(self.engine))

    def write(self) -> "Guarded":
        """A transaction that writes; its own errors become ArchiveUnavailable."""
        return Guarded(writing(self.engine))

    def _objects(
        self, *limits: _Limit, order: ColumnElement[Any], limit: int | None = None
    ) -> list[ObjectRow]:
        columns = [column for column in OBJECTS.c if column is not OBJECTS.c.directory]
        query = select(*columns, BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot).join(BOOTS)
        with self.read() as connection:
            found = connection.execute(query.where(*limits).order_by(order, OBJECTS.c.id).limit(limit))
            return [object_of(row) for row in found.mappings()]


def _within(kind: Kind) -> Select[Any]:
    """The objects of a boot that hold any number of a window, in order."""
    begins, ends = OBJECTS.c[f"{kind}_first"], OBJECTS.c[f"{kind}_after"]
    columns = [column for column in OBJECTS.c if column is not OBJECTS.c.directory]
    query = select(*columns, BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot).join(BOOTS).where(*_named())
    return query.where(begins < bindparam("to"), ends > bindparam("from")).order_by(begins, OBJECTS.c.id)


def _named() -> list[_Limit]:
    """The boot that the parameters name."""
    return [BOOTS.c[name] == bindparam(name) for name in ("site", "device", "boot")]


class Guarded:
    """A transaction whose database errors are told in the house's words."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def __enter__(self) -> Connection:
        try:
            connection: Connection = self._transaction.__enter__()
        except SQLAlchemyError as error:
            raise ArchiveUnavailable(_words(error)) from None
        else:
            return connection

    def __exit__(self, *failure: object) -> None:
        try:
            self._transaction.__exit__(*failure)
        except SQLAlchemyError as error:
            raise ArchiveUnavailable(_words(error)) from None
        if isinstance(failure[1], SQLAlchemyError):  # of a statement: the transaction lets it pass
            raise ArchiveUnavailable(_words(failure[1])) from None


def _words(error: SQLAlchemyError) -> str:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return f"the archive's index does not answer: {reason}"


def _mark(kind: Kind) -> Any:
    return BOOTS.c[f"{kind}_after"]


def _is(source: Source) -> _Limit:
    return and_(
        BOOTS.c.site == source.place.site,
        BOOTS.c.device == source.place.device,
        BOOTS.c.boot == str(source.boot),
    )
