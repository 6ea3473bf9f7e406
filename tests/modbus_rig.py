"""A bed behind Modbus/TCP for tests: the pymodbus drive in a thread, the compiled loop's ticks one by one."""

import threading
import time
from contextlib import contextmanager

import numpy as np
from bedside_rig import NECK
from servers import eventually

from services.controller.beds.modbus_bed import Wiring
from services.controller.beds.modbus_drive import DOLL, Drive, Kind
from services.controller.beds.modbus_map import pack
from services.controller.beds.modbus_server import Served
from services.controller.kernel import layout, modbus
from services.controller.kernel import loop as compiled
from services.controller.kernel import modbus_frames as wire
from services.controller.kernel import modbus_map as reg
from services.controller.loop.shared import BEDSIDE, GatewayMemory
from services.controller.loop.thread import Loop
from services.controller.parameters import compile_parameters
from services.kit.therapy.prescription import Prescription

PERIOD_NS = 20_000_000
LET_S = 0.3  # a busy drive answers within it; a second of silence would end the others' connections
WAIT_NS = 40_000_000  # longer than a loaded machine needs, shorter than a slow drive


class Clock:
    """Time that a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        """Now."""
        return self.now


class Common:
    """The one time of a drive and of whoever commissions it: none passes but by what is done.

    How busy this machine is so changes nothing; every look at the clock takes ``LOOK_S``.
    """

    LOOK_S = 0.0005

    def __init__(self, clock):
        self.clock = clock

    def now(self):
        """Now, a little later than before."""
        self.clock.now += self.LOOK_S
        return self.clock.now

    def rest(self, seconds):
        """Let so much pass."""
        self.clock.now += max(0.0, seconds)


def doll(**constants):
    """A drive with the commissioning doll, whose constants may differ."""
    return Kind(calm=True, constants=(*DOLL, *constants.items()))


def answer(request=7, master=99, **values):
    """A right answer as bytes, from the transaction on."""
    told = {"serial": 5, "master": master, "heartbeat_echo": request, "switch_b": reg.RELEASED_B, **values}
    body = b"".join(word.to_bytes(2, "big") for word in pack(reg.READS, told))
    head = request.to_bytes(2, "big") + b"\0\0" + (3 + len(body)).to_bytes(2, "big")
    return np.frombuffer(head + bytes([1, wire.FUNCTION, len(body)]) + body, np.uint8).copy()


class Wired:
    """One bed on a drive that is really served; both live by the ticks' time, however busy the machine.

    ``beside``: so many further beds of the same gateway, each on a drive of its own.
    """

    def __init__(self, kind=None, serials=None, wait_ns=WAIT_NS, served=None, beside=0):
        self.clock = Clock()
        self.clock.now = 1.0  # behind the machine's own: what is posted by that is never too old
        self.served = served or self.serve(kind)
        self.others = [self.serve(Kind(serial=1002 + number, calm=True)) for number in range(beside)]
        self.hung: set[int] = set()
        self.took_s: list[float] = []  # every tick, by this machine's clock
        drives = (self.served, *self.others)
        self.memory = GatewayMemory.create(
            site="north", gateway="gw-north", period_ns=PERIOD_NS,
            devices=tuple(f"bed-{1 + number:02d}" for number in range(len(drives))),
            addresses=tuple(drive.address for drive in drives),
        )  # fmt: skip
        self.loop = Loop(self.memory, Wiring(wait_ns, serials or {}))
        self.loop.load()  # no wait of a test is one for the compiler
        self.woke_ns = round(self.clock.now * 1e9)
        self._before, self._due = [0] * len(drives), [0] * len(drives)
        self.loop.connect()

    def serve(self, kind=None, port=0):
        """Another drive."""
        return Served(Drive(kind or Kind(calm=True), self.clock), port=port)

    def stand_still(self, seconds):
        """Let time pass without a tick."""
        self.woke_ns += round(seconds * 1e9)
        self.clock.now = self.woke_ns / 1e9

    @contextmanager
    def hanging(self, bed):
        """Let a bed's drive do nothing for a while, its connection open."""
        over = threading.Event()
        drive = (self.served, *self.others)[bed]
        drive._loop.call_soon_threadsafe(over.wait, 60.0)
        self.hung.add(bed)
        try:
            yield
        finally:
            self.hung.remove(bed)
            over.set()

    def tick(self, count=1):
        """Ticks of 20 ms by their own clock, as fast as the drive answers; samples int32[count, SAMPLES]."""
        return self.ticks(count)[:, :, 0]

    def ticks(self, count):
        """The same of every bed; samples int32[count, SAMPLES, beds]."""
        for _ in range(count):
            number = self.memory.head()
            self.clock.now = max(self.clock.now, self.woke_ns / 1e9)
            began = time.monotonic()
            compiled.tick(self.loop._shared, self.loop._kernel, self.loop._bed, number, self.woke_ns,
                          time.time_ns(), 0, False)  # fmt: skip
            self.took_s.append(time.monotonic() - began)
            self.woke_ns += PERIOD_NS
            for bed, drive in enumerate((self.served, *self.others)):
                self._let_answer(bed, drive.server)
        head = self.memory.head()
        return self.memory.read(head - count, head)[1]

    def _let_answer(self, bed, server):
        """A tick's last request is answered before the next tick's: pymodbus forgets what comes meanwhile."""
        asked = self.counts(bed)["requests"]
        self._due[bed] += asked - self._before[bed]
        self._before[bed] = asked
        end = time.monotonic() + (0.0 if bed in self.hung else LET_S)
        while server.sent < self._due[bed] and time.monotonic() < end:
            time.sleep(0.0005)
        self._due[bed] = server.sent

    def act(self, action, parameters=None):
        """Whether the kernel takes an operator's action."""
        ticket = self.memory.post(BEDSIDE, 0, action, parameters)
        self.tick(2)
        return self.memory.outcome(BEDSIDE, 0, ticket).accepted

    def until(self, seen, within_s=30.0):
        """Tick until the newest sample is as wanted; that sample."""
        for _ in range(round(within_s * 1e9 / PERIOD_NS)):
            sample = self.tick()[-1]
            if seen(sample):
                return sample
        raise AssertionError(f"not seen within {within_s:g} s of the drive's time")

    def ready(self):
        """A patient confirmed, the switch tested."""
        self.connected()
        prescribed = compile_parameters(Prescription.parse(NECK), PERIOD_NS / 1e9, 1)
        assert self.act(layout.ACTION_LOAD, prescribed)
        assert self.act(layout.ACTION_TEST_SWITCH)
        self.until(lambda sample: sample[layout.S_EVENTS] & layout.EVENT_SWITCH_TESTED)
        return self

    def treated(self, tension_n=20.0):
        """... and under tension."""
        self.ready()
        assert self.act(layout.ACTION_START)
        self.until(lambda sample: sample[layout.S_FORCE] > 10 * tension_n)
        return self

    def answered(self):
        """One more tick, with no pause before it is waited for; whether its reading is fresh."""
        self.loop._bed.bus.state[:, modbus.L_PAUSE] = 0  # on a busy machine every one of them counts
        return self.tick()[-1, layout.S_AGE] == 0

    def connected(self):
        """Wait until the drive answers."""
        eventually(self.answered, 20.0, "an answer of the drive")
        return self

    def counts(self, bed=0):
        """What became of the exchanges."""
        return self.memory.link_counts(bed)

    def since(self, before):
        """Counters that have moved."""
        now = self.counts()
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}

    def close(self):
        """End drive and connections."""
        self.loop.disconnect()
        for drive in (self.served, *self.others):
            drive.close()
        self.memory.unlink()
