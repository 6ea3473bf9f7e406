"""What homecare answers, as pages say it: days and moments as such, exercises by their names."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from services.console.context import Console
from services.console.homecare.shelf import Books
from services.console.patients import tabs
from services.kit.auth.principal import Principal
from services.kit.language import Language

Row = dict[str, Any]
MOMENTS: Final = frozenset(
    {"at", "made_at", "opened_at", "revoked_at", "received_at", "answered_at", "ended_at", "said_at", "since"}
)
DAYS: Final = frozenset({"day", "starts_on", "last_day", "last_done", "first", "last", "from", "to"})
EVERYTHING: Final = "*"


def read(value: Any) -> Any:
    """The same, with days and moments instead of their texts, however deep they lie."""
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, dict):
        return {name: _one(name, one) for name, one in value.items()}
    return value


def _one(name: str, value: Any) -> Any:
    if isinstance(value, str) and name in MOMENTS:
        return datetime.fromisoformat(value)
    if isinstance(value, str) and name in DAYS:
        return date.fromisoformat(value)
    return read(value)


async def programme(console: Console, who: Principal, programme: str) -> Row:
    """One whole; from here on times are by its site's clock. Raises OfficeNotFound, OfficeUnavailable."""
    found = await console.homecare.ask(who, f"/programmes/{tabs.known_id(programme)}")
    wanted = found["programme"]["wanted"]  # as the form takes it, its days as texts
    whole: Row = read(found)
    console.at(whole["programme"]["site"])
    return {**whole["programme"], **whole, "wanted": wanted}


def fresh() -> str:
    """An id for a form: sent twice, it is kept once."""
    return str(uuid4())


def off(it: Mapping[str, Any], books: Books, language: Language) -> list[tuple[str, str]]:
    """Exercises that a clinician took off after pain: id and name."""
    return [(name, books.name(name, language)) for name in it["off"]]


def said(value: Any, language: Language) -> str:
    """Words in both languages, or what stands there."""
    return str(value[language]) if isinstance(value, dict) else str(value or "")
