"""The live trace: one reader of the ring a process, one bounded queue a socket.

A client that does not keep up loses frames, never memory; ``seq`` shows it what it missed.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from broker.messages import ActiveAlarm
from services.controller.alarms import memory as alarm_memory
from services.controller.alarms.table import Conditions, gateway_conditions
from services.controller.bedside.records import Record
from services.controller.bedside.session import Bedside
from services.controller.errors import BedUnavailable
from services.controller.kernel import layout
from services.controller.loop.interruption import Interruptions
from services.controller.loop.link import is_fresh
from services.controller.loop.shared import GatewayMemory, Overrun
from services.controller.panel.view import Json, Watch, bed_state, open_view, parameter, scalars
from services.controller.recorder.blocks import is_blind
from services.kit.errors import SpondylError

log = structlog.get_logger(__name__)

FRAME_S = 0.02
QUIET_S = 0.1  # nobody looks: alarms are still kept
STATE_S = 1.0
QUEUE_FRAMES = 50  # one second
MOST_TICKS = 4096  # read at once
RECENT_S = 30  # what a trace shows as soon as it is opened: one sweep
_MARKS = tuple((1 << bit, name) for bit, name in enumerate(layout.EVENT_NAMES))
_STATE_ROWS = (
    layout.S_PHASE,
    layout.S_SESSION,
    layout.S_CONDITIONS,
    layout.S_OUTPUTS,
    layout.S_STATUS,
    layout.S_CYCLE,
)
Samples = NDArray[np.int32]


def nobody() -> bool:
    """Sees no patient."""
    return False


@dataclass(slots=True, eq=False)
class Listener:
    """One socket's queue, and whether whoever holds it may know whose session it is."""

    device: str
    sees_patients: Callable[[], bool] = nobody
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUE_FRAMES))
    dropped: int = 0

    def put(self, frame: str) -> None:
        """Append; the oldest frame goes when the queue is full."""
        if self.queue.full():
            self.queue.get_nowait()
            self.dropped += 1
        self.queue.put_nowait(frame)


class Live:
    """Reads the ring for the whole process and tells the listeners; runs in the event loop."""

    def __init__(self, bedside: Bedside, interruptions: Interruptions | None = None) -> None:
        self._bedside = bedside
        self._interruptions = interruptions
        self._listeners: set[Listener] = set()
        self._watches: dict[str, Watch] = {}
        self._boot: UUID | None = None
        self._followed: UUID | None = None  # the boot whose ring was read up to its head once
        self._cursor = 0
        self._before: Samples | None = None
        self._states_due = asyncio.Event()
        self._tell: set[str] = set()
        self._hello: set[str] = set()
        self._fresh = True
        self._reconcile = True

    def watch(self, device: str) -> Watch:
        """What is kept of a bed between samples."""
        return self._watches.setdefault(device, Watch())

    @contextlib.contextmanager
    def listening(self, device: str, sees_patients: Callable[[], bool] = nobody) -> Iterator[Listener]:
        """A listener of one bed's frames for as long as the block runs."""
        listener = Listener(device, sees_patients)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def recent(self, device: str) -> list[str]:
        """Frames of the last RECENT_S, one a second, up to where a listener's own frames begin."""
        try:
            memory = self._bedside.link.memory()
            bed, step = memory.devices.index(device), samples_an_entry(memory.period_ns)
        except (BedUnavailable, ValueError):
            return []
        if memory.boot != self._boot:
            return []
        second = max(1, round(1e9 / memory.period_ns / step)) * step
        first = max(self._cursor - RECENT_S * second, memory.oldest(), 0)
        first += (self._cursor - first) % second  # whole seconds back from the cursor
        base_n = parameter(self._known(self.watch(device)), layout.P_BASE)
        frames = []
        for begin in range(first, self._cursor, second):
            with contextlib.suppress(Overrun):
                _, samples = memory.read(begin, begin + second)
                frames.append(_text(frame(begin, samples[:, :, bed], step, memory.heartbeat_age_s(), base_n)))
        return frames

    def touch(self, device: str) -> None:
        """Something beside the samples changed (a note, a pain score): tell the page soon."""
        self._tell.add(device)
        self._states_due.set()

    async def run(self) -> None:
        """Read and tell until cancelled; nothing that goes wrong with one frame ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_samples())
            group.create_task(self._tell_states())

    # --- samples -----------------------------------------------------------------------------------------

    async def _read_samples(self) -> None:
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                self.poll()
            except BedUnavailable:
                pass  # the loop is starting
            except Exception:
                log.exception("a live frame failed")
            wait_s = FRAME_S if self._listeners else QUIET_S
            await asyncio.sleep(max(0.001, wait_s - (clock.time() - began)))

    def poll(self) -> None:
        """Read what is new and hand it out."""
        memory = self._bedside.link.memory()
        memory.health["panel_ns"] = time.monotonic_ns()
        if memory.boot != self._boot:
            self._begin(memory)
        step = samples_an_entry(memory.period_ns)
        self._note_freshness(memory)
        self._note_silence(memory)
        head = memory.head()
        if head - self._cursor > memory.capacity_ticks // 2:
            self._cursor = head - memory.capacity_ticks // 2  # long asleep: what is older is history
        while (count := min(head - self._cursor, MOST_TICKS) // step * step) > 0:
            try:
                times, samples = memory.read(self._cursor, self._cursor + count)
            except Overrun as gap:
                self._cursor = gap.oldest + (head - gap.oldest) // 2
                continue
            self._take(memory, self._cursor, times, samples, step)
            self._cursor += count
        if self._cursor:
            self._followed = self._boot

    def barring(self, memory: GatewayMemory, device: str) -> ActiveAlarm | None:
        """What lets nobody be confirmed or started at a bed now; safe from any thread.

        Raises LookupError while the alarms of this boot are not known here.
        """
        if self._followed != memory.boot:
            raise LookupError(device)
        return self.watch(device).board.barring()

    def _begin(self, memory: GatewayMemory) -> None:
        """A new boot: everything known is of the old one."""
        again = self._boot is not None
        self._boot, self._before = memory.boot, None
        self._watches = {device: Watch() for device in memory.devices}
        self._cursor = memory.oldest()  # the last minute tells alarms and the switch test after a restart
        self._reconcile = True
        if again:
            self._hello.update(memory.devices)
        self._tell.update(memory.devices)
        self._states_due.set()

    def _note_freshness(self, memory: GatewayMemory) -> None:
        fresh = is_fresh(memory)
        if fresh != self._fresh:
            self._fresh = fresh
            self._tell.update(memory.devices)
            self._states_due.set()
            if not fresh:
                for listener in self._listeners:
                    listener.put('{"type":"gone"}')

    def _note_silence(self, memory: GatewayMemory) -> None:
        """A loop that is dead or hangs brings no sample that could bring an alarm."""
        if not alarm_memory.is_lost(memory):
            return
        now, found = alarm_memory.moment(memory), self._conditions(memory)
        for device, own in zip(memory.devices, found, strict=True):
            if self.watch(device).board.look(now, alarm_memory.lost(own, memory)):
                self._tell.add(device)
                self._states_due.set()

    def _conditions(self, memory: GatewayMemory) -> list[Conditions]:
        """What the gateway knows of itself, by bed."""
        said = gateway_conditions(memory.health, memory.period_ns / 1e6)
        silent_s = alarm_memory.silence_s(memory)
        believed = (alarm_memory.believed(said, memory, bed, silent_s) for bed in range(memory.beds))
        pairs = zip(memory.devices, believed, strict=True)
        return [alarm_memory.of_bed(found, memory, device, self._interruptions) for device, found in pairs]

    def _take(
        self, memory: GatewayMemory, first: int, times: NDArray[np.int64], samples: Samples, step: int
    ) -> None:
        found = self._conditions(memory)
        caught_up = memory.head() - first <= MOST_TICKS
        wanted = {listener.device for listener in self._listeners} if caught_up else set()
        for bed, device in enumerate(memory.devices):
            column = samples[:, :, bed]
            watch = self.watch(device)
            self._follow(watch, column)
            watch.board.since = alarm_memory.read_since(memory, bed)
            if watch.board.observe(times, column, found[bed]):
                self._tell.add(device)
            if self._changed(bed, column):
                self._tell.add(device)
            if device in wanted:
                base_n = parameter(self._known(watch), layout.P_BASE)
                self._hand_out(device, frame(first, column, step, memory.heartbeat_age_s(), base_n))
        self._before = samples[-1]
        if self._tell:
            self._states_due.set()

    def _follow(self, watch: Watch, column: Samples) -> None:
        """Keep the session's number and whether its switch was tested."""
        number = int(column[-1, layout.S_SESSION])
        if number != watch.session_no:
            watch.session_no, watch.switch_tested = number, False
            watch.board.parameters = None
            self._reconcile = True
        if watch.board.parameters is None and (record := self._known(watch)) is not None:
            watch.board.parameters = record.session.parameters or None
        mine = column[:, layout.S_SESSION] == number
        if number and np.any(column[mine, layout.S_EVENTS] & layout.EVENT_SWITCH_TESTED):
            watch.switch_tested = True

    def _known(self, watch: Watch) -> Record | None:
        """The record as far as it is in memory: the event loop never waits for a disk."""
        return self._bedside.known(watch.session_no)

    def _changed(self, bed: int, column: Samples) -> bool:
        before = column[0] if self._before is None else self._before[:, bed]
        return bool(np.any(column[-1, _STATE_ROWS] != before[_STATE_ROWS,]))

    def _hand_out(self, device: str, message: Json) -> None:
        text = _text(message)
        for listener in self._listeners:
            if listener.device == device:
                listener.put(text)

    # --- states ------------------------------------------------------------------------------------------

    async def _tell_states(self) -> None:
        clock = asyncio.get_running_loop()
        all_told = clock.time()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._states_due.wait(), STATE_S)
            self._states_due.clear()
            changed, self._tell = self._tell, set()
            everything = clock.time() - all_told >= STATE_S
            all_told = clock.time() if everything else all_told
            listened = {listener.device for listener in self._listeners}
            try:
                await self._remember_sessions()
                await self._tell_now(listened if everything else listened & changed)
            except SpondylError as error:
                log.warning("the state could not be told", error=error.message)
            except Exception:
                log.exception("the state could not be told")
            await asyncio.sleep(FRAME_S)  # several changes of one moment are one message

    async def _remember_sessions(self) -> None:
        if self._reconcile:
            self._reconcile = False  # before the work: a session that ends meanwhile asks for it again
            try:
                await self._remember_seen()
                await asyncio.to_thread(self._bedside.reconcile)
            except SpondylError:
                self._reconcile = True
                raise
        for watch in self._watches.values():
            if watch.session_no and self._known(watch) is None:
                await asyncio.to_thread(self._bedside.record, watch.session_no)

    async def _remember_seen(self) -> None:
        """What was acknowledged before this panel started stays so."""
        if self._boot is not None:
            for given in await asyncio.to_thread(self._bedside.store.acknowledgements, self._boot):
                self.watch(given.device).board.known.setdefault(given.occurrence, given.seen)

    async def _tell_now(self, devices: set[str]) -> None:
        for device in devices:
            state = await asyncio.to_thread(bed_state, self._bedside, device, self.watch(device))
            kind = "hello" if device in self._hello else "state"
            self._hello.discard(device)
            whole, opened = (_text({"type": kind, "state": it}) for it in (state, open_view(state)))
            for listener in [it for it in self._listeners if it.device == device]:
                listener.put(whole if listener.sees_patients() else opened)


def _text(message: Json) -> str:
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def samples_an_entry(period_ns: int) -> int:
    """How many samples one entry of a frame stands for: 20 ms of them, at least one."""
    return max(1, round(FRAME_S * 1e9 / period_ns))


def frame(first: int, column: Samples, step: int, age_s: float, base_n: float) -> Json:
    """One bed's frame from its samples int32[n, SAMPLES], n a multiple of ``step``.

    What nobody measured is NaN, which JSON writes as null.
    """
    traces: dict[str, Any] = {}
    blind = is_blind(column)
    for name, index, scale in _TRACES:
        counts = np.where(blind, np.nan, column[:, index]) if name in _SPANS else column[:, index]
        entries = counts.reshape(-1, step)
        traces[name] = np.round(entries[:, -1] / scale, 3).tolist()
        if step > 1 and name in _SPANS:
            low, high = _SPANS[name]
            traces[low] = np.round(entries.min(axis=1) / scale, 3).tolist()
            traces[high] = np.round(entries.max(axis=1) / scale, 3).tolist()
    return {
        "type": "samples",
        "seq": first,
        "step": step,
        "count": len(column) // step,
        "age_ms": round(age_s * 1000),
        **traces,
        **scalars(column[-1]),
        "base_n": base_n,
        "marks": marks(first, column),
    }


_TRACES = (
    ("tension_n", layout.S_FORCE, 10),
    ("target_n", layout.S_TARGET, 1000),
    ("residual_n", layout.S_RESIDUAL, 1000),
)
_SPANS = {
    "tension_n": ("tension_min_n", "tension_max_n"),
    "residual_n": ("residual_min_n", "residual_max_n"),
}


def marks(first: int, column: Samples) -> list[Json]:
    """The one-tick events of these samples."""
    events = column[:, layout.S_EVENTS]
    return [
        {"seq": first + int(index), "kind": name}
        for index in np.flatnonzero(events)
        for bit, name in _MARKS
        if events[index] & bit
    ]
