"""Errors of screening.

SpondylError
├── NotFound        no such record, or none that this caller may see (404)
├── Conflict        somebody was quicker, or the record is not in a state for this (409)
└── Invalid         what was sent breaks a rule (422)
"""

from collections.abc import Mapping
from typing import Any

from services.kit.errors import SpondylError
from services.kit.language import Text


class NotFound(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """No such record here; another site's is answered alike. ``words`` are the same for a page."""

    status = 404

    def __init__(self, message: str, words: Text | None = None) -> None:
        super().__init__(message)
        self.words = words


class Conflict(SpondylError):  # noqa: N818  (the same)
    """Somebody was quicker, or the record does not allow this now."""

    status = 409

    def __init__(
        self, message: str, words: Text | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.words = words
        self.more = more or {}  # beside the detail in the answer: alternatives, what it collides with


class Invalid(SpondylError):  # noqa: N818  (the same)
    """What was sent breaks a rule: what, the value, the limit and where it comes from."""

    status = 422

    def __init__(
        self, message: str, words: Text | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.words = words
        self.more = more or {}  # beside the detail in the answer: which field is wrong, and why


def both(english: str, german: str) -> tuple[str, Text]:
    """A refusal's message with its words, as the errors take them; a sentence where the German is one."""
    is_sentence = german.endswith(".")
    return english, {"de": german, "en": f"{english[0].upper()}{english[1:]}." if is_sentence else english}


def conflict(english: str, german: str) -> Conflict:
    """The same as a Conflict."""
    return Conflict(*both(english, german))
