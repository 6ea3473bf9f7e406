"""`spondyl migrate`: every service's tables brought to this release, or only looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import typer

from deploy.databases import Database, databases
from services.kit.errors import SpondylError
from services.kit.options import AsJson, Data

State = Literal["migrated", "current", "older", "empty", "newer", "failed"]
GOOD: Final = frozenset({"migrated", "current"})
WORDS: Final[dict[State, str]] = {
    "migrated": "brought from {was} to {revision}",
    "current": "is at {revision}",
    "older": "is at {revision}, this release needs {newest}: run `spondyl migrate {service}`",
    "empty": "has no tables yet, this release needs {newest}: run `spondyl migrate {service}`",
    "newer": "{why}",
    "failed": "{why}",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one service's database."""

    service: str
    database: str
    state: State
    was: str | None
    revision: str | None
    newest: str
    why: str = ""

    def body(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {name: getattr(self, name) for name in self.__slots__}

    def sentence(self) -> str:
        """For a person."""
        return f"{self.service}: " + WORDS[self.state].format(**{**self.body(), "was": self.was or "nothing"})


def register(root: typer.Typer) -> None:
    """Add this room's command."""
    root.command("migrate")(_migrate)


def _migrate(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Whose; all unless named.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look only; exit status 1 unless every one is up to date.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Bring the services' databases to this release; each is changed whole or not at all."""
    from services.kit.runfile import data_directory

    found = migrate_all(databases(data_directory(data), services or ()), check=check)
    print(
        json.dumps({"ok": is_good(found), "databases": [one.body() for one in found]})
        if as_json
        else "\n".join(one.sentence() for one in found)
    )
    if not is_good(found):
        raise typer.Exit(1)


def is_good(found: Sequence[Outcome]) -> bool:
    """Whether every database is as this release needs it."""
    return all(one.state in GOOD for one in found)


def migrate_all(chosen: Sequence[Database], *, check: bool) -> list[Outcome]:
    """Each after the other; one that cannot be does not keep the next from it."""
    return [_one(database, check=check) for database in chosen]


def _one(database: Database, *, check: bool) -> Outcome:
    from services.kit.database import migrate, newest_migration, revision_of

    newest = newest_migration(database.package)

    def outcome(state: State, was: str | None, revision: str | None, why: str = "") -> Outcome:
        return Outcome(database.service, database.shown, state, was, revision, newest, why)

    if check and not database.is_there:
        return outcome("empty", None, None)
    was = None
    try:
        with database.opened() as engine:
            before = revision_of(engine, database.package)
            was = before.at
            if check and not before.is_newer:
                return outcome(_looked(was, newest), was, was)
            migrate(engine, database.package)
    except SpondylError as error:
        return outcome("newer" if was and was > newest else "failed", was, was, error.message)
    return outcome("current" if was == newest else "migrated", was, newest)


def _looked(at: str | None, newest: str) -> State:
    if at is None:
        return "empty"
    return "current" if at == newest else "older"
