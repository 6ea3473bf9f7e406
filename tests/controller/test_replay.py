import json
import os
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writer_rig import Gateway

from broker.spool import Spool
from services.controller.blackbox.recording import Chunk, Recordings, Unreadable, read, sealed
from services.controller.blackbox.replay import recompute, replay, tell
from services.controller.kernel import layout, phases, step
from services.controller.recorder.blocks import (
    blackbox_payload,
    checksum,
    chunk_edges,
    column_from,
    differences,
)
from services.controller.simulation import simulate as simulation

SESSION = UUID(int=3)
DEATHS = ("none", "between", "before commit")


@pytest.fixture(scope="module")
def course():
    """A simulated session of one minute's traction, from its load on."""
    plan = simulation.Plan(simulation.prescribed(None), 7, 1.0, 0.02, None)
    return SimpleNamespace(plan=plan, course=simulation.simulate(plan))


@pytest.fixture
def recorded(course, tmp_path):
    """What `spondyl simulate --record` writes."""
    path = tmp_path / "session.jsonl"
    path.write_bytes(simulation.recording(course.plan, course.course))
    return path


def edit(path, line, change, *, mend=True):
    """Change one chunk's JSON and seal it anew; with ``mend`` its own checksum is made right again, too."""
    lines = path.read_bytes().splitlines()
    chunk = json.loads(lines[line])
    del chunk["line_crc32"]
    change(chunk)
    if mend:
        chunk["crc32"] = checksum(
            {name: column_from(values).astype(np.int32) for name, values in chunk["columns"].items()}
        )
    lines[line] = sealed(json.dumps(chunk).encode())
    path.write_bytes(b"\n".join(lines) + b"\n")


def bump(name, row, by):
    """Change one count of a column, and nothing else."""

    def change(chunk):
        column = column_from(chunk["columns"][name])
        column[row] += by
        chunk["columns"][name] = differences(column.astype(np.int32)).tolist()

    return change


@pytest.mark.requirement("replay")
def test_a_recorded_session_gives_the_same_commands_bit_for_bit(recorded, course):
    """What the controller did can be shown, not only told."""
    result = replay(recorded)
    assert (result.equal, result.first_difference, result.complete) == (True, None, True)
    assert result.samples == result.commands_compared == len(course.course.samples)


@pytest.mark.requirement("replay")
def test_a_bed_among_others_and_long_idle_before_replays_alone(course, tmp_path):
    """The load resets everything: neither neighbours nor what was before may matter."""
    beds, before, bed = 3, 137, 1
    noise = np.random.default_rng(5)
    readings = course.course.samples[:, : len(layout.READINGS)]
    params, state = step.new_parameters(beds), step.new_state(beds)
    staged = np.repeat(course.course.parameters[:, None], beds, axis=1)
    sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
    command, action = np.zeros((len(layout.COMMANDS), beds), np.int32), np.zeros(beds, np.int32)
    samples = np.zeros((before + len(readings), len(layout.SAMPLES)), np.int32)
    for tick in range(len(samples)):
        reading = noise.integers(0, 3000, (len(layout.READINGS), beds), dtype=np.int32)
        action[:] = noise.integers(0, len(layout.ACTIONS), beds)
        action[bed] = layout.ACTION_NONE
        if tick >= before:
            reading[:, bed] = readings[tick - before]
            action[bed] = course.course.samples[tick - before, layout.S_ACTION]
        step.step(params, staged, state, reading, action, sample, command)
        samples[tick] = sample[:, bed]
    ticks = np.arange(len(samples), dtype=np.int64)
    times = np.column_stack((ticks, ticks * 20_000_000, ticks * 20_000_000))
    recordings = Recordings(tmp_path)
    for first, last in ((0, before), (before, 500), (500, len(samples))):
        parameters = course.course.parameters if first == before else None
        recordings.append(
            SESSION,
            blackbox_payload(UUID(int=7), 20.0, times[first:last], samples[first:last], SESSION, parameters),
        )
    result = replay(recordings.path(SESSION))
    assert (result.equal, result.first_seq, result.samples) == (True, before, len(readings))


def redone(course, told):
    """The course's readings once more, with other actions: {tick: (action, parameters or None)}."""
    readings = course.course.samples[:, : len(layout.READINGS)]
    params, state = step.new_parameters(1), step.new_state(1)
    staged = course.course.parameters[:, None].copy()
    sample, command = np.zeros((len(layout.SAMPLES), 1), np.int32), np.zeros((2, 1), np.int32)
    samples = np.zeros((len(readings), len(layout.SAMPLES)), np.int32)
    for tick, reading in enumerate(readings):
        action, taken = told.get(tick, (course.course.samples[tick, layout.S_ACTION], None))
        if taken is not None:
            staged[:, 0] = taken
        given = np.array([action], np.int32)
        step.step(params, staged, state, np.ascontiguousarray(reading[:, None]), given, sample, command)
        samples[tick] = sample[:, 0]
        staged[:, 0] = staged[:, 0] if tick == 0 else -1.0  # what is staged afterwards must not matter
    return samples


def kept(directory, samples, parameters, edges):
    """A recording of these samples, cut at ``edges``; ``parameters`` by the tick that took them."""
    times = np.arange(len(samples), dtype=np.int64)[:, None] * np.array([1, 20_000_000, 20_000_000])
    recordings = Recordings(directory)
    for first, last in pairwise(sorted({0, *edges, len(samples)})):
        payload = blackbox_payload(
            UUID(int=7), 20.0, times[first:last], samples[first:last], SESSION, parameters.get(first)
        )
        recordings.append(SESSION, payload)
    return recordings.path(SESSION)


def changed(course, hold):
    """The course's parameters with another hold: (the action, they)."""
    parameters = course.course.parameters.copy()
    parameters[layout.P_HOLD_S] *= hold
    return layout.ACTION_CHANGE, parameters


@pytest.mark.requirement("replay")
def test_prescriptions_changed_under_way_replay_to_the_bit(course, tmp_path):
    """A change waits for the next phase boundary; two in a row, one refused: each takes its own."""
    told = {1700: changed(course, 0.5), 1701: changed(course, 0.7), 2300: changed(course, 0.6)}
    told[len(course.course.samples) - 50] = changed(course, 3.0)
    samples = redone(course, told)
    refused = [tick for tick in told if samples[tick, layout.S_REFUSAL] != layout.REFUSAL_NONE]
    assert refused == [len(samples) - 50]  # the session is over
    edges = chunk_edges(samples, int(samples[0, layout.S_SESSION]), int(samples[0, layout.S_PHASE]))
    parameters = {0: course.course.parameters} | {tick: told[tick][1] for tick in told.keys() - {*refused}}
    result = replay(kept(tmp_path, samples, parameters, [*edges, *range(0, len(samples), 250)]))
    assert (result.equal, result.samples) == (True, len(samples))


def test_a_change_in_the_middle_of_a_chunk_is_refused_and_not_replayed_with_what_was_before(course, tmp_path):
    """A chunk holds the parameters of its first tick only: else "equal" is said of something else."""
    samples = redone(course, {1700: changed(course, 0.5)})
    with pytest.raises(Unreadable, match=r":2: parameters were taken at seq 1700, in the middle of the line"):
        replay(kept(tmp_path, samples, {0: course.course.parameters}, [1500, 2000]))


def test_a_refused_load_or_change_on_a_chunks_first_tick_takes_nothing_and_replays(course, tmp_path):
    """What the kernel refused took no parameters: none can be wanted of the recording."""
    for action, tick in ((layout.ACTION_LOAD, 1500), (layout.ACTION_CHANGE, len(course.course.samples) - 50)):
        samples = redone(course, {tick: (action, course.course.parameters)})
        assert samples[tick, layout.S_REFUSAL] == layout.REFUSAL_PHASE
        directory = tmp_path / str(action)
        assert replay(kept(directory, samples, {0: course.course.parameters}, [1000, tick])).equal


@pytest.mark.requirement("replay")
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.tuples(st.integers(1, 250), st.sampled_from(DEATHS)), min_size=10, max_size=20))
def test_a_session_whose_recorder_died_again_and_again_replays_to_the_bit(course, tmp_path, rounds):
    """Between two looks, or between a chunk's line and its commit: nothing is missing and nothing twice."""
    gateway = Gateway(tmp_path / os.urandom(4).hex(), devices=("bed-01",))
    try:
        pushed, length = 0, len(course.course.samples)
        taken(gateway, course.course.parameters)
        for ticks, death in [*rounds, *[(250, "none")] * (length // 250 + 1)]:
            until = min(length, pushed + ticks)
            gateway.ring.push(times(pushed, until), course.course.samples[pushed:until])
            pushed = until
            store(gateway, death)
        gateway.writer.finish()
        [path] = gateway.writer.recordings.directory.glob("*.jsonl")
        result = replay(path)
        assert (result.equal, result.complete, result.samples) == (True, True, length)
    finally:
        gateway.close()


def store(gateway, death):
    """One look of the recorder, and what becomes of it."""
    before = gateway.spool.connection.serialize() if death == "before commit" else None
    gateway.writer.store()
    if before is not None:
        gateway.spool.connection.close()
        for path in gateway.directory.glob("spool.db*"):
            path.unlink()
        (gateway.directory / "spool.db").write_bytes(before)
        gateway.spool = Spool(Spool.open(gateway.directory / "spool.db"))
    if death != "none":
        gateway.again()


def taken(gateway, parameters):
    """What the loop keeps for the recorder when a load takes parameters, here in tick 0."""
    arrays = gateway.ring.memory.arrays
    arrays["taken_ticks"][0, 0] = 0
    arrays["taken_parameters"][0, 0, : len(parameters)] = parameters
    arrays["taken"][0] = 1


def times(first, last):
    """Ticks at 20 ms: number, monotonic and wall clock."""
    ticks = np.arange(first, last, dtype=np.int64)
    return np.column_stack((ticks, ticks * 20_000_000, 1_800_000_000_000_000_000 + ticks * 20_000_000))


@pytest.mark.parametrize(
    ("row", "by"), [("velocity_ums", 1), ("velocity_ums", -1), ("outputs", 2), ("outputs", 8)]
)
def test_one_bit_in_one_command_is_found_where_it_is(recorded, row, by):
    """Whatever changed a recording, or a kernel: the first sample that differs is named."""
    edit(recorded, 1, bump(row, 77, by))
    result = replay(recorded)
    first = read(recorded)[1].message.seq + 77
    assert not result.equal
    assert (result.first_difference.seq, result.first_difference.row) == (first, row)
    assert result.first_difference.recorded - result.first_difference.recomputed == by
    assert result.differing_samples == 1


def test_another_reading_gives_other_commands(recorded):
    """The comparison is no formality: one newton on the load cell changes what the drive is told."""
    edit(recorded, 1, bump("force_dn", 77, 10))
    result = replay(recorded)
    assert result.first_difference.seq == read(recorded)[1].message.seq + 77


# Of every reading but the force: a bit in the hold of a treatment that shows, one that cannot, and why.
# A bit of a recording at rest is found by its checksums, whatever it is: tests/controller/test_recording.py.
CANNOT_MATTER = {
    "position_cmm": (
        12,
        0,
        "a hundredth of a millimetre is learnt from, and moves the drive less than 1 um/s",
    ),
    "tilt_ddeg": (
        None,
        0,
        "compared with what is prescribed before the start; afterwards an alarm, no command",
    ),
    "heat_dc": (14, 0, "compared with the pad's limits, far from which it changes nothing"),
    "age_ms": (7, 2, "younger than 30 ms a reading is a fresh one"),
    "status": (1, 9, "bits that no bed has a meaning for"),
    "effort_duv": (None, 0, "this bed has no electrodes: -1 in any case but a bit of it"),
}


def flipped(recording, row, tick, bit):
    """The chunks with one bit of one reading changed before anybody made a checksum of it."""
    chunks, left = [], tick
    for chunk in recording:
        columns = dict(chunk.columns)
        if 0 <= left < chunk.message.count:
            columns[row] = columns[row].copy()
            columns[row].view(np.uint32)[left] ^= np.uint32(1 << bit)
        left -= chunk.message.count
        chunks.append(Chunk(chunk.line, chunk.message, columns))
    return recompute("flipped", chunks)


@pytest.fixture(scope="module")
def whole(course, tmp_path_factory):
    """The session's chunks, read once."""
    path = tmp_path_factory.mktemp("whole") / "session.jsonl"
    path.write_bytes(simulation.recording(course.plan, course.course))
    return read(path)


@pytest.mark.requirement("replay")
@settings(max_examples=25)
@given(data=st.data())
def test_any_bit_of_any_force_that_reached_the_kernel_under_way_is_found(course, whole, data):
    """What the drive is told follows the load cell to its last tenth of a newton."""
    moving = np.isin(course.course.row(layout.S_PHASE), [layout.PHASES.index(name) for name in phases.MOVING])
    tick = data.draw(st.sampled_from(np.flatnonzero(moving).tolist()), label="tick")
    bit = data.draw(st.integers(0, 31), label="bit")
    result = flipped(whole, "force_dn", tick, bit)
    assert not result.equal
    assert result.first_difference.seq >= tick


@pytest.mark.parametrize("row", CANNOT_MATTER)
def test_bits_of_other_readings_are_found_where_they_act(course, whole, row):
    """Which cannot matter is written down, with the reason; a reading that never acts would be no reading."""
    [tick] = np.flatnonzero(course.course.row(layout.S_PHASE) == layout.PRECONDITION)[1200:1201]
    shows, cannot, _why = CANNOT_MATTER[row]
    assert flipped(whole, row, tick, cannot).equal
    if shows is not None:
        assert flipped(whole, row, tick, shows).first_difference.seq >= tick
    assert CANNOT_MATTER.keys() == set(layout.READINGS) - {"force_dn"}


@pytest.mark.requirement("replay")
def test_the_first_difference_says_when_which_row_and_both_values_in_units(recorded):
    """Who looks into an accident needs no table of bits."""
    edit(recorded, 1, bump("velocity_ums", 77, 1500))
    result = replay(recorded)
    told = result.as_json()["first_difference"]
    assert told["after_load_s"] == pytest.approx((read(recorded)[1].message.seq + 77) * 0.02)
    assert told["at"] == (read(recorded)[1].message.started_at + timedelta(seconds=77 * 0.02)).isoformat()
    assert (told["row"], told["recorded"] - told["recomputed"]) == ("velocity_ums", 1500)
    assert told["recorded_told"] == f"{told['recorded'] / 1000:.3f} mm/s"
    edit(recorded, 1, bump("velocity_ums", 77, -1500))
    edit(recorded, 1, bump("outputs", 80, layout.OUTPUT_FREE))
    told = replay(recorded).as_json()["first_difference"]
    assert (told["recorded_told"], told["recomputed_told"]) == ("power+heat+free", "power+heat")
    assert f"({told['recorded_told']})" in tell(replay(recorded))


def without(name):
    return lambda chunk: chunk["columns"].pop(name)


@pytest.mark.parametrize(
    ("change", "mend", "words"),
    [
        (bump("force_dn", 5, 1), False, "checksum"),
        (bump("velocity_ums", 5, 1), False, "checksum"),
        (lambda chunk: chunk.update(kernel_version=99), True, "recorded by kernel version 99, its load by"),
        (lambda chunk: chunk.update(seq=chunk["seq"] + 5), True, "samples are missing"),
        (lambda chunk: chunk.update(seq=-1), True, "no black-box chunk"),
        (without("tilt_ddeg"), True, "columns tilt_ddeg are missing"),
        (lambda chunk: chunk.update(parameters={"base_n": 1.0}), True, "parameters are not those"),
        (lambda chunk: chunk.update(parameters={"base_n": float("nan")}), True, "no black-box chunk"),
        (lambda chunk: chunk["actions"].append({"seq": chunk["seq"], "action": layout.ACTION_CHANGE,
                                                "refusal": 0}), True, "and are not recorded"),
        (lambda chunk: chunk["actions"].append({"seq": chunk["seq"] + 1, "action": 2**40,
                                                "refusal": 0}), True, "action 1099511627776 is none"),
        (lambda chunk: chunk["actions"].append({"seq": 0, "action": layout.ACTION_PAUSE, "refusal": 0}),
         True, "action at seq 0: the line's samples are 1500 to"),
        (lambda chunk: chunk["actions"].append({"seq": chunk["seq"], "action": 1}), True, "lacks refusal"),
        (lambda chunk: chunk.update(period_ms=5.0), True, "a period of 5 ms, its load has 20 ms"),
    ],
)  # fmt: skip
def test_a_recording_that_cannot_be_trusted_is_refused_by_line_and_reason(recorded, change, mend, words):
    """A damaged recording must never look like a kernel that changed."""
    edit(recorded, 1, change, mend=mend)
    with pytest.raises(Unreadable, match=words) as refused:
        replay(recorded)
    assert ".jsonl:2: " in str(refused.value)


def test_a_recording_from_before_there_were_electrodes_is_replayed_as_a_bed_without(recorded):
    """A reading that is added later must not take away what was recorded before."""
    for line in range(len(recorded.read_bytes().splitlines())):
        edit(recorded, line, without("effort_duv"))
    assert replay(recorded).equal


def test_a_recording_without_its_load_is_refused(recorded):
    """There is no state to begin with."""
    edit(recorded, 0, lambda chunk: chunk.update(parameters=None))
    with pytest.raises(Unreadable, match="holds no load"):
        replay(recorded)


def test_a_recording_that_ends_early_says_so(recorded):
    """Cut at a line's end nothing is damaged, and yet it is not the whole session."""
    recorded.write_bytes(b"".join(recorded.read_bytes().splitlines(keepends=True)[:2]))
    result = replay(recorded)
    assert (result.equal, result.complete, result.last_phase) == (True, False, "precondition")
