"""What ingest and the API speak of: places, entries, batches, blocks."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

Kind = Literal["tension", "blackbox", "event"]
KINDS: Final[tuple[Kind, ...]] = ("tension", "blackbox", "event")
Fate = Literal["stored", "duplicate", "late"]
VALUES: Final = ("tension_n", "target_n", "position_mm", "residual_n")
MAX_SEQ: Final = 2**53 - 1  # the contract's largest count (broker/fields.py), far inside a Redis stream id


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One device of one site."""

    site: str
    device: str

    def __str__(self) -> str:
        """As it stands in keys: slugs hold no slash."""
        return f"{self.site}/{self.device}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that ``str`` made the text of."""
        site, _, device = text.partition("/")
        return cls(site, device)


@dataclass(frozen=True, slots=True)
class Source:
    """One device in one boot: seq and event index count from 0 within it."""

    place: Place
    boot: UUID
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.place, self.boot)))

    def __hash__(self) -> int:
        """Reckoned once: ingest looks a source up several times a message."""
        return self._hash


class Entry(NamedTuple):
    """Something to be kept for good: numbers ``first`` up to but without ``after`` of one stream."""

    kind: Kind
    source: Source
    first: int
    after: int
    content: bytes  # the payload as it came


Raw = tuple[int, int, bytes]  # first, count, payload: a stored entry as readers get it


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that will never come, and why; ingest goes on behind them, the audit counts them as lost."""

    kind: Kind
    source: Source
    first: int
    after: int
    reason: str


@dataclass(slots=True)
class Batch:
    """Everything that one transaction stores."""

    entries: list[Entry] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    latest: dict[tuple[Place, str], bytes] = field(default_factory=dict)
    gateways: dict[Place, dict[str, bytes | None]] = field(default_factory=dict)
    sessions: dict[UUID, dict[str, str]] = field(default_factory=dict)
    session_starts: dict[UUID, float] = field(default_factory=dict)
    promises: list[tuple[Source, dict[Kind, int]]] = field(default_factory=list)
    births: list[Source] = field(default_factory=list)  # beds of gateways that have said that they are there
    heard: dict[Place, int] = field(default_factory=dict)  # ms since the epoch of each one's newest block
    newest_at: float = 0.0  # end of the newest block, seconds since the epoch by the gateway's clock

    @property
    def sources(self) -> set[Source]:
        """Every device and boot that this batch speaks of."""
        spoken = {entry.source for entry in self.entries} | {gap.source for gap in self.gaps}
        return spoken | {source for source, _ in self.promises}


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples as they were published: one list entry a sample."""

    seq: int
    started_at: datetime
    period_ms: float
    values: dict[str, list[float]]  # tension_n, target_n, position_mm, residual_n
    phase: list[str]

    @property
    def after(self) -> int:
        """The seq of the sample behind the last one."""
        return self.seq + len(self.phase)
