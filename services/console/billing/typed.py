"""What somebody types into billing's forms; a refusal names the field and leaves what was typed."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

from services.console.errors import BadSearch, OfficeRefused
from services.console.sessions.asking import refusal
from services.kit import formats
from services.kit.language import Language

MOST: Final = Decimal("999999999.99")
LONGEST: Final = 500
_ID: Final = re.compile(r"[0-9a-fA-F-]{32,36}")
Problem = BadSearch | OfficeRefused


def request_of(text: str) -> str:
    """The form's own id, by which a double click is one; a new one where there is none."""
    try:
        return str(UUID(text.strip()[:40]))
    except ValueError:
        return str(uuid4())


def record(text: str, field: str) -> str:
    """An id that a form or an address names. Raises BadSearch."""
    if _ID.fullmatch(text.strip()):
        return text.strip()
    raise refusal("bad_id", field, value=text.strip()[:40])


def amount(text: str, language: Language, field: str = "amount") -> Decimal:
    """An amount above zero, as the reader writes it. Raises BadSearch."""
    try:
        found = formats.read_money(text, language)
    except (ValueError, ArithmeticError):
        found = Decimal(0)
    if not 0 < found <= MOST:
        raise refusal("pay_no_amount", field, value=text.strip()[:20] or formats.NOTHING)
    return found


def day(text: str, field: str) -> date:
    """A day. Raises BadSearch."""
    try:
        found = date.fromisoformat(text.strip()[:20])
    except ValueError:
        found = date.min
    if not 1970 <= found.year <= 2999:  # noqa: PLR2004  (what every page of the console takes)
        raise refusal("bad_day", field, value=text.strip()[:20] or formats.NOTHING)
    return found


def text(form: Mapping[str, str], name: str) -> str:
    """A field without the space around it."""
    return form.get(name, "").strip()[:LONGEST]


def needed(form: Mapping[str, str], name: str) -> str:
    """The same of one that may not be empty. Raises BadSearch."""
    found = text(form, name)
    if not found:
        raise refusal("out_needed", name)
    return found


def shown(value: Decimal, language: Language) -> str:
    """An amount as a field has it."""
    return formats.number(value, language, 2)
