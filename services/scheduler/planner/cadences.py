"""How often a patient comes: a table of named patterns."""

from dataclasses import dataclass
from typing import Final

from services.kit.language import Text

# Sessions a week -> fewest and most days from one session to the next. Five a week leave the weekend free.
GAPS: Final = {7: (1, 1), 6: (1, 2), 5: (1, 3), 4: (1, 3), 3: (2, 3), 2: (2, 5), 1: (6, 8)}


@dataclass(frozen=True, slots=True)
class Step:
    """So many sessions a week for so many weeks; the last step lasts to the end of the cure."""

    per_week: int
    weeks: int


@dataclass(frozen=True, slots=True)
class Cadence:
    """A named pattern. Weeks are counted from the first session, so a cure may start on any day."""

    id: str
    steps: tuple[Step, ...]
    text: Text
    source: str

    def weeks_of(self, sessions: int) -> list[tuple[int, int]]:
        """For every session, in order: its week (0 is the first) and how many that week has."""
        rows: list[tuple[int, int]] = []
        week = 0
        for step in (*self.steps, Step(self.steps[-1].per_week, sessions)):
            for _ in range(step.weeks):
                rows.extend([(week, step.per_week)] * step.per_week)
                week += 1
                if len(rows) >= sessions:
                    return rows[:sessions]
        return rows[:sessions]


_US_PRACTICE: Final = "course of about 20 sessions in US practices (neworleansdisccenter.com), vendor's word"
CADENCES: Final = {
    cadence.id: cadence
    for cadence in (
        Cadence(
            "taper",
            (Step(5, 2), Step(3, 2), Step(2, 1)),
            {
                "de": "Zwei Wochen fünfmal, zwei Wochen dreimal, dann zweimal",
                "en": "Five a week for two weeks, three for two, then two",
            },
            _US_PRACTICE,
        ),
        Cadence(
            "early-taper",
            (Step(5, 1), Step(4, 1), Step(3, 2), Step(2, 1)),
            {
                "de": "Fünf in der ersten Woche, vier in der zweiten, dann drei, dann zwei",
                "en": "Five in the first week, four in the second, then three, then two",
            },
            "DRX9000 pilot study: five in week one, then tapering",
        ),
        Cadence(
            "daily",
            (Step(5, 1),),
            {"de": "Fünfmal in der Woche", "en": "Five a week"},
            "clinic's choice",
        ),
        Cadence(
            "four",
            (Step(4, 1),),
            {"de": "Viermal in der Woche", "en": "Four a week"},
            "clinic's choice",
        ),
        Cadence(
            "three",
            (Step(3, 1),),
            {"de": "Dreimal in der Woche", "en": "Three a week"},
            "clinic's choice",
        ),
        Cadence(
            "two",
            (Step(2, 1),),
            {"de": "Zweimal in der Woche", "en": "Two a week"},
            "clinic's choice",
        ),
    )
}
