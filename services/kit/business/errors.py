"""What every business service answers when it refuses.

SpondylError
├── NotFound        no such record, or none that this caller may see (404)
├── Conflict        somebody was quicker, or the record is not in a state for this (409)
└── Invalid         what was sent breaks a rule (422)
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python

from services.kit.errors import SpondylError
from services.kit.language import Text


class _RefusedError(SpondylError):
    """``words``: the same in every language; ``more``: what a program gets beside them."""

    def __init__(
        self, message: str, words: Text | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.words = words
        self.more: dict[str, Any] = to_jsonable_python(dict(more or {}))


Kind = TypeVar("Kind", bound=_RefusedError)


class NotFound(_RefusedError):  # noqa: N818  (the name is what a reader meets)
    """No such record here; another site's is answered alike."""

    status = 404


class Conflict(_RefusedError):  # noqa: N818  (the name is what a reader meets)
    """Somebody was quicker, or the record does not allow this now."""

    status = 409


class Invalid(_RefusedError):  # noqa: N818  (the name is what a reader meets)
    """What was sent breaks a rule: what, the value, the limit and where it comes from."""

    status = 422


def said(kind: type[Kind], words: Text, **more: Any) -> Kind:
    """A refusal from its words alone."""
    return kind(words["en"], words, more)
