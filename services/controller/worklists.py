"""Today's appointments of this gateway's beds: the lists held in DATA/gateways/SITE/worklists/DEVICE.json.

The recorder receives them from the bus and keeps the newest (``Keeper``); panel and recorder read what is
kept
(``Worklists``), so that a clinic works with its network down. Every list names the suspended patients of the
whole site: the newest of the gateway's lists says who they are. Names lie in them sealed, as they came.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from broker import codec
from broker.contract import WORKLIST
from broker.messages import Suspension, Worklist, WorklistEntry
from services.kit import files

log = structlog.get_logger(__name__)

DIRECTORY: Final = "worklists"
AHEAD: Final = timedelta(days=1)  # a list from further ahead: the centre's clock or this one is wrong


@dataclass(frozen=True, slots=True)
class Listed:
    """An appointment and the bed it is planned at."""

    device: str
    entry: WorklistEntry


class Keeper:
    """Takes lists from the bus: an older one than the held one leaves that as it is. One thread."""

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._directory = directory / DIRECTORY
        self._now = now
        self._waiting: dict[str, Worklist] = {}

    def take(self, device: str, worklist: Worklist) -> bool:
        """Keep it durably if it is not older; whether this gateway now holds it."""
        held = self._waiting.get(device) or _load(self._directory / f"{device}.json")
        if held == worklist:
            return True  # retained: it comes again with every connection
        if held is not None and worklist.at < held.at and not self._is_corrected(held, worklist):
            log.warning(
                "an older worklist was refused", device=device, at=str(worklist.at), held=str(held.at)
            )
            return False
        if worklist.at > _soonest(self._now):
            log.warning("a worklist of the future: a clock is wrong", device=device, at=str(worklist.at))
        return self._write(device, worklist)

    def again(self) -> None:
        """Try to write what could not be written."""
        for device, worklist in list(self._waiting.items()):
            self._write(device, worklist)

    def _is_corrected(self, held: Worklist, worklist: Worklist) -> bool:
        """The centre's clock ran ahead and is right again; while this machine's is behind, both are ahead."""
        return worklist.at <= _soonest(self._now) < held.at

    def _write(self, device: str, worklist: Worklist) -> bool:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            files.replace(self._directory / f"{device}.json", codec.encode(WORKLIST, worklist))
        except OSError as error:
            if device not in self._waiting:
                log.warning("a worklist could not be kept; trying again", device=device, why=error.strerror)
            self._waiting[device] = worklist
            return False
        self._waiting.pop(device, None)
        log.info("worklist kept", device=device, entries=len(worklist.entries),
                 suspended=len(worklist.suspended))  # fmt: skip
        return True


class Worklists:
    """What is held. Safe from any thread; only ``refresh`` touches the disk."""

    def __init__(self, directory: Path, now: Callable[[], float] = time.time) -> None:
        self._directory = directory / DIRECTORY
        self._now = now
        self.damaged: frozenset[str] = frozenset()  # beds whose list is there, unreadable and not known
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._held: dict[str, Worklist] = {}

    def refresh(self) -> None:
        """Read the files that have changed."""
        with self._lock:
            found = {path.stem: path for path in _files(self._directory)}
            held = {device: worklist for device, worklist in self._held.items() if device in found}
            for device, path in found.items():
                try:
                    now = path.stat()
                except OSError:
                    continue
                seen = (now.st_mtime_ns, now.st_ino, now.st_size)
                if self._seen.get(device) == seen:
                    continue
                self._seen[device] = seen
                read = _load(path)
                if read is not None:  # a damaged file takes back nothing that was read before
                    held[device] = read
            self._held = held
            self.damaged = frozenset(found) - frozenset(held)

    def newest(self) -> Worklist | None:
        """The list that the centre said last."""
        return max(self._held.values(), key=lambda worklist: worklist.at, default=None)

    def suspended(self) -> list[Suspension]:
        """Whom the newest list names; where that is of the future, also whom the newest of today names.

        Which of two clocks is wrong nobody knows here: whoever is suspended by either is not treated.
        """
        newest, soonest = self.newest(), _soonest(self._now)
        found = list(newest.suspended) if newest else []
        if newest is not None and newest.at > soonest:
            today = [worklist for worklist in self._held.values() if worklist.at <= soonest]
            last = max(today, key=lambda worklist: worklist.at, default=None)
            found += last.suspended if last else []
        return found

    def suspension(self, patient: UUID, region: str) -> Suspension | None:
        """Why this patient must not be treated in this region; an adverse event before everything else."""
        found = [row for row in self.suspended() if row.patient == patient and row.region in (None, region)]
        return min(found, key=lambda row: (not row.adverse, row.since), default=None)

    def listed(self) -> list[Listed]:
        """Every appointment of every bed, in the order of their times."""
        rows = [Listed(device, entry) for device, one in self._held.items() for entry in one.entries]
        return sorted(rows, key=lambda row: (row.entry.starts_at, row.device))

    def entry(self, appointment: UUID) -> Listed | None:
        """An appointment by its id: as the newest list that has it says."""
        found = [
            (one.at, Listed(device, entry))
            for device, one in self._held.items()
            for entry in one.entries
            if entry.appointment == appointment
        ]
        return max(found, key=lambda row: row[0])[1] if found else None

    def of_patient(self, patient: UUID, region: str) -> list[WorklistEntry]:
        """The appointments of a patient in a region, as far as a prescription tells it."""
        return [
            row.entry
            for row in self.listed()
            if row.entry.patient == patient and (row.entry.prescription or {}).get("region") == region
        ]


def _soonest(now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now(), UTC) + AHEAD


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".json")
    except OSError:
        return []


def _load(path: Path) -> Worklist | None:
    """The list in a file; None when there is none or it is damaged."""
    try:
        with path.open("rb") as file:
            message = codec.decode(WORKLIST, file.read(WORKLIST.max_bytes + 1))
    except FileNotFoundError:
        return None
    except (OSError, codec.Malformed) as error:
        log.warning("a held worklist does not count", path=str(path), why=str(error)[:200])
        return None
    return message if isinstance(message, Worklist) else None
