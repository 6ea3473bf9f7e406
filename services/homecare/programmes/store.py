"""Programmes in the database, read one by one or many at once. All SQL of programmes, versions and turns."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, insert, select, update

from services.homecare.errors import NotFound
from services.homecare.models import Decision, Programme, Wanted
from services.homecare.programmes import deciding, standing
from services.homecare.programmes.people import people, person
from services.homecare.programmes.states import OPEN, State
from services.homecare.programmes.tables import PROGRAMMES, SUPERVISED, TURNS, VERSIONS
from services.homecare.tables import FILES
from services.kit.auth.principal import Principal
from services.kit.business.sites import unknown
from services.kit.language import Text

Row = dict[str, Any]
MOST: Final = 500
WHAT: Final[Text] = {"de": "Programm", "en": "programme"}


def programme(connection: Connection, programme: UUID | str) -> Programme:
    """One in force. Raises NotFound, also where the patient was erased."""
    found = _read(connection, PROGRAMMES.c.id == str(programme))
    if not found:
        raise missing(programme)
    return found[0]


def programmes(connection: Connection, ids: Iterable[UUID | str]) -> dict[UUID, Programme]:
    """Many by their ids; those that there are not are left out."""
    found = _read(connection, PROGRAMMES.c.id.in_([str(one) for one in ids]))
    return {one.id: one for one in found}


def of_site(
    connection: Connection, site: str, patient: UUID | None = None, states: Collection[State] = ()
) -> list[Programme]:
    """A site's, or one person's there, newest first; at most MOST."""
    wanted = PROGRAMMES.c.site == site
    if patient is not None:
        wanted &= PROGRAMMES.c.patient.in_(person(connection, patient).files)
    if states:
        wanted &= PROGRAMMES.c.state.in_(list(states))
    return _read(connection, wanted)


def of_person(
    connection: Connection, patient: UUID | str, states: Collection[State] = OPEN
) -> list[Programme]:
    """A person's at every site."""
    files = person(connection, patient).files
    return _read(connection, PROGRAMMES.c.patient.in_(files) & PROGRAMMES.c.state.in_(list(states)))


def unfinished(connection: Connection) -> list[Programme]:
    """Every one that may still change by itself, at every site."""
    return _read(connection, PROGRAMMES.c.state.in_(OPEN), most=None)


def held(connection: Connection, id: UUID | str) -> Programme:  # noqa: A002  (as everywhere)
    """One, and nobody else changes it until the transaction ends. Raises NotFound."""
    query = select(PROGRAMMES.c.id).where(PROGRAMMES.c.id == str(id)).with_for_update()
    if connection.execute(query).first() is None:
        raise missing(id)
    return programme(connection, id)


def missing(programme: UUID | str) -> NotFound:
    """There is none, or none that this caller may see."""
    return unknown(WHAT, programme)


def add(connection: Connection, row: Row) -> None:
    """A programme's row."""
    connection.execute(insert(PROGRAMMES).values(row))


def put(connection: Connection, programme: UUID, **values: Any) -> None:
    """What changed of it."""
    connection.execute(update(PROGRAMMES).where(PROGRAMMES.c.id == str(programme)).values(values))


def add_version(
    connection: Connection, programme: UUID, version: int, request: UUID, wanted: Wanted, decision: Decision,
    again: Iterable[str], who: Principal, at_us: int,
) -> None:  # fmt: skip
    """What was set, and what was decided of it then."""
    connection.execute(
        insert(VERSIONS).values(
            programme=str(programme), version=version, request=str(request), again=sorted(again),
            wanted=wanted.model_dump(mode="json"), decision=decision.model_dump(mode="json"),
            account=who.account, name=who.name[:80], at_us=at_us,
        )
    )  # fmt: skip


def add_turn(
    connection: Connection, programme: UUID | str, kind: str, reason: str, name: str, at_us: int,
    *, account: str | None = None, request: UUID | None = None,
) -> None:  # fmt: skip
    """What a programme went through."""
    connection.execute(
        insert(TURNS).values(
            request=request and str(request), programme=str(programme), kind=kind, reason=reason,
            account=account, name=name[:80], at_us=at_us,
        )
    )  # fmt: skip


def add_signature(connection: Connection, row: Row) -> None:
    """A supervised session."""
    connection.execute(insert(SUPERVISED).values(row))


def asked_before(connection: Connection, request: UUID) -> tuple[str, str] | None:
    """What a request made already: the programme, and what was done: set, signed, or a turn's kind."""
    for table, kind in ((VERSIONS, "set"), (SUPERVISED, "signed")):
        found = select(table.c.programme).where(table.c.request == str(request))
        if (programme := connection.execute(found).scalar()) is not None:
            return str(programme), kind
    turn = select(TURNS.c.programme, TURNS.c.kind).where(TURNS.c.request == str(request))
    row = connection.execute(turn).first()
    return (row.programme, row.kind) if row else None


def versions(connection: Connection, programme: UUID) -> list[Row]:
    """Oldest first."""
    return _rows(connection, select(VERSIONS).where(VERSIONS.c.programme == str(programme)), VERSIONS.c.seq)


def signatures(connection: Connection, programme: UUID) -> list[Row]:
    """Supervised sessions, oldest first."""
    wanted = select(SUPERVISED).where(SUPERVISED.c.programme == str(programme))
    return _rows(connection, wanted, SUPERVISED.c.seq)


def turns(connection: Connection, programme: UUID) -> list[Row]:
    """What it went through, oldest first."""
    return _rows(connection, select(TURNS).where(TURNS.c.programme == str(programme)), TURNS.c.seq)


def was_started(connection: Connection, programme: UUID) -> bool:
    """Whether anything of it was ever open at home."""
    wanted = select(TURNS.c.seq).where(TURNS.c.programme == str(programme), TURNS.c.kind == "started")
    return connection.execute(wanted.limit(1)).first() is not None


def stored(connection: Connection, programme: UUID, version: int) -> Decision:
    """What was decided when a version was set."""
    at = (VERSIONS.c.programme == str(programme)) & (VERSIONS.c.version == version)
    return Decision.model_validate(connection.execute(select(VERSIONS.c.decision).where(at)).scalar_one())


def _rows(connection: Connection, query: Select[Any], order: ColumnElement[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query.order_by(order)).mappings()]


def _read(connection: Connection, wanted: ColumnElement[bool], most: int | None = MOST) -> list[Programme]:
    """With the version in force and what screening says; three queries however many they are."""
    files = FILES.table
    query = (
        select(PROGRAMMES, VERSIONS.c.wanted, VERSIONS.c.decision)
        .join(
            VERSIONS,
            (VERSIONS.c.programme == PROGRAMMES.c.id) & (VERSIONS.c.version == PROGRAMMES.c.version),
        )
        .join(files, files.c.patient == PROGRAMMES.c.patient)
        .where(wanted, ~files.c.erased)
        .order_by(PROGRAMMES.c.made_us.desc(), PROGRAMMES.c.id)
        .limit(most)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    if not rows:
        return []
    heads = {file: one.head for file, one in people(connection, {row["patient"] for row in rows}).items()}
    said = standing.every(connection, {(row["patient"], row["region"]) for row in rows})
    return [_programme(row, heads[row["patient"]], said[row["patient"], row["region"]]) for row in rows]


def _programme(row: Mapping[str, Any], head: str, said: standing.Said) -> Programme:
    wanted, decision = Wanted.model_validate(row["wanted"]), Decision.model_validate(row["decision"])
    now, suspended = deciding.in_force(wanted, decision, said)
    return Programme(
        id=UUID(row["id"]), patient=UUID(head), site=row["site"], region=row["region"],
        cure=UUID(row["cure"]) if row["cure"] else None, version=row["version"], state=row["state"],
        language=row["language"], wanted=wanted, decision=now, suspended=suspended,
    )  # fmt: skip
