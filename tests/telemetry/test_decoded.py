"""What is kept decoded is what Redis and archive would give, whatever came or went since."""

import threading
from contextlib import closing
from uuid import uuid4

import numpy as np
import pytest
from archive_rig import Rig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.telemetry.archive.models import BITS, PHASE, VALUES, Run
from services.telemetry.archive.runs import tension_runs
from services.telemetry.decoded import PIECE, Decoded, level
from services.telemetry.exports.models import times_us
from services.telemetry.hot import Hot
from services.telemetry.query import History

BLOCK = 64
QUESTIONS = ((0, None), (0, 12 * PIECE), (PIECE + 7, 9 * PIECE - 3), (3 * PIECE, 7 * PIECE))


@pytest.fixture
def rig(valkey, tmp_path):
    """A device's store, its archive and an archiver."""
    with closing(Rig(valkey.url, f"file://{tmp_path}/objects", f"sqlite:///{tmp_path}/index.db")) as made:
        yield made


@pytest.fixture
def hot(valkey):
    """The reading side."""
    with closing(Hot(valkey.url)) as made:
        yield made


def samples(runs):
    """Rows of seq, time (us), phase and values, each seq once."""
    columns = [
        np.concatenate([np.arange(0), *(part(run) for run in runs)])
        for part in (
            lambda run: np.arange(run.first, run.after),
            times_us,
            lambda run: run.columns[PHASE],
            *((lambda run, name=name: run.values(name)) for name in VALUES),
        )
    ]
    assert (np.diff(columns[0]) > 0).all()
    return columns


def alike(one, other):
    """The same samples; a time may differ by what is kept of it (half a millisecond on either side)."""
    assert len(one[0]) == len(other[0])
    for number, (column, same) in enumerate(zip(one, other, strict=True)):
        assert np.abs(column - same).max(initial=0) <= (1000 if number == 1 else 0)


def plainly(hot, source, first, after):
    """Read and decoded anew."""
    runs = tension_runs(hot.raw("tension", source, first, after))
    end = max((run.after for run in runs), default=0) if after is None else after
    return [run.slice(first, end) for run in runs if run.first < end and run.after > first]


def compare(decoded, hot, source):
    """Every question, kept and anew."""
    for first, after in QUESTIONS:
        alike(samples(decoded.runs(source, first, after)), samples(plainly(hot, source, first, after)))


# What happens between two looks: blocks in order, a hole, late ones, a differing one, a move.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 60)),
        st.tuples(st.just("leave out"), st.integers(1, 20)),
        st.tuples(st.just("late"), st.integers(0, 10**6)),
        st.tuples(st.just("differs"), st.integers(0, 10**6)),
        st.tuples(st.just("archive"), st.just(0)),
    ),
    min_size=3,
    max_size=8,
)


class Life:
    """A device whose blocks come in any way, and an archiver that takes them."""

    def __init__(self, rig):
        self.rig = rig
        self.next = 0
        self.holes = []
        self.sent = []

    def do(self, what, number):
        """One step."""
        getattr(self, what.replace(" ", "_"))(number)

    def send(self, blocks):
        """In order."""
        firsts = [self.next + at * BLOCK for at in range(blocks)]
        self.rig.keep([self._block(first, 100.0 + first % 7) for first in firsts])
        self.sent += firsts
        self.next += blocks * BLOCK

    def leave_out(self, blocks):
        """They come later, or never."""
        self.holes += [self.next + at * BLOCK for at in range(blocks)]
        self.next += blocks * BLOCK
        self.send(1)

    def late(self, number):
        """One of those that were left out; the order among them is any, so that some become strays."""
        if self.holes:
            first = self.holes.pop(number % len(self.holes))
            self.rig.keep([self._block(first, 55.5)])
            self.sent.append(first)

    def differs(self, number):
        """A block of numbers that are there, with other contents."""
        if self.sent:
            self.rig.keep([self._block(self.sent[number % len(self.sent)], 77.25)])

    def archive(self, _):
        """Everything but the newest goes where it belongs."""
        self.rig.turn(hurry=True)

    def _block(self, first, level_n):
        return self.rig.tension(first, BLOCK, BLOCK, level_n)[0]


@pytest.mark.system
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps, limit=st.sampled_from([30_000, 10**8]))
def test_what_is_kept_never_differs_from_what_is_read(rig, hot, script, limit):
    """Late blocks, strays, holes and the archiver between any two questions; a small cache too."""
    rig.source = type(rig.source)(rig.source.place, uuid4())
    rig.fresh_archiver()
    life, decoded = Life(rig), Decoded(hot, limit)
    kept = History(hot, rig.archive)
    life.send(150)
    for what, number in script:
        compare(decoded, hot, rig.source)
        before = samples(kept.runs("tension", rig.source))
        life.do(what, number)
        compare(decoded, hot, rig.source)
        assert decoded.bytes <= limit
        now = samples(kept.runs("tension", rig.source))
        alike(now, samples(History(hot, rig.archive).runs("tension", rig.source)))
        assert set(before[0]) <= set(now[0]), "no answer may lose what an earlier one had"


@pytest.mark.system
def test_a_wide_curve_is_decoded_once(rig, hot):
    """The second look decodes only what is new: it reads hundredths of the entries."""
    rig.keep(rig.tension(0, 30 * PIECE, 64))
    reads = []

    class Counting(Hot):
        def raw(self, kind, source, first=0, after=None):
            found = super().raw(kind, source, first, after)
            reads.append(len(found))
            return found

    with closing(Counting(rig.redis_url)) as counting:
        decoded = Decoded(counting)
        first = samples(decoded.runs(rig.source, 0, None))
        assert sum(reads) > 450
        reads.clear()
        rig.keep(rig.tension(30 * PIECE, 64, 64))
        second = samples(decoded.runs(rig.source, 0, None))
    assert sum(reads) <= 2 * PIECE // 64 + 2
    assert (len(first[0]), len(second[0])) == (30 * PIECE, 30 * PIECE + 64)


@pytest.mark.system
def test_the_cache_stays_within_its_bytes_and_keeps_what_was_asked_for_last(rig, hot):
    """The API's memory does not grow with the number of beds that were looked at."""
    rig.keep(rig.tension(0, 20 * PIECE, 64))
    decoded = Decoded(hot, 200_000)
    for first in (0, 5 * PIECE, 10 * PIECE):
        assert len(samples(decoded.runs(rig.source, first, first + 8 * PIECE))[0]) == 8 * PIECE
        assert 0 < decoded.bytes <= 200_000


@pytest.mark.system
def test_many_threads_get_the_same_while_blocks_come(rig, hot):
    """No thread may keep a piece that another knew to be changed."""
    rig.keep(rig.tension(0, 4 * PIECE, 64) + rig.tension(6 * PIECE, 4 * PIECE, 64))
    decoded, over, counts, wrong = Decoded(hot), threading.Event(), [], []

    def ask():
        last = 0
        while not over.is_set():
            count = sum(run.count for run in decoded.runs(rig.source, 0, None))
            if count < last:
                wrong.append((last, count))
            last = count
        counts.append(sum(run.count for run in decoded.runs(rig.source, 0, None)))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(4 * PIECE, 6 * PIECE, 64):
        rig.keep(rig.tension(first, 64, 64) + rig.tension(first + 6 * PIECE, 64, 64))
    over.set()
    for thread in threads:
        thread.join()
    assert (counts, wrong) == ([12 * PIECE] * 3, [])


@given(st.lists(st.tuples(st.lists(st.integers(-10**6, 10**6), min_size=1, max_size=5), st.integers(1, 3)),
                min_size=1, max_size=5))  # fmt: skip
def test_runs_of_different_decimals_are_levelled_without_a_changed_float(rows):
    """100.0 and 100.25 lie in one curve; joined they are the very numbers that were published."""
    runs = [
        Run(0, 20.0, ((0, 0),), {"tension_n": np.array(counts, np.int32)}, {"tension_n": decimals})
        for counts, decimals in rows
    ]
    levelled = level(runs)
    assert len({run.decimals["tension_n"] for run in levelled}) == 1
    for run, same in zip(runs, levelled, strict=True):
        assert run.values("tension_n").tolist() == same.values("tension_n").tolist()


def test_floats_that_are_no_decimals_stay_their_own_bits():
    """They are joined with none."""
    bits = np.array([1 / 3]).view(np.int64)
    odd = Run(0, 20.0, ((0, 0),), {"tension_n": bits}, {"tension_n": BITS})
    even = Run(1, 20.0, ((1, 0),), {"tension_n": np.array([5], np.int32)}, {"tension_n": 1})
    assert [run.decimals["tension_n"] for run in level([odd, even])] == [BITS, 1]
