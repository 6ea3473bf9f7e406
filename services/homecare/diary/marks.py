"""What is remarkable of an entry. It is kept all the same: it happened, and the clinic is told.

What an entry came with is marked when it comes; whether its exercise was locked follows from the reports and
their answers, so that it is the same in whatever order a telephone sends them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from services.homecare.diary.models import Entry
from services.homecare.models import Judged, Programme
from services.homecare.programmes import store as programmes
from services.homecare.tables import ZONES
from services.kit.language import Text
from services.kit.moments import us_of

Row = Mapping[str, Any]
Signed = Callable[[Judged, Iterable[dict[str, Any]]], int]  # how many of these sessions count
AHEAD_US: Final = timedelta(days=1) // timedelta(microseconds=1)  # a clock that is further ahead is wrong
OPENING: Final = ("go_on", "lower")
NEVER_US: Final = 2**63
# By which turn a programme opens again after another.
ENDED_BY: Final = {"paused": "resumed", "suspended": "restored", "completed": None, "ended": None}
WORDS: Final[Mapping[str, Text]] = {
    "clock": {"de": "die Uhr des Telefons ging falsch", "en": "the telephone's clock was wrong"},
    "paused": {"de": "das Programm war angehalten", "en": "the programme was paused"},
    "completed": {"de": "das Programm war abgeschlossen", "en": "the programme was completed"},
    "ended": {"de": "das Programm war beendet", "en": "the programme had ended"},
    "suspended": {"de": "die Freigabe war ausgesetzt", "en": "the clearance was suspended"},
    "not_set": {
        "de": "die Übung steht nicht im Programm",
        "en": "the exercise is not in the programme",
    },
    "supervision": {
        "de": "die Übung war zu Hause noch nicht freigegeben",
        "en": "the exercise was not yet open at home",
    },
    "locked": {"de": "die Übung war gesperrt", "en": "the exercise was locked"},
}


def moment_us(row: Row) -> int:
    """When it happened: by the telephone's clock, by ours where it was far ahead."""
    is_ahead = row["at_us"] > row["received_us"] + AHEAD_US
    return int(row["received_us" if is_ahead else "at_us"])


class Marking:
    """Marks the entries of one request."""

    def __init__(
        self, connection: Connection, programme: Programme, signed: Signed, since_us: int, now_us: int
    ) -> None:
        self._since_us, self._now_us = min(since_us, _first_us(connection, programme)), now_us
        self._closed = _closed(connection, programme)
        rows = programmes.signatures(connection, programme.id)
        self._is_open = {
            one.exercise: one.verdict == "home" and signed(one, rows) >= one.supervised_sessions
            for one in programme.decision.exercises
        }

    def of(self, entry: Entry) -> list[str]:
        """In the order of WORDS."""
        found = {"clock"} if not self._since_us <= entry.at_us <= self._now_us + AHEAD_US else set()
        at_us = moment_us({"at_us": entry.at_us, "received_us": self._now_us})
        found |= {mark for mark, from_us, to_us in self._closed if from_us <= at_us < to_us}
        if entry.kind == "exercise":
            found |= self._of_exercise(entry.exercise)
        return [mark for mark in WORDS if mark in found]

    def _of_exercise(self, exercise: str) -> set[str]:
        if exercise not in self._is_open:
            return {"not_set"}
        return set() if self._is_open[exercise] else {"supervision"}


def _first_us(connection: Connection, programme: Programme) -> int:
    """When its first day began: what is said of a day of the programme is said by no wrong clock."""
    first = datetime.combine(programme.wanted.starts_on, time(), ZONES.of(connection, programme.site))
    return us_of(first.astimezone(UTC))


def _closed(connection: Connection, programme: Programme) -> list[tuple[str, int, int]]:
    """Why nothing of it was open at home: each with its first and last microsecond."""
    turns = programmes.turns(connection, programme.id)
    found = []
    for index, row in enumerate(turns):
        if row["kind"] in ENDED_BY:
            ends = (one["at_us"] for one in turns[index:] if one["kind"] == ENDED_BY[row["kind"]])
            found.append((row["kind"], row["at_us"], next(ends, NEVER_US)))
    return found


def was_locked(entry: Row, pains: Iterable[Row]) -> bool:
    """Whether a report about its exercise, or about all, was open then; each report with its ``answer``."""
    if entry["kind"] != "exercise":
        return False
    at_us = moment_us(entry)
    return any(
        pain["exercise"] in (None, entry["exercise"])
        and moment_us(pain) < at_us
        and not _is_opened(pain, at_us)
        for pain in pains
    )


def every(entry: Row, pains: Sequence[Row]) -> list[str]:
    """All marks of an entry that is kept."""
    return [*entry["marks"], *(["locked"] if was_locked(entry, pains) else [])]


def _is_opened(pain: Row, at_us: int) -> bool:
    answer = pain["answer"]
    return answer is not None and answer["decision"] in OPENING and answer["at_us"] <= at_us
