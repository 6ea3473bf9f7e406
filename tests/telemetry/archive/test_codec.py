"""Whatever is archived comes back to the last bit, and what was changed is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.telemetry.archive import codec
from services.telemetry.archive.models import Run, join
from services.telemetry.errors import Corrupt

INT64 = arrays.arrays(
    np.int64, st.integers(1, 300), elements=st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)
)


def _run(counts, first=0, period_ms=20.0, times=None, note=b""):
    return Run(first, period_ms, times or ((first, 1_767_225_600_000_000),), {"a": counts}, {"a": 1}, note)


@given(INT64, st.integers(0, 2**52), st.floats(0.001, 1e6))
def test_any_integers_come_back_to_the_last_bit(counts, first, period_ms):
    """The archive may not depend on what a bed is likely to say."""
    run = _run(counts, first, period_ms)
    back = join([codec.decode(block) for block in codec.encode(run)])
    assert [(part.first, part.period_ms) for part in back] == [(first, period_ms)]
    assert np.array_equal(back[0].columns["a"], counts)
    assert back[0].decimals == {"a": 1}


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_no_changed_byte_is_decoded(place, change):
    """A block is believed only as a whole."""
    block = codec.encode_block(_run(np.arange(500) ** 2))
    at = place % len(block)
    changed = block[:at] + change + block[at + len(change) :]
    if changed != block:
        with pytest.raises(Corrupt):
            codec.decode(changed)


@given(st.binary(max_size=300))
def test_garbage_is_refused(garbage):
    """A foreign file is an error with words, never a crash."""
    with pytest.raises(Corrupt):
        codec.decode(garbage)


def test_a_column_is_read_without_the_others():
    """A chart of tension need not decode phases."""
    columns = {"a": np.arange(10), "b": np.arange(10) * 7}
    block = codec.encode_block(Run(3, 20.0, ((3, 0),), columns))
    assert list(codec.decode(block, ["b"]).columns) == ["b"]
    with pytest.raises(Corrupt, match="none of the columns"):
        codec.decode(block, ["c"])


INT32 = st.integers(-(2**31), 2**31 - 1)


@given(st.lists(INT32, min_size=1, max_size=50), st.lists(INT32 | st.just(2**40), min_size=1, max_size=50))
def test_narrow_and_wide_blocks_join(one, other):
    """A block of 32 bits, whose differences wrapped, beside one that needs 64."""
    pieces = [np.array(one), np.array(other)]
    runs = [
        Run(first, 20.0, ((0, 0),), {"a": piece, "b": piece * 2**33})
        for first, piece in zip((0, len(one)), pieces, strict=True)
    ]
    (run,) = codec.decode_all([codec.encode_block(run) for run in runs])
    assert run.columns["a"].tolist() == [*one, *other]
    assert np.array_equal(run.columns["b"], np.concatenate(pieces) * 2**33)
