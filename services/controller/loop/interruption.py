"""What a loop that died left behind: which bed was in use, when it was last seen, under which tension.

The next loop looks back before its first tick and writes it down; panel and recorder show it as an alarm
until somebody at the bed has seen it. Nothing here starts anything: the new loop is idle.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Final

import structlog

from services.controller.alarms.table import ALARMS, LATCHED, Condition
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile
from services.controller.recorder import ledger
from services.kit import files
from services.kit.runfile import read_json

log = structlog.get_logger(__name__)

FILE: Final = "interrupted.json"
RESERVED_BYTES: Final = 32_768  # for 64 beds, should the disk be full then
RELEASED_DN: Final = 80  # tenths of a newton: below it nothing is left to let out
LATCHED_BITS: Final = reduce(or_, (alarm.bit for alarm in ALARMS if alarm.latching == LATCHED))
_ENDED: Final = (layout.IDLE, layout.DONE, layout.STOPPED, layout.FAULT)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """One bed as it was last seen: the wall clock (ns), its phase, session and tension; None: not known."""

    boot: str
    at_ns: int
    tick: int
    phase: str
    session_no: int
    tension_n: float | None

    def condition(self, since_ns: int) -> Condition:
        """The gateway's condition that says so, on since the new loop began (CLOCK_MONOTONIC, ns)."""
        return Condition(self.tension_n, at_ns=self.at_ns, since_ns=since_ns)


class Interruptions:
    """``interrupted.json`` of a gateway as panel and recorder read it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._stamp: tuple[int, int] | None = None
        self._by_device: dict[str, Interrupted] = {}
        self._forgetting = threading.Lock()

    def of(self, device: str) -> Interrupted | None:
        """What interrupted this bed and has not been seen yet."""
        self._refresh()
        return self._by_device.get(device)

    def forget(self, device: str, seen_in: str) -> None:
        """Somebody at the bed has seen it, while the loop of this boot ran.

        What is written down of that boot itself nobody has seen: it died since, its alarm is still to come.
        Raises OSError: it then stays written down, and the next loop says it again.
        """
        with self._forgetting:  # beds are seen to at the same moment, by as many threads
            rows = read_json(self._path)
            row = rows.pop(device, None)
            if row is not None and not (isinstance(row, dict) and row.get("boot") == seen_in):
                _replace(self._path, rows)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._by_device = None, {}
            return
        if (found.st_mtime_ns, found.st_ino) == self._stamp:
            return
        self._stamp = (found.st_mtime_ns, found.st_ino)
        self._by_device = dict(_rows(read_json(self._path)))


def write_down(directory: Path) -> list[str]:
    """Note what the loop before this one left unfinished; the beds it is about. For a new loop, at once."""
    files.set_aside(directory / FILE, RESERVED_BYTES)
    file = LoopFile.load(directory)
    found = dict(_look_back(directory, file)) if file is not None else {}
    if found:
        rows = read_json(directory / FILE) | {device: asdict(row) for device, row in found.items()}
        _write(directory / FILE, rows)
    for device, row in found.items():
        log.error("the control was interrupted", device=device, phase=row.phase, tension_n=row.tension_n)
    return list(found)


def _look_back(directory: Path, file: LoopFile) -> Iterator[tuple[str, Interrupted]]:
    try:
        memory = GatewayMemory.attach(file.path)
    except ForeignMemory:  # the machine was restarted, and its memory is gone
        yield from _from_ledger(directory / "spool.db", file.boot)
        return
    head = memory.head()
    if head and not memory.word(m.W_STOP):
        times, samples = memory.read(head - 1, head)
        for bed, device in enumerate(memory.devices):
            row = _last(file.boot, times[0].tolist(), samples[0, :, bed].tolist())
            if row is not None:
                yield device, row
    memory.close()


def _last(boot: str, time: list[int], sample: list[int]) -> Interrupted | None:
    phase, force_dn = sample[layout.S_PHASE], sample[layout.S_FORCE]
    if phase in _ENDED and force_dn <= RELEASED_DN and not _waits(phase, sample[layout.S_CONDITIONS]):
        return None
    names = layout.PHASES[phase], sample[layout.S_SESSION]
    return Interrupted(boot, time[m.T_REALTIME], time[m.T_TICK], *names, force_dn / 10)


def _waits(phase: int, bits: int) -> bool:
    """Whether a patient was confirmed there and an alarm waited for the reset that is asked for at the bed.

    A loop begins with nothing latched: without a word the bed would be free, and nobody had seen why not.
    """
    return phase != layout.IDLE and bool(bits & LATCHED_BITS)


def _from_ledger(path: Path, boot: str) -> Iterator[tuple[str, Interrupted]]:
    """The last samples that the recorder stored of that boot."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            position = ledger.load(connection)
    except sqlite3.Error as error:
        log.warning("what was interrupted is not known", why=str(error))
        return
    if position is None or str(position.boot) != boot:
        return
    for device, body in position.beds.items():
        last = body["diary"]["last"]
        bits = body.get("alarms", {}).get("board", {}).get("bits", 0)
        if last["phase"] not in _ENDED or _waits(last["phase"], bits):
            force_dn = last.get("force_dn")
            tension_n = None if force_dn is None else force_dn / 10
            phase = layout.PHASES[last["phase"]]
            yield (
                device,
                Interrupted(boot, last["realtime_ns"], last["tick"], phase, last["session_no"], tension_n),
            )


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, Interrupted]]:
    for device, row in found.items():
        try:
            yield device, Interrupted(**row)
        except TypeError:
            log.warning("what was interrupted cannot be read", device=device)


def _replace(path: Path, rows: Mapping[str, Any]) -> None:
    files.replace_though_full(path, json.dumps(rows, indent=2).encode())


def _write(path: Path, rows: Mapping[str, Any]) -> None:
    try:
        _replace(path, rows)
    except OSError as error:  # the record says it all the same
        log.warning("what was interrupted is not written down", path=str(path), why=error.strerror)
