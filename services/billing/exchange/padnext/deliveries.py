"""Deliveries in the database: each counted without a gap, each invoice in one of them unless asked again.

Whoever did not let the office have their data stays out of it, and so does an invoice of which something
was paid, each named with the reason. One that was only reminded of goes out: it is still owed whole, and its
reminders' fees stay the clinic's own claim. A cancelled one claims nothing and is not named.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select

from services.billing.clinics import certificates
from services.billing.clinics.tables import CLINICS
from services.billing.errors import Conflict, Invalid, NotFound, other_work, said
from services.billing.exchange import books, disclosures
from services.billing.exchange.padnext import building, checking
from services.billing.exchange.tables import DELIVERED, DELIVERIES
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.models import BillingOffice, Clinic, cents, euro
from services.billing.payments import store as payments
from services.billing.payments.models import Item
from services.kit.language import Text
from services.kit.moments import Now, us_of

MOST: Final = 1000  # invoices of one delivery
LONGEST: Final = 6  # digits of a number (transfernr)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; ``office``: the only one unless said, ``again``: what was delivered already, too."""

    site: str
    since: date
    until: date
    office: str | None = None
    again: bool = False
    without: frozenset[UUID] = frozenset()  # invoices that stay behind

    def detail(self) -> dict[str, Any]:
        """As it is kept beside a delivery."""
        return {"again": self.again, "without": sorted(map(str, self.without)), "asked": self.office}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An invoice that may not go out, and why."""

    invoice: Issued
    why: Text
    because: Literal["consent", "paid"]

    def body(self) -> dict[str, Any]:
        """As pages show it."""
        return {
            "invoice": str(self.invoice.id), "number": self.invoice.number,
            "patient": str(self.invoice.patient), "de": self.why["de"], "en": self.why["en"],
            "because": self.because,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Picked:
    """What would go out, what may not, and how many went out before."""

    found: tuple[Issued, ...]
    left_out: tuple[LeftOut, ...]
    delivered: int

    @property
    def total(self) -> Decimal:
        """What goes out comes to so much."""
        return sum((one.total for one in self.found), Decimal("0.00"))


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
    site: str
    detail: dict[str, Any]

    def head(self) -> dict[str, Any]:
        """As lists show it."""
        return {
            "number": self.number, "office": self.office, "from": self.since.isoformat(),
            "to": self.until.isoformat(), "invoices": self.count, "total": str(self.total), "name": self.name,
            "by": self.by, "at_us": self.at_us, "is_encrypted": bool(self.detail.get("certificate")),
            "left_out": self.detail.get("left_out", []),
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


def deliver(connection: Connection, clinic: Clinic, wish: Wish, request: UUID, by: str, now: Now) -> Kept:
    """Deliver the period's living invoices; the same request again is the same delivery, to the byte.

    Raises Conflict when there is none, Invalid when one does not fit the format.
    """
    books.require_period(wish.since, wish.until)
    _one_at_a_time(connection, wish.site)
    if (made := _by_request(connection, request)) is not None:
        return _same(made, wish, request)
    require_sender(clinic)
    office = office_of(clinic, wish.office)
    picked = pick(connection, wish, office)
    _require_some(picked, wish)
    at = now().astimezone(ZoneInfo(clinic.zone))
    number = _following(connection, wish.site, office.id)
    delivery = building.deliver(picked.found, clinic, office, number, at)
    checking.require_sound(delivery, picked.total)
    detail = wish.detail() | {"left_out": [one.body() for one in picked.left_out], "certificate": None}
    if office.certificate:
        detail["certificate"] = certificates.fingerprint(certificates.read(office.certificate))
    kept = Kept(
        number, office.id, wish.since, wish.until, len(picked.found), picked.total,
        f"{delivery.name}_padx.zip", delivery.content, by[:80], us_of(now()), wish.site, detail,
    )  # fmt: skip
    _keep(connection, kept, picked.found, request)
    return kept


def pick(connection: Connection, wish: Wish, office: BillingOffice) -> Picked:
    """What would go to this office: living, unpaid, not delivered yet, let out by whom it is about."""
    every = invoices.listed(connection, wish.site, since=wish.since, until=wish.until, most=books.MOST)
    living = [
        one
        for one in reversed(every)
        if one.kind == "invoice" and not one.cancelled_by and one.id not in wish.without and one.total > 0
    ]
    had = set() if wish.again else _delivered(connection, wish.site)
    new = [one for one in living if one.id not in had]
    lacking = {
        patient: disclosures.lacking(disclosures.of_person(connection, wish.site, patient), office)
        for patient in {one.patient for one in new}
    }
    left_out = []
    for item in payments.items(connection, new):
        if (why := _paid(item)) is not None:
            left_out.append(LeftOut(item.invoice, why, "paid"))
        elif (why := lacking[item.invoice.patient]) is not None:
            left_out.append(LeftOut(item.invoice, why, "consent"))
    behind = {one.invoice.id for one in left_out}
    found = tuple(one for one in new if one.id not in behind)
    return Picked(found, tuple(left_out), len(living) - len(new))


def _paid(item: Item) -> Text | None:
    """Why an invoice of which something came in stays: the format has no place for what is left of it."""
    total, left = item.invoice.total, item.open_invoice
    if left <= 0:
        return {"de": "Bezahlt: nichts mehr zu fordern.", "en": "paid: nothing is left to claim"}
    if left == total:
        return None
    german = [f"{amount:.2f}".replace(".", ",") for amount in (total - left, total)]
    return {
        "de": f"Teilweise bezahlt ({german[0]} von {german[1]} EUR): die Abrechnungsstelle würde das Ganze "
        "fordern.",
        "en": f"paid in part ({total - left} of {total} EUR): the billing office would claim the whole",
    }


def _require_some(picked: Picked, wish: Wish) -> None:
    """Raises Conflict when nothing would go out, Invalid for too much at once."""
    if not picked.found:
        raise _nothing(picked, wish)
    if len(picked.found) > MOST:
        raise said(
            Invalid,
            {
                "de": f"{len(picked.found)} Rechnungen: höchstens {MOST} je Lieferung; bitte den Zeitraum "
                "teilen.",
                "en": f"{len(picked.found)} invoices: at most {MOST} a delivery; please divide the period",
            },
        )


def _nothing(picked: Picked, wish: Wish) -> Conflict:
    german = f"Von {wish.since:%d.%m.%Y} bis {wish.until:%d.%m.%Y} ist nichts zu liefern: "
    english = f"from {wish.since} to {wish.until} there is nothing to deliver: "
    german += f"{picked.delivered} Rechnungen sind schon geliefert"
    english += f"{picked.delivered} invoices were delivered already"
    if picked.left_out:
        first = picked.left_out[0]
        german += f", {len(picked.left_out)} bleiben zurück. {first.invoice.number}: {first.why['de']}"
        english += f", {len(picked.left_out)} stay behind; {first.invoice.number}: {first.why['en']}"
    else:
        german += "."
    return said(
        Conflict, {"de": german, "en": english},
        delivered=picked.delivered, left_out=[one.body() for one in picked.left_out],
    )  # fmt: skip


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


def _by_request(connection: Connection, request: UUID) -> Kept | None:
    row = (
        connection.execute(select(DELIVERIES).where(DELIVERIES.c.request == str(request))).mappings().first()
    )
    return None if row is None else _kept(row, bytes(row["content"]))


def _same(made: Kept, wish: Wish, request: UUID) -> Kept:
    """Raises Conflict when the request asked for something else then."""
    asked = wish.detail()
    then = {name: made.detail.get(name) for name in asked}
    if (made.site, made.since, made.until, then) != (wish.site, wish.since, wish.until, asked):
        raise other_work(request)
    return made


def listed(connection: Connection, site: str) -> list[Kept]:
    """A site's deliveries, newest first, without what was in them."""
    columns = [column for column in DELIVERIES.c if column.name != "content"]
    wanted = select(*columns).where(DELIVERIES.c.site == site).order_by(DELIVERIES.c.seq.desc()).limit(MOST)
    return [_kept(row, b"") for row in connection.execute(wanted).mappings()]


def _one_at_a_time(connection: Connection, site: str) -> None:
    """Who delivers for this site waits for whoever began before: the first row of its data is held."""
    first = select(CLINICS.c.seq).where(CLINICS.c.site == site).order_by(CLINICS.c.seq).limit(1)
    connection.execute(first.with_for_update())


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


def _keep(connection: Connection, kept: Kept, found: Sequence[Issued], request: UUID) -> None:
    made = connection.execute(
        insert(DELIVERIES).values(
            site=kept.site, office=kept.office, number=kept.number, since=kept.since, until=kept.until,
            count=kept.count, total_ct=cents(kept.total), name=kept.name, content=kept.content,
            sha256=hashlib.sha256(kept.content).hexdigest(), by=kept.by, at_us=kept.at_us,
            request=str(request), detail=kept.detail,
        )
    )  # fmt: skip
    key = next(iter(made.inserted_primary_key or ()))
    connection.execute(insert(DELIVERED), [{"delivery": key, "invoice": str(one.id)} for one in found])


def require_sender(clinic: Clinic) -> None:
    """Raises Invalid that names what an office has to know of the clinic."""
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
        row["name"], content, row["by"], row["at_us"], row["site"], row["detail"] or {},
    )  # fmt: skip
