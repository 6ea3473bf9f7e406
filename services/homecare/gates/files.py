"""A wished programme in a file, for whoever wants to know beforehand what the gates say."""

from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.homecare.gates import deciding
from services.homecare.gates.models import Standing
from services.homecare.models import Decision, Wanted
from services.kit import documents
from services.kit.errors import SpondylError

MOST_SAID: Final = 5  # faults of a file that are named


class Asked(Wanted):
    """What is wished, and what screening said; without that the decision says that nobody asked."""

    screening: Standing | None = None


def schema() -> dict[str, Any]:
    """What a file may hold, as JSON Schema."""
    return Asked.model_json_schema()


def decide(path: Path) -> Decision:
    """What the gates make of a file. Raises SpondylError, naming field, value and limit."""
    try:
        asked = Asked.model_validate(documents.read(path, "programme"))
    except ValidationError as error:
        told = [_told(row) for row in error.errors()]
        more = [f"and {len(told) - MOST_SAID} more"] if len(told) > MOST_SAID else []
        raise SpondylError(f"programme {path}: {'; '.join(told[:MOST_SAID] + more)}") from None
    return deciding.decide(asked, asked.screening)


def _told(row: ErrorDetails) -> str:
    where = ".".join(map(str, row["loc"])) or "programme"
    return f"{where}: {row['msg'].removeprefix('Value error, ')}"
