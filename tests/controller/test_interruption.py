"""What a new loop finds of the one before it: killed, told to end, or gone with the machine's memory."""

import contextlib
import itertools
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sample_streams import treated
from small_disk import fill, small_disk
from writer_rig import Gateway

from services.controller.gateway import Gateway as Supervising
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.loop import interruption
from services.controller.loop.__main__ import conclude
from services.controller.loop.interruption import Interruptions
from services.controller.loop.realtime import Wanted
from services.controller.loop.shared import LoopFile
from services.controller.loop.thread import LoopThread
from services.controller.settings import ControllerSettings

OTHER_BOOT = "0e9cf6a1-6f0e-4a35-8e0f-5f3ad52a1f10"  # of a loop that came later
HOLD = treated(7, phase=layout.HOLD, force_dn=3124, target_mn=310_000, ceiling_mn=450_000, cycle=1)
STOPPED = treated(7, phase=layout.STOPPED, reason=layout.REASON_OPERATOR_STOP)
FAULT = treated(7, phase=layout.FAULT, reason=layout.REASON_FAULT) | {"conditions": layout.SUDDEN_DROP}


@pytest.fixture
def gateway(tmp_path):
    made = Gateway(tmp_path)
    yield made
    made.close()


def left(gateway):
    """What the next loop finds, by bed."""
    interruption.write_down(gateway.directory)
    found = Interruptions(gateway.directory)
    return {device: found.of(device) for device in gateway.ring.memory.devices if found.of(device)}


@pytest.mark.requirement("say-interruptions")
def test_a_loop_that_was_killed_left_its_sessions_at_their_last_tension(gateway):
    """Who comes to the bed must know that it pulled, and how much, when nobody commanded any more."""
    gateway.ring.run((40, HOLD))
    found = left(gateway)
    assert set(found) == {"bed-01", "bed-02"}
    row = found["bed-01"]
    assert (row.phase, row.tension_n, row.tick, row.session_no) == ("hold", 312.4, 39, 7)
    assert row.boot == str(gateway.ring.memory.boot)


@pytest.mark.parametrize(
    ("samples", "ended_in_order", "phases"),
    [
        (HOLD, True, []),
        ({}, False, []),
        (STOPPED | {"force_dn": 20}, False, []),
        (STOPPED | {"force_dn": 900}, False, ["stopped"]),
        (treated(7, phase=layout.READY), False, ["ready"]),
        (FAULT, False, ["fault"]),
        (FAULT, True, []),
        ({"conditions": layout.SWITCH_UNPLUGGED}, False, []),
    ],
    ids=[
        "told to end",
        "nobody there",
        "let out",
        "tension left",
        "patient lies there",
        "not reset",
        "not reset, told to end",
        "not reset, nobody there",
    ],
)
@pytest.mark.requirement("say-interruptions")
def test_only_what_was_under_way_was_interrupted(gateway, samples, ended_in_order, phases):
    """An alarm for nothing teaches people to press it away."""
    gateway.ring.run((10, samples))
    gateway.ring.memory.set_word(m.W_STOP, int(ended_in_order))
    assert [row.phase for row in left(gateway).values()] == phases * 2


@pytest.mark.parametrize(("samples", "found"), [(HOLD, ("hold", 312.4, 39)), (FAULT, ("fault", 0.0, 39))])
@pytest.mark.requirement("say-interruptions")
def test_after_the_machine_went_down_it_is_known_from_what_was_stored(gateway, samples, found):
    """The shared memory is gone with the power; the recorder's last transaction is not."""
    gateway.ring.run((40, samples))
    gateway.writer.store()
    gateway.ring.memory.unlink()
    row = left(gateway)["bed-01"]
    assert (row.phase, row.tension_n, row.tick) == found


@pytest.mark.requirement("say-interruptions")
def test_it_is_forgotten_by_bed_and_only_when_somebody_has_seen_it(gateway):
    """Another restart, orderly or not, must not take it away unseen."""
    gateway.ring.run((40, HOLD))
    assert set(left(gateway)) == {"bed-01", "bed-02"}
    gateway.ring.memory.set_word(m.W_STOP, 1)
    Interruptions(gateway.directory).forget("bed-01", OTHER_BOOT)
    assert set(left(gateway)) == {"bed-02"}


@pytest.mark.requirement("say-interruptions")
def test_who_saw_the_interruption_before_has_not_seen_this_one(gateway):
    """The loop that showed the old alarm has died meanwhile; the next one is still starting."""
    gateway.ring.run((40, HOLD))
    assert set(left(gateway)) == {"bed-01", "bed-02"}
    Interruptions(gateway.directory).forget("bed-01", str(gateway.ring.memory.boot))
    assert Interruptions(gateway.directory).of("bed-01") is not None


def test_a_damaged_file_stops_no_loop(gateway):
    """The loop's start must depend on nothing that can be broken."""
    (gateway.directory / interruption.FILE).write_text('{"bed-01": {"boot": 1')
    gateway.ring.run((40, HOLD))
    assert set(left(gateway)) == {"bed-01", "bed-02"}
    (gateway.directory / interruption.FILE).write_text('{"bed-01": {"other": 1}, "bed-02": 3}')
    gateway.ring.memory.set_word(m.W_STOP, 1)
    assert left(gateway) == {}


class Ticking:
    """What a loop's thread runs: until it is told to stop, or until it breaks."""

    def __init__(self, memory, *, breaks):
        self.memory, self._breaks, self._told = memory, breaks, threading.Event()

    def run(self):
        """As Loop.run."""
        if self._breaks:
            raise ZeroDivisionError
        self._told.wait()

    def stop(self):
        """As Loop.stop."""
        self.memory.set_word(m.W_STOP, 1)
        self._told.set()


@pytest.mark.parametrize(
    ("force_dn", "breaks", "phases"),
    [(3124, True, ["hold"]), (20, True, ["hold"]), (3124, False, ["hold"]), (20, False, [])],
    ids=["broken under tension", "broken", "told to end, and tension stays", "told to end"],
)
@pytest.mark.requirement("say-interruptions")
def test_an_end_that_was_not_in_order_is_said(gateway, force_dn, breaks, phases):
    """A loop that ended by its own fault, or left somebody under tension, was not told to end and done."""
    memory = gateway.ring.memory
    gateway.ring.run((10, HOLD | {"force_dn": force_dn}))
    memory.set_word(m.W_STOP, 0)
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        thread = LoopThread(Ticking(memory, breaks=breaks), Wanted(0, (), lock_memory=False, wake_fast=False))
        thread.start()
        expected = pytest.raises(ZeroDivisionError) if breaks else contextlib.nullcontext()
        if not breaks:
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        with expected:
            conclude(memory, thread, alone_s=60.0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    assert [row.phase for row in left(gateway).values()] == phases * 2


@pytest.mark.requirement("say-interruptions")
def test_an_end_of_the_gateway_keeps_what_a_dead_loop_left(tmp_path, monkeypatch):
    """Whoever finds a bed without control restarts the gateway: before a new loop has looked back, maybe."""
    gateway = Gateway(_home(tmp_path, monkeypatch))
    try:
        memory = gateway.ring.memory
        gateway.ring.run((40, HOLD))
        memory.health["recorder_tick"] = memory.head()
        memory.set_word(m.W_PID, 0)  # of no process any more
        Supervising(ControllerSettings.load())._forget_stored_samples()
        assert LoopFile.load(gateway.directory) is None
        assert set(left(gateway)) == {"bed-01", "bed-02"}
    finally:
        gateway.close()


def _home(tmp_path, monkeypatch):
    """The gateway's directory below a data directory of its own."""
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path))
    monkeypatch.setenv("SPONDYL_SITE", "north")
    directory = tmp_path / "gateways" / "north"
    directory.mkdir(parents=True)
    return directory


def test_beds_seen_to_at_the_same_moment_are_all_forgotten(tmp_path):
    """After the death of a loop of 64 beds as many people press at once."""
    devices = [f"bed-{number}" for number in range(32)]
    row = {"boot": "b", "at_ns": 1, "tick": 1, "phase": "hold", "session_no": 1, "tension_n": 3.0}
    (tmp_path / interruption.FILE).write_text(json.dumps(dict.fromkeys(devices, row)))
    found = Interruptions(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(found.forget, devices, itertools.repeat(OTHER_BOOT)))
    assert [device for device in devices if found.of(device)] == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.requirement("say-interruptions")
def test_a_full_disk_takes_nothing_from_what_was_interrupted(tmp_path):
    """A disk is seldom full alone: what was under way when the loop died must be said all the same."""
    with small_disk(tmp_path / "disk") as disk, contextlib.closing(Gateway(disk)) as gateway:
        interruption.write_down(disk)  # as every loop does when it starts
        file = LoopFile.load(disk)
        gateway.ring.run((40, HOLD))
        fill(disk / "somebody-elses")
        assert {device: row.tension_n for device, row in left(gateway).items()} == dict.fromkeys(
            ("bed-01", "bed-02"), 312.4
        )
        replace(file, boot=OTHER_BOOT).save(disk)
        assert LoopFile.load(disk).boot == OTHER_BOOT, "the next loop is found, too"
