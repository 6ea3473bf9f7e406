"""Which patients' files are one person: as screening tells of merges."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Column, Connection, MetaData, Table, insert, select, update

from services.kit.columns import SLUG, UUID_TEXT

DEEPEST: Final = 20  # of files merged into files; more is a circle
MOST_FILES: Final = 200


class Files:
    """A service's table of patients' files, and how it is read."""

    def __init__(self, metadata: MetaData, name: str) -> None:
        self.table = Table(
            name,
            metadata,
            Column("patient", UUID_TEXT, primary_key=True),
            Column("site", SLUG, nullable=False),
            Column("into", UUID_TEXT, index=True),  # merged into this one
            Column("erased", Boolean, nullable=False),
        )

    def put(self, connection: Connection, patient: UUID, site: str, **changed: Any) -> None:
        """Remember a file, or what changed of it: ``into`` (text or None), ``erased``."""
        table = self.table
        at = table.c.patient == str(patient)
        known = connection.execute(select(table).where(at).with_for_update()).first()
        if known is None:
            new = {"patient": str(patient), "site": site, "into": None, "erased": False, **changed}
            connection.execute(insert(table).values(new))
        elif changed:
            connection.execute(update(table).where(at).values(changed))

    def current(self, connection: Connection, patient: UUID) -> UUID:
        """The file that took this one's place, or itself."""
        table, at = self.table, str(patient)
        for _ in range(DEEPEST):
            into = connection.execute(select(table.c.into).where(table.c.patient == at)).scalar()
            if into is None:
                break
            at = into
        return UUID(at)

    def of(self, connection: Connection, patient: UUID) -> list[str]:
        """Every file of this person, as text."""
        table, found = self.table, [str(self.current(connection, patient))]
        level = found
        while level and len(found) < MOST_FILES:
            rows = connection.execute(select(table.c.patient).where(table.c.into.in_(level))).scalars()
            level = [row for row in rows if row not in found]
            found += level
        return found
