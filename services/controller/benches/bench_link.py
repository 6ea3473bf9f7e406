"""`spondyl bench link`: how long a reading takes to become a command, beside pymodbus' own client.

Both serve the same drive (`spondyl bed --modbus`, a process of its own) at the same period with the same
kernel, in turns, while two Python threads hog the interpreter that both live in. Sense to command is from the
moment the answer with the reading was complete to the moment the command made of it was handed to the
network; exchange is from asking for the reading to its answer.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from services.controller.beds.addresses import DriveAddress, drive_address
from services.controller.beds.modbus_map import pack, unpack
from services.controller.benches.bench_loop import hogged_interpreter
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.kernel import modbus_map as reg
from services.controller.kernel.step import new_parameters, new_state, step
from services.controller.loop.histograms import Histogram
from services.controller.loop.realtime import Obtained, Wanted
from services.controller.loop.shared import GatewayMemory
from services.controller.loop.thread import Loop, LoopThread
from services.kit.errors import SpondylError

RATIO_LIMIT = 0.5  # ours over pymodbus', p99 of sense to command
ROUND_S = 10.0
START_S = 60.0  # of the drive's process, which may have to compile
CONNECT_S = 5.0
PAUSE_S = 0.3  # between turns: the drive forgets its master when its watchdog has expired
PEER_MASTER = 0x5EED
PERCENTS = (("p50", 50.0), ("p99", 99.0))
PRIORITY = 50
READ = ((layout.R_FORCE, "force"), (layout.R_POSITION, "position"), (layout.R_TILT, "tilt"),
        (layout.R_HEAT, "heat"), (layout.R_STATUS, "status"), (layout.R_EFFORT, "effort"))  # fmt: skip


@dataclass(slots=True)
class Peer:
    """pymodbus' client at work: the moments of every packet, and what was measured."""

    exchange_us: list[float] = field(default_factory=list)
    command_us: list[float] = field(default_factory=list)
    sent_at: float = 0.0
    received_at: float = 0.0
    unanswered: int = 0

    def packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  (pymodbus calls it so)
        """When a packet leaves, and when its answer is complete."""
        now = time.perf_counter()
        if sending:
            self.sent_at = now
        else:
            self.received_at = now
        return data


def measure(seconds: float, period_ms: float) -> dict[str, Any]:
    """Take turns until each has run for ``seconds``; everything in microseconds."""
    rounds = max(1, round(seconds / ROUND_S))
    ticks = max(10, round(seconds * 1000 / period_ms / rounds))
    ours: dict[str, Histogram] = {}
    counts: dict[str, int] = {}
    peer = Peer()
    with drive() as address, hogged_interpreter():
        for _ in range(rounds):
            histograms, counted, obtained = _our_round(address, period_ms, ticks)
            ours = {name: ours[name] + one if name in ours else one for name, one in histograms.items()}
            counts = {name: counts.get(name, 0) + value for name, value in counted.items()}
            time.sleep(PAUSE_S)
            _peer_round(address, period_ms, ticks, peer)
            time.sleep(PAUSE_S)
    return _result(ours, counts, peer, obtained) | {"period_ms": period_ms, "ticks": rounds * ticks,
                                                    "rounds": rounds}  # fmt: skip


@contextlib.contextmanager
def drive() -> Iterator[DriveAddress]:
    """A drive in a process of its own."""
    argv = [sys.executable, "-m", "services.cli", "bed", "--modbus", "0", "--calm", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SpondylError("the drive did not start")
            yield drive_address(json.loads(line)["address"])
        finally:
            process.kill()


def _our_round(
    address: DriveAddress, period_ms: float, ticks: int
) -> tuple[dict[str, Histogram], dict[str, int], Obtained]:
    memory = GatewayMemory.create(
        site="bench", gateway="gw-bench", devices=("bed-01",), period_ns=round(period_ms * 1e6),
        addresses=(str(address),),
    )  # fmt: skip
    try:
        loop = Loop(memory)
        loop.load()
        thread = LoopThread(loop, Wanted(priority=PRIORITY))
        obtained = thread.start()
        loop.connect()
        end = time.monotonic() + CONNECT_S + 3 * ticks * period_ms / 1000
        while memory.link_counts(0)["answers"] < ticks and time.monotonic() < end:
            time.sleep(0.05)
        thread.stop()
        loop.disconnect()
        counts = memory.link_counts(0) | {"missed": memory.word(m.W_MISSED)}
        if not counts["answers"]:
            raise SpondylError(f"{address} did not answer the loop")
        return memory.histograms(), counts, obtained
    finally:
        memory.unlink()


def _peer_round(address: DriveAddress, period_ms: float, ticks: int, peer: Peer) -> None:
    """The same tick in Python: exchange, decode, the compiled step, encode, exchange."""
    client = ModbusTcpClient(address.host, port=address.port, trace_packet=peer.packet)
    if not client.connect():  # type: ignore[no-untyped-call]
        raise SpondylError(f"{address} does not answer pymodbus' client")
    period_s = period_ms / 1000
    params, staged, state = new_parameters(1, period_s), new_parameters(1, period_s), new_state(1)
    reading = np.zeros((len(layout.READINGS), 1), np.int32)
    sample = np.zeros((len(layout.SAMPLES), 1), np.int32)
    command = np.zeros((len(layout.COMMANDS), 1), np.int32)
    action = np.zeros(1, np.int32)
    next_at, beat = time.monotonic(), 0
    for _ in range(ticks):
        next_at = max(next_at + period_s, time.monotonic() - period_s)
        time.sleep(max(0.0, next_at - time.monotonic()))
        unanswered = peer.unanswered
        beat = _exchange(client, address, beat, command, reading, peer)
        if peer.unanswered == unanswered:
            peer.exchange_us.append(1e6 * (peer.received_at - peer.sent_at))
        sensed_at = peer.received_at
        step(params, staged, state, reading, action, sample, command)
        beat = _exchange(client, address, beat, command, reading, peer)
        if peer.unanswered == unanswered:  # as of ours: what got no answer has no time
            peer.command_us.append(1e6 * (peer.sent_at - sensed_at))
    client.close()  # type: ignore[no-untyped-call]
    if not peer.command_us:
        raise SpondylError(f"{address} did not answer pymodbus' client in {ticks} ticks")


def _exchange(
    client: ModbusTcpClient, address: DriveAddress, beat: int, command: Any, reading: Any, peer: Peer
) -> int:
    """One exchange, with the client's own repetitions; the reading stays as it was where none is answered."""
    beat = (beat + 1) % (1 << 16)
    written = {
        "heartbeat": beat, "stop_a": reg.STOP_A, "stop_b": reg.STOP_B, "master": PEER_MASTER,
        "velocity": min(0, int(command[layout.C_VELOCITY, 0])), "outputs": int(command[layout.C_OUTPUTS, 0]),
    }  # fmt: skip
    try:
        answer = client.readwrite_registers(
            read_address=reg.READ_ADDRESS, read_count=reg.READ_WORDS, write_address=reg.WRITE_ADDRESS,
            values=pack(reg.WRITES, written), device_id=address.unit,
        )  # fmt: skip
    except ModbusException:  # a busy machine: the drive's process got no processor for seconds
        peer.unanswered, peer.received_at = peer.unanswered + 1, time.perf_counter()
        return beat
    values = unpack(reg.READS, list(answer.registers))
    for row, name in READ:
        reading[row, 0] = values[name]
    return beat


def _result(
    ours: dict[str, Histogram], counts: dict[str, int], peer: Peer, obtained: Obtained
) -> dict[str, Any]:
    sense = {"ours": _of(ours["command"]), "pymodbus": _summary(peer.command_us)}
    ratio = sense["ours"]["p99"] / sense["pymodbus"]["p99"]
    return {
        "sense_to_command_us": sense,
        "exchange_us": {"ours": _of(ours["link"]), "pymodbus": _summary(peer.exchange_us)},
        "p99_ratio": round(ratio, 4), "ratio_limit": RATIO_LIMIT,
        "answers": counts["answers"], "refused": {kind: counts[kind] for kind in m.LINK_REFUSALS},
        "pymodbus_unanswered": peer.unanswered,
        "missed_deadlines": counts["missed"], "scheduling": obtained.scheduling,
    }  # fmt: skip


def _of(histogram: Histogram) -> dict[str, float]:
    return {name: value for name, value in histogram.summary_us().items() if name != "p999"}


def _summary(values: list[float]) -> dict[str, float]:
    found = {name: round(float(np.percentile(values, percent)), 1) for name, percent in PERCENTS}
    return found | {"max": round(max(values), 1)}
