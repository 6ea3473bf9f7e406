"""Notes on sessions: added, never changed, never taken away; who and when stand beside each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Engine, insert, select

from services.console.sessions.asking import refusal
from services.console.tables import NOTES
from services.kit.auth.principal import Principal
from services.kit.database import reading, writing
from services.kit.moments import instant_of, now_us

MOST_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class Note:
    """One note."""

    name: str
    at: datetime
    text: str


class Notes:
    """All SQL of notes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, session: UUID) -> list[Note]:
        """Oldest first."""
        query = select(NOTES).where(NOTES.c.session == str(session)).order_by(NOTES.c.id)
        with reading(self._engine) as connection:
            return [
                Note(row["name"], instant_of(row["at_us"]), row["text"])
                for row in connection.execute(query).mappings()
            ]

    def add(self, session: UUID, site: str, who: Principal, text: str) -> None:
        """One more. Raises BadSearch when it is empty or too long."""
        kept = checked(text)
        with writing(self._engine) as connection:
            connection.execute(
                insert(NOTES).values(
                    session=str(session), site=site, account=who.account, name=who.name,
                    at_us=now_us(), text=kept,
                )
            )  # fmt: skip


def checked(text: str) -> str:
    """The note as it is kept: line ends of one kind, nothing around it. Raises BadSearch."""
    kept = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not kept:
        raise refusal("note_empty", "text")
    if len(kept) > MOST_CHARACTERS:
        raise refusal("note_too_long", "text", count=str(len(kept)), limit=str(MOST_CHARACTERS))
    return kept
