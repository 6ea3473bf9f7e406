"""Homecare's library as pages say it: exercises, levels in words, conditions; asked once in a while."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.context import Console
from services.console.refusals import said
from services.kit.auth.principal import Principal
from services.kit.language import Language

Row = Mapping[str, Any]
FRESH_S: Final = 300.0  # it changes with a release of homecare alone
WHOLE: Final = "whole"


@dataclass(frozen=True, slots=True)
class Books:
    """What the library holds, by id and code, in its order."""

    exercises: Mapping[str, Row]
    conditions: Mapping[str, Row]

    def name(self, exercise: str | None, language: Language) -> str:
        """An exercise in words; one that the library no longer has stays its id."""
        row = self.exercises.get(exercise or "")
        return str(row["name"][language]) if row else exercise or ""

    def for_region(self, region: str) -> list[Row]:
        """The exercises of a region and those of the whole spine."""
        return [row for row in self.exercises.values() if row["region"] in (region, WHOLE)]

    def levels(self, exercise: str, language: Language) -> list[str]:
        """Each level of an exercise in words, the first one first."""
        row = self.exercises.get(exercise)
        return [dose(level, language) for level in row["levels"]] if row else []


class Shelf:
    """The library as it was last asked for, by this console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._books: Books | None = None
        self._until = 0.0

    async def read(self, who: Principal) -> Books:
        """The library. Raises OfficeUnavailable, OfficeRefused."""
        if self._books is None or time.monotonic() > self._until:
            found = await self._console.homecare.ask(who, "/library")
            self._books = Books(by(found["exercises"], "id"), by(found["conditions"], "code"))
            self._until = time.monotonic() + FRESH_S
        return self._books


def by(rows: Sequence[Row], key: str) -> dict[str, Row]:
    """Rows by what they are called."""
    return {str(row[key]): row for row in rows}


def dose(level: Row, language: Language) -> str:
    """``2 x 8, je 5 s``: sets, repetitions, what each is held."""
    times = f"{level['sets']} \N{MULTIPLICATION SIGN} {level['repetitions']}"
    if not level["hold_s"]:
        return times
    return said("home_dose_held", times=times, seconds=level["hold_s"])[language]
