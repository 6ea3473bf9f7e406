"""Review gates: how many sessions of each cure were completed, and which review is due."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.screening.clearance import people, store
from services.screening.clearance.giving import reissue, signed_words
from services.screening.clearance.models import Given, Signed
from services.screening.clearance.suspension import close, suspend
from services.screening.clearance.words import Gate, gates
from services.screening.errors import Conflict, Invalid, NotFound
from services.screening.outcomes.change import courses_of


@dataclass(slots=True)
class Progress:
    """How far one cure has come; ``cure`` is none for sessions that belong to none."""

    cure: UUID | None
    region: str
    completed: int = 0
    aborted: int = 0
    last_at: datetime | None = None
    signed: dict[int, Signed] = field(default_factory=dict)
    is_improved: bool = False

    @property
    def key(self) -> str:
        """Which cure, for a suspension's subject."""
        return str(self.cure or self.region)

    def subject(self, after: int) -> str:
        """What a suspension by this gate is about."""
        return f"{self.key}:{after}"

    def due(self) -> list[Gate]:
        """Reached and not signed, the earliest first."""
        return [
            gate for gate in gates().values()
            if self.completed >= gate.after and gate.after not in self.signed
            and not (gate.unless == "improved" and self.is_improved)
        ]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        due = {gate.after for gate in self.due()}
        rows = [
            {
                "number": gate.after, "suspends": gate.suspends, "text_de": gate.de, "text_en": gate.en,
                "is_due": gate.after in due,
                "signed": self.signed[gate.after].as_json() if gate.after in self.signed else None,
            }
            for gate in gates().values()
        ]  # fmt: skip
        return {
            "cure": self.cure and str(self.cure), "region": self.region, "completed": self.completed,
            "aborted": self.aborted, "improved": self.is_improved, "gates": rows,
            "last_at": self.last_at and self.last_at.isoformat(),
        }  # fmt: skip


def progress(connection: Connection, patients: Sequence[UUID]) -> list[Progress]:
    """Every cure of a patient that had a session, the last one first."""
    found: dict[str, Progress] = {}
    for held in store.sessions(connection, patients):
        one = found.setdefault(str(held.cure or held.region), Progress(held.cure, held.region))
        one.completed += held.completed
        one.aborted += not held.completed
        one.last_at = held.ended_at
    for row in store.gate_signatures(connection, patients):
        if signed := found.get(str(row["cure"] or row["region"])):
            signed.signed[row["number"]] = row["signed"]
    for course in courses_of(connection, patients):
        if same := found.get(str(course.cure or course.region)):
            same.is_improved = course.is_improved()
    return sorted(found.values(), key=lambda one: one.last_at or datetime.now(UTC), reverse=True)


def suspend_by_gates(office: Office, connection: Connection, patient: UUID) -> None:
    """Nobody goes on past a review that nobody signed."""
    for one in progress(connection, people.ids(connection, patient)):
        for gate in one.due():
            if gate.suspends:
                suspend(
                    office, connection, patient=patient, region=one.region, reason="gate",
                    subject=one.subject(gate.after), detail=f"{one.completed} / {gate.after}",
                )  # fmt: skip


def sign(
    office: Office,
    connection: Connection,
    *,
    patient: UUID,
    number: int,
    cure: UUID | None,
    reason: str,
    by: Principal,
) -> list[Given]:
    """Sign a review: what it suspended is restored. ``cure`` may be left out where only one is due.

    Raises NotFound, Invalid, Conflict.
    """
    words = signed_words(reason)
    if number not in gates():
        known = ", ".join(map(str, gates()))
        raise NotFound(
            f"there is no review after session {number}: there are {known}",
            {
                "de": f"nach Sitzung {number} gibt es keine Zwischenprüfung: es gibt {known}",
                "en": f"there is no review after session {number}: there are {known}",
            },
        )
    ids = people.ids(connection, patient)
    one = _due(progress(connection, ids), number, cure)
    signed = Signed(by.account, by.name, words, datetime.now(UTC))
    store.add_gate(connection, uuid4(), patient, one.cure, one.region, number, signed)
    closed = [
        found for found in store.open_suspensions(connection, ids)
        if found.reason == "gate" and found.subject == one.subject(number)
    ]  # fmt: skip
    for found in closed:
        close(office, connection, found, signed)
    return reissue(office, connection, patient, closed, by, is_needed=False)


def _due(found: list[Progress], number: int, cure: UUID | None) -> Progress:
    """The cure whose review this is."""
    due = [one for one in found if number in {gate.after for gate in one.due()}]
    if cure is not None:
        due = [one for one in due if one.cure == cure]
    if len(due) > 1:
        words = {
            "de": f"die Zwischenprüfung {number} ist in mehreren Kuren fällig: welche ist gemeint?",
            "en": f"review {number} is due in several cures: which one is meant?",
        }
        raise Invalid(words["en"], {"de": words["de"], "en": words["en"]})
    if not due:
        reached = max((one.completed for one in found if cure in (None, one.cure)), default=0)
        english = f"review {number} is not due: {reached} sessions are completed, or it is signed"
        german = (
            f"die Zwischenprüfung {number} ist nicht fällig: {reached} Sitzungen sind abgeschlossen, "
            "oder sie ist unterschrieben"
        )
        raise Conflict(english, {"de": german, "en": english})
    return due[0]
