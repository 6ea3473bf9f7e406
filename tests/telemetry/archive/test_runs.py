"""Messages become runs of exact integers, and come back as the numbers they were."""

import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telemetry.archive.make_runs import START, block, chunk, wave

from broker.messages import BlackboxChunk
from services.telemetry.archive import codec
from services.telemetry.archive.models import BITS, PHASE, PHASES, VALUES, join
from services.telemetry.archive.runs import blackbox_runs, chunks_of, tension_runs
from services.telemetry.errors import Corrupt

DECIMAL = st.builds(
    lambda count, places: count / 10**places, st.integers(-2_000_000, 2_000_000), st.integers(0, 3)
)
ANY = st.floats(allow_nan=False, allow_infinity=False)
ROW = st.tuples(*[DECIMAL | ANY] * 4)
TIGHT = st.tuples(*[DECIMAL] * 4)
BLOCKS = st.lists(
    st.tuples(
        st.integers(0, 5), st.lists(TIGHT, min_size=1, max_size=8) | st.lists(ROW, min_size=1, max_size=4)
    ),
    min_size=1,
    max_size=8,
)


def _through(runs):
    return join([codec.decode(piece) for run in runs for piece in codec.encode(run)])


@given(BLOCKS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_every_float_comes_back_whatever_it_is(described, chance):
    """Decimals, odd floats, huge values, gaps, single samples, entries in any order and twice."""
    seq, entries, wanted = 0, [], {}
    for gap, rows in described:
        seq += gap
        entries.append(block(seq, rows))
        wanted |= {seq + number: row for number, row in enumerate(rows)}
        seq += len(rows)
    entries += chance.sample(entries, 1)
    chance.shuffle(entries)
    found = {}
    for run in _through(tension_runs(entries)):
        columns = [run.values(name).tolist() for name in VALUES]
        rows = zip(*columns, run.columns[PHASE].tolist(), strict=True)
        found |= {run.first + number: row for number, row in enumerate(rows)}
    assert found == {seq: (*row, seq_phase(seq, wanted)) for seq, row in wanted.items()}


STRETCHES = st.lists(st.integers(0, 8), min_size=2, max_size=2, unique=True).map(sorted)
NAMED = st.dictionaries(
    st.sampled_from(["tension_n", "position_mm", "residual_n"]), st.lists(STRETCHES, max_size=2), max_size=3
)


@given(st.lists(st.tuples(st.integers(0, 3), NAMED | st.none()), min_size=1, max_size=12), st.randoms())
@settings(deadline=None)
def test_what_nobody_measured_stays_known_and_its_numbers_as_they_came(described, chance):
    """Some blocks name such samples, most do not; they come in any order, and one of them twice."""
    seq, entries, wanted = 0, [], {}
    for gap, named in described:
        seq += gap
        entries.append(block(seq, [(seq / 10, 1.0, 2.0, 3.0)] * 8, unmeasured=named))
        for row in range(8):
            hidden = {name for name, rows in (named or {}).items() if any(a <= row < b for a, b in rows)}
            wanted[seq + row] = (seq / 10, hidden)
        seq += 8
    entries += chance.sample(entries, 1)
    chance.shuffle(entries)
    found = {}
    for run in _through(tension_runs(entries)):
        nan = {name: np.isnan(run.measured(name)).tolist() for name in VALUES}
        for row, value in enumerate(run.values("tension_n").tolist()):
            found[run.first + row] = (value, {name for name in VALUES if nan[name][row]})
    assert found == wanted


def test_a_run_that_was_measured_throughout_has_not_a_column_more():
    """Its objects stay what they were, byte for byte."""
    plain = tension_runs([block(0, wave(10)), block(10, wave(10))])
    (run,) = tension_runs([block(0, wave(10), unmeasured={}), block(10, wave(10), unmeasured=None)])
    assert run.columns.keys() == plain[0].columns.keys() == {*VALUES, PHASE}
    assert codec.encode(run) == codec.encode(plain[0])


def test_a_lost_load_cell_parts_no_run():
    """An export would have a seam, a hold would be two, where nothing is missing."""
    blocks = [
        block(0, wave(10)),
        block(10, wave(10), unmeasured={"tension_n": [[3, 5]]}),
        block(20, wave(10)),
    ]
    (whole,), parts = tension_runs(blocks), [run for one in blocks for run in tension_runs([one])]
    (joined,) = join(parts)
    for run in (whole, joined):
        assert np.flatnonzero(run.unmeasured("tension_n")).tolist() == [13, 14]
        assert run.unmeasured("position_mm") is None


def seq_phase(seq, _wanted):
    """The phase that ``block`` gives to a sample."""
    return seq % len(PHASES)


def test_decimals_are_kept_as_few_as_are_exact_and_odd_floats_as_their_bits():
    """One odd float must not cost its column's neighbours their size."""
    rows = [(0.1, 1.25, 0.333, 0.0)] * 10
    odd = [(0.1, 1.25, 1 / 3, 0.0)] * 10
    runs = tension_runs([block(0, rows), block(10, odd), block(20, rows)])
    assert [(run.first, run.count) for run in runs] == [(0, 10), (10, 10), (20, 10)]
    assert [run.decimals["position_mm"] for run in runs] == [3, BITS, 3]
    assert [run.decimals["target_n"] for run in runs] == [2, 2, 2]
    assert runs[1].values("position_mm").tolist() == [1 / 3] * 10


@given(
    st.lists(
        st.integers(-5_000, 5_000) | st.sampled_from([-3_600_000_000, 3_600_000_000]), min_size=2, max_size=30
    )
)
def test_every_block_keeps_its_time_across_steps_of_the_clock(moves_us):
    """A clock set back by an hour must not move a sample by a millisecond."""
    at, entries, published = START, [], {}
    for number, move in enumerate(moves_us):
        at += timedelta(milliseconds=200, microseconds=move)
        entries.append(block(number * 10, [(0.0,) * 4] * 10, started_at=at))
        published[number * 10] = round(at.timestamp() * 1e6)
    (run,) = _through(tension_runs(entries))
    assert all(abs(run.started_at_us(seq) - us) <= 500 for seq, us in published.items())


def test_a_steady_clock_costs_one_anchor():
    """Times are told by the period; 9000 of them would cost more than the samples."""
    (run,) = tension_runs([block(seq, [(0.0,) * 4] * 10) for seq in range(0, 3000, 10)])
    assert run.times == ((0, 1_767_225_600_000_000),)
    assert run.slice(1500, 1510).started_at_us(1500) == 1_767_225_600_000_000 + 30_000_000


def test_overlapping_blocks_are_taken_once():
    """A resent block may be cut at other places."""
    rows = wave(40)
    (run,) = tension_runs([block(0, rows[:20]), block(10, rows[10:30]), block(25, rows[25:40])])
    assert (run.first, run.count) == (0, 40)
    assert run.values("tension_n").tolist() == [row[0] for row in rows]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[1]",
        block(0, wave(3))[2].replace(b'"ready"', b'"asleep"'),
        block(0, wave(3))[2].replace(b'["idle", ', b"["),
        block(0, wave(3))[2].replace(b"+00:00", b""),
    ],
)
def test_what_is_no_block_is_refused(payload):
    """A damaged entry is named, not archived as something else."""
    with pytest.raises(Corrupt):
        tension_runs([(0, 3, payload)])


COUNTS = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=5, max_size=5)


@given(
    st.lists(st.fixed_dictionaries({"force_dn": COUNTS, "status": COUNTS}), min_size=1, max_size=6),
    st.sets(st.integers(0, 5)),
)
@settings(deadline=None)
def test_the_very_chunks_come_back(columns, lost):
    """A replay is bit-equal only when its messages are."""
    entries = [chunk(5 * number, one) for number, one in enumerate(columns) if number not in lost]
    runs = _through(blackbox_runs([*entries, *entries[:1]]))
    chunks = [rebuilt for run in runs for rebuilt in chunks_of(run)]
    assert chunks == [json.loads(payload) for _, _, payload in entries]
    assert all(BlackboxChunk.model_validate(rebuilt).count == 5 for rebuilt in chunks)


@pytest.mark.parametrize(
    "more", [{"crc32": 7}, {"columns": {}}, {"columns": {"a": [2**70] * 3}}, {"columns": {"a": [1]}}]
)
def test_an_odd_chunk_comes_back_as_it_came(more):
    """What the contract lets pass is kept, sense or not."""
    entry = chunk(7, {"a": [1, 2, 3]}, **more)
    (run,) = _through(blackbox_runs([entry]))
    assert chunks_of(run) == [json.loads(entry[2])]


def test_chunks_are_never_cut_between_blocks():
    """Half a chunk cannot be checked, nor replayed."""
    entries = [chunk(seq, {"a": list(range(250))}) for seq in range(0, 50_000, 250)]
    (run,) = blackbox_runs(entries)
    pieces = [codec.decode(piece) for piece in codec.encode(run)]
    assert len(pieces) > 1
    assert sum(len(chunks_of(piece)) for piece in pieces) == len(entries)
    assert [len(chunks_of(part)) for part in join(pieces)] == [len(entries)]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", chunk(0, {"a": [1]})[2].replace(b"2026", b"year")])
def test_what_is_no_chunk_is_refused(payload):
    """The same for the black box."""
    with pytest.raises(Corrupt):
        blackbox_runs([(0, 1, payload)])


def test_a_note_costs_little(tmp_path):
    """The slice of a run holds only the notes of its chunks."""
    (run,) = blackbox_runs([chunk(seq, {"a": [1] * 10}) for seq in range(0, 100, 10)])
    assert len(chunks_of(run.slice(10, 30))) == 2
    assert len(chunks_of(run.slice(15, 30))) == 1
    assert np.array_equal(run.slice(15, 30).columns["a"], np.ones(15))
