"""A bed over Modbus after a gap: a drive that owes answers, a loop that stood still, a drive on its own."""

import socket
import threading

import numpy as np
import pytest
from modbus_rig import Wired, answer
from servers import eventually
from structlog.testing import capture_logs

from services.controller.beds import modbus_bed
from services.controller.beds.addresses import drive_address
from services.controller.kernel import layout, modbus, modbus_frames
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg

MS = 1_000_000


class Stalled:
    """A drive that takes requests and answers them when told to."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.address = f"modbus://127.0.0.1:{self.listening.getsockname()[1]}?unit=1"
        self.server = self
        self.sent = float("inf")  # the rig waits for no answer of this drive
        self.line = None

    def answer_all(self):
        """Answer every request that has come, each rightly; how many these were."""
        if self.line is None:
            self.line, _ = self.listening.accept()
        requests = self.line.recv(1 << 16)
        size = modbus_frames.REQUEST_BYTES
        for at in range(0, len(requests), size):
            number = int.from_bytes(requests[at : at + 2], "big")
            master = int.from_bytes(requests[at + modbus_frames.REQUEST_AT + 6 :][:4], "big")
            self.line.sendall(answer(number, master).tobytes())
        return len(requests) // size

    def close(self):
        """Gone."""
        for one in filter(None, (self.line, self.listening)):
            one.close()


def test_a_drive_that_answers_late_and_all_at_once_is_asked_again_at_once():
    """A stall of a few ticks must not cost the line: the drive would be on its own for a second."""
    drive = Stalled()
    wired = Wired(served=drive, wait_ns=2 * MS)
    try:
        eventually(lambda: wired.tick() is not None and wired.counts()["connected"], 20.0, "a connection")
        wired.tick(modbus.MOST_WAITING)
        assert wired.counts()["requests"] == modbus.MOST_WAITING
        assert drive.answer_all() == modbus.MOST_WAITING
        eventually(lambda: _asked_again(wired), 0.9, "another request")
        assert wired.counts()["lost"] == 0
        assert wired.counts()["late"] >= 1
    finally:
        wired.close()


def _asked_again(wired):
    wired.tick()
    return wired.counts()["requests"] > modbus.MOST_WAITING


def test_a_drive_that_hangs_with_its_connection_open_takes_no_time_from_the_bed_beside_it():
    """Every tick would wait for it in vain, and every other command of the gateway come that much later."""
    wait_s = 0.2
    wired = Wired(wait_ns=round(wait_s * 1e9), beside=1)
    try:
        eventually(lambda: _read(wired), 20.0, "answers of both drives")
        with wired.hanging(bed=1):
            samples = wired.ticks(modbus.MOST_WAITING)
            assert samples[-1, layout.S_CONDITIONS, 1] & layout.LINK_LOST
            waits = [took for took in wired.took_s[-modbus.MOST_WAITING :] if took >= wait_s]
            assert len(waits) <= modbus.MOST_WAITING / 2, "those of a drive that may still be late"
            eventually(lambda: _connected_anew(wired), 20.0, "a second connection that hangs")
            samples = wired.ticks(50)
            assert max(wired.took_s[-50:]) < wait_s
            assert not samples[:, layout.S_AGE, 0].any()
        eventually(lambda: _read(wired), 20.0, "an answer of the one that hung")
    finally:
        wired.close()


def _read(wired):
    """Whether every bed's reading is of this tick."""
    return not wired.ticks(1)[-1, layout.S_AGE].any()


def _connected_anew(wired):
    wired.ticks(1)
    counts = wired.counts(1)
    return counts["lost"] and counts["connected"]


@pytest.mark.requirement("never-resume-alone")
def test_after_the_loop_stood_still_the_first_answer_says_that_nothing_was_controlled():
    """The drive has let go and takes commands again: whoever went on would pull again by himself."""
    wired = Wired().connected()
    try:
        wired.tick(2)
        wired.stand_still((reg.WATCHDOG_MS - 40) / 1000)  # with the tick's own 20 ms: just not too long
        assert wired.tick()[-1, layout.S_AGE] == 0
        wired.stand_still(reg.WATCHDOG_MS / 1000)
        samples = wired.tick(2)
        assert samples[:, layout.S_AGE].tolist() == [reg.WATCHDOG_MS + 20, 0]
        assert samples[0, layout.S_CONDITIONS] & layout.LINK_LOST
    finally:
        wired.close()


@pytest.mark.parametrize("state", reg.DRIVE_STATES)
@pytest.mark.parametrize(
    "read", [modbus_frames.read_answer, modbus_frames.read_answer.py_func], ids=["compiled", "python"]
)
def test_a_drive_that_obeys_nobody_is_not_ready(read, state):
    """Its status bit alone would let the session wait, and pull once it listens again."""
    held = np.zeros(len(layout.READINGS), np.int32)
    told = {"drive_state": reg.DRIVE_STATES.index(state), "status": layout.STATUS_DRIVE_READY}
    read(answer(**told), held)
    is_ready = held[layout.R_STATUS] & layout.STATUS_DRIVE_READY != 0
    assert is_ready == (state not in ("releasing", "fault"))


@pytest.mark.parametrize(
    "judge", [modbus_frames.judge, modbus_frames.judge.py_func], ids=["compiled", "python"]
)
def test_a_drive_whose_watchdog_waits_longer_is_not_read(judge):
    """The kernel counts on 100 ms: a drive that pulls on for ten seconds is another drive."""
    frame = answer(watchdog_ms=10_000)
    length = len(frame) - modbus_frames.HEADER
    assert judge(frame, length, 1, 7, 99, 0) == m.N_SCALING


def test_a_name_that_nobody_answers_for_keeps_no_other_drive_unconnected(monkeypatch):
    """A name server that hangs costs a look-up up to half a minute; the bed beside it needs no name."""
    asked, asking, look_up = threading.Event(), threading.Event(), socket.getaddrinfo

    def hanging(host, *rest, **more):
        if host == "drive.invalid":
            asking.set()
            asked.wait(60.0)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    drive = Stalled()
    beds = [modbus_bed.WiredBed("bed-01", 0, drive_address("modbus://drive.invalid:502?unit=1")),
            modbus_bed.WiredBed("bed-02", 1, drive_address(drive.address))]  # fmt: skip
    bus = modbus_bed.new_bus(beds, 0)
    connections = modbus_bed.Connections(beds, bus, np.zeros((2, len(m.LINK_COUNTS)), np.int64))
    connections.start()
    try:
        eventually(asking.is_set, 10.0, "the look-up of the name")
        eventually(lambda: bus.sockets[1] != modbus.GONE, 10.0, "the other bed's connection")
        assert bus.sockets[0] == modbus.GONE
    finally:
        asked.set()
        connections.stop()
        drive.close()


def test_the_log_says_in_words_what_a_drive_answers_wrongly():
    """Whoever is called at night has a line of the log, and no table of kinds."""
    bed = modbus_bed.WiredBed("bed-01", 0, drive_address("modbus://10.0.0.21:502?unit=1"))
    counts = np.zeros(len(m.LINK_COUNTS), np.int64)
    connection = modbus_bed.Connection(bed, 0, modbus_bed.new_bus([bed], 0), counts)
    counts[[m.N_SWAPPED, m.N_LOST]] = 500, 3
    with capture_logs() as logs:
        connection._tell(20.0)
        connection._tell(40.0)
    (told,) = logs
    assert (told["address"], told["refused"]) == (str(bed.address), {"swapped": 500, "lost": 3})
    assert told["why"].startswith("mostly swapped: the signature with its words swapped")


def test_a_drive_that_never_answers_rightly_is_told_once_and_again_when_it_does():
    """It is connected anew every other second: the log would hold nothing else within a day."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bed = modbus_bed.WiredBed(
            "bed-01", 0, drive_address(f"modbus://127.0.0.1:{listening.getsockname()[1]}?unit=1")
        )
        bus, counts = modbus_bed.new_bus([bed], 0), np.zeros(len(m.LINK_COUNTS), np.int64)
        connection = modbus_bed.Connection(bed, 0, bus, counts)

        def joined(now):
            connection.look(now)
            return bus.sockets[0] != modbus.GONE

        with capture_logs() as logs:
            for now in (10.0, 20.0, 30.0, 40.0):
                eventually(lambda now=now: joined(now), 10.0, "a connection")
                bus.sockets[0] = modbus.GONE  # as the loop gives it back
                connection.look(now)
            eventually(lambda: joined(50.0), 10.0, "a connection")
            counts[m.N_ANSWERS] += 1
            connection.look(50.0)
            connection.look(50.0)
        connection.close()
    assert [log["event"] for log in logs] == ["drive connected", "drive not connected", "drive answers again"]


def test_a_network_without_a_way_to_the_drive_is_no_connection():
    """A gateway that starts before its network must not say that its drives are connected."""
    bed = modbus_bed.WiredBed("bed-01", 0, drive_address("modbus://224.0.0.1:502?unit=1"))
    bus = modbus_bed.new_bus([bed], 0)
    connection = modbus_bed.Connection(bed, 0, bus, np.zeros(len(m.LINK_COUNTS), np.int64))
    connection.look(0.1)
    connection.look(0.2)
    assert bus.sockets.tolist() == [modbus.GONE]
    connection.close()
