from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.archive.planning import Cut, HotSession, Situation, cuts, layers, reach, take

ONE, TWO = UUID(int=1), UUID(int=2)
MINUTE = 3000  # samples at 20 ms


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


spans = st.lists(
    st.builds(lambda first, count: (first, first + count), st.integers(0, 60), st.integers(1, 15)),
    max_size=12,
)


def table(rows):
    return np.array(rows, np.int64).reshape(-1, 2)


@given(spans, spans, st.integers(0, 40), st.integers(0, 80), st.booleans())
def test_nothing_is_taken_behind_a_hole_and_nothing_is_left_below_the_mark(entries, gaps, mark, cut, whole):
    """The mark is a promise: everything below is archived or will never come."""
    places, mark_after = take(table(entries), gaps, mark, cut, whole=whole)
    taken = [entries[place] for place in places]
    covered = {number for first, after in [*taken, *gaps] for number in range(first, after)}
    assert covered >= set(range(mark, mark_after))
    assert all(mark <= first and after <= mark_after for first, after in taken)
    left = [row for place, row in enumerate(entries) if row[0] >= mark and place not in places]
    assert all(first >= mark_after for first, _ in left)


@given(spans)
def test_entries_that_overlap_are_all_kept_apart(entries):
    """Two contents under one number are both archived, so that the audit shows them."""
    found = layers(table(entries))
    assert sorted(place for layer in found for place in layer) == list(range(len(entries)))
    for layer in found:
        assert all(entries[one][1] <= entries[other][0] for one, other in pairwise(layer))


@given(spans, spans, st.integers(0, 60))
def test_the_reach_is_the_first_number_that_nothing_holds(entries, gaps, mark):
    """Whatever overlaps whatever: numbers are counted, not entries."""
    held = {number for first, after in [*entries, *gaps] for number in range(first, after)}
    assert reach(table(entries), gaps, mark) == next(n for n in range(mark, 200) if n not in held)


def test_a_named_gap_is_gone_over_and_a_hole_is_not():
    """What will never come must not hold up the archive; what may still come does."""
    assert reach(table([(0, 10), (20, 30)]), [(10, 20)], 0) == 30
    assert reach(table([(0, 10), (20, 30)]), [], 0) == 10
