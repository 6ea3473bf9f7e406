import json
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from sample_streams import rows, treated, whole_session

from broker import codec
from broker.contract import BLACKBOX, TENSION
from services.controller.kernel import envelope, layout
from services.controller.kernel.tuning import PARAMETER_NAMES
from services.controller.recorder.blocks import (
    BLACKBOX_COLUMNS,
    STALE_MS,
    blackbox_payload,
    checksum,
    chunk_edges,
    column_from,
    differences,
    tension_payload,
)

BOOT = UUID(int=7)
SAMPLE = st.tuples(  # force, target, position, phase
    st.integers(-20_000, 20_000),
    st.integers(-2_000_000, 2_000_000),
    st.integers(-200_000, 200_000),
    st.integers(0, 14),
)
INT32 = st.integers(-(2**31), 2**31 - 1)


def valid(stream, payload):
    """The message of a payload that both the model and its JSON Schema accept."""
    schema = stream.message.model_json_schema()
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(json.loads(payload))
    return codec.decode(stream, payload)


@pytest.mark.requirement("one-unit")
@settings(deadline=None, max_examples=60)
@given(st.lists(SAMPLE, min_size=1, max_size=20))
def test_a_tension_block_says_exactly_what_the_counts_say(samples):
    """Consumers see 512.3 N, not 512.2999999: every decimal is the load cell's own."""
    times, block = rows(*[
        (1, {"force_dn": force, "target_mn": target, "position_cmm": position, "phase": phase})
        for force, target, position, phase in samples
    ])  # fmt: skip
    message = valid(TENSION, tension_payload(BOOT, 20.0, times, block))
    assert message.tension_n == [float(f"{force}e-1") for force, *_ in samples]
    assert message.position_mm == [float(f"{position}e-2") for *_, position, _ in samples]
    assert message.phase == [layout.PHASES[phase] for *_, phase in samples]
    for (_, target, *_), target_n in zip(samples, message.target_n, strict=True):
        assert abs(target_n - target / 1000) <= 0.005 + 1e-9
        assert target_n == float(f"{target_n:.2f}")


def test_a_block_names_its_first_sample_and_its_moment():
    """Gaps are found by seq, and the date is the loop's own, to the microsecond."""
    times, block = rows((10, {}), first=1230)
    times[:, 2] += 123_456_789
    message = valid(TENSION, tension_payload(BOOT, 20.0, times, block))
    assert (message.seq, message.period_ms, message.boot) == (1230, 20.0, BOOT)
    assert message.started_at.isoformat() == "2025-10-09T08:53:44.723456+00:00"


def test_a_block_of_measured_samples_has_no_word_more():
    """Nearly all blocks are such: nobody on their way does anything more for them."""
    _, payload = _told((10, {"force_dn": 1000, "age_ms": STALE_MS}))
    assert "unmeasured" not in payload


def test_a_lost_load_cell_leaves_tension_and_counter_tension_unmeasured():
    """Its 0 N would look like a patient without pull; where the pull stands is still known."""
    message, _ = _told((4, {"force_dn": 3000}), (3, {"status": 0}), (1, {"force_dn": 1}), (2, {"status": 4}))
    assert message.unmeasured == {"tension_n": [[4, 7], [8, 10]], "residual_n": [[4, 7], [8, 10]]}


@pytest.mark.parametrize("age_ms", [STALE_MS + 1, 2**31 - 1, -1])
def test_a_silent_bed_leaves_everything_that_it_would_have_said_unmeasured(age_ms):
    """The last reading again and again is a flat line that nobody measured; the target is the loop's own."""
    message, _ = _told((2, {"force_dn": 3000, "age_ms": age_ms}), (1, {"status": 0}))
    assert message.unmeasured == {"tension_n": [[0, 3]], "position_mm": [[0, 2]], "residual_n": [[0, 3]]}


def test_a_reading_is_stale_in_a_block_when_it_is_to_the_envelope():
    """What the kernel does not pull on is not shown as measured."""
    assert STALE_MS == envelope.STALE_MS


def _told(*pieces):
    """The block of these samples, as a message and as the JSON object that is sent."""
    payload = tension_payload(BOOT, 20.0, *rows(*pieces))
    return valid(TENSION, payload), json.loads(payload)


@pytest.mark.parametrize("count", [1, 200])
def test_blocks_of_any_length_stay_below_what_the_contract_allows(count):
    """200 samples are a block of 200 ms at 1 ms."""
    times, block = rows((count, {"force_dn": -12345, "target_mn": -123456, "phase": layout.PRECONDITION}))
    assert len(tension_payload(BOOT, 1.0, times, block)) < TENSION.max_bytes


def test_a_black_box_chunk_carries_every_input_and_command():
    """Replay needs each reading, each action with its tick and the parameters, and nothing else."""
    times, samples = rows(*whole_session())
    samples[:, layout.S_FORCE] = np.arange(len(samples)) * 7 - 300
    parameters = np.linspace(0.1, 9.9, 256)
    message = valid(BLACKBOX, blackbox_payload(BOOT, 20.0, times, samples, UUID(int=3), parameters))
    assert set(message.columns) == set(BLACKBOX_COLUMNS) >= {*layout.READINGS, *layout.COMMANDS}
    for name in BLACKBOX_COLUMNS:
        column = column_from(message.columns[name])
        assert (column == samples[:, layout.SAMPLES.index(name)]).all()
    assert message.count == len(samples)
    assert [row["action"] for row in message.actions] == [
        layout.ACTION_LOAD, layout.ACTION_START, layout.ACTION_REMOTE_PAUSE, layout.ACTION_RESUME,
        layout.ACTION_CLOSE,
    ]  # fmt: skip
    assert tuple(message.parameters) == PARAMETER_NAMES
    assert list(message.parameters.values()) == parameters[: len(PARAMETER_NAMES)].tolist()


@given(st.lists(INT32, min_size=1, max_size=50))
def test_differences_lose_nothing(values):
    """Extremes of int32 differ by more than an int32 holds."""
    column = np.array(values, np.int32)
    assert column_from(differences(column).tolist()).tolist() == values


@given(st.lists(INT32, min_size=2, max_size=20), st.data())
def test_one_flipped_bit_changes_the_checksum(values, data):
    """The checksum is what says that a recording was changed."""
    column = np.array(values, np.int32)
    flipped = column.copy()
    flipped.view(np.uint32)[data.draw(st.integers(0, len(values) - 1))] ^= 1 << data.draw(st.integers(0, 31))
    assert checksum({"a": column, "b": column}) != checksum({"a": column, "b": flipped})


def test_chunks_begin_where_parameters_are_taken_and_sessions_begin_and_end():
    """A session's file must start with its load and hold nothing of the next one."""
    _, samples = rows(
        (5, {}),
        (1, treated(3, phase=layout.READY, action=layout.ACTION_LOAD)),
        (9, treated(3, phase=layout.READY)),
        (1, treated(3, phase=layout.READY, action=layout.ACTION_CHANGE)),
        (4, treated(3, phase=layout.READY)),
        (
            1,
            treated(3, phase=layout.READY, action=layout.ACTION_LOAD, refusal=layout.REFUSAL_PHASE),
        ),
        (4, treated(3, phase=layout.READY)),
        (5, {}),
    )
    assert chunk_edges(samples, 0, layout.IDLE) == [5, 15, 25]
    assert chunk_edges(samples[6:], 3, layout.READY) == [9, 19]
