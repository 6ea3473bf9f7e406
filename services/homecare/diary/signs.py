"""Warning signs and places of pain, as the page asks about them: ``signs.toml``."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from services.homecare.models import Code, Region
from services.kit.language import Text

FILE: Final = Path(__file__).parent / "signs.toml"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Code
    regions: tuple[Region, ...] = ()  # none: every one
    de: str
    en: str

    @property
    def words(self) -> Text:
        """In both languages."""
        return {"de": self.de, "en": self.en}


class Sign(_Row):
    """A warning sign; ``kind`` is screening's, ``urgent``: the emergency number is called."""

    kind: Code
    urgent: bool
    source: str


class Place(_Row):
    """Where it may hurt."""


@cache
def _table() -> tuple[tuple[Sign, ...], tuple[Place, ...]]:
    table = tomllib.loads(FILE.read_text("utf-8"))
    return tuple(map(Sign.model_validate, table["sign"])), tuple(map(Place.model_validate, table["place"]))


def signs(region: Region | None = None) -> Sequence[Sign]:
    """Those that are asked in a region's programmes; every one without a region."""
    return [row for row in _table()[0] if region is None or not row.regions or region in row.regions]


def places(region: Region | None = None) -> Sequence[Place]:
    """The same of places."""
    return [row for row in _table()[1] if region is None or not row.regions or region in row.regions]


def sign_words(sign: str) -> Text:
    """Of a sign's id; one that is not known, as it came."""
    return next((row.words for row in signs() if row.id == sign), {"de": sign, "en": sign})


def place_words(place: str) -> Text:
    """Of a place's id; one that is not known, as it came."""
    return next((row.words for row in places() if row.id == place), {"de": place, "en": place})
