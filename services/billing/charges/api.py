"""Charges and how treatments are paid, over HTTP."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Connection

from broker.fields import Slug
from services.billing.charges import cases, charging, parting, store
from services.billing.charges.models import Case, Charge, NewCharge, TakenBack, Terms
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.business.sites import here, unknown
from services.kit.database import reading, writing, writing_again
from services.kit.language import Text
from services.kit.moments import Now, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("charges.write")]
CHARGE: Final[Text] = {"de": "Leistung", "en": "charge"}
CASE: Final[Text] = {"de": "Behandlungsfall", "en": "case"}


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["charges"])
    _charges(made, office, now)
    _cases(made, office, now)
    _joining(made, office, now)
    return made


def shown(charge: Charge) -> Row:
    """A charge as the API shows it."""
    return {
        "id": str(charge.id), "site": charge.site, "patient": str(charge.patient), "case": str(charge.case),
        "cure": charge.cure and str(charge.cure), "session": charge.session and str(charge.session),
        "line": charge.line.model_dump(mode="json", exclude_none=True), "origin": charge.origin,
        "by": charge.by, "invoice": charge.invoice and str(charge.invoice), "reversed": charge.reversed,
    }  # fmt: skip


def _charges(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/charges")
    def charges(
        who: Reader,
        site: Slug,
        patient: UUID | None = None,
        open: bool = True,  # noqa: A002, FBT001, FBT002  (its name in the address)
    ) -> Row:
        """What can be invoiced at a site; of one person also what was, and what was taken back."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            if patient is None or open:
                found = store.open_of(connection, site, patient)
            else:
                found = store.of_patient(connection, site, patient)
        office.seen(who, "charges.seen", _text(patient), site)
        return {"charges": [shown(charge) for charge in found]}

    @router.post("/charges", status_code=201)
    def charge_new(who: Writer, body: NewCharge) -> Row:
        """Charge what a hand enters; the same `request` again is the same charge."""
        here(who, "charges.write", body.site)

        def work(connection: Connection) -> Charge:
            return charging.by_hand(connection, body, who.name, now())

        made = writing_again(office.engine, work)
        office.seen(who, "charge.added", str(made.patient), made.site, number=made.line.number)
        return shown(made)

    @router.post("/charges/{charge}/reverse")
    def charge_reverse(who: Writer, charge: UUID, body: TakenBack) -> Row:
        """Take a charge back that stands on no invoice."""
        with writing(office.engine) as connection:
            found = store.one(connection, charge)
            _same_site(who, "charges.write", found, CHARGE)
            charging.take_back(connection, found, body.reason, who.name, us_of(now()))
            left = store.one(connection, charge)
        office.seen(who, "charge.reversed", str(found.patient), found.site, number=found.line.number)
        return shown(left)


def _cases(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/cases")
    def listed(who: Reader, site: Slug, patient: UUID | None = None) -> Row:
        """Which treatments there are, and how each is paid."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found = cases.listed(connection, site, patient)
            joins = {} if patient is None else {case.id: _joins(connection, case) for case in found}
        office.seen(who, "cases.seen", _text(patient), site)
        return {"cases": [case.body() | {"joins": joins.get(case.id)} for case in found]}

    @router.put("/cases/{case}")
    def agree(who: Writer, case: UUID, body: Terms) -> Row:
        """Set how a treatment is paid; open charges of sessions follow the tariff."""
        with writing(office.engine) as connection:
            found = cases.one(connection, case, lock=True)
            _same_site(who, "charges.write", found, CASE)
            charging.agree(connection, found, body, who.name, now())
            left = cases.one(connection, case)
        office.seen(who, "case.changed", str(found.patient), found.site, payer=body.payer, tariff=body.tariff)
        return left.body()


def _joining(router: APIRouter, office: Office, now: Now) -> None:
    @router.post("/cases/{case}/join")
    def join(who: Writer, case: UUID) -> Row:
        """Let what is open here be charged in the other case of the same illness, which a merge left."""
        with writing(office.engine) as connection:
            found = cases.one(connection, case, lock=True)
            _same_site(who, "charges.write", found, CASE)
            into = parting.join(connection, found, who.name, us_of(now()))
        office.seen(who, "case.joined", str(found.patient), found.site, case=str(case), into=str(into.id))
        return into.body()


def _joins(connection: Connection, case: Case) -> str | None:
    """The case that this one's open charges belong to, where there are two of one illness."""
    first = cases.alike(connection, case)[0].id
    if first == case.id or not store.open_of(connection, case.site, case=case.id):
        return None
    return str(first)


def _same_site(who: Principal, permission: Permission, record: Case | Charge, what: Text) -> None:
    if not who.may(permission, record.site):
        raise unknown(what, record.id)


def _text(patient: UUID | None) -> str | None:
    return None if patient is None else str(patient)
