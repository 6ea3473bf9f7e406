"""Which sites this machine knows, for commands that are given one: mistyped or new, it is said."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, select

from services.console.tables import ACKNOWLEDGEMENTS, NOTES, SCREENS
from services.kit.auth.principal import ALL_SITES
from services.kit.runfile import read_json

# Written only for a bed or a session that was there; a grant's site may be the mistyped one.
_HEARD_OF: Final = (ACKNOWLEDGEMENTS, NOTES, SCREENS)


def known_sites(data: Path, engine: Engine) -> set[str]:
    """The sites of the last start and those that the console's database has work of; maybe none."""
    run = read_json(data / "run.json").get("sites")
    found = set(run) if isinstance(run, dict) else set()
    tables = inspect(engine).get_table_names()
    with engine.connect() as connection:
        for table in _HEARD_OF:
            if table.name in tables:
                found.update(connection.scalars(select(table.c.site).distinct()))
    return found


def warn_unknown(sites: Iterable[str], known: set[str]) -> None:
    """A line on stderr for every site that is not known; none while this machine knows no site at all."""
    for site in sorted(set(sites) - known - {ALL_SITES}) if known else ():
        print(  # noqa: T201  (for a person, beside what the command prints)
            f"spondyl: warning: site {site} is not known yet: mistyped? known are {', '.join(sorted(known))}",
            file=sys.stderr,
        )
