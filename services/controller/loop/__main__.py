"""The loop's own process: `python -m services.controller.loop`.

One thread ticks; this one waits for the end. It outlives the gateway's supervisor and everything else of the
gateway, so that those may be killed and restarted while a patient is under tension.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.controller.beds.addresses import SIMULATED
from services.controller.commissioning import parameters
from services.controller.kernel import cache, layout
from services.controller.kernel import memory as m
from services.controller.loop import interruption, preparing
from services.controller.loop.shared import GATEWAY, GatewayMemory, LoopFile, MailboxFull
from services.controller.settings import ControllerSettings
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.logging import configure
from services.kit.runfile import process_start

if TYPE_CHECKING:  # the compiler is loaded when the loop is
    from services.controller.beds.modbus_bed import Wiring
    from services.controller.loop.realtime import Obtained
    from services.controller.loop.thread import LoopThread

log = structlog.get_logger(__name__)

COMPILED = "SPONDYL_LOOP_COMPILED"  # in the environment of a loop that has compiled: it does so once
LOOK_S = 1.0
RELEASE_S = 2.2  # an end waits this long for the tension; what is left then, the bed's own watchdog lets out
RELEASED_DN = 80  # tenths of a newton
ENDED = (layout.IDLE, layout.DONE, layout.STOPPED, layout.FAULT)
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Run the gateway's loop until SIGTERM, or until nobody looks after it any more and no bed is in use."""
    with refusals_in_one_line():
        settings = ControllerSettings.load()
        configure("loop", settings.log_level, settings.log_format, settings.site)
        with exclusive(settings.directory):
            run(settings)
    sys.stderr.flush()
    os._exit(0)  # at once: the interpreter would tidy up behind the compiler for seconds


class exclusive:  # noqa: N801  (reads as what it does)
    """Hold the gateway's lock file; a second loop over the same beds must never start."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "loop.lock"

    def __enter__(self) -> None:
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpondylError(f"another loop serves these beds: it holds {self._path}") from None

    def __exit__(self, *_: object) -> None:
        self._file.close()


def run(settings: ControllerSettings) -> None:
    """Load the compiled loop, make the shared memory, tick, end in order."""
    if not cache.kept():
        log.warning("compiled code cannot be kept: no directory for it can be written, every start compiles")
    _forget_stale(settings)
    preparing.begin(settings.directory, _compiled())
    _compile(settings)
    interruption.write_down(settings.directory)
    memory = _create(settings)
    try:
        thread, obtained = _begin(settings, memory)
    except BaseException:
        memory.unlink()
        raise
    for refusal in obtained.refusals:
        log.warning(refusal)
    log.info(
        "loop runs",
        boot=str(memory.boot),
        beds=memory.beds,
        period_ms=settings.period_ms,
        scheduling=obtained.scheduling,
        memory_locked=obtained.locked,
        cpus=obtained.cpus,
        memory=str(memory.path),
    )
    reason = conclude(memory, thread, settings.loop_alone_s)
    log.info("loop ended", reason=reason, ticks=memory.head(), missed=memory.word(m.W_MISSED))


def _begin(settings: ControllerSettings, memory: GatewayMemory) -> "tuple[LoopThread, Obtained]":
    from services.controller.loop.realtime import Wanted
    from services.controller.loop.thread import Loop, LoopThread

    loop = Loop(memory, _wiring(settings))
    loop.load()
    wanted = Wanted(
        priority=settings.loop_priority,
        cpus=settings.loop_cpus,
        lock_memory=settings.loop_lock_memory,
        wake_fast=settings.loop_wake_fast,
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)  # from now on wait_for_end takes them
    memory.set_word(m.W_GATEWAY, time.monotonic_ns())
    memory.enlist()
    thread = LoopThread(loop, wanted)
    obtained = thread.start()
    loop.connect()  # by a thread of the normal class, beginning now
    publish(settings.directory, memory)
    preparing.end(settings.directory)
    return thread, obtained


def _wiring(settings: ControllerSettings) -> "Wiring":
    """What is known of the drives; raises SpondylError when a bed's parameters are another device's."""
    from services.controller.beds.modbus_bed import Wiring

    serials = {}
    for device, address in zip(settings.devices, settings.addresses, strict=True):
        if address == SIMULATED:
            continue
        found = parameters.load(settings.directory, device)
        if found is None:
            log.warning("bed not commissioned: any drive is taken", device=device, address=address)
        else:
            serials[device] = found.serial
    return Wiring(round(settings.bed_wait_ms * 1e6), serials)


def conclude(memory: GatewayMemory, thread: "LoopThread", alone_s: float) -> str:
    """Wait for the end and bring it about; why it came. Raises what ended the loop's thread, if anything did.

    An end that is not in order (the thread failed, or tension is left) does not look like one: panel and next
    loop say what was interrupted.
    """
    is_in_order = False
    try:
        reason = wait_for_end(memory, thread.alive, alone_s)
        is_in_order = (release(memory) or _all_idle(memory)) and thread.alive()
    finally:
        try:
            thread.stop()
        finally:
            if not is_in_order:
                memory.set_word(m.W_STOP, 0)
    return reason


def publish(directory: Path, memory: GatewayMemory) -> None:
    """Name this memory in loop.json; the one before stays for a recorder that is behind, older ones go."""
    before = LoopFile.load(directory)
    if before is not None and before.previous is not None and before.previous != before.path:
        before.previous.unlink(missing_ok=True)
    started = process_start(os.getpid()) or 0.0
    previous = before.path if before is not None and before.path.exists() else None
    LoopFile(memory.path, os.getpid(), started, str(memory.boot), previous).save(directory)


def wait_for_end(memory: GatewayMemory, ticking: Callable[[], bool], alone_s: float) -> str:
    """Return why the loop ends: a signal, its own failure, or nobody there."""
    from services.controller.loop.realtime import await_signal

    while ticking():
        received = await_signal(_END_SIGNALS, LOOK_S)
        if received is not None:
            return received.name
        unseen_s = (time.monotonic_ns() - memory.word(m.W_GATEWAY)) / 1e9
        if unseen_s > alone_s and _all_idle(memory):
            return f"no supervisor for {unseen_s:.0f} s and no bed in use"
    return "the loop's thread ended"


def release(memory: GatewayMemory, within_s: float = RELEASE_S) -> bool:
    """Stop what is under way and wait for the tension to go; False when some is left."""
    phases, forces = _now(memory)
    for bed, phase in enumerate(phases):
        if phase not in ENDED:
            log.warning("stopped: the loop is told to end", device=memory.devices[bed])
            _post_stop(memory, bed)
    deadline = time.monotonic() + within_s
    while any(force > RELEASED_DN for force in forces) and time.monotonic() < deadline:
        time.sleep(memory.period_ns / 1e9)
        _, forces = _now(memory)
    left = {memory.devices[bed]: force / 10 for bed, force in enumerate(forces) if force > RELEASED_DN}
    if left:
        log.warning("tension left to the beds' own watchdogs", tension_n=left)
    return not left


def _post_stop(memory: GatewayMemory, bed: int) -> None:
    try:
        memory.post(GATEWAY, bed, layout.ACTION_STOP)
    except MailboxFull as full:
        log.warning("not stopped", device=memory.devices[bed], why=str(full))


def _now(memory: GatewayMemory) -> tuple[list[int], list[int]]:
    """Phases and forces (tenths of a newton) of the last tick; none before the first."""
    head = memory.head()
    if head == 0:
        return [], []
    _, samples = memory.read(head - 1, head)
    return samples[0, layout.S_PHASE].tolist(), samples[0, layout.S_FORCE].tolist()


def _all_idle(memory: GatewayMemory) -> bool:
    return all(phase == layout.IDLE for phase in _now(memory)[0])


def _forget_stale(settings: ControllerSettings) -> None:
    before = LoopFile.load(settings.directory)
    keep = {path for path in (before.path, before.previous) if path is not None} if before else set()
    for path in GatewayMemory.forget_stale(settings.gateway, settings.directory, keep):
        log.info("shared memory of a killed loop removed", memory=str(path))


def _create(settings: ControllerSettings, capacity_ticks: int | None = None) -> GatewayMemory:
    try:
        return GatewayMemory.create(
            site=settings.site,
            gateway=settings.gateway,
            devices=settings.devices,
            period_ns=settings.period_ns,
            seed=settings.seed,
            directory=settings.directory,
            addresses=settings.addresses,
            capacity_ticks=capacity_ticks,
        )
    except OSError as error:
        raise SpondylError(f"the loop's shared memory cannot be made: {error}") from None


def _compile(settings: ControllerSettings) -> None:
    """Compile the loop, or find it compiled, over a memory without a name: a signal may end this any time."""
    from services.controller.kernel import loop
    from services.controller.loop.compiling import progress_told
    from services.controller.loop.thread import Loop

    began = time.monotonic()
    scratch = _create(settings, capacity_ticks=2)
    scratch.unlink()
    with progress_told(_compiled()):
        Loop(scratch).load()
    if loop.run.stats.cache_misses:
        log.info("the loop was compiled", took_s=round(time.monotonic() - began, 1))
        begin_anew()


def _compiled() -> Path:
    """Where the compiled code is kept."""
    return Path(os.environ[cache.VARIABLE])


def begin_anew() -> None:
    """Become a fresh process of the same id: the compiler's 300 MB would stay, and be locked, for ever."""
    if cache.kept() and COMPILED not in os.environ:
        os.environ[COMPILED] = "1"
        program = [sys.executable, "-m", "services.controller.loop"]
        os.execv(sys.executable, program)  # noqa: S606  (ourselves, by full path)


if __name__ == "__main__":
    main()
