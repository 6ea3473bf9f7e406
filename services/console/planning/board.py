"""Today's board: who comes when and to which bed, with what the bed itself says at this moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.console import present
from services.console.live import Live
from services.console.models import Key
from services.console.planning.models import Appointment
from services.console.texts import TEXTS
from services.kit.language import Language

EARLY: Final = timedelta(minutes=45)  # so long before its time somebody may lie on the bed already
LATE: Final = timedelta(minutes=90)
Suspended = frozenset[tuple[str, str]]
OPEN: Final = ("booked",)  # states in which somebody is still to come
STAGES: Final = ("expected", "on_bed", "undecided", "overdue", "completed", "missed", "cancelled")
TONES: Final = {
    "expected": "plain", "known": "info", "on_bed": "good", "overdue": "notice", "undecided": "notice",
    "completed": "good", "missed": "notice", "cancelled": "plain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bed:
    """What a bed says of itself now."""

    name: str
    path: str
    words: str
    phase: str
    tone: str
    in_session: bool
    remaining: str
    region: str | None = None  # of the session that runs there


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One appointment of the day."""

    appointment: Appointment
    stage: str
    bed: Bed | None
    warnings: Sequence[str]
    blocked: str = ""  # why the patient is not to be told to come

    @property
    def tone(self) -> str:
        """The colour at its edge."""
        return TONES.get(self.stage, "plain")

    @property
    def is_other(self) -> bool:
        """Whether the session that runs on its bed is another's: what the bed says is not of this one."""
        return bool(self.bed and self.bed.in_session) and self.stage in ("expected", "overdue")

    @property
    def shows_bed(self) -> bool:
        """Whether what the bed says now is about this one: they lie there, or the bed waits for them."""
        return bool(self.bed) and not self.is_over and not self.is_other

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be done any more."""
        return self.stage in ("completed", "missed", "cancelled")


def bed_of(live: Live, site: str, device: str, language: Language) -> Bed | None:
    """The bed as it was heard last; none that was never heard of."""
    with live.lock:
        found = live.devices.get(Key(site, device))
        if found is None:
            return None
        tile: dict[str, Any] = present.tile(live, found, live.clock(), language)
    return Bed(
        device, f"/beds/{device}?site={site}", tile["phase_name"] if tile["fresh"] else tile["link_text"],
        tile["phase"], tile["tone"], tile["in_session"] and tile["fresh"], tile["remaining"],
        found.state.region if found.state else None,
    )  # fmt: skip


def rows(
    appointments: Iterable[Appointment], beds: dict[str, Bed | None], suspended: Suspended, now: datetime,
    language: Language,
) -> list[BoardRow]:  # fmt: skip
    """The day in its order, each with how far it is."""
    ordered = sorted(appointments, key=lambda it: (it.starts_at, it.device))
    lying = _lying(ordered, beds, now)
    return [
        BoardRow(
            it,
            _stage(it, lying, now),
            beds.get(it.device),
            warnings_of(it, suspended, language),
            untreatable(it, suspended, language),
        )
        for it in ordered
    ]


def counts(found: Sequence[BoardRow]) -> list[tuple[str, int]]:
    """So many of each stage; those of which there is none are left out."""
    return [(stage, count) for stage in STAGES if (count := sum(row.stage == stage for row in found))]


def suspended_of(rows: Iterable[Mapping[str, Any]]) -> Suspended:
    """Whose clearance is suspended, for which region (empty: for both)."""
    return frozenset((str(row["patient"]), str(row["region"] or "")) for row in rows)


def warnings_of(appointment: Appointment, suspended: Suspended, language: Language) -> list[str]:
    """Why this one may not be treated as things are: suspended, no clearance, no prescription."""
    if appointment.state not in OPEN:
        return []
    against = untreatable(appointment, suspended, language)
    found = [against] if against else []
    if appointment.body["prescription"] is None:
        found.append(TEXTS["board_not_prescribed"][language])
    return found


def untreatable(appointment: Appointment, suspended: Suspended, language: Language) -> str:
    """Why screening lets nobody treat this patient now: refused, suspended, not cleared; empty: it does."""
    if appointment.state not in OPEN:
        return ""
    who = appointment.patient
    if said := appointment.unready(language):
        return said
    if {(who, ""), (who, appointment.region)} & suspended:
        return TEXTS["board_suspended"][language]
    return "" if appointment.body["cleared"] else TEXTS["board_not_cleared"][language]


def _lying(appointments: Sequence[Appointment], beds: dict[str, Bed | None], now: datetime) -> set[str]:
    """Of each bed where a session runs, the nearest open one of its region: a bed tells no patient."""
    found = set()
    for device, bed in beds.items():
        near = [
            it for it in appointments
            if it.device == device and it.state in OPEN and it.starts_at - EARLY <= now <= it.ends_at + LATE
            and bed and bed.region in (None, it.region)
        ]  # fmt: skip
        if bed and bed.in_session and near:
            found.add(min(near, key=lambda it: abs(it.starts_at - now)).id)
    return found


def _stage(appointment: Appointment, lying: set[str], now: datetime) -> str:
    if appointment.id in lying:
        return "on_bed"
    if appointment.state not in OPEN:
        return appointment.state
    return "overdue" if appointment.ends_at < now else "expected"
