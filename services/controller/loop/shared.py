"""The gateway's shared memory as plain Python sees it: sample ring, mailboxes, faults, health, histograms.

The loop's process creates it and writes the ring; panel, recorder and supervisor attach. No compiler is
needed: compiled code orders its accesses by atomic instructions (kernel/ring.py), Python by ``fence``.
"""

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from services.controller.beds.addresses import SIMULATED
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.loop.histograms import Histogram
from services.controller.loop.shared_file import (
    ForeignMemory,
    LoopFile,
    create_file,
    fence,
    map_arrays,
    open_file,
    shared_directory,
)
from services.kit.runfile import is_process, process_start

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]

__all__ = [
    "BEDSIDE",
    "GATEWAY",
    "REMOTE",
    "ForeignMemory",
    "GatewayMemory",
    "HealthWords",
    "LoopFile",
    "MailboxFull",
    "Outcome",
    "Overrun",
]

BEDSIDE, REMOTE, GATEWAY = m.BEDSIDE, m.REMOTE, m.GATEWAY
MAX_BEDS = 64
_POSTED = range(
    layout.ACTION_LOAD, layout.ACTION_REMOTE_PAUSE
)  # the remote's own names are the loop's to give
_WITH_PARAMETERS = (layout.ACTION_LOAD, layout.ACTION_CHANGE)


class Overrun(Exception):  # noqa: N818  (the name is what happened)
    """The reader was away too long: ticks before ``oldest`` have been written over."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"ticks before {oldest} have been written over: the reader came too late")
        self.oldest = oldest


class MailboxFull(Exception):  # noqa: N818  (the name is what happened)
    """The loop has not taken the last actions of this bed and channel."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a posted action: the tick that took it and REFUSAL_*."""

    tick: int
    refusal: int

    @property
    def accepted(self) -> bool:
        """True when the kernel applied it."""
        return self.refusal == layout.REFUSAL_NONE


class HealthWords(MutableMapping[str, int]):
    """Words by name (``memory.HEALTH``) that one process writes and the others show."""

    def __init__(self, words: Int64) -> None:
        self._words = words

    def __getitem__(self, name: str) -> int:
        return int(self._words[_health_index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        self._words[_health_index(name)] = value

    def __delitem__(self, name: str) -> None:
        self[name] = 0

    def __iter__(self) -> Iterator[str]:
        return iter(m.HEALTH)

    def __len__(self) -> int:
        return len(m.HEALTH)


def _health_index(name: str) -> int:
    try:
        return m.HEALTH.index(name)
    except ValueError:
        raise KeyError(name) from None


class GatewayMemory:
    """One gateway's shared memory: ``create`` it in the loop's process, ``attach`` anywhere else."""

    def __init__(self, path: Path, description: dict[str, Any], buffer: mmap.mmap) -> None:
        self.path = path
        self.boot = UUID(description["boot"])
        self.site: str = description["site"]
        self.gateway: str = description["gateway"]
        self.devices: tuple[str, ...] = tuple(description["devices"])
        self.addresses: tuple[str, ...] = tuple(description["addresses"])  # how each is reached
        self.period_ns: int = description["period_ns"]
        self.capacity_ticks: int = description["capacity_ticks"]
        self.seed: int = description["seed"]
        self.created_ns: int = description["created_ns"]  # CLOCK_MONOTONIC
        self._buffer = buffer
        self.arrays: dict[str, npt.NDArray[Any]] = dict(
            map_arrays(buffer, len(self.devices), self.capacity_ticks)
        )
        self._words: Int64 = self.arrays["words"]
        self.faults: Int64 = self.arrays["faults"]
        self.health = HealthWords(self.arrays["health"])
        self._posting = threading.Lock()

    @classmethod
    def create(
        cls,
        *,
        site: str,
        gateway: str,
        devices: Sequence[str],
        period_ns: int,
        seed: int = 0,
        capacity_ticks: int | None = None,
        directory: Path | None = None,
        boot: UUID | None = None,
        addresses: Sequence[str] = (),
    ) -> "GatewayMemory":
        """Make a new file, all zero, with a new boot id.

        ``directory`` is the gateway's own: it owns the memory, and holds it on machines without /dev/shm.
        ``capacity_ticks`` (a power of two) is for tests. Without ``addresses`` every bed is simulated.
        """
        capacity = capacity_ticks or m.ring_ticks(period_ns)
        if not 1 <= len(devices) <= MAX_BEDS or len(set(devices)) != len(devices):
            raise ValueError(f"{len(devices)} devices: a loop serves 1 to {MAX_BEDS}, each name once")
        if capacity & (capacity - 1):
            raise ValueError(f"capacity_ticks is {capacity}: a power of two is needed")
        description = {
            "boot": str(boot or uuid4()),
            "site": site,
            "gateway": gateway,
            "devices": list(devices),
            "addresses": list(addresses) or [SIMULATED] * len(devices),
            "period_ns": period_ns,
            "capacity_ticks": capacity,
            "seed": seed,
            "created_ns": time.monotonic_ns(),
            "owner": str(directory.absolute()) if directory else None,
        }
        path = shared_directory(directory) / f"spondyl-{gateway}-{description['boot']}.memory"
        buffer = create_file(path, description)
        return cls(path, description, buffer)

    @classmethod
    def attach(cls, path: Path) -> "GatewayMemory":
        """Open a living or finished loop's memory; raises ForeignMemory with the reason."""
        return cls(path, *open_file(path))

    # --- samples ---------------------------------------------------------------------------------------

    @property
    def beds(self) -> int:
        """Number of beds; their order is ``devices``."""
        return len(self.devices)

    def head(self) -> int:
        """Ticks written so far: every tick below may be read."""
        head = int(self._words[m.W_HEAD])
        fence()
        return head

    def oldest(self) -> int:
        """The first tick that is still whole."""
        fence()
        return max(0, int(self._words[m.W_CLAIM]) - self.capacity_ticks)

    def read(self, first: int, last: int) -> tuple[Int64, Int32]:
        """Copy ticks first <= tick < last: times int64[n, 3] and samples int32[n, len(SAMPLES), beds].

        Raises Overrun when ``first`` has been written over, before or during the copy.
        """
        head = self.head()
        if not 0 <= first <= last <= head:
            raise ValueError(f"ticks {first} to {last}: {head} have been written")
        if first < (oldest := self.oldest()):
            raise Overrun(oldest)
        rows = np.arange(first, last) & (self.capacity_ticks - 1)
        times: Int64 = self.arrays["times"][rows]
        samples: Int32 = self.arrays["samples"][rows]
        if first < (oldest := self.oldest()):
            raise Overrun(oldest)
        return times, samples

    # --- actions ---------------------------------------------------------------------------------------

    def post(self, channel: int, bed: int, action: int, parameters: Float64 | None = None) -> int:
        """Queue an operator action for the loop; returns a ticket for ``outcome``.

        One process a channel: the panel posts on BEDSIDE, the recorder on REMOTE. ``parameters`` go with
        load and change. Raises MailboxFull when eight actions of this bed wait.
        """
        if not (0 <= channel < len(m.CHANNELS) and 0 <= bed < self.beds and action in _POSTED):
            raise ValueError(f"no such channel, bed or action: {channel}, {bed}, {action}")
        if (parameters is None) == (action in _WITH_PARAMETERS):
            raise ValueError(f"parameters go with load and change, and only there: {layout.ACTIONS[action]}")
        if parameters is not None and not (
            0 < len(parameters) <= m.PARAMETER_CAPACITY and np.isfinite(parameters).all()
        ):
            raise ValueError(f"{len(parameters)} parameters: 1 to {m.PARAMETER_CAPACITY} finite numbers")
        with self._posting:
            return self._post(channel, bed, action, parameters)

    def _post(self, channel: int, bed: int, action: int, parameters: Float64 | None) -> int:
        mail, base = self._mailbox(channel, bed)
        ticket = int(mail[base + m.MAIL_HEAD])
        waiting = ticket - int(mail[base + m.MAIL_TAIL])
        fence()
        if waiting >= m.SLOTS:
            raise MailboxFull(f"{self.devices[bed]}: the loop has not taken the last {waiting} actions")
        slot = ticket % m.SLOTS
        if parameters is not None:
            self.arrays["mail_parameters"][channel, bed, slot, : len(parameters)] = parameters
        self.arrays["mail_slots"][channel, bed, slot] = (action, time.monotonic_ns())
        fence()
        mail[base + m.MAIL_HEAD] = ticket + 1
        return ticket

    def outcome(self, channel: int, bed: int, ticket: int) -> Outcome | None:
        """What became of the action posted with this ticket; None while it waits.

        Raises LookupError when eight later ones have been taken since.
        """
        mail, base = self._mailbox(channel, bed)
        if int(mail[base + m.MAIL_TAIL]) <= ticket:
            return None
        fence()
        row = self.arrays["mail_outcomes"][channel, bed, ticket % m.SLOTS].copy()
        fence()
        if int(mail[base + m.MAIL_TAIL]) > ticket + m.SLOTS or row[m.OUTCOME_TICKET] != ticket:
            raise LookupError(f"the outcome of ticket {ticket} has been written over")
        return Outcome(int(row[m.OUTCOME_TICK]), int(row[m.OUTCOME_REFUSAL]))

    def taken(self, bed: int, tick: int) -> Float64:
        """The parameters (all PARAMETER_CAPACITY rows) that a load or change took in this tick.

        The last eight of a bed are kept; LookupError when there are none for the tick.
        """
        count = int(self.arrays["taken"][bed * m.LINE_WORDS])
        fence()
        for index in range(max(0, count - m.TAKEN_SLOTS), count):
            if self.arrays["taken_ticks"][bed, index % m.TAKEN_SLOTS] == tick:
                copied: Float64 = self.arrays["taken_parameters"][bed, index % m.TAKEN_SLOTS].copy()
                fence()
                if int(self.arrays["taken"][bed * m.LINE_WORDS]) < index + m.TAKEN_SLOTS:
                    return copied
        raise LookupError(f"{self.devices[bed]}: no parameters were taken in tick {tick}, or too long ago")

    def _mailbox(self, channel: int, bed: int) -> tuple[Int64, int]:
        return self.arrays["mail"], (channel * self.beds + bed) * m.MAIL_STRIDE

    # --- the loop's life ---------------------------------------------------------------------------------

    def word(self, index: int) -> int:
        """One word by its W_* index."""
        return int(self._words[index])

    def set_word(self, index: int, value: int) -> None:
        """Store one word by its W_* index, after everything stored before."""
        fence()
        self._words[index] = value

    def enlist(self) -> None:
        """Write down that this process runs the loop."""
        self.set_word(m.W_PID_STARTED, int((process_start(os.getpid()) or 0) * 1000))
        self.set_word(m.W_PID, os.getpid())

    def alive(self) -> bool:
        """True while the process that runs this memory's loop exists."""
        pid = self.word(m.W_PID)
        return pid > 0 and is_process(pid, self.word(m.W_PID_STARTED) / 1000)

    def heartbeat_age_s(self) -> float:
        """Seconds since the loop ended its last tick (since its creation before the first)."""
        return (time.monotonic_ns() - (self.word(m.W_HEARTBEAT) or self.created_ns)) / 1e9

    def histograms(self) -> dict[str, Histogram]:
        """Lateness, compute and link time of all ticks so far: keys ``memory.HISTOGRAMS``."""
        return {
            name: Histogram.from_row(row)
            for name, row in zip(m.HISTOGRAMS, self.arrays["histograms"], strict=True)
        }

    def link_counts(self, bed: int) -> dict[str, int]:
        """What became of a bed's exchanges by ``memory.LINK_COUNTS``; zeros for one without a bus."""
        return dict(zip(m.LINK_COUNTS, self.arrays["link"][bed].tolist(), strict=True))

    @classmethod
    def forget_stale(cls, gateway: str, directory: Path, keep: set[Path]) -> list[Path]:
        """Remove what killed loops left: memories of this directory but those to keep, and of vanished ones.

        To be called by who holds the directory's loop lock; a living loop's memory is never touched.
        """
        removed = []
        for path in shared_directory(directory).glob(f"spondyl-{gateway}-*.memory"):
            with contextlib.suppress(ForeignMemory):
                description, buffer = open_file(path)
                memory = cls(path, description, buffer)
                owner = Path(description.get("owner") or path.parent)
                ours = owner == directory.absolute() and path not in keep
                if (ours or not owner.exists()) and not memory.alive():
                    memory.unlink()
                    removed.append(path)
                memory.close()
        return removed

    def close(self) -> None:
        """Let go of the file; it stays."""
        self.arrays = {}
        with contextlib.suppress(BufferError):  # somebody still holds one of the arrays: freed with it
            self._buffer.close()

    def unlink(self) -> None:
        """Remove the file; who is attached stays attached."""
        self.path.unlink(missing_ok=True)
