"""What the report says of a group of cures: a row of MEASURES each. It tells what was, and predicts nothing.

Shares have Wilson's interval, means Student's (``statistics.py``); the words stand in report.toml.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Literal
from uuid import UUID

from services.screening.clearance.models import Held
from services.screening.outcomes import statistics
from services.screening.outcomes.change import Change, Course
from services.screening.outcomes.models import Adverse

USUALLY_BY: Final = 8  # completed sessions; the clinic page: improvement usually after 6 to 8
SEVERE: Final = 3
WORDS: Final = Path(__file__).with_name("report.toml")
Kind = Literal["count", "share", "mean"]


@cache
def words() -> dict[str, Any]:
    """What the report says in words: its notes, and the text of every measure."""
    return tomllib.loads(WORDS.read_text(encoding="utf-8"))


@dataclass(slots=True)
class Group:
    """Whose figures are reckoned together."""

    name: str
    sessions: list[tuple[UUID, Held]] = field(default_factory=list)
    courses: list[tuple[UUID, Course]] = field(default_factory=list)
    adverse: list[Adverse] = field(default_factory=list)

    @property
    def patients(self) -> set[UUID]:
        """Everybody in it."""
        return {patient for patient, _held in self.sessions}


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure, its unit, and how it is taken: ``take`` gives yes and no for a share, numbers for a mean
    and for a count one entry a thing.
    """

    id: str
    kind: Kind
    unit: str
    take: Callable[[Group], Sequence[float]]

    def of(self, group: Group, least: int) -> dict[str, Any]:
        """The figure with its interval; kept back where fewer than ``least`` stand behind it."""
        values = self.take(group)
        row: dict[str, Any] = {
            "id": self.id, "kind": self.kind, "unit": self.unit, **words()["measure"][self.id],
            "n": len(values), "k": None, "value": None, "low": None, "high": None, "kept_back": False,
        }  # fmt: skip
        if self.kind == "count":
            return row | {"value": len(values)}
        if len(values) < least:
            return row | {"n": None, "kept_back": True}
        if self.kind == "mean":
            interval, value = statistics.of_mean(values), fmean(values)
        else:
            row["k"] = int(sum(values))
            interval, value = statistics.wilson(row["k"], len(values)), row["k"] / len(values)
        low, high = interval or (None, None)
        return row | {"value": value, "low": low, "high": high}


def _changes(group: Group, take: Callable[[Course], Change | None], region: str = "") -> list[Change]:
    found = (take(course) for _patient, course in group.courses if region in ("", course.region))
    return [change for change in found if change is not None]


def _by(group: Group, take: Callable[[Course], Change | None], region: str = "") -> list[float]:
    return [change.by for change in _changes(group, take, region)]


def _improved(group: Group, take: Callable[[Course], Change | None], region: str = "") -> list[float]:
    return [float(change.is_improved) for change in _changes(group, take, region)]


def _pain(course: Course) -> Change | None:
    return course.pain_change()


def _score(course: Course) -> Change | None:
    return course.score_change()


def _leg_raises(group: Group) -> list[float]:
    return [
        change.by
        for _patient, course in group.courses
        for side in ("left_deg", "right_deg")
        if (change := course.leg_raise_change(side)) is not None
    ]


def _within_session(group: Group) -> list[float]:
    return [
        float(held.pain_after - held.pain_before)
        for _patient, held in group.sessions
        if held.pain_before is not None and held.pain_after is not None
    ]


def _by_session_eight(group: Group) -> list[float]:
    return [
        float(course.is_improved(USUALLY_BY))
        for _patient, course in group.courses
        if len(course.completed) >= USUALLY_BY and course.pain_change(USUALLY_BY) is not None
    ]


def _with_event(group: Group, grade: int) -> list[float]:
    struck = {event.patient for event in group.adverse if event.grade >= grade}
    return [float(patient in struck) for patient in sorted(group.patients)]


MEASURES: Final = (
    Measure("patients", "count", "", lambda g: [1.0] * len(g.patients)),
    Measure("cures", "count", "", lambda g: [1.0] * len(g.courses)),
    Measure("completed", "share", "%", lambda g: [float(held.completed) for _patient, held in g.sessions]),
    Measure("guarded", "share", "%", lambda g: [float(held.guardings > 0) for _patient, held in g.sessions]),
    Measure("pain-session", "mean", "NRS", _within_session),
    Measure("pain-cure", "mean", "NRS", lambda g: _by(g, _pain)),
    Measure("pain-improved", "share", "%", lambda g: _improved(g, _pain)),
    Measure("improved-by-8", "share", "%", _by_session_eight),
    Measure("odi", "mean", "ODI %", lambda g: _by(g, _score, "lumbar")),
    Measure("odi-improved", "share", "%", lambda g: _improved(g, _score, "lumbar")),
    Measure("ndi", "mean", "NDI %", lambda g: _by(g, _score, "cervical")),
    Measure("ndi-improved", "share", "%", lambda g: _improved(g, _score, "cervical")),
    Measure("leg-raise", "mean", "°", _leg_raises),
    Measure("adverse", "share", "%", lambda g: _with_event(g, 1)),
    Measure("adverse-severe", "share", "%", lambda g: _with_event(g, SEVERE)),
)
