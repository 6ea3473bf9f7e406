"""What changed over a cure, and whether it is as much as matters. What was, never what will be.

A cure has the measurements that name it, and those without a name from the end of the one before (of the same
region) to its own last session: the first questionnaire is filled in before the first session.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit.moments import EPOCH
from services.screening.clearance import store as clearances
from services.screening.clearance.models import Held
from services.screening.outcomes import store
from services.screening.outcomes.instruments import instruments, of_region, pain_scale
from services.screening.outcomes.models import Outcome


@dataclass(frozen=True, slots=True)
class Pain:
    """Pain before and after a session, or at rest (``before``) where there is none."""

    at: datetime
    before: int | None
    after: int | None
    session: UUID | None
    number: int | None  # which completed session of the cure it was
    is_by_hand: bool

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "at": self.at.isoformat(), "before": self.before, "after": self.after, "number": self.number,
            "session": self.session and str(self.session), "by_hand": self.is_by_hand,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """From the first value to the last; a fall is an improvement."""

    first: float
    last: float
    matters: float  # the least fall that does

    @property
    def by(self) -> float:
        """Below zero: less than at first."""
        return self.last - self.first

    @property
    def is_improved(self) -> bool:
        """Whether it fell by as much as matters."""
        return self.first > 0 and self.first - self.last >= self.matters

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "first": self.first, "last": self.last, "by": round(self.by, 1),
            "matters": round(self.matters, 1), "improved": self.is_improved,
        }  # fmt: skip


@dataclass(slots=True)
class Course:
    """One cure with everything measured of it; ``cure`` is none for sessions that belong to none."""

    cure: UUID | None
    region: str
    sessions: list[Held] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def completed(self) -> list[Held]:
        """The sessions that count."""
        return [held for held in self.sessions if held.completed]

    def pain(self, sessions: int | None = None) -> list[Pain]:
        """In order; what was corrected by hand stands instead of what the bed said. To the end of so many
        completed sessions.
        """
        by_hand = {row.session: row for row in self.outcomes if row.kind == "pain" and row.session}
        numbers = {held.id: number for number, held in enumerate(self.completed, 1)}
        found = [
            _of_session(held, by_hand.pop(held.id, None), numbers.get(held.id)) for held in self.sessions
        ]
        others = [row for row in self.outcomes if row.kind == "pain" and row.session is None]
        found += [_of_row(row) for row in [*others, *by_hand.values()]]
        last = self._until(sessions)
        return sorted(
            (one for one in found if (one.before is not None or one.after is not None) and one.at <= last),
            key=lambda one: one.at,
        )

    def scores(self, sessions: int | None = None) -> list[tuple[datetime, float]]:
        """Of the region's questionnaire, those that have one, in order."""
        last, kind = self._until(sessions), of_region(self.region).id
        return [
            (row.measured_at, row.score) for row in self.outcomes
            if row.kind == kind and row.score is not None and row.measured_at <= last
        ]  # fmt: skip

    def pain_change(self, sessions: int | None = None) -> Change | None:
        """Of the pain before sessions: what stays until the next time."""
        rest = [one.before for one in self.pain(sessions) if one.before is not None]
        return Change(rest[0], rest[-1], pain_scale().matters_points) if len(rest) > 1 else None

    def score_change(self, sessions: int | None = None) -> Change | None:
        """Of the questionnaire."""
        found = [score for _at, score in self.scores(sessions)]
        if len(found) <= 1:
            return None
        return Change(found[0], found[-1], of_region(self.region).matters(found[0]))

    def leg_raise_change(self, side: str) -> Change | None:
        """In degrees; here a rise is an improvement."""
        found = [row.value[side] for row in self.outcomes if row.kind == "leg-raise"]
        known = [value for value in found if value is not None]
        return Change(known[0], known[-1], 0.0) if len(known) > 1 else None

    def is_improved(self, sessions: int | None = None) -> bool:
        """Whether pain or questionnaire fell by as much as matters."""
        changes = (self.pain_change(sessions), self.score_change(sessions))
        return any(change is not None and change.is_improved for change in changes)

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        pain, score = self.pain_change(), self.score_change()
        instrument = of_region(self.region)
        return {
            "cure": self.cure and str(self.cure), "region": self.region,
            "sessions": [held.as_json() for held in self.sessions],
            "pain": [one.as_json() for one in self.pain()],
            "scores": [{"at": at.isoformat(), "score": score} for at, score in self.scores()],
            "leg_raises": [
                {"at": row.measured_at.isoformat(), **row.value}
                for row in self.outcomes if row.kind == "leg-raise"
            ],
            "instrument": instrument.id,
            "pain_change": pain and pain.as_json(), "score_change": score and score.as_json(),
            "improved": self.is_improved() if pain or score else None,
        }  # fmt: skip

    def _until(self, sessions: int | None) -> datetime:
        """The end of so many completed sessions, else of time."""
        completed = self.completed
        if sessions is None or len(completed) < sessions:
            return _END
        return completed[sessions - 1].ended_at


def courses(sessions: Iterable[Held], outcomes: Sequence[Outcome]) -> list[Course]:
    """One person's cures, the earliest first; measurements before any session make one without sessions."""
    found: dict[str, Course] = {}
    for held in sessions:
        one = found.setdefault(f"{held.cure or ''} {held.region}", Course(held.cure, held.region))
        one.sessions.append(held)
    standing = [row for row in outcomes if row.corrected_by is None]
    every = list(found.values())
    for region in dict.fromkeys([*(one.region for one in every), *(row.region for row in standing)]):
        ours = sorted((one for one in every if one.region == region), key=_begin)
        if not ours:
            ours = [Course(None, region)]
            every += ours
        _share_out([row for row in standing if row.region == region], ours)
    return sorted(every, key=_begin)


def _share_out(rows: list[Outcome], ours: list[Course]) -> None:
    """Each measurement to the cure that it names, else to the one whose time it is."""
    named = {one.cure: one for one in ours if one.cure}
    ends = [one.sessions[-1].ended_at if one.sessions else _END for one in ours]
    for row in rows:
        place = next((index for index, end in enumerate(ends) if row.measured_at <= end), len(ours) - 1)
        (named.get(row.cure or _NOBODY) or ours[place]).outcomes.append(row)


def courses_of(connection: Connection, patients: Sequence[UUID]) -> list[Course]:
    """One person's cures as they lie in the database."""
    return courses(clearances.sessions(connection, patients), store.outcomes(connection, patients))


def _of_session(held: Held, row: Outcome | None, number: int | None) -> Pain:
    take: Callable[[str, int | None], int | None] = lambda name, bed: (
        bed if row is None or row.value[name] is None else row.value[name]
    )
    before, after = take("before", held.pain_before), take("after", held.pain_after)
    return Pain(held.ended_at, before, after, held.id, number, row is not None)


def _of_row(row: Outcome) -> Pain:
    return Pain(row.measured_at, row.value["before"], row.value["after"], row.session, None, is_by_hand=True)


def _begin(course: Course) -> datetime:
    if course.sessions:
        return course.sessions[0].started_at
    return course.outcomes[0].measured_at if course.outcomes else EPOCH


_NOBODY = UUID(int=0)
_END = datetime.max.replace(tzinfo=EPOCH.tzinfo)
KINDS = ("pain", *instruments(), "leg-raise")
