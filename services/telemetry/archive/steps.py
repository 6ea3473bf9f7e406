"""Steps of the archive, many in one transaction: compare the marks, move them, add what is new."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from services.telemetry.archive.rows import (
    NOTHING,
    Commit,
    Marks,
    gap_values,
    object_values,
    session_values,
    source_of,
    stray_values,
)
from services.telemetry.archive.tables import BOOTS, GAPS, OBJECTS, SESSIONS, STRAYS
from services.telemetry.models import KINDS, Source

_DIALECTS: Final = {"sqlite": sqlite, "postgresql": postgresql}
_ADDED: Final = (OBJECTS, GAPS, STRAYS, BOOTS)
# Built once: making a statement takes longer than running it.
_ADD: Final = {
    (name, table.name): dialect.insert(table).on_conflict_do_nothing()
    for name, dialect in _DIALECTS.items()
    for table in _ADDED
}
_MOVE: Final = (
    update(BOOTS)
    .where(BOOTS.c.id == bindparam("boot_id"))
    .values({f"{kind}_after": bindparam(f"moved_{kind}") for kind in KINDS})
    .values(archived_at_us=bindparam("now_us"))
)


def commit_steps(connection: Connection, steps: Sequence[Commit], now_us: int) -> list[bool]:
    """Make steps known in their order; False for each whose marks are not ``before``: of it nothing is done.

    A handful of statements for however many steps. The boots' rows are locked until the transaction ends.
    """
    boots = _locked(connection, {step.source for step in steps})
    done: list[tuple[int, Commit]] = []
    moved: dict[int, Marks] = {}
    fates = []
    for step in steps:
        boot_id, marks = boots[step.source]
        fits = all(marks[kind] == step.before[kind] for kind in KINDS)
        fates.append(fits)
        if fits:
            boots[step.source] = boot_id, step.after
            moved[boot_id] = step.after
            done.append((boot_id, step))
    rows = [
        {"boot_id": boot_id, "now_us": now_us, **{f"moved_{kind}": marks[kind] for kind in KINDS}}
        for boot_id, marks in sorted(moved.items())
    ]
    if rows:
        connection.execute(_MOVE, rows)
    objects = [object_values(new, boot, now_us) for boot, step in done for new in step.objects]
    gaps = [gap_values(gap, boot, now_us) for boot, step in done for gap in step.gaps]
    strays = [stray_values(stray, boot, now_us) for boot, step in done for stray in step.strays]
    for table, new_rows in ((OBJECTS, objects), (GAPS, gaps), (STRAYS, strays)):
        _add(connection, table, new_rows)
    _add_sessions(connection, [session_values(row, now_us) for _, step in done for row in step.sessions])
    return fates


def _locked(connection: Connection, sources: Collection[Source]) -> dict[Source, tuple[int, Marks]]:
    """Of each boot its row's id and marks; a row is made for the first step of a boot."""
    found = _find(connection, sources)
    nothing = {f"{kind}_after": NOTHING[kind] for kind in KINDS}
    missing = sorted(sources - found.keys(), key=lambda source: (source.place, source.boot))
    if missing:
        rows = [
            {"site": one.place.site, "device": one.place.device, "boot": str(one.boot), "archived_at_us": 0}
            for one in missing
        ]
        _add(connection, BOOTS, [row | nothing for row in rows])
        found |= _find(connection, missing)
    return found


def _find(connection: Connection, sources: Collection[Source]) -> dict[Source, tuple[int, Marks]]:
    names = [(one.place.site, one.place.device, str(one.boot)) for one in sources]
    rows = connection.execute(_FIND, {"names": names}).mappings()
    return {source_of(row): (row["id"], {kind: row[f"{kind}_after"] for kind in KINDS}) for row in rows}


def _finding() -> Select[Any]:
    """In order of id, so that two archivers that lock the same rows wait for each other and never both."""
    named = tuple_(BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot).in_(bindparam("names", expanding=True))
    return select(BOOTS).where(named).order_by(BOOTS.c.id).with_for_update()


_FIND: Final = _finding()


def _add(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Add the rows that are not there yet: an object's path is its content, so that it is the same."""
    if rows:
        connection.execute(_ADD[connection.dialect.name, table.name], rows)


def _add_sessions(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Add them; one whose end was never heard of is completed, any other stays as it is."""
    if rows:
        connection.execute(_SESSIONS[connection.dialect.name], rows)


def _adding_sessions(dialect: Any) -> Any:
    statement = dialect.insert(SESSIONS)
    said = {column.name: statement.excluded[column.name] for column in SESSIONS.c if not column.primary_key}
    return statement.on_conflict_do_update(
        index_elements=[SESSIONS.c.id], set_=said, where=SESSIONS.c.ended_by.is_(None)
    )


_SESSIONS: Final = {name: _adding_sessions(dialect) for name, dialect in _DIALECTS.items()}
