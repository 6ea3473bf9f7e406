"""Papers to try: a clinic, a patient, and invoices whose prices are worked out by the fee schedule itself."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from services.billing.benches.cures import CLINIC
from services.billing.goae import catalogue, rulebook
from services.billing.goae.lines import Line
from services.billing.goae.pricing import of_line
from services.billing.models import Address, Outlay, Paper, Patient, PricedLine, Recipient

FIRST = date(2026, 9, 1)
EXTENSION = "Rechnergesteuerte Extensionsbehandlung der Lendenwirbelsäule"
RECORDING = "Fortlaufende Aufzeichnung von Zug und Gegenspannung"

HOME = Address(street="Beispielweg 3", postal_code="22765", city="Hamburg")


def priced(number: str, on: date, factor: str, *, reduction: str = "0.00", **more: object) -> PricedLine:
    """A line at its official price."""
    line = Line.model_validate({"date": on, "number": number, "factor": factor, **more})
    told = of_line(catalogue.at(on), line)
    return PricedLine(
        line=line, name=told.name, section=told.section, points=told.points,
        minimum_min=rulebook.minutes(catalogue.at(on), number), gross=told.amount,
        reduction=Decimal(reduction), amount=told.amount - Decimal(reduction),
    )  # fmt: skip


def session(on: date) -> tuple[PricedLine, ...]:
    """A lumbar session: 70.68 euro."""
    return (
        priced("516", on, "1.8", analogue=EXTENSION),
        priced("652", on, "2.3", analogue=RECORDING),
        priced("538", on, "1.8"),
    )


def cure(sessions: int) -> tuple[PricedLine, ...]:
    """A session a day."""
    return tuple(line for day in range(sessions) for line in session(FIRST + timedelta(days=day)))


def paper(
    lines: tuple[PricedLine, ...] | None = None,
    name: str = "Erika Mustermann",
    outlays: tuple[Outlay, ...] = (),
    **more: object,
) -> Paper:
    """An invoice of these lines; a session's unless told."""
    told = session(FIRST) if lines is None else lines
    total = sum((one.amount for one in (*told, *outlays)), Decimal("0.00"))
    base = {
        "id": UUID(int=1), "number": "HH2026-00001", "site": "hamburg", "issued_on": date(2026, 11, 22),
        "due_on": date(2026, 12, 22), "clinic": CLINIC, "recipient": Recipient(name=name, address=HOME),
        "patient": Patient(id=UUID(int=2), name=name, birth_date=date(1980, 2, 1)),
        "diagnosis": "Lumbaler Bandscheibenvorfall L5/S1 (M51.1)", "lines": told, "outlays": outlays,
        "total": total,
    }  # fmt: skip
    return Paper.model_validate({**base, **more})


def cancelled(invoice: Paper) -> Paper:
    """The paper that takes an invoice back."""
    taken_back = {
        "kind": "cancellation", "number": "HH2026-00002", "cancels": invoice.number,
        "cancels_on": invoice.issued_on, "total": -invoice.total, "issued_on": date(2026, 11, 25),
    }  # fmt: skip
    return invoice.model_copy(update=taken_back)
