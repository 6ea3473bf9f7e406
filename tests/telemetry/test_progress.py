from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.progress import Spans

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30)


def _oracle_holes(numbers):
    return [number for number in range(max(numbers, default=-1) + 1) if number not in numbers]


@given(spans)
def test_the_promise_never_goes_past_a_hole_whatever_the_order(pieces):
    """A committed number beyond a hole would trim from the spool what is stored nowhere else."""
    stored, known = set(), Spans()
    for first, count in pieces:
        stored |= set(range(first, first + count))
        known.add(first, first + count)
        assert known.next == next(number for number in range(100) if number not in stored)
        missing = [number for first, after in known.holes for number in range(first, after)]
        assert missing == _oracle_holes(stored)


@given(spans, st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(pieces, random):
    """Live blocks and the backlog of an outage come side by side."""
    one, other = Spans(), Spans()
    shuffled = random.sample(pieces, len(pieces))
    for mine, order in ((one, pieces), (other, shuffled)):
        for first, count in order:
            mine.add(first, first + count)
    assert (one.next, one.holes) == (other.next, other.holes)


def test_a_checkpoint_is_a_beginning():
    """After a restart only what lies behind it is read again."""
    known = Spans(500)
    known.add(500, 510)
    assert (known.next, known.holes) == (510, [])
