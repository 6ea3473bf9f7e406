"""The item picker over HTTP: what the fee schedule has, what a line costs, which rules speak of it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from broker.fields import Slug
from services.billing.charges import before
from services.billing.charges.before import Before
from services.billing.charges.models import folded
from services.billing.clinics import store as clinics
from services.billing.goae import catalogue, pricing, rulebook, sheet, tariffs
from services.billing.goae.catalogue import Item
from services.billing.goae.findings import Finding
from services.billing.goae.lines import Line
from services.billing.goae.pricing import Kind
from services.billing.goae.search import search
from services.billing.goae.tariffs import Tariff
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading
from services.kit.moments import Now
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
MOST_FOUND: Final = 30
MOST_PICKED: Final = 8  # each of them is checked with every line that is there
MOST_LINES: Final = 500


class ToCheck(BaseModel):
    """Lines that are put together; with ``site`` and ``patient`` what was invoiced before counts, too."""

    model_config = ConfigDict(extra="forbid")

    site: Slug | None = None
    patient: UUID | None = None
    tariff: Kind = "private"
    lines: Annotated[tuple[Line, ...], Field(max_length=MOST_LINES)] = ()


class ToPick(ToCheck):
    """What is looked for beside the lines that are there, and for which day."""

    q: Annotated[str, Field(max_length=200)] = ""
    on: date | None = None


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["goae"])
    _items(made, now)
    _checks(made, office, now)
    return made


def _items(router: APIRouter, now: Now) -> None:
    @router.get("/goae/items")
    def items(who: Reader, q: Annotated[str, Query(max_length=200)], on: date | None = None) -> Row:
        """What fits a number or words, typing errors forgiven; best first."""
        del who
        schedule = catalogue.at(on or now().date())
        return {"items": [found.body() for found in search(schedule, q, MOST_FOUND)]}

    @router.get("/goae/items/{number}")
    def item(who: Reader, number: str, on: date | None = None) -> Row:
        """One item of the schedule, and every rule that names it."""
        del who
        schedule = catalogue.at(on or now().date())
        found = schedule.item(number)
        return {**found.body(), "rules": [rule.body() for rule in rulebook.about(schedule, found.number)]}


def _checks(router: APIRouter, office: Office, now: Now) -> None:
    @router.post("/goae/check")
    def check(who: Reader, body: ToCheck) -> Row:
        """What lines cost, and every rule that speaks of them; nothing is kept."""
        earlier = _before(office, who, body)
        prices = [pricing.of_line(catalogue.at(line.date), line, body.tariff) for line in body.lines]
        found = _findings(body, body.lines, earlier.lines)
        site = body.site or ""
        return {
            "prices": [price.body() for price in prices],
            "total": str(pricing.added(price.amount for price in prices)),
            "findings": [
                one.body()
                | {"elsewhere": earlier.elsewhere(one, site, lambda at: who.may("billing.see", at))}
                for one in found
            ],
        }

    @router.post("/goae/pick")
    def pick(who: Reader, body: ToPick) -> Row:
        """What fits, each with its price and what it would break beside the lines that are there."""
        earlier = _before(office, who, body).lines
        on = body.on or now().date()
        tariff = _tariff(office, who, body, on)
        found = search(catalogue.at(on), body.q, MOST_PICKED)
        return {"items": [_picked(body, item, tariff.factor(item), on, earlier) for item in found]}


def _tariff(office: Office, who: Principal, body: ToPick, on: date) -> Tariff:
    """The factors that this payer's services have, at a site those that it set. Raises NotFound."""
    if body.site is None:
        return tariffs.named(body.tariff, catalogue.at(on))
    here(who, "billing.see", body.site)
    with reading(office.engine) as connection:
        return clinics.tariff_of(connection, body.site, body.tariff, on)


def _picked(body: ToPick, item: Item, factor: Decimal, day: date, earlier: Sequence[Line]) -> Row:
    price = pricing.price(catalogue.at(day), item, factor, body.tariff)
    line = Line(date=day, number=item.number, factor=price.factor)
    found = _findings(body, (*body.lines, line), earlier)
    own = len(body.lines)
    return {
        **item.body(), "price": price.body(),
        "findings": [one.body() for one in found if own in one.lines and one.verdict != "fine"],
    }  # fmt: skip


def _findings(body: ToCheck, lines: Sequence[Line], earlier: Sequence[Line]) -> Sequence[Finding]:
    if not lines:
        return ()
    told = tuple(line.model_copy(update={"illness": line.illness and folded(line.illness)}) for line in lines)
    return sheet.check(sheet.Sheet(tariff=body.tariff, lines=told, history=tuple(earlier))).findings


def _before(office: Office, who: Principal, body: ToCheck) -> Before:
    """What was invoiced to this patient before: frequencies and treatment cases count it. Raises NotFound."""
    if body.site is None or body.patient is None:
        return Before((), {})
    here(who, "billing.see", body.site)
    with reading(office.engine) as connection:
        found = before.of_patient(connection, body.patient)
    office.seen(who, "charges.checked", str(body.patient), body.site)
    return found
