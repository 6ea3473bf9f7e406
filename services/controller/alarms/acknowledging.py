"""Who has seen which alarm: given at the bed, kept in ``session.db``, told by the recorder.

One acknowledgement is of one occurrence. It ends sound and flashing of that one, here and wherever the
gateway's alarms are shown; it changes nothing about the condition, and nothing about what comes back. From
remote nobody acknowledges for the bed: who stands there would no longer be called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.controller.alarms.board import Seen


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One occurrence of one bed's alarm in one boot of the loop, and who has seen it."""

    id: UUID
    device: str
    boot: UUID
    occurrence: str
    session: UUID | None
    seen: Seen

    @property
    def condition(self) -> str:
        """The alarm's name in the table."""
        return self.occurrence.rpartition("-")[0]

    def as_row(self) -> dict[str, Any]:
        """As ``session.db`` keeps it."""
        return {
            "acknowledgement": str(self.id),
            "device": self.device,
            "boot": str(self.boot),
            "occurrence": self.occurrence,
            "session": None if self.session is None else str(self.session),
            "at_ns": self.seen.at_ns,
            "operator": self.seen.name,
            "account": self.seen.account,
        }

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> "Acknowledgement":
        """What ``as_row`` gave."""
        session = UUID(row["session"]) if row["session"] else None
        seen = Seen(row["operator"], row["account"], row["at_ns"])
        return cls(
            UUID(row["acknowledgement"]), row["device"], UUID(row["boot"]), row["occurrence"], session, seen
        )

    def told(self) -> dict[str, Any]:
        """What leaves the gateway of it: an account, no name."""
        return {
            "action": "acknowledge",
            "from": "bedside",
            "accepted": True,
            "condition": self.condition,
            "occurrence": self.occurrence,
            "by": self.seen.account,
        }
