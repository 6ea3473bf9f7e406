"""What is known of a programme and of what was done, as the reports go by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from services.homecare.models import Programme
from services.homecare.reports.adherence import Adherence, Pain, Past, adherence, pains

Row = dict[str, Any]


@dataclass(slots=True)
class Case:
    """One programme on one day of its site. ``entries`` may begin later than the programme did."""

    programme: Programme
    today: date
    past: Past
    entries: Sequence[Row]
    reports: Sequence[Row]  # of pain, oldest first, each with its "answer", None while there is none
    heard_at: datetime | None
    last_done: date | None
    has_link: bool
    is_started: bool
    signed: Mapping[str, int]  # supervised sessions that went well, by exercise
    completed: date | None = None
    _pains: dict[date, Pain] | None = field(default=None, repr=False)

    @property
    def pains(self) -> dict[date, Pain]:
        """What each day hurt."""
        if self._pains is None:
            self._pains = pains(self.entries)
        return self._pains

    @property
    def open_reports(self) -> list[Row]:
        """Reports of pain that wait for a clinician's answer, oldest first."""
        return [row for row in self.reports if row["answer"] is None]

    def between(self, first: date, last: date) -> Adherence:
        """Whether it was done, of those days."""
        return adherence(self.past, first, last)

    def waiting(self) -> dict[str, int]:
        """How many supervised sessions each exercise still needs before it opens at home."""
        judged = (one for one in self.programme.decision.exercises if one.verdict == "home")
        left = {one.exercise: one.supervised_sessions - self.signed.get(one.exercise, 0) for one in judged}
        return {exercise: count for exercise, count in left.items() if count > 0}
