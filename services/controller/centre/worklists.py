"""Today's appointments of this gateway's beds: the lists held in DATA/gateways/SITE/worklists/DEVICE.json.

The recorder receives them from the bus and keeps the newest (``Keeper``); panel and recorder read what is
kept
(``Worklists``), so that a clinic works with its network down. Every list names the suspended patients of the
whole site: the newest of the gateway's lists says who they are. Names lie in them sealed, as they came.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from broker import codec
from broker.contract import WORKLIST
from broker.messages import Suspension, Worklist, WorklistEntry
from services.controller.bedside.reports import Reports, none_here
from services.controller.centre import known
from services.controller.centre.known import Known
from services.controller.centre.line import Line
from services.controller.centre.release import Centre
from services.kit import files

log = structlog.get_logger(__name__)

DIRECTORY: Final = "worklists"
LIST: Final = ".json"
DOUBTED: Final = ".doubted"  # came while a clock was wrong, older than the newest
AHEAD: Final = timedelta(days=1)  # a list from further ahead: the centre's clock or this one is wrong


@dataclass(frozen=True, slots=True)
class Listed:
    """An appointment and the bed it is planned at."""

    device: str
    entry: WorklistEntry


class Keeper:
    """Takes lists from the bus: an older one than the held one leaves that as it is. One thread.

    How new a bed's list was is known beyond the list itself (``known.py``), so that neither a damaged file
    nor a clock that was set back lets an older one in. What such a list says against somebody counts.
    """

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._root, self._directory = directory, directory / DIRECTORY
        self._now = now
        self._waiting: dict[str, Worklist] = {}

    def take(self, device: str, worklist: Worklist) -> bool:
        """Keep it durably if it is not older; whether this gateway now holds it."""
        held = self._waiting.get(device) or _load(self._directory / f"{device}{LIST}")
        if held == worklist:
            return True  # retained: it comes again with every connection
        before = known.load(self._root) or Known()
        times = [at for at in (held.at if held else None, before.newest_of(device)) if at is not None]
        newest = max(times, default=None)
        if newest is not None and worklist.at < newest and not self._is_corrected(newest, worklist, before):
            self._refuse(device, worklist, newest)
            return False
        if worklist.at > _soonest(self._now):
            log.warning("a worklist of the future: a clock is wrong", device=device, at=str(worklist.at))
        return self._write(device, worklist)

    def again(self) -> None:
        """Try to write what could not be written."""
        for device, worklist in list(self._waiting.items()):
            self._write(device, worklist)

    def _is_corrected(self, newest: datetime, worklist: Worklist, before: Known) -> bool:
        """The centre's clock ran ahead and is right again, unless this machine's went back itself."""
        return worklist.at <= _soonest(self._now) < newest and self._now() >= before.clock

    def _refuse(self, device: str, worklist: Worklist, newest: datetime) -> None:
        """Say so; while a clock is wrong the list is kept aside for whom it suspends."""
        log.warning(
            "an older worklist is not believed", device=device, at=str(worklist.at), newest=str(newest)
        )
        if newest > _soonest(self._now):
            with suppress(OSError):
                files.replace(self._directory / f"{device}{DOUBTED}", codec.encode(WORKLIST, worklist))

    def _write(self, device: str, worklist: Worklist) -> bool:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            files.replace(self._directory / f"{device}{LIST}", codec.encode(WORKLIST, worklist))
            before = known.load(self._root) or Known()
            known.save(self._root, before.with_list(device, worklist, self._now()))
            (self._directory / f"{device}{DOUBTED}").unlink(missing_ok=True)
        except OSError as error:
            if device not in self._waiting:
                log.warning("a worklist could not be kept; trying again", device=device, why=error.strerror)
            self._waiting[device] = worklist
            return False
        self._waiting.pop(device, None)
        log.info("worklist kept", device=device, entries=len(worklist.entries),
                 suspended=len(worklist.suspended))  # fmt: skip
        return True


class _Folder:
    """The lists in the files with one ending; a damaged file takes back nothing that was read before."""

    def __init__(self, directory: Path, ending: str) -> None:
        self._directory, self._ending = directory, ending
        self._seen: dict[str, tuple[int, int, int]] = {}
        self.lists: dict[str, Worklist] = {}
        self.damaged: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Read the files that have changed."""
        found = {path.stem: path for path in _files(self._directory, self._ending)}
        lists = {device: worklist for device, worklist in self.lists.items() if device in found}
        self._seen = {device: seen for device, seen in self._seen.items() if device in found}
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
            if read is not None:
                lists[device] = read
        self.lists = lists
        self.damaged = frozenset(found) - frozenset(lists)


class Worklists:
    """What is held. Safe from any thread; only ``refresh`` touches the disk.

    ``reports`` are those of this gateway's own beds: whom they suspend is suspended at once.
    """

    def __init__(
        self,
        directory: Path,
        now: Callable[[], float] = time.time,
        reports: Reports | None = None,
    ) -> None:
        self._root = directory
        self._now, self.reports = now, reports or none_here()
        self._lock = threading.Lock()
        self._lists, self._doubted = (_Folder(directory / DIRECTORY, end) for end in (LIST, DOUBTED))
        self._known_seen: int | None = None
        self.known = Known()
        self.centre, self.line = Centre(directory), Line(directory)

    def refresh(self) -> None:
        """Read the files that have changed."""
        with self._lock:
            self._lists.refresh()
            self._doubted.refresh()
            self.reports.refresh()
            self._refresh_known()
            self.centre.refresh()
            self.line.refresh()

    def _refresh_known(self) -> None:
        try:
            seen = (self._root / known.FILE).stat().st_mtime_ns
        except OSError:
            return
        if seen != self._known_seen:
            self._known_seen = seen
            self.known = known.load(self._root) or self.known

    @property
    def _held(self) -> dict[str, Worklist]:
        return self._lists.lists

    @property
    def damaged(self) -> frozenset[str]:
        """Beds whose list is there, unreadable and not known."""
        return self._lists.damaged

    def doubted(self) -> Worklist | None:
        """The newest of the lists that came and were not believed, while a clock is wrong."""
        return max(self._doubted.lists.values(), key=lambda worklist: worklist.at, default=None)

    def newest(self) -> Worklist | None:
        """The list that the centre said last."""
        return max(self._held.values(), key=lambda worklist: worklist.at, default=None)

    def suspended(self) -> list[Suspension]:
        """Whom the newest list names, and reports of this gateway; where that list is of the future, also
        whom the newest of today names, and whom those do that were not believed.

        Which of two clocks is wrong nobody knows here: whoever is suspended by either is not treated.
        """
        newest, soonest = self.newest(), _soonest(self._now)
        found = self.reports.suspensions(self.known) + (list(newest.suspended) if newest else [])
        if newest is not None and newest.at > soonest:
            today = [worklist for worklist in self._held.values() if worklist.at <= soonest]
            last = max(today, key=lambda worklist: worklist.at, default=None)
            found += last.suspended if last else []
            found += [row for one in self._doubted.lists.values() for row in one.suspended]
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

    def clearances(self, patient: UUID) -> list[str]:
        """The tokens that the lists have for a patient."""
        return [
            row.entry.clearance
            for row in self.listed()
            if row.entry.patient == patient and row.entry.clearance
        ]

    def of_patient(self, patient: UUID, region: str) -> list[WorklistEntry]:
        """The appointments of a patient in a region, as far as a prescription tells it."""
        return [
            row.entry
            for row in self.listed()
            if row.entry.patient == patient and (row.entry.prescription or {}).get("region") == region
        ]


def _soonest(now: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(now(), UTC) + AHEAD


def _files(directory: Path, ending: str) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ending)
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
