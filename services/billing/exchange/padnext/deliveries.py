"""Deliveries in the database: each counted without a gap, each invoice in one of them unless asked again."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select

from services.billing.clinics.tables import CLINICS
from services.billing.errors import Conflict, Invalid, NotFound, said
from services.billing.exchange import books
from services.billing.exchange.padnext import building, checking
from services.billing.exchange.tables import DELIVERED, DELIVERIES
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.models import BillingOffice, Clinic, cents, euro
from services.kit.moments import Now, us_of

MOST: Final = 1000  # invoices of one delivery
LONGEST: Final = 6  # digits of a number (transfernr)


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery as it was handed out."""

    number: int
    office: str
    since: date
    until: date
    count: int
    total: Decimal
    name: str
    content: bytes
    by: str
    at_us: int

    def head(self) -> dict[str, Any]:
        """As lists show it."""
        return {
            "number": self.number, "office": self.office, "from": self.since.isoformat(),
            "to": self.until.isoformat(), "invoices": self.count, "total": str(self.total), "name": self.name,
            "by": self.by, "at_us": self.at_us,
        }  # fmt: skip


def office_of(clinic: Clinic | None, name: str | None) -> BillingOffice:
    """The office that is meant: the only one unless told. Raises Invalid."""
    every = clinic.billing_offices if clinic else ()
    found = [one for one in every if name in (None, one.id)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.id for one in every) or "-"
    raise said(
        Invalid,
        {
            "de": f"Abrechnungsstelle „{name or ''}“: bei den Praxisdaten stehen: {known}.",
            "en": f"billing office “{name or ''}”: the clinic's data have: {known}",
        },
        missing=["billing_offices"],
    )


def deliver(
    connection: Connection,
    clinic: Clinic,
    office: BillingOffice,
    site: str,
    since: date,
    until: date,
    *,
    by: str,
    now: Now,
    again: bool = False,
    without: Iterable[UUID] = (),
) -> Kept:
    """Deliver the period's living invoices that no office had yet, or all of them ``again``.

    Raises Conflict when there is none, Invalid when one does not fit the format.
    """
    books.require_period(since, until)
    _require_sender(clinic)
    _one_at_a_time(connection, site)
    found = _waiting(connection, site, since, until, set(without), again=again)
    at = now().astimezone(ZoneInfo(clinic.zone))
    number = _following(connection, site, office.id)
    total = sum((one.total for one in found), Decimal("0.00"))
    made = building.deliver(found, clinic, office, number, at)
    checking.require_sound(made, total)
    kept = Kept(
        number, office.id, since, until, len(found), total, f"{made.name}.zip", made.content, by[:80],
        us_of(now()),
    )  # fmt: skip
    _keep(connection, site, kept, found)
    return kept


def one(connection: Connection, site: str, office: str, number: str) -> Kept:
    """A delivery as it was handed out. Raises NotFound."""
    counted = int(number) if number.isascii() and number.isdigit() and len(number) <= LONGEST else 0
    at = (DELIVERIES.c.site == site) & (DELIVERIES.c.office == office) & (DELIVERIES.c.number == counted)
    row = connection.execute(select(DELIVERIES).where(at)).mappings().first()
    if row is None:
        raise said(
            NotFound,
            {
                "de": f"Lieferung {number} an {office} gibt es nicht.",
                "en": f"there is no delivery {number} to {office}",
            },
        )
    return _kept(row, bytes(row["content"]))


def listed(connection: Connection, site: str) -> list[Kept]:
    """A site's deliveries, newest first, without what was in them."""
    columns = [column for column in DELIVERIES.c if column.name != "content"]
    wanted = select(*columns).where(DELIVERIES.c.site == site).order_by(DELIVERIES.c.seq.desc()).limit(MOST)
    return [_kept(row, b"") for row in connection.execute(wanted).mappings()]


def _one_at_a_time(connection: Connection, site: str) -> None:
    """Who delivers for this site waits for whoever began before: the first row of its data is held."""
    first = select(CLINICS.c.seq).where(CLINICS.c.site == site).order_by(CLINICS.c.seq).limit(1)
    connection.execute(first.with_for_update())


def _waiting(
    connection: Connection, site: str, since: date, until: date, without: set[UUID], *, again: bool
) -> list[Issued]:
    every = invoices.listed(connection, site, since=since, until=until, most=books.MOST)
    living = [
        one
        for one in reversed(every)
        if one.kind == "invoice" and one.cancelled_by is None and one.id not in without and one.total > 0
    ]
    had = set() if again else _delivered(connection, site)
    found = [one for one in living if one.id not in had]
    if not found:
        raise said(
            Conflict,
            {
                "de": f"Von {since:%d.%m.%Y} bis {until:%d.%m.%Y} ist nichts zu liefern: {len(living)} "
                "Rechnungen sind schon geliefert.",
                "en": f"from {since} to {until} there is nothing to deliver: {len(living)} invoices were "
                "delivered already",
            },
            delivered=len(living),
        )
    if len(found) > MOST:
        raise said(
            Invalid,
            {
                "de": f"{len(found)} Rechnungen: höchstens {MOST} je Lieferung; bitte den Zeitraum teilen.",
                "en": f"{len(found)} invoices: at most {MOST} a delivery; please divide the period",
            },
        )
    return found


def _delivered(connection: Connection, site: str) -> set[UUID]:
    wanted = (
        select(DELIVERED.c.invoice)
        .join(DELIVERIES, DELIVERIES.c.seq == DELIVERED.c.delivery)
        .where(DELIVERIES.c.site == site)
    )
    return {UUID(invoice) for invoice in connection.execute(wanted).scalars()}


def _following(connection: Connection, site: str, office: str) -> int:
    at = (DELIVERIES.c.site == site) & (DELIVERIES.c.office == office)
    return (connection.execute(select(func.max(DELIVERIES.c.number)).where(at)).scalar() or 0) + 1


def _keep(connection: Connection, site: str, kept: Kept, found: Sequence[Issued]) -> None:
    made = connection.execute(
        insert(DELIVERIES).values(
            site=site, office=kept.office, number=kept.number, since=kept.since, until=kept.until,
            count=kept.count, total_ct=cents(kept.total), name=kept.name, content=kept.content,
            sha256=hashlib.sha256(kept.content).hexdigest(), by=kept.by, at_us=kept.at_us,
        )
    )  # fmt: skip
    key = next(iter(made.inserted_primary_key or ()))
    connection.execute(insert(DELIVERED), [{"delivery": key, "invoice": str(one.id)} for one in found])


def _require_sender(clinic: Clinic) -> None:
    missing = [name for name in ("doctor", "address") if getattr(clinic, name) is None]
    if missing:
        raise said(
            Invalid,
            {
                "de": f"Den Praxisdaten fehlt für PADneXt: {', '.join(missing)}.",
                "en": f"the clinic's data lack for PADneXt: {', '.join(missing)}",
            },
            missing=missing,
        )


def _kept(row: Any, content: bytes) -> Kept:
    return Kept(
        row["number"], row["office"], row["since"], row["until"], row["count"], euro(row["total_ct"]),
        row["name"], content, row["by"], row["at_us"],
    )  # fmt: skip
