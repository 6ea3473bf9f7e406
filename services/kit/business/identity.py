"""Asking screening who somebody is, with the token of the role `identity`; every asking is in its trail."""

import json
import urllib.error
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.kit.fetch import fetch

ANSWER_S: Final = 3.0
NOBODY: Final = frozenset({404, 409, 410})  # no file, or none any more


class Unreachable(OSError):  # noqa: N818  (the word for what screening is)
    """Screening does not answer; the words say how it failed, never what was answered."""

    tellable = True


def identity(url: str, token: Path | None, patient: UUID) -> dict[str, Any] | None:
    """Name, birth date, address, insurance and diagnosis; None for somebody without a file.

    Raises Unreachable.
    """
    try:
        secret = None if token is None else token.read_text(encoding="ascii").strip()
        said = json.loads(fetch(f"{url.rstrip('/')}/patients/{patient}/identity", ANSWER_S, secret))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in NOBODY:
            return None
        raise Unreachable(f"screening answers {error.code}") from None
    except (OSError, ValueError) as error:
        raise Unreachable(type(error).__name__) from None
    if not isinstance(said, dict):
        raise Unreachable("the answer is no record")
    return said
