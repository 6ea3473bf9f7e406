"""What the centre's lists have said up to now, kept beside them in DATA/gateways/SITE/known.json.

A list that is replaced or damaged takes none of this with it: how new the newest list of each bed was, how
far this machine's own clock had come, since when a patient was last suspended, and whom a list has named
after an adverse event. The recorder writes it with every list that it keeps; panel and recorder read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from broker.messages import Worklist
from services.kit import files

log = structlog.get_logger(__name__)

FILE: Final = "known.json"
KEPT: Final = timedelta(days=400)  # no clearance is valid for longer: an older one needs no refusing here
MOST_BYTES: Final = 16_000_000
EVERY_REGION: Final = "*"


@dataclass(frozen=True, slots=True)
class Known:
    """Times are seconds since the epoch: of ``newest`` and ``suspended`` the centre's, of ``clock`` ours."""

    serial: int = 0  # of the list that was kept last
    clock: float = 0.0  # the latest time of this machine when a list was kept
    newest: Mapping[str, float] = field(default_factory=dict)  # by bed: of the newest list
    suspended: Mapping[str, float] = field(default_factory=dict)  # by patient and region: since, the latest
    named: Mapping[str, int] = field(default_factory=dict)  # by patient: serial that last said "adverse"

    def with_list(self, device: str, worklist: Worklist, now_s: float) -> "Known":
        """The same after a list that was kept."""
        oldest = worklist.at.timestamp() - KEPT.total_seconds()
        suspended = {key: since for key, since in self.suspended.items() if since >= oldest}
        for row in worklist.suspended:
            key = _key(row.patient, row.region)
            suspended[key] = max(suspended.get(key, 0.0), row.since.timestamp())
        serial = self.serial + 1
        patients = {key.partition(" ")[0] for key in suspended}
        named = {patient: last for patient, last in self.named.items() if patient in patients}
        named |= {str(row.patient): serial for row in worklist.suspended if row.adverse}
        newest = {**self.newest, device: worklist.at.timestamp()}
        return Known(serial, max(self.clock, now_s), newest, suspended, named)

    def newest_of(self, device: str) -> datetime | None:
        """When the newest list of this bed was said."""
        found = self.newest.get(device)
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def suspended_since(self, patient: UUID, region: str) -> datetime | None:
        """Since when this patient was last suspended in this region, restored or not."""
        found = [self.suspended.get(_key(patient, place)) for place in (region, None)]
        latest = max((since for since in found if since is not None), default=None)
        return None if latest is None else datetime.fromtimestamp(latest, UTC)


def load(directory: Path) -> Known | None:
    """What is known; None where nothing can be read, which is said when it is not for want of a file."""
    path = directory / FILE
    try:
        with path.open("rb") as file:
            return _parsed(json.loads(file.read(MOST_BYTES)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        log.warning("what lists have said before cannot be read", path=str(path), why=str(error)[:200])
        return None


def save(directory: Path, known: Known) -> None:
    """Keep it; raises OSError."""
    files.replace(directory / FILE, json.dumps(asdict(known)).encode())


def _parsed(row: Any) -> Known:
    return Known(
        int(row["serial"]),
        float(row["clock"]),
        {str(device): float(at) for device, at in row["newest"].items()},
        {str(key): float(since) for key, since in row["suspended"].items()},
        {str(patient): int(serial) for patient, serial in row["named"].items()},
    )


def _key(patient: UUID, region: str | None) -> str:
    return f"{patient} {region or EVERY_REGION}"
