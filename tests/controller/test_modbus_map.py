"""The register map: one table, no overlap, nothing lost between counts and registers, documented as it is."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_rig import answer

from deploy import reference
from services.controller.beds import addresses
from services.controller.beds.modbus_bed import usual_wait_ns
from services.controller.beds.modbus_map import REFUSALS, pack, unpack
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_frames as frames
from services.controller.kernel import modbus_map as reg
from services.kit.errors import SpondylError

PAGE = Path(__file__).parents[2] / "docs/modbus.md"


def counts(register):
    """Any count that the register can hold."""
    size = 1 << (16 * register.words)
    low, high = (-size // 2, size // 2 - 1) if register.signed else (0, size - 1)
    return st.integers(low, high)


@pytest.mark.parametrize("table", [reg.READS, reg.WRITES], ids=["reads", "writes"])
@settings(max_examples=20)
@given(data=st.data())
def test_every_count_comes_back_from_its_registers(table, data):
    """A sign or a word that is lost is a pull in the wrong direction."""
    values = {register.name: data.draw(counts(register)) for register in table}
    words = pack(table, values)
    assert all(0 <= word <= 0xFFFF for word in words)
    assert unpack(table, words) == values


def test_what_a_register_cannot_hold_is_refused():
    """A set-point that wraps around would turn the drive."""
    with pytest.raises(ValueError, match="velocity is 2147483648"):
        pack(reg.WRITES, {"velocity": 1 << 31})


WRONG = {
    "signature": {"signature": reg.SIGNATURE + 1}, "swapped": {"signature": 0x4F4E5350},
    "scaling": {"effort_scale": 100}, "serial": {"serial": 6}, "other_master": {"master": 98},
    "echo": {"heartbeat_echo": 6},
}  # fmt: skip


@pytest.mark.parametrize("judge", [frames.judge, frames.judge.py_func], ids=["compiled", "python"])
@pytest.mark.parametrize("kind", WRONG)
def test_an_answer_with_one_thing_wrong_is_no_reading(judge, kind):
    """Each of these would be a plausible number of something else."""
    frame = answer(**WRONG[kind])
    assert m.LINK_COUNTS[judge(frame, frames.ANSWER_LENGTH, 1, 7, 99, 5)] == kind
    assert judge(answer(), frames.ANSWER_LENGTH, 1, 7, 99, 5) == m.N_ANSWERS
    assert judge(answer(serial=6), frames.ANSWER_LENGTH, 1, 7, 99, 0) == m.N_ANSWERS  # not commissioned


@pytest.mark.parametrize("read", [frames.read_answer, frames.read_answer.py_func], ids=["compiled", "python"])
@pytest.mark.parametrize(
    ("contacts", "pressed"),
    [
        ((0, 0xFFFF), False),
        ((0xFFFF, 0), True),
        ((0, 0), True),
        ((0xFFFF, 0xFFFF), True),
        ((0, 0xFFFE), True),
    ],
)
def test_a_switch_whose_contacts_contradict_each_other_is_pressed(read, contacts, pressed):
    """One broken wire must never cost a patient the switch."""
    held = np.zeros((len(layout.READINGS), 2), np.int32)[:, 0]  # a column, as the loop's
    values = {"force": -3, "position": -12345, "tilt": -7, "status": 0xFFFF}
    read(answer(switch_a=contacts[0], switch_b=contacts[1], **values), held)
    assert bool(held[layout.R_STATUS] & layout.STATUS_SWITCH_PRESSED) == pressed
    assert held[layout.R_STATUS] & ~layout.STATUS_SWITCH_PRESSED == reg.STATUS_BITS
    assert held[[layout.R_FORCE, layout.R_POSITION, layout.R_TILT]].tolist() == [-3, -12345, -7]


@pytest.mark.parametrize(
    "write", [frames.write_request, frames.write_request.py_func], ids=["compiled", "python"]
)
@pytest.mark.parametrize(("may_pull", "sent"), [(True, 1500), (False, 0)])
def test_where_nothing_may_pull_both_channels_and_the_velocity_say_so(write, may_pull, sent):
    """Either channel alone forbids pulling; a third refusal costs nothing."""
    frame = np.zeros(frames.REQUEST_BYTES, np.uint8)
    write(frame, 3, 70_000, 99, 1500, 1, may_pull, -5)
    data = frame.tobytes()
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(frames.REQUEST_AT, len(data), 2)]
    assert unpack(reg.WRITES, words) == {
        "heartbeat": 70_000 % 65_536, "stop_a": 0xFFFF * may_pull, "stop_b": 0xFFFF * (not may_pull),
        "master": 99, "velocity": sent, "outputs": 1, "tilt_wanted": -5,
    }  # fmt: skip
    assert data[:9] == bytes([17, 112, 0, 0, 0, frames.REQUEST_BYTES - 6, 3, 0x17, 0])


def test_the_page_shows_the_table_that_the_loop_reads_by():
    """Who builds a drive builds it by this page; `python -m deploy.reference` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert reference.current_modbus(page) == page
    assert tuple(REFUSALS) == m.LINK_REFUSALS


def test_every_bad_input_of_the_page_has_a_test_of_that_name():
    """A row whose test is gone would promise what nobody looks at any more."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("<!-- bad input -->")
    rows = [line for line in table.partition("<!-- /bad input -->")[0].splitlines() if "::" in line]
    named = [re.findall(r"`([\w/]+\.py)::(test_\w+)`", row) for row in rows]
    assert len(rows) >= 15
    assert all(named)
    for file, name in itertools.chain.from_iterable(named):
        assert f"\ndef {name}(" in (Path(__file__).parent / file).read_text(encoding="utf-8"), (
            f"{file}::{name}"
        )


def test_a_tick_waits_a_quarter_of_its_period_and_never_more_than_half():
    """At 1 ms a quarter is less than an answer takes; more than half would leave no room for the step."""
    told = {ms: usual_wait_ns(round(ms * 1e6)) / 1e6 for ms in (20, 5, 2, 1, 0.5)}
    assert told == {20: 5.0, 5: 1.25, 2: 0.5, 1: 0.5, 0.5: 0.25}


@pytest.mark.parametrize(
    "text",
    ["tcp://h:1", "modbus://", "modbus://h:1/x", "modbus://h:1?unit=256", "modbus://h:1?unit=x", "modbus://h:0",
     "modbus://h:70000", "modbus://h:1?baud=9600"],
)  # fmt: skip
def test_what_is_no_address_of_a_drive_is_refused_in_words(text):
    """A typing error must not become another drive."""
    with pytest.raises(SpondylError, match="address is"):
        addresses.drive_address(text)


def test_a_bed_that_is_not_named_is_not_taken_for_a_simulated_one():
    """A simulated patient beside real ones would be treated on a screen, and nobody on the bed."""
    devices = ("bed-01", "bed-02")
    assert addresses.addresses_of(devices, ("simulated",)) == ("simulated", "simulated")
    named = ("bed-02=modbus://h:502?unit=2", "bed-01=simulated")
    assert addresses.addresses_of(devices, named) == ("simulated", "modbus://h:502?unit=2")
    for wrong in (named[:1], (*named, "bed-03=simulated"), ("bed-01=modbus://h", "bed-02=modbus://h")):
        with pytest.raises(ValueError, match=r"address|drive|device"):
            addresses.addresses_of(devices, wrong)
