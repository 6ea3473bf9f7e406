"""What is to be archived now, as a pure function of what lies where.

Each finished session in one object, idle time by spans, the rest when nothing more will come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from uuid import UUID

from services.telemetry.archive.rows import Marks, Span
from services.telemetry.models import MAX_SEQ

MINUTE_MS: Final = 60_000.0


@dataclass(frozen=True, slots=True)
class HotSession:
    """Where a session lies in its boot's samples; ``after`` is None while it goes on."""

    id: UUID
    first: int
    after: int | None


@dataclass(frozen=True, slots=True)
class Situation:
    """One device and boot: archived up to ``marks``, stored without a hole up to ``stored``."""

    marks: Marks
    stored: Marks
    period_ms: float
    sessions: Sequence[HotSession] = ()
    closing: bool = False  # take all there is: nothing more will come, or Redis is filling up
    patient: bool = True  # a session's end waits for its black box; False: it has waited long enough


@dataclass(frozen=True, slots=True)
class Cut:
    """Archive up to this seq: the entry that holds it goes to the left (``whole``) or to the right of it."""

    seq: int
    session: UUID | None
    whole: bool


def cuts(situation: Situation, span_min: float) -> list[Cut]:
    """Where to cut what is not archived yet; in order, none when it is all to wait."""
    found: list[Cut] = []
    span = max(1, int(span_min * MINUTE_MS / situation.period_ms))
    at, stored = situation.marks["tension"], situation.stored["tension"]
    for part in _parts(situation.sessions, at):
        ended = part.after is not None and part.after <= stored
        limit = part.after if part.after is not None and ended else stored
        if not (ended and part.session):
            steps = range(at + span, limit + (not ended), span)
            found += [Cut(seq, part.session, whole=False) for seq in steps]
        if ended and part.session and not _settled(situation, limit):
            return found
        if ended or (situation.closing and limit > at):
            found.append(Cut(limit, part.session, whole=not ended or part.session is not None))
        if not ended:
            return found
        at = limit
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    after: int | None
    session: UUID | None


def _parts(sessions: Sequence[HotSession], at: int) -> Iterator[_Part]:
    """Idle time and sessions in turn, from ``at`` on; the last one is open."""
    for session in sorted(sessions, key=lambda one: one.first):
        if session.after is not None and session.after <= at:
            continue
        if session.first > at:
            yield _Part(session.first, None)
        yield _Part(session.after, session.id)
        if session.after is None:
            return
        at = session.after
    yield _Part(None, None)


def _settled(situation: Situation, end: int) -> bool:
    """Whether the black box has reached the end too; a device that has none is not waited for."""
    blackbox = situation.stored["blackbox"]
    return not situation.patient or not blackbox or blackbox >= end


class Numbered(Protocol):
    """Something that holds the numbers ``first`` .. ``after - 1``."""

    @property
    def first(self) -> int:
        """The first number."""

    @property
    def after(self) -> int:
        """The number behind the last one."""


N = TypeVar("N", bound=Numbered)


def reach(entries: Iterable[Numbered], gaps: Iterable[Span], mark: int) -> int:
    """The first number from ``mark`` on that is neither in an entry nor named as a gap."""
    spans = sorted([(entry.first, entry.after) for entry in entries] + list(gaps))
    for first, after in spans:
        if first > mark:
            break
        mark = max(mark, after)
    return mark


def take(
    entries: Sequence[N], gaps: Sequence[Span], mark: int, cut: int, *, whole: bool
) -> tuple[list[N], int]:
    """The entries from ``mark`` to ``cut`` and the mark behind them; nothing is taken behind a hole.

    An entry that holds ``cut`` is taken when ``whole``, else it stays. No entry that stays begins below the
    new mark, which goes on to the end of named gaps.
    """
    waiting = [entry for entry in entries if entry.first >= mark]
    end = min(cut, reach(waiting, gaps, mark))
    while crossing := [entry for entry in waiting if entry.first < end < entry.after]:
        end = max(e.after for e in crossing) if whole else min(e.first for e in crossing)
    taken = [entry for entry in waiting if entry.first < end]
    next_first = min((entry.first for entry in waiting if entry.first >= end), default=MAX_SEQ)
    return taken, min(reach([], gaps, end), next_first)


def layers(entries: Iterable[N]) -> list[list[N]]:
    """Entries in lists that each hold no number twice: what overlaps goes to a further list."""
    found: list[list[N]] = []
    for entry in sorted(entries, key=lambda one: (one.first, -one.after)):
        fitting = next((layer for layer in found if layer[-1].after <= entry.first), None)
        if fitting is None:
            found.append([entry])
        else:
            fitting.append(entry)
    return found
