"""The level of an exercise: up by adherence, down by pain, never above the clinician's ceiling."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from services.homecare.exercises.library import library
from services.homecare.models import Judged

# The sources say "10 s at first, later 2 x 30 s" and "sets grow", none says when: defaults, for review.
RISE_AFTER: Final = 4  # complete days at one level ...
RISE_WITHIN: Final = timedelta(days=10)  # ... within so many: what is done now and then does not grow
MOST_COMFORT_NRS: Final = 3  # mild pain on the 0-10 scale (1-3: Jensen 2001); above it nothing grows
GAP: Final = timedelta(days=14)  # after so long a pause it begins one level lower

Answer = Literal["go_on", "lower", "stays_off"]


@dataclass(frozen=True, slots=True)
class Done:
    """A day on which the exercise was done: whole or in part; the worst pain that was said of that day.

    ``sets`` that are fewer than the level has are a part; None: nobody counted.
    """

    day: date
    is_complete: bool
    pain_nrs: int | None = None
    sets: int | None = None


@dataclass(frozen=True, slots=True)
class Hurt:
    """A report of pain at this exercise, or of the whole programme."""

    day: date


@dataclass(frozen=True, slots=True)
class Answered:
    """A clinician's answer to a report."""

    day: date
    decision: Answer


Happened = Done | Hurt | Answered


def level(judged: Judged, history: Iterable[Happened], on: date | None = None) -> int:
    """The level, from 0, after what happened, oldest first; ``on``: the day that it is for."""
    course = _Course(judged)
    for one in history:
        course.take(one)
    return course.on(on)


class _Course:
    """One exercise on its way."""

    def __init__(self, judged: Judged) -> None:
        self.row = library().of(judged.exercise)
        self.ceiling = judged.ceiling_level
        self.at = min(judged.start_level, self.ceiling)
        self.good: list[date] = []  # complete and comfortable days at this level
        self.last: date | None = None

    def take(self, one: Happened) -> None:
        if isinstance(one, Done):
            self._done(one)
        elif isinstance(one, Hurt) or one.decision == "lower":
            self._fall()
        else:
            self.good = []  # what is opened again shows first that it is borne

    def _done(self, one: Done) -> None:
        if self.last is not None and one.day - self.last > GAP:
            self._fall()
        self.last = max(one.day, self.last or one.day)
        if one.pain_nrs is not None and one.pain_nrs > MOST_COMFORT_NRS:
            self.good = []
        elif one.is_complete and self._is_whole(one) and one.day not in self.good:
            self.good = [day for day in self.good if one.day - day <= RISE_WITHIN] + [one.day]
            if len(self.good) >= RISE_AFTER and self.at < self.ceiling:
                self.at, self.good = self.at + 1, []

    def _is_whole(self, one: Done) -> bool:
        return one.sets is None or one.sets >= self.row.levels[self.at].sets

    def _fall(self) -> None:
        self.at, self.good = max(0, self.at - 1), []

    def on(self, day: date | None) -> int:
        if day is not None and self.last is not None and day - self.last > GAP:
            return max(0, self.at - 1)
        return self.at
