"""What the index holds, as values and as rows of its tables."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.telemetry.errors import BadCursor
from services.telemetry.models import KINDS, Gap, Kind, Place, Source

Span = tuple[int, int]  # first, after
Spans = dict[Kind, list[Span]]
Marks = dict[Kind, int]
Row = Mapping[Any, Any]  # by column; SQLAlchemy's own too, which ingest is not to load
NOTHING: Final[Marks] = {"tension": 0, "blackbox": 0, "event": 0}
LONGEST_REGION: Final = 40  # characters of its column
MOST_US: Final = 2**63  # of a time, as databases keep it


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that is in the store, flushed and verified, and is to be known from now on."""

    path: str
    source: Source
    sha256: str
    size: int
    directory: bytes
    spans: Spans
    started_at_us: int
    ended_at_us: int
    session: UUID | None = None


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """An object as the index knows it, without its directory."""

    id: int
    path: str
    source: Source
    session: UUID | None
    sha256: str
    size: int
    spans: Spans
    started_at_us: int
    ended_at_us: int
    archived_at_us: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that is over, with what the gateway said of it and what was counted from its samples."""

    id: UUID
    place: Place
    started_at_us: int
    boot: UUID | None = None
    first_seq: int | None = None
    end_seq: int | None = None
    cure: UUID | None = None
    patient: UUID | None = None
    appointment: UUID | None = None
    region: str | None = None
    segment: str | None = None
    ended_at_us: int | None = None
    ended_by: str | None = None  # session.completed, session.aborted; None: its end was never heard of
    summary: dict[str, Any] | None = None
    statistics: dict[str, Any] | None = None

    @property
    def source(self) -> Source | None:
        """Where its samples lie; None when its start was never heard of."""
        return None if self.boot is None or self.first_seq is None else Source(self.place, self.boot)


@dataclass(frozen=True, slots=True)
class Stray:
    """A stored entry that cannot be read as what it should be, byte for byte; its numbers are a named gap."""

    kind: Kind
    first: int
    after: int
    content: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One step of the archive: everything or nothing of it.

    ``before`` and ``after`` are the source's marks: another archiver that was quicker makes it fail.
    """

    source: Source
    before: Marks
    after: Marks
    objects: Sequence[NewObject] = ()
    sessions: Sequence[SessionRow] = ()
    gaps: Sequence[Gap] = ()
    strays: Sequence[Stray] = ()


def source_of(row: Row) -> Source:
    """The device and boot of a row of boots, or of one joined with it."""
    return Source(Place(row["site"], row["device"]), UUID(row["boot"]))


def spans_of(text: str) -> Spans:
    """Spans by kind, from their JSON."""
    return {kind: [(first, after) for first, after in spans] for kind, spans in json.loads(text).items()}


def object_values(new: NewObject, boot_id: int, now_us: int) -> dict[str, Any]:
    """A row of objects."""
    edges: dict[str, int | None] = {}
    for kind in KINDS:
        spans = new.spans.get(kind, [])
        edges[f"{kind}_first"] = min((first for first, _ in spans), default=None)
        edges[f"{kind}_after"] = max((after for _, after in spans), default=None)
    return edges | {
        "path": new.path,
        "boot_id": boot_id,
        "session": None if new.session is None else str(new.session),
        "sha256": new.sha256,
        "bytes": new.size,
        "directory": new.directory,
        "spans": json.dumps({kind: new.spans.get(kind, []) for kind in KINDS}),
        "started_at_us": new.started_at_us,
        "ended_at_us": new.ended_at_us,
        "archived_at_us": now_us,
    }


def object_of(row: Row) -> ObjectRow:
    """From a row of objects joined with its boot."""
    return ObjectRow(
        row["id"], row["path"], source_of(row), _or_none(UUID, row["session"]), row["sha256"], row["bytes"],
        spans_of(row["spans"]), row["started_at_us"], row["ended_at_us"], row["archived_at_us"],
    )  # fmt: skip


_SESSION_IDS: Final = ("boot", "cure", "patient", "appointment")
_SESSION_PLAIN: Final = (
    "started_at_us", "first_seq", "end_seq", "region", "segment", "ended_at_us", "ended_by",
)  # fmt: skip
_SESSION_JSON: Final = ("summary", "statistics")
_SESSION_SAID: Final = ("region", "segment")  # by the gateway, in whatever words


def session_values(session: SessionRow, now_us: int) -> dict[str, Any]:
    """A row of sessions."""
    values: dict[str, Any] = {name: getattr(session, name) for name in _SESSION_PLAIN}
    values |= {name: _or_none(str, getattr(session, name)) for name in _SESSION_IDS}
    values |= {name: _or_none(json.dumps, getattr(session, name)) for name in _SESSION_JSON}
    values |= {name: _or_none(_storable, getattr(session, name)) for name in _SESSION_SAID}
    values["region"] = _or_none(lambda text: text[:LONGEST_REGION], values["region"])
    place = {"site": session.place.site, "device": session.place.device}
    return values | place | {"id": str(session.id), "archived_at_us": now_us}


def session_of(row: Row) -> SessionRow:
    """From a row of sessions."""
    values: dict[str, Any] = {name: row[name] for name in _SESSION_PLAIN}
    values |= {name: _or_none(UUID, row[name]) for name in _SESSION_IDS}
    values |= {name: _or_none(json.loads, row[name]) for name in _SESSION_JSON}
    return SessionRow(id=UUID(row["id"]), place=Place(row["site"], row["device"]), **values)


def _or_none(make: Any, value: Any) -> Any:
    return None if value is None else make(value)


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL: what one gateway says must not hold up the archive of all."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def gap_values(gap: Gap, boot_id: int, now_us: int) -> dict[str, Any]:
    """A row of gaps."""
    return {
        "boot_id": boot_id, "kind": gap.kind, "first": gap.first, "after": gap.after,
        "reason": _storable(gap.reason), "archived_at_us": now_us,
    }  # fmt: skip


def stray_values(stray: Stray, boot_id: int, now_us: int) -> dict[str, Any]:
    """A row of strays."""
    return {
        "boot_id": boot_id, "kind": stray.kind, "first": stray.first, "after": stray.after,
        "sha256": hashlib.sha256(stray.content).hexdigest(), "content": stray.content,
        "reason": _storable(stray.reason), "archived_at_us": now_us,
    }  # fmt: skip


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Where a page of sessions ends: start and id. Raises BadCursor."""
    started, _, session = cursor.partition(".")
    with contextlib.suppress(ValueError):
        if abs(int(started)) < MOST_US:
            return int(started), str(UUID(session))
    raise BadCursor(f"cursor {cursor!r} is none: use the next_cursor of the page before")


def covers(spans: Sequence[Span], first: int, after: int) -> bool:
    """Whether every number ``first`` .. ``after - 1`` lies in one of the spans, which are in order."""
    for begin, end in spans:
        if begin <= first < end:
            first = end
        if first >= after:
            return True
    return False
