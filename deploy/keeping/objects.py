"""The archive's objects: they never change, so a directory of backups has each of them once."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.databases import Database
from services.kit.errors import SpondylError

if TYPE_CHECKING:
    from services.telemetry.archive.stores import ObjectStore
    from services.telemetry.settings import TelemetrySettings


@dataclass(frozen=True, slots=True)
class Named:
    """One object as the archive's index names it."""

    path: str
    size: int
    sha256: str

    def body(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"path": self.path, "bytes": self.size, "sha256": self.sha256}

    def fits(self, content: bytes) -> bool:
        """Whether this is the object."""
        return hashlib.sha256(content).hexdigest() == self.sha256


def from_manifest(rows: Sequence[Mapping[str, Any]]) -> list[Named]:
    """What a manifest lists."""
    return [Named(str(row["path"]), int(row["bytes"]), str(row["sha256"])) for row in rows]


def named(database: Database) -> Iterator[Named]:
    """What the index names; nothing where there is none yet."""
    from sqlalchemy import inspect, select

    from services.telemetry.archive.tables import OBJECTS

    if not database.is_there:
        return
    with database.opened() as engine, engine.connect() as connection:
        if inspect(connection).has_table(OBJECTS.name):
            columns = OBJECTS.c.path, OBJECTS.c.bytes, OBJECTS.c.sha256
            for row in connection.execute(select(*columns).order_by(OBJECTS.c.path)):
                yield Named(row.path, row.bytes, row.sha256)


def of_settings(data: Path) -> "TelemetrySettings":
    """Telemetry's settings for the system that keeps its data there."""
    from services.telemetry.settings import TelemetrySettings

    return TelemetrySettings.load().model_copy(update={"data": data})


def copy_new(wanted: Sequence[Named], source: "ObjectStore", target: "ObjectStore") -> int:
    """Bring what the target has not got; how many bytes. Raises SpondylError for one that is not as named."""
    has = {one.path: one.size for one in target.list()}
    copied = 0
    for one in wanted:
        if has.get(one.path) == one.size:
            continue
        content = source.get(one.path)
        if not one.fits(content):
            raise SpondylError(f"object {one.path} is not as the index names it: `spondyl archive verify`")
        target.put(one.path, content)
        copied += one.size
    return copied


def verify(wanted: Sequence[Named], store: "ObjectStore") -> Iterator[int]:
    """Read each and compare its checksum, telling its bytes. Raises SpondylError."""
    for one in wanted:
        if not one.fits(store.get(one.path)):
            raise SpondylError(f"object {one.path} of the backup is not as it was written")
        yield one.size
