from datetime import datetime, timedelta, timezone
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.messages import Phase, TensionBlock
from services.telemetry import packing

BOOT = UUID("6f1c0e5a-7c1e-4d0a-9b61-000000000001")
AT = datetime(2026, 11, 22, 8, 30, 0, 123456, timezone(timedelta(hours=1)))
quantised = st.builds(
    lambda count, scale: count / scale, st.integers(-2_000_000, 2_000_000), st.sampled_from([1000])
)
anything = st.floats(-2000, 2000)


def _block(tension, phases=None, period_ms=20.0):
    count = len(tension)
    return TensionBlock(
        boot=BOOT, seq=70, started_at=AT, period_ms=period_ms, tension_n=tension,
        target_n=[120.25] * count, position_mm=[-3.14] * count, residual_n=tension,
        phase=phases or ["hold"] * count,
    )  # fmt: skip


def _there_and_back(block):
    return packing.unpack_block(packing.pack_block(block, block.model_dump_json().encode()), block.seq)


@given(st.lists(st.one_of(quantised, anything), min_size=1, max_size=60), st.floats(1, 20))
def test_what_is_stored_is_exactly_what_was_published(values, period_ms):
    """Nothing may be rounded on its way into the record, quantised or not."""
    block = _block(values, period_ms=period_ms)
    back = _there_and_back(block)
    assert back.values["tension_n"] == back.values["residual_n"] == block.tension_n
    assert back.values["position_mm"] == block.position_mm
    assert (back.started_at, back.period_ms, back.phase) == (block.started_at, period_ms, block.phase)
    assert (back.seq, back.after) == (70, 70 + len(values))


@given(st.lists(st.sampled_from(get_args(Phase)), min_size=1, max_size=40))
def test_every_phase_of_the_contract_survives(phases):
    """A phase without a code would fall back to JSON for ever, unnoticed."""
    assert _there_and_back(_block([1.0] * len(phases), phases)).phase == phases


def test_every_phase_of_the_contract_has_its_code():
    """A new phase is appended to the table on disk, never put between."""
    assert set(packing.PHASES) == set(get_args(Phase))


def test_a_stored_block_is_much_smaller_than_its_json():
    """Six beds through a clinic's day stay in memory."""
    block = _block([120 + number % 5 / 10 for number in range(10)])
    payload = block.model_dump_json().encode()
    assert len(packing.pack_block(block, payload)) < len(payload) / 4


@pytest.mark.parametrize("values", [[100.5] * 7, [0.123456789] * 7])
def test_samples_are_counted_from_the_content_itself(values):
    """The audit counts what is stored, not what somebody wrote beside it."""
    block = _block(values)
    assert packing.count_of(packing.pack_block(block, block.model_dump_json().encode())) == 7


def test_any_other_message_comes_back_byte_by_byte():
    """Black box and events are kept as they came."""
    assert packing.unpack_json(packing.pack_json(b'{"a": "\xc3\xa4"}', 3)) == b'{"a": "\xc3\xa4"}'
