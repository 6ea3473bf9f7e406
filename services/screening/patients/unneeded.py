"""Files that an erasure left to nobody: written down with it, off the disk after it or at the next start."""

from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy import Connection, delete, insert, select

from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import now_us
from services.screening.patients.tables import ATTACHMENT, UNNEEDED

log = structlog.get_logger(__name__)


class Disk(Protocol):
    """Where files lie by their SHA-256."""

    def remove(self, sha256: str) -> None:
        """Take one away. Raises OSError."""


def add(connection: Connection, files: Sequence[str]) -> None:
    """Inside the transaction of an erasure: nobody has these files of theirs any more."""
    known = set(connection.execute(select(UNNEEDED.c.sha256)).scalars())
    rows = [{"sha256": sha256, "at_us": now_us()} for sha256 in files if sha256 not in known]
    if rows:
        connection.execute(insert(UNNEEDED), rows)


def keep(connection: Connection, sha256: str) -> None:
    """Inside the transaction that files it anew: it is somebody's again. Waits for one who is removing it."""
    connection.execute(delete(UNNEEDED).where(UNNEEDED.c.sha256 == sha256))


def remove(office: Office, disk: Disk) -> None:
    """Take away what is written down, unless somebody has filed the same; what the disk refuses waits."""
    with reading(office.engine) as connection:
        waiting = list(connection.execute(select(UNNEEDED.c.sha256)).scalars())
    for sha256 in waiting:
        try:
            _remove(office, disk, sha256)
        except OSError as error:
            log.warning("an erased patient's file cannot be removed", sha256=sha256, reason=str(error))


def _remove(office: Office, disk: Disk, sha256: str) -> None:
    row = select(UNNEEDED.c.sha256).where(UNNEEDED.c.sha256 == sha256).with_for_update()
    used = select(ATTACHMENT.c.row).where(ATTACHMENT.c.sha256 == sha256).limit(1)
    with writing(office.engine) as connection:
        if connection.execute(row).first() is None:
            return  # filed anew, or removed by somebody else
        if connection.execute(used).first() is None:
            disk.remove(sha256)
        keep(connection, sha256)
