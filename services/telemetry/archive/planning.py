"""What is to be archived now, as a pure function of what lies where.

Each finished session in one object, idle time by spans, the rest when nothing more will come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.telemetry.archive.rows import Marks, Span
from services.telemetry.models import MAX_SEQ

Spans = NDArray[np.int64]  # [entries, 2]: first, after
MINUTE_MS: Final = 60_000.0
NO_SPANS: Final = np.empty((0, 2), np.int64)


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


def reach(spans: Spans, gaps: Sequence[Span], mark: int) -> int:
    """The first number from ``mark`` on that is neither in a span (first, after) nor named as a gap."""
    every = np.concatenate([spans, np.array(gaps, np.int64).reshape(-1, 2)])
    firsts, afters = every[np.argsort(every[:, 0], kind="stable")].T
    reached = np.maximum.accumulate(np.concatenate([[mark], afters]))
    holes = np.flatnonzero(firsts > reached[:-1])
    return int(reached[holes[0]] if holes.size else reached[-1])


def take(spans: Spans, gaps: Sequence[Span], mark: int, cut: int, *, whole: bool) -> tuple[Spans, int]:
    """Which entries (indices) lie from ``mark`` to ``cut``, and the mark behind them; none behind a hole.

    An entry that holds ``cut`` is taken when ``whole``, else it stays. No entry that stays begins below the
    new mark, which goes on to the end of named gaps.
    """
    waiting = spans[spans[:, 0] >= mark]
    firsts, afters = waiting.T
    end = min(cut, reach(waiting, gaps, mark))
    while (crossing := (firsts < end) & (end < afters)).any():
        end = int(afters[crossing].max() if whole else firsts[crossing].min())
    taken = np.flatnonzero((spans[:, 0] >= mark) & (spans[:, 0] < end))
    next_first = int(firsts[firsts >= end].min(initial=MAX_SEQ))
    return taken, min(reach(NO_SPANS, gaps, end), next_first)


def layers(spans: Spans) -> list[Spans]:
    """Entries (indices) in layers that each hold no number twice: what overlaps goes to a further one."""
    order = np.lexsort((-spans[:, 1], spans[:, 0]))
    firsts, afters = spans[order].T
    if (firsts[1:] >= afters[:-1]).all():
        return [order] if order.size else []
    found: list[list[int]] = []
    reached: list[int] = []
    for place, first, after in zip(order.tolist(), firsts.tolist(), afters.tolist(), strict=True):
        fitting = next((number for number, end in enumerate(reached) if end <= first), len(found))
        if fitting == len(found):
            found.append([])
            reached.append(0)
        found[fitting].append(place)
        reached[fitting] = after
    return [np.array(layer) for layer in found]
