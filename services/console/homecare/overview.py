"""All home programmes at a glance: rows with names, narrowed and sorted; who needs a call today."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from unicodedata import normalize

from services.console.context import Console
from services.console.homecare import course, reading
from services.console.planning.models import short
from services.console.planning.names import names_of
from services.kit.auth.principal import Principal

Row = dict[str, Any]
STATES: Final = ("supervised", "running", "paused", "completed", "ended")
TODAY: Final = 2  # of urgency: 1 before everything else, 2 today, 3 this week
NEVER: Final = date.min
Key = Callable[[Row], Any]


def _spoken(name: str) -> str:
    """As names are looked up: letters by what they are, whatever is above them."""
    return normalize("NFKD", name).casefold()


SORTS: Final[Mapping[str, Key]] = {
    "name": lambda row: _spoken(row["name"]),
    "site": lambda row: (row["site"], _spoken(row["name"])),
    "week": lambda row: _percent(row, "7"),
    "month": lambda row: _percent(row, "28"),
    "done": lambda row: row["last_done"] or NEVER,
    "pain": lambda row: ((row["last_pain"] or {}).get("most") or 0, row["name"]),
}


def _percent(row: Row, window: str) -> float:
    """What is not known stands below everything."""
    value = row["adherence"][window]["percent"]
    return -1.0 if value is None else float(value)


async def rows(console: Console, who: Principal, site: str, state: str) -> tuple[list[Row], dict[str, str]]:
    """A row a programme with its patient's name, and homecare's own word on what is missing."""
    query: dict[str, Any] = {"site": site, "state": state}
    found = await console.homecare.ask(who, "/overview", query)
    names = await names_of(console, who, (row["patient"] for row in found["rows"]))
    read: list[Row] = reading.read(found["rows"])
    for row in read:
        row["name"] = names.get(row["patient"], short(row["patient"]))
        row["strip"] = course.strip(row["days"])
    return read, found["note"]


def narrowed(found: Sequence[Row], words: str) -> list[Row]:
    """Those whose name has every one of these words."""
    wanted = words.casefold().split()
    return [row for row in found if all(word in row["name"].casefold() for word in wanted)]


def arranged(found: Sequence[Row], sort: str) -> list[Row]:
    """By a column, ``-`` before it for the other way round; else who needs a call first, as they came."""
    key = SORTS.get(sort.removeprefix("-"))
    return sorted(found, key=key, reverse=sort.startswith("-")) if key else list(found)


def calls(found: Sequence[Row]) -> list[Row]:
    """Who needs a call today, the most urgent first."""
    return [row for row in found if row["urgency"] is not None and row["urgency"] <= TODAY]


async def without(console: Console, who: Principal, site: str, days: timedelta) -> list[Row]:
    """Cures that ended and that no programme goes on after, the newest first."""
    query = {"days": days.days} | ({"site": site} if site else {})
    ended: list[Row] = reading.read((await console.homecare.ask(who, "/cures-ended", query))["cures"])
    names = await names_of(console, who, (row["patient"] for row in ended))
    for row in ended:
        row["name"] = names.get(row["patient"], short(row["patient"]))
    return sorted(ended, key=lambda row: row["ended_at"], reverse=True)
