"""`spondyl audit-trail`: whether the audit trails are whole: the console's, and those of the services.

Above the services, because each of them keeps its own.
"""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

    from services.kit.trail import Finding, Trail

MOST_DIGITS: Final = 18  # every database counts so far
Name = Literal["console", "telemetry", "screening", "scheduler", "billing", "homecare", "registry"]
WHOSE: Final[dict[Name, str]] = {
    "console": "the audit trail",
    "telemetry": "the audit trail of direct reads from telemetry",
    "screening": "the audit trail of patients' files",
    "scheduler": "the audit trail of cures and appointments",
    "billing": "the audit trail of estimates, invoices and payments",
    "homecare": "the audit trail of home programmes",
    "registry": "the audit trail of gateways and certificates",
}
SERVICES: Final[tuple[Name, ...]] = (
    "telemetry",
    "screening",
    "scheduler",
    "billing",
    "homecare",
    "registry",
)  # looked at where they are
WORDS: Final = {
    "changed": "row {seq} is not the one that was written: changed, put in, swapped, or of another key",
    "removed": "row {seq} is missing",
    "order": "row {seq} does not follow on the row before it",
    "cut": "rows from {seq} on were sealed and are missing: cut off, or the database is an old copy",
    "rewound": "row {seq} is another than the sealed one: the database is an old copy that was written on",
    "seal_missing": "the seal is missing: whether rows were taken from the end cannot be said",
    "seal_forged": "the seal was not written with this machine's key",
}
Chosen = Annotated[
    Name | None,
    typer.Option("--trail", help="Only this one: the console's, direct reads from telemetry, a service's."),
]


def register(root: typer.Typer) -> None:
    """Add `audit-trail verify` and `audit-trail reseal`."""
    group = typer.Typer(
        help="The audit trails: who saw or changed what, at the console and in each service.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("verify")(_verify)
    group.command("reseal")(_reseal)
    root.add_typer(group, name="audit-trail")


def _verify(
    data: Data = None,
    trail: Chosen = None,
    expect: Annotated[
        str | None,
        typer.Option(
            help="SEQ:HASH that an earlier look named as head: must still be there; of the console's trail, "
            "or of --trail."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at every row of the chains; exit status 0 only when each is there as it was written."""
    from services.kit.runfile import data_directory

    where, first = data_directory(data), trail or "console"
    with _opened(_place(first, where)) as one:
        found = {first: one.verify()}
        if expect is not None and found[first].ok:
            found[first] = one.expect(*_mark(expect), found[first])
    for name in SERVICES if trail is None else ():
        place = _place(name, where)
        if _is_there(place):
            with _opened(place) as other:
                found[name] = other.verify()
    _say(found, alone=trail is not None, as_json=as_json)


def _reseal(
    reason: Annotated[str, typer.Option(help="Why; written into the trail.")],
    data: Data = None,
    trail: Chosen = None,
    as_json: AsJson = False,
) -> None:
    """Seal a chain as it stands, after a backup was put back; what was found becomes a row.

    The console's, unless --trail names another.
    """
    from services.kit.auth.principal import SYSTEM
    from services.kit.runfile import data_directory

    named = trail or "console"
    with _opened(_place(named, data_directory(data))) as one:
        found = one.reseal(SYSTEM, reason)
    _say({named: found}, alone=True, as_json=as_json)


def _say(found: "dict[Name, Finding]", *, alone: bool, as_json: bool) -> None:
    """One trail's finding as JSON; of all, the console's with the services' within."""
    if as_json:
        bodies = {name: one.body() for name, one in found.items()}
        told = next(iter(bodies.values()))
        print(json.dumps(told if alone else {**told, **{name: bodies.get(name) for name in SERVICES}}))
    else:
        print("\n".join(sentence(one, WHOSE[name]) for name, one in found.items()))
    if not all(one.ok for one in found.values()):
        raise typer.Exit(1)


def sentence(found: "Finding", whose: str) -> str:
    """A finding in one line, with the head to write down for `--expect`."""
    head = f"head {found.head.seq}:{found.head.hash}"
    if found.what is None:
        return f"{whose} is whole: {found.rows} rows, {head}"
    return f"{whose} is broken: {WORDS[found.what].format(seq=found.first_bad)}; whole up to {head}"


def _mark(text: str) -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or len(seq) > MOST_DIGITS or not digest:
        raise typer.BadParameter(f"{text[:80]!r} is not SEQ:HASH, as `audit-trail verify` names its head")
    return int(seq), digest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service keeps its trail: database, table, seal and key."""

    service: Name
    url: str
    table: "Table"
    seal: Path
    key: Path


@contextmanager
def _opened(place: Place) -> "Iterator[Trail]":
    """The trail that is there; it is never made by looking at it. Raises SpondylError."""
    from services.kit.errors import SpondylError
    from services.kit.trail import Trail

    whose = f"there is no audit trail of {place.service} here"
    if not place.key.exists():
        raise SpondylError(f"{whose}: no key at {place.key} (see --data, --trail)")
    with _database(place) as engine:
        if engine is None:
            raise SpondylError(f"{whose}: its database has no table {place.table.name}")
        yield Trail(engine, place.table, place.seal, place.key)


@contextmanager
def _database(place: Place) -> "Iterator[Engine | None]":
    """The database, when it is there and has the table."""
    from sqlalchemy import inspect
    from sqlalchemy.engine import make_url

    from services.kit.database import open_database

    url = make_url(place.url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        yield None
        return
    engine = open_database(place.url)
    try:
        yield engine if inspect(engine).has_table(place.table.name) else None
    finally:
        engine.dispose()


def _is_there(place: Place) -> bool:
    """Whether the service has ever written a row here. Raises SpondylError for rows without a key."""
    from sqlalchemy import select

    from services.kit.database import reading
    from services.kit.errors import SpondylError

    if place.key.exists():
        return True
    with _database(place) as engine:
        if engine is not None:
            with reading(engine) as connection:
                if connection.execute(select(place.table.c.seq).limit(1)).first():
                    raise SpondylError(f"{WHOSE[place.service]} has rows, and no key is at {place.key}")
    return False


def _place(name: Name, data: Path) -> Place:
    """Where the service that keeps its data there has its trail."""
    if name == "console":
        from services.console import trail as consoles
        from services.console.models import ConsoleSettings
        from services.console.tables import TRAIL

        console = ConsoleSettings.load().model_copy(update={"data": data})
        return Place(name, console.database, TRAIL, consoles.seal_path(data), consoles.key_path(data))
    if name != "telemetry":
        return _of_business(name, data)
    from services.telemetry.archive.tables import TRAIL as READS
    from services.telemetry.settings import TelemetrySettings

    telemetry = TelemetrySettings.load().model_copy(update={"data": data})
    return Place(name, telemetry.archive_database, READS, telemetry.trail_seal, telemetry.trail_key)


def _of_business(name: Name, data: Path) -> Place:
    from services.kit.business.service import BusinessSettings, trail_paths

    tables = importlib.import_module(f"services.{name}.tables").TABLES
    url = BusinessSettings.load().model_copy(update={"data": data}).database(name)
    return Place(name, url, tables.trail, *trail_paths(data, name))
