"""THE table of roles: what each may do. Every grant of a role is scoped to sites."""

from dataclasses import dataclass
from typing import Final, Literal

from services.kit.pages import Text

RoleName = Literal["administrator", "clinician", "therapist", "reception", "billing", "monitor", "integrator"]
Permission = Literal[
    "beds.see",
    "beds.stop",
    "beds.operate",
    "beds.fault",
    "alarms.acknowledge",
    "sessions.see",
    "sessions.export",
    "notes.write",
    "samples.see",
    "statistics.see",
    "audit.see",
    "users.manage",
    "trail.see",
]
PERMISSIONS: Final[dict[Permission, Text]] = {  # what each opens
    "beds.see": {
        "de": "die Übersicht, eine Liege, ihre laufende Kurve", "en": "the wall, a bed, its live trace",
    },
    "beds.stop": {"de": "Stopp und Pause aus der Ferne", "en": "stop and pause from remote"},
    "beds.operate": {
        "de": "Freigeben, Starten, Fortsetzen, Ändern am Bedienfeld der Liege",
        "en": "confirm, start, resume, change, at the bedside panel",
    },
    "beds.fault": {"de": "Störungen simulierter Liegen", "en": "faults of simulated beds"},
    "alarms.acknowledge": {"de": "das Quittieren eines Alarms", "en": "acknowledging an alarm"},
    "sessions.see": {
        "de": "vergangene Sitzungen: Liste, Kurve, Zusammenfassung, Ereignisse, Notizen",
        "en": "past sessions: list, curve, summary, events, notes",
    },
    "sessions.export": {
        "de": "eine Sitzung als Datei, ihre Aufzeichnung", "en": "a session as a file, its black box",
    },
    "notes.write": {"de": "Notizen zu einer Sitzung", "en": "notes on a session"},
    "samples.see": {
        "de": "gespeicherte Messwerte, die Kurve einer Liege",
        "en": "stored samples: devices, windows and blocks, the curve of a bed",
    },
    "statistics.see": {"de": "Zahlen über viele Sitzungen", "en": "figures over many sessions"},
    "audit.see": {
        "de": "Lücken und Doppeltes im Gespeicherten", "en": "gaps and duplicates of what is stored",
    },
    "users.manage": {"de": "Konten und ihre Rollen", "en": "accounts and their roles"},
    "trail.see": {"de": "das Protokoll", "en": "the audit trail"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """One row: how it is called, what it is for, what it permits."""

    title: Text
    purpose: Text
    permissions: frozenset[Permission]


_WATCH: Final[frozenset[Permission]] = frozenset({"beds.see"})
_TREAT: Final[frozenset[Permission]] = _WATCH | {
    "beds.stop", "beds.operate", "alarms.acknowledge", "sessions.see", "notes.write", "samples.see",
}  # fmt: skip

ROLES: Final[dict[RoleName, Role]] = {
    "administrator": Role(
        {"de": "Administration", "en": "Administrator"},
        {"de": "Konten, Protokoll, Betrieb", "en": "Accounts, audit trail, operations"},
        frozenset(PERMISSIONS) - {"beds.operate"},
    ),
    "clinician": Role(
        {"de": "Ärztin, Arzt", "en": "Clinician"},
        {"de": "Behandelt und verantwortet", "en": "Treats and answers for it"},
        _TREAT | {"sessions.export", "statistics.see"},
    ),
    "therapist": Role(
        {"de": "Therapeutin, Therapeut", "en": "Therapist"},
        {"de": "Bedient die Liegen", "en": "Operates the beds"},
        _TREAT,
    ),
    "reception": Role(
        {"de": "Empfang", "en": "Reception"},
        {"de": "Sieht, welche Liegen belegt sind", "en": "Sees which beds are taken"},
        _WATCH,
    ),
    "billing": Role(
        {"de": "Abrechnung", "en": "Billing"},
        {"de": "Liest abgeschlossene Sitzungen", "en": "Reads finished sessions"},
        frozenset({"sessions.see", "statistics.see"}),
    ),
    "monitor": Role(
        {"de": "Überwachung", "en": "Monitor"},
        {"de": "Die Übersicht an der Wand, nur lesend", "en": "The wall display, read only"},
        _WATCH,
    ),
    "integrator": Role(
        {"de": "Anbindung", "en": "Integrator"},
        {"de": "Ein anderes System, das liest", "en": "Another system that reads"},
        frozenset(
            {
                "beds.see",
                "sessions.see",
                "sessions.export",
                "samples.see",
                "statistics.see",
                "audit.see",
            }
        ),
    ),
}
