import re
from datetime import datetime
from typing import get_args
from uuid import UUID

import orjson
import pytest
from gateway_stand_in import block
from hypothesis import given
from hypothesis import strategies as st

from broker import codec, contract
from broker.fields import Phase
from broker.messages import TensionBlock
from services.telemetry.ingest.fast import head_of

BOOT = UUID(int=7)
GOOD = orjson.loads(block(BOOT, 30, 5).model_dump_json())
numbers = st.floats(-2000, 2000) | st.integers(-2000, 2000)
# Tokens that JSON readers disagree about; each stands for itself in a payload.
ODD = [
    b"5e-324", b"60001.0", b'"0001-06-01T00:00:00Z"', b'"9999-06-01T00:00:00Z"', b'"0002-01-01T00:00:00Z"',
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"01", b"-01", b"1.", b".5", b"+1",
    b"-0", b"-0.0", b"1.0", b"30.0", b"3e1", b"1E2", b"2000.0000000000001",
    b"2000.0000000000000001", b"-2000.01",
    b"9007199254740991", b"9007199254740992", b"99999999999999999999", b"1" * 400, b"true", b"null", b'"1"',
    b"[]", b"{}", b"[1]", b"1 ", b" 1", b"1_0", b"0x10", b'"hold"', b'"h\\u006fld"', b'"\\ud800"',
    b'"\xff"', b'"\xc3\xa4"', b"'hold'", b'"2026-11-22T08:00:00Z"', b'"2026-11-22T08:00:00"',
    b'"2026-11-22 08:00:00+01:00"', b'"2026-11-22T08:00:60Z"', b'"2026-11-22T24:00:00Z"',
    b'"0000-01-01T00:00:00Z"',
    b'"2026-11-22T08:00:00.1234567899Z"', b'"2026-11-22T08:00:00+24:00"', b'"2026-11-22T08:00:00-23:59"',
    b'"2026-11-22t08:00:00z"', b'"2026-11-22T08:00Z"', b'"20261122T080000Z"', b'"9999-12-31T23:59:59-10:00"',
    b'"0001-01-01T00:00:00+10:00"', b"1763798400", b'"1763798400"', b"",
]  # fmt: skip
TOKEN = re.compile(rb'-?\d[\d.e+-]*|"[^"]*"(?!:)')


def _decided(payload):
    """What the contract's own reader says: (seq, samples) or None."""
    try:
        message = codec.decode(contract.TENSION, payload)
    except codec.Malformed:
        return None
    return message.seq, len(message.tension_n)


def _agree(payload):
    """Where the fast reader accepts, the contract does, with the same numbers; it is True when it accepts."""
    found = head_of(payload)
    if found is not None and found.boot == str(BOOT):
        assert _decided(payload) == (found.seq, found.samples)
    return found is not None


@given(
    st.integers(1, 60).flatmap(
        lambda count: st.tuples(
            *[st.lists(numbers, min_size=count, max_size=count)] * 4,
            st.lists(st.sampled_from(get_args(Phase)), min_size=count, max_size=count),
        )
    ),
    st.integers(0, 2**53 - 1),
    st.datetimes(datetime(3, 1, 1), datetime(9997, 12, 31), timezones=st.timezones()),  # noqa: DTZ001  (the zone is drawn)
)
def test_every_ordinary_block_is_taken_fast(columns, seq, at):
    """Else a fleet would run at the slow reader's pace, unnoticed."""
    names = ("tension_n", "target_n", "position_mm", "residual_n", "phase")
    message = TensionBlock(boot=BOOT, seq=seq, started_at=at.astimezone(), period_ms=20.0,
                           **dict(zip(names, columns, strict=True)))  # fmt: skip
    assert _agree(message.model_dump_json().encode())


@pytest.mark.parametrize("unmeasured", [{"tension_n": [[0, 2]]}, {"tension_n": [[0, 9]]}, {}, [], 0])
def test_a_block_with_unmeasured_samples_is_left_to_the_contracts_reader(unmeasured):
    """It is rare, and what it names must lie inside it."""
    assert head_of(orjson.dumps(GOOD | {"unmeasured": unmeasured})) is None


@given(st.data())
def test_with_odd_tokens_anywhere_it_accepts_nothing_that_the_contract_refuses(data):
    """Readers of JSON differ at the edges: only what both accept is stored without the contract's word."""
    payload = orjson.dumps(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(TOKEN.finditer(payload))
        if found:
            place = data.draw(st.sampled_from(found))
            payload = payload[: place.start()] + data.draw(st.sampled_from(ODD)) + payload[place.end() :]
    _agree(payload)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", sorted(GOOD))
def test_each_odd_token_in_each_field(name, odd):
    """Once as the whole value, once as the last one of a list."""
    rest = orjson.dumps({key: value for key, value in GOOD.items() if key != name})[1:]
    _agree(b'{"' + name.encode() + b'":' + odd + b"," + rest)
    if isinstance(GOOD[name], list):
        listed = orjson.dumps(GOOD[name][:-1])[:-1] + b"," + odd + b"]"
        _agree(b'{"' + name.encode() + b'":' + listed + b"," + rest)


@given(st.data())
def test_with_any_bytes_changed_it_accepts_nothing_that_the_contract_refuses(data):
    """Fuzz: what is broken is left to the contract's reader."""
    payload = bytearray(orjson.dumps(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    _agree(bytes(payload))


@given(st.data())
def test_a_field_twice_missing_or_unknown_is_judged_as_the_contract_does(data):
    """Of a field that stands there twice both readers take the last."""
    items = list(GOOD.items())
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from([*GOOD, "new"]))
        value = data.draw(
            st.sampled_from([GOOD.get(name), 5, -1, [1.0] * 5, [3000.0] * 5, ["hold"] * 5, [1.0], "x", None])
        )
        items.insert(data.draw(st.integers(0, len(items))), (name, value))
    if data.draw(st.booleans()):
        items.pop(data.draw(st.integers(0, len(items) - 1)))
    payload = (
        b"{" + b",".join(orjson.dumps(name) + b":" + orjson.dumps(value) for name, value in items) + b"}"
    )
    _agree(payload)


@pytest.mark.parametrize("name", ["tension_n", "target_n", "position_mm", "residual_n", "phase"])
def test_lists_of_unequal_length_are_not_taken(name):
    """A sample without its phase is not one."""
    assert head_of(orjson.dumps(GOOD | {name: GOOD[name][:-1]})) is None


def test_more_samples_than_a_block_may_hold_are_not_taken():
    """The contract's bound is the fast reader's, too."""
    longer = {name: value * 1001 if isinstance(value, list) else value for name, value in GOOD.items()}
    assert head_of(orjson.dumps(longer)) is None
    assert head_of(orjson.dumps({name: value[:5000] if isinstance(value, list) else value
                                 for name, value in longer.items()})) is not None  # fmt: skip
