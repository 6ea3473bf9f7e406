"""`spondyl audit-trail`, whether the trail is whole, and `spondyl users`, from the console's machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.console.accounts import commands as users
from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from services.kit.trail import Finding, Trail

WORDS = {
    "changed": "row {seq} is not the one that was written: changed, put in, swapped, or of another key",
    "removed": "row {seq} is missing",
    "order": "row {seq} does not follow on the row before it",
    "cut": "rows from {seq} on were sealed and are missing: cut off, or the database is an old copy",
    "rewound": "row {seq} is another than the sealed one: the database is an old copy that was written on",
    "seal_missing": "the seal is missing: whether rows were taken from the end cannot be said",
    "seal_forged": "the seal was not written with this machine's key",
}


def register(root: typer.Typer) -> None:
    """Add `audit-trail verify`, `audit-trail reseal` and `users`."""
    group = typer.Typer(
        help="The console's audit trail: who saw or changed what.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("verify")(_verify)
    group.command("reseal")(_reseal)
    root.add_typer(group, name="audit-trail")
    users.register(root)


def _verify(
    data: Data = None,
    expect: Annotated[
        str | None, typer.Option(help="SEQ:HASH that an earlier look named as head: must still be there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at every row of the chain; exit status 0 only when each is there as it was written."""
    trail = _opened(data)
    found = trail.verify()
    if expect is not None and found.ok:
        found = trail.expect(*_mark(expect), found)
    _say(found, as_json=as_json)


def _reseal(
    reason: Annotated[str, typer.Option(help="Why; written into the trail.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Seal the chain as it stands, after a backup was put back; what was found becomes a row."""
    from services.kit.auth.principal import SYSTEM

    _say(_opened(data).reseal(SYSTEM, reason), as_json=as_json)


def _say(found: "Finding", *, as_json: bool) -> None:
    print(json.dumps(found.body()) if as_json else sentence(found))
    if not found.ok:
        raise typer.Exit(1)


def sentence(found: "Finding") -> str:
    """A finding in one line, with the head to write down for `--expect`."""
    head = f"head {found.head.seq}:{found.head.hash}"
    if found.what is None:
        return f"the audit trail is whole: {found.rows} rows, {head}"
    return f"the audit trail is broken: {WORDS[found.what].format(seq=found.first_bad)}; whole up to {head}"


def _mark(text: str) -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or not digest:
        raise typer.BadParameter(f"{text[:80]!r} is not SEQ:HASH, as `audit-trail verify` names its head")
    return int(seq), digest


def _opened(data: Path | None) -> "Trail":
    """The trail of the console that keeps its data there; nothing is made that is not there."""
    from services.console.models import ConsoleSettings
    from services.console.tables import TRAIL
    from services.console.trail import key_path, open_trail
    from services.kit.database import open_database
    from services.kit.errors import SpondylError

    settings = ConsoleSettings.load()
    if data is not None:
        settings = settings.model_copy(update={"data": data})
    if not key_path(settings.data).exists():
        raise SpondylError(f"there is no audit trail: no key at {key_path(settings.data)} (see --data)")
    engine = open_database(settings.database)
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, TRAIL.name):
            raise SpondylError(f"there is no audit trail: the console's database has no table {TRAIL.name}")
    return open_trail(engine, settings.data)
