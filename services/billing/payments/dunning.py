"""Reminders in three steps, by dunning.toml: who is due for which, and the letters."""

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from sqlalchemy import Connection, Select, insert, select

from services.billing.errors import Conflict, NotFound, said
from services.billing.models import cents
from services.billing.papers import letters
from services.billing.payments.models import Item
from services.billing.payments.tables import LETTERS, WAIVERS
from services.kit.language import Text

DATA: Final = Path(__file__).with_name("dunning.toml")
HEAD: Final = [column for column in LETTERS.c if column.name != "pdf"]


@dataclass(frozen=True, slots=True)
class Step:
    """A reminder: when it is due, until when it asks to be paid, what it costs."""

    step: int
    after_days: int
    pays_in_days: int
    fee: Decimal
    title: Text
    text: Text


@dataclass(frozen=True, slots=True)
class Prepared:
    """A letter before it is kept: of which state of the invoice, and its page."""

    item: Item
    step: Step
    on: date
    until: date
    pdf: bytes


@cache
def steps() -> tuple[Step, ...]:
    """The three, in their order."""
    rows = tomllib.loads(DATA.read_text(encoding="utf-8"))["step"]
    return tuple(
        Step(
            row["step"], row["after_days"], row["pays_in_days"], Decimal(row["fee_eur"]),
            {"de": row["de"], "en": row["en"]}, {"de": row["text_de"], "en": row["text_en"]},
        )
        for row in sorted(rows, key=lambda row: row["step"])
    )  # fmt: skip


def due(item: Item, on: date) -> Step | None:
    """The reminder that an invoice is due for on this day; None: none yet, or none any more."""
    following = next((step for step in steps() if step.step == item.reminded + 1), None)
    if following is None or item.state(on) != "overdue":
        return None
    return following if on >= item.due_on + timedelta(days=following.after_days) else None


def prepare(item: Item, on: date) -> Prepared:
    """The letter of the next step, set outside any transaction. Raises Conflict when none is due."""
    step = due(item, on)
    if step is None:
        raise _not_due(item, on)
    until = on + timedelta(days=step.pays_in_days)
    return Prepared(item, step, on, until, letters.pdf("reminder", _letter(item, step, on, until), "de"))


def write(
    connection: Connection, told: Prepared, now: Item, by: str, at_us: int, key: UUID | None = None
) -> UUID:
    """Keep a letter to the byte, with ``key`` as its id. Raises Conflict when the invoice changed."""
    item = told.item
    if (now.reminded, now.open, now.fees) != (item.reminded, item.open, item.fees):
        raise _not_due(now, told.on)
    made = key or uuid4()
    connection.execute(
        insert(LETTERS).values(
            id=str(made), site=item.invoice.site, invoice=str(item.invoice.id), step=told.step.step,
            sent_on=told.on, due_on=told.until, fee_ct=cents(told.step.fee), open_ct=cents(item.open),
            pdf=told.pdf, by=by[:80], at_us=at_us,
        )
    )  # fmt: skip
    return made


def of_invoice(connection: Connection, invoice: UUID) -> list[dict[str, Any]]:
    """The reminders of an invoice, first first."""
    wanted = _heads().where(LETTERS.c.invoice == str(invoice)).order_by(LETTERS.c.step)
    return [dict(row) for row in connection.execute(wanted).mappings()]


def of_site(connection: Connection, site: str, most: int = 200) -> list[dict[str, Any]]:
    """The newest letters of a site, newest first."""
    wanted = _heads().where(LETTERS.c.site == site).order_by(LETTERS.c.at_us.desc(), LETTERS.c.id)
    return [dict(row) for row in connection.execute(wanted.limit(most)).mappings()]


def key_of(request: UUID, invoice: UUID) -> UUID:
    """The letter's id: the same request again is the same letter."""
    return uuid5(NAMESPACE_OID, f"{request}/{invoice}")


def is_written(connection: Connection, key: UUID | None) -> bool:
    """Whether there is a letter of this id."""
    return connection.execute(select(LETTERS.c.id).where(LETTERS.c.id == str(key))).first() is not None


def letter(connection: Connection, letter: UUID) -> Any:
    """A letter as it was sent. Raises NotFound."""
    row = connection.execute(select(LETTERS).where(LETTERS.c.id == str(letter))).mappings().first()
    if row is None:
        raise said(
            NotFound, {"de": f"Schreiben {letter} gibt es nicht.", "en": f"there is no letter {letter}"}
        )
    return row


def _heads() -> Select[Any]:
    """Letters without their pages, and why a fee is not asked for any more."""
    waived = (
        WAIVERS.c.reason.label("waived"), WAIVERS.c.waived_on, WAIVERS.c.by.label("waived_by"),
    )  # fmt: skip
    return select(*HEAD, *waived).join(WAIVERS, WAIVERS.c.letter == LETTERS.c.id, isouter=True)


def _letter(item: Item, step: Step, on: date, until: date) -> dict[str, Any]:
    paper = item.invoice.paper
    asked = item.open + step.fee
    rows: list[dict[str, Any]] = [
        {"date": paper.issued_on, "name": f"Rechnung {paper.number}", "amount": paper.total}
    ]
    if item.paid:
        rows.append({"name": "abzüglich bisheriger Zahlungen", "amount": -item.paid})
    if item.fees + step.fee:
        rows.append({"name": "Mahnkosten (§ 286, § 280 Abs. 1 BGB)", "amount": item.fees + step.fee})
    return {
        "clinic": paper.clinic, "recipient": paper.recipient, "patient": paper.patient, "issued_on": on,
        "title": f"{step.title['de']} zur Rechnung {paper.number}", "paragraphs": (step.text["de"],),
        "sections": ({"rows": tuple(rows)},), "total": asked, "total_label": "Offener Betrag",
        "payment": {"amount": asked, "due_on": until, "reference": paper.number},
    }  # fmt: skip


def _not_due(item: Item, on: date) -> Conflict:
    state = item.state(on)
    return said(
        Conflict,
        {
            "de": f"{item.invoice.number}: keine Mahnung fällig (zahlbar bis {item.due_on:%d.%m.%Y}, "
            f"Stufe {item.reminded} von {len(steps())}, {state}).",
            "en": f"{item.invoice.number}: no reminder is due (payable until {item.due_on}, "
            f"step {item.reminded} of {len(steps())}, {state})",
        },
    )
