"""The best a thread can get of this machine: real-time class, locked memory, processors, no deep sleep.

Each is asked for by itself; what is not permitted is one line that says what to do, and the loop runs without
it.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_TIMERSLACK = 29
_LIBC = ctypes.CDLL(None, use_errno=True)
_SIGSET_BYTES = 128
CPU_LATENCY = Path("/dev/cpu_dma_latency")


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def await_signal(wanted: Iterable[signal.Signals], within_s: float) -> signal.Signals | None:
    """The blocked signal that came; None when none did in time, or this process was stopped meanwhile.

    Not ``signal.sigtimedwait``: when a stop outlasts its time, Python 3.11 reads a signal that never came.
    """
    mask = ctypes.create_string_buffer(_SIGSET_BYTES)
    for number in wanted:
        _LIBC.sigaddset(mask, ctypes.c_int(number))
    whole, rest = divmod(within_s, 1.0)
    timeout = _TimeSpec(int(whole), round(rest * 1e9))
    received = _LIBC.sigtimedwait(mask, None, ctypes.byref(timeout))
    return signal.Signals(received) if received > 0 else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for: SCHED_FIFO priority (0: normal class), processors (none: all), and two yes or no."""

    priority: int = 50
    cpus: tuple[int, ...] = ()
    lock_memory: bool = True
    wake_fast: bool = True


@dataclass(frozen=True, slots=True)
class Obtained:
    """What was granted, and a line for everything that was not."""

    priority: int = 0
    locked: bool = False
    cpus: tuple[int, ...] = ()
    wakes_fast: bool = False
    refusals: tuple[str, ...] = field(default=())

    @property
    def scheduling(self) -> str:
        """The class in words: `SCHED_FIFO 50` or `normal`."""
        return f"SCHED_FIFO {self.priority}" if self.priority else "normal"


def obtain(wanted: Wanted) -> Obtained:
    """Ask for it, for the calling thread and, where the machine has no finer say, for its process.

    Signals are left to the other threads, timers fire without slack.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _LIBC.prctl(_PR_SET_TIMERSLACK, 1)
    refusals: list[str] = []
    priority = _real_time(wanted.priority, refusals) if wanted.priority else 0
    cpus = _processors(wanted.cpus, refusals)
    locked = wanted.lock_memory and _locked(refusals)
    wakes_fast = wanted.wake_fast and _wakes_fast(refusals)
    return Obtained(priority, locked, cpus, wakes_fast, tuple(refusals))


def _real_time(priority: int, refusals: list[str]) -> int:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError) as error:
        refusals.append(
            f"real-time class SCHED_FIFO {priority} is not permitted ({error}): the loop runs in the normal "
            "class; grant CAP_SYS_NICE or raise the limit (ulimit -r, LimitRTPRIO=)"
        )
        return 0
    return priority


def _processors(cpus: tuple[int, ...], refusals: list[str]) -> tuple[int, ...]:
    try:
        if cpus:
            os.sched_setaffinity(0, cpus)
        return tuple(sorted(os.sched_getaffinity(0)))
    except (OSError, AttributeError) as error:
        refusals.append(f"processors {cpus} were not given ({error}): the loop runs on any")
        return ()


def _locked(refusals: list[str]) -> bool:
    """Lock what the process has touched and what it will touch: pages it never uses need no memory."""
    if _LIBC.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return True
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    refusals.append(
        f"locking memory is not permitted ({os.strerror(ctypes.get_errno())}; the limit is {limit} bytes): "
        "the loop runs unlocked; grant CAP_IPC_LOCK or raise the limit (ulimit -l, LimitMEMLOCK=)"
    )
    return False


_held: list[int] = []  # open as long as the process lives: closing it ends the request


def _wakes_fast(refusals: list[str]) -> bool:
    """Hold the processors' wake-up latency at 0 us, as cyclictest does while it measures."""
    if _held:
        return True
    try:
        descriptor = os.open(CPU_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, (0).to_bytes(4, "little"))
    except OSError as error:
        refusals.append(
            f"{CPU_LATENCY} cannot be written ({error.strerror}): idle processors may sleep deeply, wake late"
        )
        return False
    _held.append(descriptor)
    return True
