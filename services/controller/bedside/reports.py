"""Adverse events that are reported at the bed: what may be said, and whom a report suspends here at once.

A report is kept in ``session.db`` (in memory until that can be written), told by the recorder as an event
``adverse.reported`` when there is a line, and made an adverse event by screening. Until the centre's lists
have named its patient after it, and then no longer do, nobody at this gateway treats them: only a clinician's
signed reason takes somebody from those lists again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import structlog

from broker.messages import Suspension
from services.controller.centre.known import Known
from services.controller.errors import StoreUnavailable
from services.controller.words import Words

log = structlog.get_logger(__name__)
Region = Literal["lumbar", "cervical"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What happened, and from which grade on it suspends in either region's treatment."""

    words: Words
    lumbar: int
    cervical: int

    def suspends(self, region: Region, grade: int) -> bool:
        """Whether nobody goes on before a clinician has signed."""
        return grade >= (self.lumbar if region == "lumbar" else self.cervical)


# The bedside's part of screening's table (services/screening/outcomes/adverse.toml), the same in every word.
KINDS: Final[dict[str, Kind]] = {
    "radiating-pain": Kind(
        Words("Radiating pain, new or worse", "Ausstrahlender Schmerz, neu oder stärker"), 1, 1
    ),
    "weakness": Kind(
        Words("Weakness or paralysis, new or worse", "Schwäche oder Lähmung, neu oder stärker"), 1, 1
    ),
    "dizziness": Kind(Words("Dizziness", "Schwindel"), 2, 1),
    "other": Kind(Words("Other", "Anderes"), 2, 2),
}
GRADES: Final[dict[int, Words]] = {
    1: Words("Mild: noticed, nothing needed", "Leicht: bemerkt, nichts nötig"),
    2: Words(
        "Moderate: limits daily life, simple treatment",
        "Mäßig: schränkt den Alltag ein, einfache Behandlung",
    ),
    3: Words(
        "Severe: cannot care for oneself, or hospital",
        "Schwer: kann sich nicht selbst versorgen, oder Krankenhaus",
    ),
    4: Words("Life-threatening: urgent treatment", "Lebensbedrohlich: dringende Behandlung"),
    5: Words("Death related to the event", "Tod im Zusammenhang mit dem Ereignis"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``serial`` is of the last list of the centre that was kept here before it."""

    report: UUID
    session: UUID
    device: str
    patient: UUID
    cure: UUID | None
    region: Region
    kind: str
    grade: int
    serial: int
    at: datetime
    operator: str
    account: str | None

    @property
    def suspends(self) -> bool:
        """Whether nobody goes on before a clinician has signed."""
        return KINDS[self.kind].suspends(self.region, self.grade)

    @property
    def words(self) -> Words:
        """What happened, in one line."""
        kind, grade = KINDS[self.kind].words, GRADES[self.grade]
        return Words(f"{kind.en} ({self.grade}, {grade.en})", f"{kind.de} ({self.grade}, {grade.de})")

    def suspension(self) -> Suspension:
        """What a list of the centre would say."""
        return Suspension(patient=self.patient, region=None, since=self.at, reason="adverse", adverse=True)


class Reports:
    """The reports of this gateway's beds; safe from any thread.

    ``read`` gives those behind a row number, with theirs; ``write`` keeps one, once by its id.
    """

    def __init__(
        self,
        read: Callable[[int], list[tuple[int, Report]]],
        write: Callable[[Report], None] | None = None,
    ) -> None:
        self._read, self._write = read, write
        self._lock = threading.Lock()
        self._row = 0
        self._kept: dict[UUID, Report] = {}
        self._waiting: dict[UUID, Report] = {}

    def refresh(self) -> None:
        """Write what waits, read what is new; a log that cannot be used takes nothing back."""
        with self._lock:
            try:
                for report in list(self._waiting.values()):
                    self._keep(report)
                for row, report in self._read(self._row):
                    self._row, self._kept[report.report] = row, report
            except StoreUnavailable as error:
                log.warning("reports of adverse events cannot be read or written now", why=error.message)

    def add(self, report: Report) -> bool:
        """It counts from now on; whether it is on the disk already."""
        with self._lock:
            self._waiting[report.report] = report
            try:
                self._keep(report)
            except StoreUnavailable as error:
                log.error("a report of an adverse event waits in memory", why=error.message)  # noqa: TRY400  (the reason is in the message)
                return False
        return True

    def find(self, report: UUID) -> Report | None:
        """One of them."""
        with self._lock:
            return self._waiting.get(report) or self._kept.get(report)

    def all(self) -> list[Report]:
        """Every one, those that wait last."""
        with self._lock:
            return list((self._kept | self._waiting).values())

    def of_session(self, session: UUID) -> list[Report]:
        """Those of one session."""
        return [report for report in self.all() if report.session == session]

    def suspensions(self, known: Known) -> list[Suspension]:
        """Whom a report suspends that no list of the centre has answered yet."""
        return [
            report.suspension()
            for report in self.all()
            if report.suspends and known.named.get(str(report.patient), -1) <= report.serial
        ]

    def _keep(self, report: Report) -> None:
        if self._write is not None:
            self._write(report)
        self._kept[report.report] = self._waiting.pop(report.report)


def none_here() -> Reports:
    """Of a gateway where nothing can be reported."""
    return Reports(lambda _row: [])
