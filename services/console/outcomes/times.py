"""Times and days of a service's JSON as what templates format."""

from datetime import date, datetime
from typing import Any, Final

TIMES: Final = frozenset(
    {
        "at", "since", "valid_from", "valid_until", "measured_at", "happened_at", "started_at", "ended_at",
        "last_at", "made_at", "signed_until",
    }
)  # fmt: skip
DAYS: Final = frozenset({"birth_date", "on"})


def read(value: Any) -> Any:
    """The same, with times and days instead of their texts, however deep they lie."""
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, dict):
        return {name: _one(name, one) for name, one in value.items()}
    return value


def _one(name: str, value: Any) -> Any:
    if isinstance(value, str) and name in TIMES:
        return datetime.fromisoformat(value)
    if isinstance(value, str) and name in DAYS:
        return date.fromisoformat(value)
    return read(value)
