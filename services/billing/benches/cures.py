"""Invoices to measure with: single sessions, months and whole cures of lumbar treatment, all fictitious."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.billing.goae import catalogue
from services.billing.goae.lines import Line
from services.billing.goae.pricing import of_line
from services.billing.models import Address, Clinic, Paper, Patient, PricedLine, Recipient

# Sessions of one in ten: seven single ones, two months, a cure.
SIZES: Final = (*[1] * 3, 8, *[1] * 3, 8, 1, 18)
FIRST: Final = date(2026, 9, 1)
_SESSION: Final = (
    ("516", "1.8", "Rechnergesteuerte Extensionsbehandlung der Lendenwirbelsäule"),
    ("652", "2.3", "Fortlaufende Aufzeichnung von Zug und Gegenspannung"),
    ("538", "1.8", None),
)
_NAMES: Final = (
    "Erika Mustermann",
    "Jürgen Weiß",
    "Ayşe Öztürk",
    "Дмитро Шевченко",
    "محمد الأحمد",
    "Zoë Łukasz",
)
CLINIC: Final = Clinic(
    name="Rückenzentrum am Stadtpark",
    doctor="Dr. med. Johanna Weiß",
    speciality="Fachärztin für Orthopädie und Unfallchirurgie",
    address=Address(street="Parkallee 12", postal_code="20144", city="Hamburg"),
    phone="040 1234567",
    email="praxis@ruecken.example",
    website="www.ruecken.example",
    account_holder="Dr. med. Johanna Weiß",
    iban="DE89370400440532013000",
    bic="COBADEFFXXX",
    bank="Commerzbank Köln",
    tax_number="42/123/45678",
    identifier="260200013",
)


def papers(count: int) -> Iterator[Paper]:
    """So many invoices, each with its own number, name and days; always the same."""
    for at in range(count):
        yield paper(at, SIZES[at % len(SIZES)])


def paper(at: int, sessions: int) -> Paper:
    """The invoice at this place of the series."""
    lines = tuple(line for day in range(sessions) for line in _session(FIRST + timedelta(days=day + at % 28)))
    name = _NAMES[at % len(_NAMES)]
    return Paper(
        id=UUID(int=at + 1),
        number=f"HH2026-{at + 1:05}",
        site="hamburg",
        issued_on=date(2026, 11, 22),
        due_on=date(2026, 12, 22),
        clinic=CLINIC,
        recipient=Recipient(
            name=name,
            address=Address(street=f"Beispielweg {at % 90 + 1}", postal_code="22765", city="Hamburg"),
        ),
        patient=Patient(id=UUID(int=at + 1), name=name, birth_date=date(1950 + at % 50, 2, 1)),
        diagnosis="Lumbaler Bandscheibenvorfall L5/S1 (M51.1)",
        lines=lines,
        total=sum((line.amount for line in lines), Decimal("0.00")),
    )


def _session(on: date) -> tuple[PricedLine, ...]:
    schedule = catalogue.at(on)
    made = []
    for number, factor, analogue in _SESSION:
        line = Line(date=on, number=number, factor=Decimal(factor), analogue=analogue)
        told = of_line(schedule, line)
        made.append(
            PricedLine(
                line=line, name=told.name, section=told.section, points=told.points, gross=told.amount,
                amount=told.amount,
            )
        )  # fmt: skip
    return tuple(made)
