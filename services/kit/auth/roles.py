"""THE table of roles: what each may do. Every grant of a role is scoped to sites."""

from dataclasses import dataclass
from typing import Final, Literal

from services.kit.language import Text

RoleName = Literal[
    "administrator",
    "clinician",
    "therapist",
    "reception",
    "billing",
    "monitor",
    "integrator",
    "identity",
]
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
    "gateways.manage",
    "patients.see",
    "patients.name",
    "patients.write",
    "patients.merge",
    "patients.export",
    "patients.erase",
    "identity.see",
    "screening.answer",
    "screening.decide",
    "consent.record",
    "documents.edit",
    "clearance.sign",
    "adverse.report",
    "outcomes.see",
    "outcomes.write",
    "exchange.use",
    "appointments.see",
    "appointments.write",
    "cures.plan",
    "prescriptions.sign",
    "resources.manage",
    "plan.replan",
    "billing.see",
    "estimates.write",
    "charges.write",
    "invoices.issue",
    "payments.write",
    "revenue.see",
    "billing.settings",
    "homecare.see",
    "homecare.invite",
    "homecare.supervise",
    "homecare.set",
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
    "gateways.manage": {
        "de": "Gateways aufnehmen und sperren", "en": "taking in and revoking gateways",
    },
    "patients.see": {"de": "Patientenakten: Suche und Lesen", "en": "patients' files: search and reading"},
    "patients.name": {
        "de": "Name und Geburtsdatum derer, mit denen man schon zu tun hat",
        "en": "name and birth date of those whom one deals with already",
    },
    "patients.write": {
        "de": "Patientenakten anlegen und berichtigen, Befunde ablegen",
        "en": "opening and correcting a patient's file, filing findings",
    },
    "patients.merge": {
        "de": "doppelte Akten zusammenführen und wieder trennen",
        "en": "merging duplicate files and undoing it",
    },
    "patients.export": {"de": "die Kopie der ganzen Akte", "en": "the copy of a whole file"},
    "patients.erase": {
        "de": "Akten nach der Aufbewahrungsfrist löschen", "en": "erasing files when their retention is over",
    },
    "identity.see": {
        "de": "Name, Anschrift, Versicherung und Diagnose einer Person, für einen Dienst",
        "en": "one person's name, address, insurance and diagnosis, for a service",
    },
    "screening.answer": {"de": "der Fragebogen", "en": "the questionnaire"},
    "screening.decide": {
        "de": "bedingte Freigaben begründen, über die Behandlung entscheiden",
        "en": "signing relative contraindications, deciding on treatment",
    },
    "consent.record": {
        "de": "Aufklärung, Einwilligung und Widerruf festhalten",
        "en": "recording information, consent and its withdrawal",
    },
    "documents.edit": {
        "de": "Merkblätter und Erklärungen bearbeiten", "en": "editing leaflets and declarations",
    },
    "clearance.sign": {
        "de": "Freigaben erteilen, aussetzen und wiederherstellen",
        "en": "giving, suspending and restoring clearances",
    },
    "adverse.report": {"de": "unerwünschte Ereignisse melden", "en": "reporting adverse events"},
    "outcomes.see": {"de": "Verlauf und Ergebnisse", "en": "outcomes"},
    "outcomes.write": {
        "de": "Schmerz, ODI, NDI, Beinhebetest erfassen",
        "en": "recording pain, ODI, NDI, leg raise",
    },
    "exchange.use": {"de": "GDT- und FHIR-Austausch", "en": "GDT and FHIR exchange"},
    "appointments.see": {"de": "Kalender und Tagesplan", "en": "calendar and today's board"},
    "appointments.write": {
        "de": "Termine buchen, verschieben, absagen", "en": "booking, moving and cancelling appointments",
    },
    "cures.plan": {"de": "Kuren planen", "en": "planning cures"},
    "prescriptions.sign": {
        "de": "Verordnungen festlegen und die nächste bestätigen",
        "en": "setting prescriptions and confirming the next one",
    },
    "resources.manage": {
        "de": "Öffnungszeiten, Liegen, Dienste, Ausfälle pflegen",
        "en": "keeping opening hours, beds, shifts and outages",
    },
    "plan.replan": {
        "de": "umplanen, wenn eine Liege oder jemand ausfällt",
        "en": "planning anew when a bed or somebody is out",
    },
    "billing.see": {
        "de": "Kostenvoranschläge, Rechnungen, offene Posten",
        "en": "estimates, invoices, open items",
    },
    "estimates.write": {
        "de": "Kostenvoranschläge und Honorarvereinbarungen erstellen",
        "en": "making estimates and fee agreements",
    },
    "charges.write": {
        "de": "Leistungen erfassen, Rechnungsentwürfe bearbeiten",
        "en": "entering charges, editing drafts of invoices",
    },
    "invoices.issue": {"de": "Rechnungen stellen und stornieren", "en": "issuing and cancelling invoices"},
    "payments.write": {
        "de": "Zahlungen, Kontoauszüge, Mahnungen", "en": "payments, bank statements, dunning",
    },
    "revenue.see": {"de": "Umsätze", "en": "revenue"},
    "billing.settings": {
        "de": "Briefkopf, Bankverbindung, Steuerdaten und Tarife",
        "en": "letterhead, bank, tax data and tariffs",
    },
    "homecare.see": {
        "de": "Heimprogramme, was geübt und was als schmerzhaft gemeldet wurde",
        "en": "home programmes, what was done and what hurt",
    },
    "homecare.invite": {
        "de": "Links zu Heimprogrammen ausgeben und sperren",
        "en": "handing out and revoking links to home programmes",
    },
    "homecare.supervise": {
        "de": "erste Übungen unter Aufsicht unterschreiben",
        "en": "signing the first supervised exercises",
    },
    "homecare.set": {
        "de": "Heimprogramme festlegen, Schmerzmeldungen beantworten, Übungen freigeben",
        "en": "setting home programmes, answering reports of pain, opening locked exercises",
    },
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

_DESK: Final[frozenset[Permission]] = frozenset(
    {
        "patients.see", "patients.name", "patients.write", "screening.answer", "consent.record",
        "appointments.see", "appointments.write", "cures.plan",
    }
)  # fmt: skip
_HOME: Final[frozenset[Permission]] = frozenset({"homecare.see", "homecare.invite"})
_CARE: Final[frozenset[Permission]] = (
    _DESK | _HOME | {"adverse.report", "outcomes.see", "outcomes.write", "homecare.supervise"}
)
_DOCTOR: Final[frozenset[Permission]] = _CARE | {
    "patients.merge", "patients.export", "screening.decide", "documents.edit", "clearance.sign",
    "exchange.use", "prescriptions.sign", "plan.replan", "homecare.set",
}  # fmt: skip
_PAPERS: Final[frozenset[Permission]] = frozenset({"billing.see", "estimates.write"})
_NOT_OF_AN_ADMINISTRATOR: Final[frozenset[Permission]] = frozenset(
    {
        "beds.operate",
        "identity.see",
        "screening.decide",
        "clearance.sign",
        "prescriptions.sign",
        "homecare.supervise",
        "homecare.set",
    }
)

ROLES: Final[dict[RoleName, Role]] = {
    "administrator": Role(
        {"de": "Administration", "en": "Administrator"},
        {"de": "Konten, Protokoll, Betrieb", "en": "Accounts, audit trail, operations"},
        frozenset(PERMISSIONS) - _NOT_OF_AN_ADMINISTRATOR,
    ),
    "clinician": Role(
        {"de": "Ärztin, Arzt", "en": "Clinician"},
        {"de": "Behandelt und verantwortet", "en": "Treats and answers for it"},
        _TREAT | _DOCTOR | _PAPERS | {"sessions.export", "statistics.see", "charges.write"},
    ),
    "therapist": Role(
        {"de": "Therapeutin, Therapeut", "en": "Therapist"},
        {"de": "Bedient die Liegen", "en": "Operates the beds"},
        _TREAT | _CARE,
    ),
    "reception": Role(
        {"de": "Empfang", "en": "Reception"},
        {
            "de": "Akten, Termine, welche Liegen belegt sind",
            "en": "Files, appointments, which beds are taken",
        },
        _WATCH | _DESK | _PAPERS | _HOME | {"plan.replan", "exchange.use"},
    ),
    "billing": Role(
        {"de": "Abrechnung", "en": "Billing"},
        {"de": "Kosten, Rechnungen, Zahlungen", "en": "Costs, invoices, payments"},
        _PAPERS
        | {
            "patients.name",
            "sessions.see",
            "statistics.see",
            "charges.write",
            "invoices.issue",
            "payments.write",
            "revenue.see",
            "billing.settings",
        },
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

SERVICE_ROLES: Final[dict[RoleName, Role]] = {  # nobody's account has one: tokens that `spondyl up` mints
    "identity": Role(
        {"de": "Dienst", "en": "Service"},
        {"de": "Ein Dienst, der eine Person anschreibt", "en": "A service that writes to a person"},
        frozenset({"identity.see"}),
    ),
}
EVERY_ROLE: Final[dict[RoleName, Role]] = {**ROLES, **SERVICE_ROLES}
