"""The reasons of suspensions and the review gates, as their tables say."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from services.kit.language import Text

HERE: Final = Path(__file__).parent
REGIONS: Final = ("lumbar", "cervical")
REGION_WORDS: Final[dict[str, Text]] = {
    "lumbar": {"de": "Lendenwirbelsäule", "en": "lumbar spine"},
    "cervical": {"de": "Halswirbelsäule", "en": "cervical spine"},
}


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    de: str

    @property
    def words(self) -> Text:
        """In both languages."""
        return {"de": self.de, "en": self.en}


class Reason(_Row):
    """Why a clearance is suspended."""

    id: str
    needs_clearance: bool
    restored_by: Literal["reason", "gate"]


class Gate(_Row):
    """A review after so many sessions."""

    after: int
    suspends: bool
    unless: Literal["", "improved"]
    origin: Literal["order", "proposal"]


@cache
def reasons() -> dict[str, Reason]:
    """By id, in the order of the table."""
    rows = tomllib.loads((HERE / "reasons.toml").read_text(encoding="utf-8"))["reason"]
    return {row["id"]: Reason(**row) for row in rows}


@cache
def gates() -> dict[int, Gate]:
    """By the session they follow."""
    rows = tomllib.loads((HERE / "gates.toml").read_text(encoding="utf-8"))["gate"]
    return {row["after"]: Gate(**row) for row in rows}
