"""What somebody typed into these pages' forms, as the service wants it; a refusal leaves it as it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import FormData

from services.console.sessions.asking import refusal
from services.kit import formats

MOST_TYPED: Final = 4000
Typed = Mapping[str, str]


class Filled(dict[str, str]):
    """What was typed; a field that nobody filled in is empty."""

    def __missing__(self, _name: str) -> str:
        return ""


def of(form: FormData) -> Filled:
    """Every field as text; files and what is too long are cut away."""
    return Filled({name: value[:MOST_TYPED] for name, value in form.items() if isinstance(value, str)})


def fresh() -> str:
    """An id for a form: sent twice, it is kept once."""
    return str(uuid4())


def number(typed: Typed, name: str) -> int | None:
    """A whole number, or none where nothing was typed. Raises BadSearch at the field."""
    text = typed.get(name, "").strip()
    if not text:
        return None
    digits = text.removeprefix("-")  # (below zero is a whole number, too: who keeps it says the limit)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 4:  # noqa: PLR2004  (no scale here has more digits)
        raise refusal("out_no_number", name, value=text[:20])
    return int(text)


def moment(typed: Typed, name: str) -> str | None:
    """A date and time of the site's clock, or none. Raises BadSearch at the field."""
    text = typed.get(name, "").strip()
    if not text:
        return None
    try:
        return formats.moment_of(datetime.fromisoformat(text[:40])).isoformat()
    except (ValueError, OverflowError):
        raise refusal("out_no_moment", name, value=text[:20]) from None


def now() -> str:
    """Now, as a field for a date and time has it."""
    return formats.now().strftime("%Y-%m-%dT%H:%M")


def answers(typed: Typed, sections: list[dict[str, Any]]) -> dict[str, int]:
    """The sections that were answered. Raises BadSearch at the field."""
    found = {section["id"]: number(typed, f"s-{section['id']}") for section in sections}
    return {section: value for section, value in found.items() if value is not None}


def require(typed: Typed, *names: str) -> None:
    """Raise BadSearch at the first field of these that is empty."""
    for name in names:
        if not typed.get(name, "").strip():
            raise refusal("out_needed", name)
