from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.archive.planning import Cut, HotSession, Situation, cuts, layers, reach, take

ONE, TWO = UUID(int=1), UUID(int=2)
MINUTE = 3000  # samples at 20 ms


@dataclass(frozen=True)
class Entry:
    first: int
    after: int


def situation(stored, *sessions, at=0, blackbox=None, **more):
    blackbox = stored if blackbox is None else blackbox
    marks = {"tension": at, "blackbox": 0, "event": 0}
    return Situation(marks, {"tension": stored, "blackbox": blackbox, "event": 0}, 20.0, sessions, **more)


FINISHED = HotSession(ONE, 5 * MINUTE, 35 * MINUTE)
RUNNING = HotSession(TWO, 40 * MINUTE, None)
PLANS = {
    "idle time shorter than a span waits": (situation(59 * MINUTE), []),
    "an idle span is archived when it is full": (situation(60 * MINUTE), [(60, None, False)]),
    "a backlog is archived span by span": (
        situation(130 * MINUTE), [(60, None, False), (120, None, False)]),
    "a finished session is one object, the idle time before it another": (
        situation(36 * MINUTE, FINISHED), [(5, None, False), (35, ONE, True)]),
    "a session that goes on waits": (situation(36 * MINUTE, HotSession(ONE, 0, None)), []),
    "a session longer than a span is archived in several": (
        situation(61 * MINUTE, HotSession(ONE, 0, None)), [(60, ONE, False)]),
    "the rest of a session that was begun to be archived is one object": (
        situation(70 * MINUTE, HotSession(ONE, 0, 69 * MINUTE), at=60 * MINUTE), [(69, ONE, True)]),
    "a session's end that is announced and not stored yet is waited for": (
        situation(30 * MINUTE, FINISHED), [(5, None, False)]),
    "a session waits for its black box": (
        situation(36 * MINUTE, FINISHED, blackbox=34 * MINUTE), [(5, None, False)]),
    "but not for ever": (
        situation(36 * MINUTE, FINISHED, blackbox=34 * MINUTE, patient=False),
        [(5, None, False), (35, ONE, True)]),
    "a device without a black box is not waited for": (
        situation(36 * MINUTE, FINISHED, blackbox=0), [(5, None, False), (35, ONE, True)]),
    "a boot that is over is archived to its end": (
        situation(50 * MINUTE, FINISHED, RUNNING, closing=True),
        [(5, None, False), (35, ONE, True), (40, None, False), (50, TWO, True)]),
    "nothing new is nothing to do, at the end too": (
        situation(50 * MINUTE, at=50 * MINUTE, closing=True), []),
    "sessions that are archived already do not count": (
        situation(50 * MINUTE, FINISHED, at=35 * MINUTE), []),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_what_is_cut_where(name):
    """Each row of the table is a rule of the archive."""
    given_situation, expected = PLANS[name]
    assert cuts(given_situation, 60.0) == [
        Cut(minute * MINUTE, session, whole) for minute, session, whole in expected
    ]


spans = st.lists(st.builds(lambda a, n: Entry(a, a + n), st.integers(0, 60), st.integers(1, 15)), max_size=12)


@given(spans, spans, st.integers(0, 40), st.integers(0, 80), st.booleans())
def test_nothing_is_taken_behind_a_hole_and_nothing_is_left_below_the_mark(entries, named, mark, cut, whole):
    """The mark is a promise: everything below is archived or will never come."""
    gaps = [(gap.first, gap.after) for gap in named]
    taken, after = take(entries, gaps, mark, cut, whole=whole)
    covered = {n for entry in taken for n in range(entry.first, entry.after)}
    covered |= {n for first, end in gaps for n in range(first, end)}
    assert covered >= set(range(mark, after))
    assert all(mark <= entry.first and entry.after <= after for entry in taken)
    left = [entry for entry in entries if entry.first >= mark and entry not in taken]
    assert all(entry.first >= after for entry in left)


@given(spans)
def test_entries_that_overlap_are_all_kept_apart(entries):
    """Two contents under one number are both archived, so that the audit shows them."""
    found = layers(entries)
    assert sorted((e.first, e.after) for layer in found for e in layer) == sorted(
        (e.first, e.after) for e in entries
    )
    for layer in found:
        assert all(one.after <= other.first for one, other in pairwise(layer))


def test_a_named_gap_is_gone_over_and_a_hole_is_not():
    """What will never come must not hold up the archive; what may still come does."""
    assert reach([Entry(0, 10), Entry(20, 30)], [(10, 20)], 0) == 30
    assert reach([Entry(0, 10), Entry(20, 30)], [], 0) == 10
