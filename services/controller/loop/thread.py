"""The compiled loop with its arrays, ready to run in a thread of any process that loads the compiler."""

import threading

import numpy as np

from services.controller.beds import modbus_bed
from services.controller.beds.addresses import SIMULATED, drive_address
from services.controller.beds.simulated import simulated_beds
from services.controller.kernel import cache, layout, loop
from services.controller.kernel import memory as m
from services.controller.kernel.mailbox import PENDING
from services.controller.kernel.step import new_parameters, new_state
from services.controller.loop.realtime import Obtained, Wanted, obtain
from services.controller.loop.shared import GatewayMemory

FOREVER = 2**62


class Loop:
    """Beds under the kernel, simulated or on a bus, ticking into a gateway's shared memory."""

    def __init__(self, memory: GatewayMemory, wiring: modbus_bed.Wiring | None = None) -> None:
        beds, period_s = memory.beds, memory.period_ns / 1e9
        wiring = wiring or modbus_bed.Wiring()
        wired = _wired(memory, wiring)
        bus = modbus_bed.new_bus(wired, wiring.wait_ns or modbus_bed.usual_wait_ns(memory.period_ns))
        simulated = simulated_beds(memory.seed, beds, period_s)
        self.memory = memory
        self._shared = loop.Shared(*(memory.arrays[name] for name in loop.Shared._fields))
        self._kernel = loop.Kernel(
            params=new_parameters(beds, period_s),
            staged=new_parameters(beds, period_s),
            state=new_state(beds),
            reading=simulated.reading,
            action=np.zeros(beds, np.int32),
            sample=np.zeros((len(layout.SAMPLES), beds), np.int32),
            command=simulated.command,
            pending=np.zeros((beds, len(PENDING)), np.int64),
            timespec=np.zeros(2, np.int64),
        )
        self._bed = loop.Beds(
            state=simulated.plant,
            constants=simulated.constants,
            random=simulated.random,
            library=simulated.library.samples,
            entries=simulated.library.entries,
            bus=bus,
        )
        self._connections = modbus_bed.Connections(wired, bus, memory.arrays["link"])

    def connect(self) -> None:
        """Begin to connect the drives there are; ticks go on without them meanwhile."""
        self._connections.start()

    def disconnect(self) -> None:
        """Let go of the drives, whose own watchdogs act then; after the last tick."""
        self._connections.stop()

    def run(self, ticks: int = FOREVER) -> int:
        """Tick until told to stop (the stop word) or ``ticks`` have been run; returns their number.

        The interpreter's lock is free meanwhile. The first call of a process loads the compiled code.
        """
        return int(loop.run(ticks, self.memory.period_ns, self._shared, self._kernel, self._bed))

    def load(self) -> None:
        """Load the compiled code, or compile it, without running a tick."""
        with cache.one_at_a_time():
            self.run(0)

    def stop(self) -> None:
        """Let ``run`` return after the tick it is in."""
        self.memory.set_word(m.W_STOP, 1)


def _wired(memory: GatewayMemory, wiring: modbus_bed.Wiring) -> list[modbus_bed.WiredBed]:
    """The beds of this memory that are not simulated."""
    return [
        modbus_bed.WiredBed(device, place, drive_address(address), wiring.serials.get(device, 0))
        for place, (device, address) in enumerate(zip(memory.devices, memory.addresses, strict=True))
        if address != SIMULATED
    ]


class LoopThread:
    """A thread that does nothing but the loop, in the best class it can get."""

    def __init__(self, loop_: Loop, wanted: Wanted) -> None:
        self._loop = loop_
        self._wanted = wanted
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self.obtained: Obtained | None = None
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)

    def start(self, timeout_s: float = 30.0) -> Obtained:
        """Start ticking; returns what the machine permitted."""
        self._thread.start()
        self._started.wait(timeout_s)
        if self.obtained is None:
            raise RuntimeError("the loop's thread did not start") from self._failure
        return self.obtained

    def alive(self) -> bool:
        """True while it ticks."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End it after the tick it is in, and wait for that; raises what ended it, if anything did."""
        self._loop.stop()
        self._thread.join(timeout_s)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self.obtained = obtain(self._wanted)
            self._loop.memory.set_word(m.W_PRIORITY, self.obtained.priority)
            self._loop.memory.set_word(m.W_LOCKED, int(self.obtained.locked))
            self._started.set()
            self._loop.run()
        except BaseException as failure:  # noqa: BLE001  (handed to the thread that asked)
            self._failure = failure
        finally:
            self._started.set()
