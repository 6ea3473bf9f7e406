"""What the recorder's stored lane keeps of a bed between batches, and what it is told beside the samples."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from broker.messages import EventType
from services.controller.alarms.events import AlarmLog
from services.controller.recorder.events import Diary


@dataclass(frozen=True, slots=True)
class Note:
    """An event that is in no sample: a refused remote command, numbers that are in no spool."""

    bed: int
    kind: EventType
    realtime_ns: int
    data: Mapping[str, Any]
    session: UUID | None = None  # that it is of, whichever is under way
    report: UUID | None = None  # of an adverse event, or an acknowledgement's id: told once
    correlation: str | None = None  # of who asked from remote, where no session is under way


@dataclass(slots=True)
class Books:
    """What is kept of one bed: its diary, its alarms, the first sample not yet in a black-box chunk."""

    diary: Diary
    box_next: int = 0
    alarms: AlarmLog = field(default_factory=AlarmLog)

    def dump(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {"diary": self.diary.dump(), "box_next": self.box_next, "alarms": self.alarms.dump()}

    @classmethod
    def restore(cls, row: Mapping[str, Any]) -> "Books":
        """What ``dump`` gave."""
        alarms = AlarmLog.restore(row["alarms"]) if "alarms" in row else AlarmLog()
        return cls(Diary.restore(row["diary"]), row["box_next"], alarms)
