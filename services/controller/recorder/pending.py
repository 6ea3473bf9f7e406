"""What waits for the next transaction beside the samples: events to tell, and what the centre has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from broker.bus import Delivery
from broker.messages import Committed
from broker.spool import Spool
from services.controller.bedside.reports import Report
from services.controller.recorder import ledger
from services.controller.recorder.books import Note

MAX_NOTES: Final = 1000  # events that wait for a full disk; later ones are only logged


@dataclass(slots=True)
class Pending:
    """Kept in memory until it is stored; a delivery is acknowledged only then."""

    spool: Spool
    _notes: list[tuple[Note, Delivery | None]] = field(default_factory=list)
    _commits: dict[tuple[str, UUID], Committed] = field(default_factory=dict)  # the newest a device and boot
    _told: set[UUID] | None = None  # reports and acknowledgements; None: not read yet

    def add(self, note: Note, delivery: Delivery | None = None) -> bool:
        """Tell this with the next transaction; False when too much waits already."""
        if len(self._notes) >= MAX_NOTES:
            return False
        self._notes.append((note, delivery))
        return True

    def add_once(self, identity: UUID, note: Note) -> None:
        """Tell what has an id of its own, unless it was told already; raises SpoolError."""
        if self._told is None:
            self._told = ledger.told(self.spool.connection)
        if identity not in self._told and self.add(note):
            self._told.add(identity)

    def commit(self, device: str, committed: Committed) -> None:
        """Cumulative: what was once said to be stored stays stored, whatever an older message says later."""
        before = self._commits.get((device, committed.boot))
        if before is not None:
            furthest = {
                stream: max(before.next.get(stream, 0), committed.next.get(stream, 0))
                for stream in before.next.keys() | committed.next.keys()
            }
            committed = committed.model_copy(update={"next": furthest})
        self._commits[device, committed.boot] = committed

    def notes(self) -> list[Note]:
        """What is to be told, in its order."""
        return [note for note, _ in self._notes]

    def commits(self) -> list[tuple[str, Committed]]:
        """How far the centre has stored, by device."""
        return [(device, committed) for (device, _), committed in self._commits.items()]

    def stored(self, notes: int) -> list[Delivery]:
        """So many notes and all commits are stored: the deliveries that may be acknowledged."""
        done, self._notes = self._notes[:notes], self._notes[notes:]
        self.trimmed()
        return [delivery for _, delivery in done if delivery is not None]

    def trimmed(self) -> None:
        """The spool has taken the commits."""
        self._commits = {}


def report_note(made: Report, devices: Sequence[str]) -> Note:
    """A report of an adverse event as it leaves the gateway: random ids, no name."""
    data = {
        "report": str(made.report), "kind": made.kind, "grade": made.grade, "region": made.region,
        "patient": str(made.patient), "cure": made.cure and str(made.cure), "by": made.account,
        "suspends": made.suspends, "text": made.words.as_json(),
    }  # fmt: skip
    bed = devices.index(made.device) if made.device in devices else 0  # rather elsewhere than not told
    at_ns = round(made.at.timestamp() * 1e6) * 1000
    return Note(bed, "adverse.reported", at_ns, data, made.session, made.report)
