"""Drafts and invoices over HTTP."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from broker.fields import Slug
from services.billing.charges import cases, charging, patients
from services.billing.charges import store as charges
from services.billing.errors import Conflict, NotFound, other_work, said
from services.billing.invoices import checking, drafts, returning, store
from services.billing.invoices.issuing import Counter, already
from services.billing.invoices.models import Draft, DraftChange, Issued, NewDraft, ToCancel, ToIssue
from services.billing.papers import rendering
from services.billing.payments import store as payments
from services.billing.payments.models import State
from services.billing.people import People
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.business.sites import here, unknown
from services.kit.database import reading, writing
from services.kit.language import Text
from services.kit.moments import Now, us_of
from services.kit.routes import Routes, gives

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("charges.write")]
Issuer = Annotated[Principal, allow("invoices.issue")]
DRAFT: Final[Text] = {"de": "Entwurf", "en": "draft"}
SHOWN: Final = ("id", "site", "patient", "case", "why", "by", "at_us", "revision", "total")
INVOICE: Final[Text] = {"de": "Rechnung", "en": "invoice"}


def router(office: Office, people: People, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["invoices"])
    counter = Counter(office, people, now)
    _drafts(made, office, now)
    _changes(made, office, now)
    _issuing(made, office, counter)
    _invoices(made, office, now)
    _files(made, office)
    _clear_ups(made, office)
    return made


def own_draft(who: Principal, permission: Permission, draft: Draft) -> Draft:
    """It, where this is permitted to them. Raises NotFound."""
    if not who.may(permission, draft.site):
        raise unknown(DRAFT, draft.id)
    return draft


def held_draft(
    connection: Connection, who: Principal, permission: Permission, draft: UUID, *, lock: bool = False
) -> Draft:
    """The draft. Raises Conflict with the number when it was issued meanwhile, NotFound."""
    try:
        return own_draft(who, permission, drafts.one(connection, draft, lock=lock))
    except NotFound:
        made = store.issued(connection, draft)
        if made is not None and who.may(permission, made.site):
            raise already(made) from None
        raise


def own_invoice(who: Principal, permission: Permission, invoice: Issued) -> Issued:
    """It, where this is permitted to them. Raises NotFound."""
    if not who.may(permission, invoice.site):
        raise unknown(INVOICE, invoice.id)
    return invoice


def _drafts(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/drafts")
    def listed(who: Reader, site: Slug) -> Row:
        """What waits to be checked, oldest first, each with its sum and how many rules stop it."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found = [checking.of_draft(connection, draft) for draft in drafts.listed(connection, site)]
        office.seen(who, "drafts.seen", None, site)
        return {"drafts": [_head(one) for one in found]}

    @router.get("/drafts/{draft}")
    def one(who: Reader, draft: UUID) -> Row:
        """Every line priced, every rule that speaks, what is missing."""
        with reading(office.engine) as connection:
            held = held_draft(connection, who, "billing.see", draft)
            checked = checking.of_draft(connection, held)
        office.seen(who, "draft.seen", str(held.patient), held.site)
        return checked.body(_sees(who))

    @router.post("/drafts", status_code=201)
    def make(who: Writer, body: NewDraft) -> Row:
        """Put open charges of a patient together; the same `request` again is the same draft."""
        here(who, "charges.write", body.site)
        try:
            with writing(office.engine) as connection:
                made = _asked(connection, body) or _make(connection, body, who.name, now)
                checked = checking.of_draft(connection, made)
        except IntegrityError:
            raise said(
                Conflict,
                {
                    "de": "Eine der Leistungen kam gerade auf einen anderen Entwurf: bitte neu laden.",
                    "en": "one of the charges has just been put on another draft: please load again",
                },
            ) from None
        office.seen(who, "draft.made", str(body.patient), body.site)
        return checked.body(_sees(who))


def _changes(router: APIRouter, office: Office, now: Now) -> None:
    @router.put("/drafts/{draft}")
    def change(who: Writer, draft: UUID, body: DraftChange) -> Row:
        """Change recipient, diagnosis, outlays, remarks and lines; left out lines stay open."""
        with writing(office.engine) as connection:
            held = held_draft(connection, who, "charges.write", draft, lock=True)
            drafts.change(connection, held, body, who.name, us_of(now()))
            checked = checking.of_draft(connection, drafts.one(connection, draft))
        office.seen(who, "draft.changed", str(held.patient), held.site)
        return checked.body(_sees(who))

    @router.delete("/drafts/{draft}", status_code=204)
    def drop(who: Writer, draft: UUID) -> None:
        """Away with a draft; its charges are open as before."""
        with writing(office.engine) as connection:
            held = held_draft(connection, who, "charges.write", draft, lock=True)
            drafts.drop(connection, draft)
            returning.hand_on(connection, held)
        office.seen(who, "draft.dropped", str(held.patient), held.site)


def _clear_ups(router: APIRouter, office: Office) -> None:
    @router.get("/clear-ups")
    def clear_ups(who: Reader, site: Slug) -> Row:
        """Invoices with sessions of somebody else since their files are two again: a person looks at them."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found = {
                (stray.charge.invoice, stray.owner) for stray in charges.strays(connection, site=site)
                if stray.charge.invoice is not None
            }  # fmt: skip
            rows = [
                {"invoice": str(held.id), "number": held.number, "patient": str(held.patient),
                 "belongs_to": str(owner)}
                for invoice, owner in sorted(found) for held in [store.required(connection, invoice)]
            ]  # fmt: skip
        office.seen(who, "invoices.seen", None, site)
        return {"clear_ups": rows}


def _issuing(router: APIRouter, office: Office, counter: Counter) -> None:
    @router.post("/drafts/{draft}/issue", status_code=201)
    def issue(who: Issuer, draft: UUID, body: ToIssue) -> Row:
        """Issue a checked draft; the same `request` again is the same invoice."""
        with reading(office.engine) as connection:
            made = store.by_request(connection, body.request)
            site = (made or store.issued(connection, draft) or drafts.one(connection, draft)).site
        if not who.may("invoices.issue", site):
            raise unknown(DRAFT, draft)
        issued = counter.issue(draft, body, who.name)
        office.seen(who, "invoice.issued", str(issued.patient), issued.site, number=issued.number)
        return shown(issued)

    @router.get("/drafts/{draft}/pdf", **gives("application/pdf"))
    def preview(who: Reader, draft: UUID, language: Literal["de", "en"] = "de") -> Response:
        """The page that a draft would become; it says that it is none."""
        with reading(office.engine) as connection:
            held = held_draft(connection, who, "billing.see", draft)
        made = counter.preview(draft, language)
        office.seen(who, "draft.seen", str(held.patient), held.site)
        return _file(made, "application/pdf", "draft.pdf")

    @router.post("/invoices/{invoice}/cancel", status_code=201)
    def cancel(who: Issuer, invoice: UUID, body: ToCancel) -> Row:
        """Take an invoice back by a cancellation; its charges are open again."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "invoices.issue", store.required(connection, invoice))
        made = counter.cancel(invoice, body, who.name)
        office.seen(who, "invoice.cancelled", str(held.patient), held.site, number=held.number)
        return shown(made)


def _invoices(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/invoices")
    def listed(
        who: Reader,
        site: Slug,
        patient: UUID | None = None,
        q: Annotated[str, Query(max_length=100)] = "",
        state: State | None = None,
        since: Annotated[date | None, Query(alias="from")] = None,
        until: Annotated[date | None, Query(alias="to")] = None,
        after: UUID | None = None,
        most: Annotated[int, Query(ge=1, le=store.MOST)] = store.MOST,
    ) -> Row:
        """A site's invoices and cancellations, newest first, each with what is paid and its state today.

        `next`: `after` of the page that follows.
        """
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            today = now().astimezone(charging.zone_of(connection, site)).date()
            found = store.listed(
                connection, site, patient=patient, text=q, since=since, until=until, most=most + 1,
                also=payments.in_state(state, today) if state else None, after=after,
            )  # fmt: skip
            items = payments.items(connection, found[:most])
        office.seen(who, "invoices.seen", None if patient is None else str(patient), site)
        following = str(found[most - 1].id) if len(found) > most else None
        return {"invoices": [item.body(today) for item in items], "next": following}

    @router.get("/invoices/{invoice}")
    def one(who: Reader, invoice: UUID) -> Row:
        """Everything that stands on it."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", store.required(connection, invoice))
        office.seen(who, "invoice.seen", str(held.patient), held.site, number=held.number)
        return shown(held)


def _files(router: APIRouter, office: Office) -> None:
    @router.get("/invoices/{invoice}/pdf", **gives("application/pdf"))
    def pdf(who: Reader, invoice: UUID, language: Literal["de", "en"] = "de") -> Response:
        """What was handed out, to the byte; in English a copy made now."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", store.required(connection, invoice))
            made = store.document(connection, invoice).pdf if language == "de" else None
        if made is None:
            made = rendering.pdf(held.paper.model_copy(update={"language": language}), is_copy=True)
        office.seen(who, "invoice.read", str(held.patient), held.site, number=held.number)
        copy = "" if language == "de" else f"-{language}"
        return _file(made, "application/pdf", f"{held.number}{copy}.pdf")

    @router.get("/invoices/{invoice}/xml", **gives("application/xml"))
    def xml(who: Reader, invoice: UUID) -> Response:
        """The data that are embedded (EN 16931)."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", store.required(connection, invoice))
            made = store.document(connection, invoice).xml
        office.seen(who, "invoice.read", str(held.patient), held.site, number=held.number)
        return _file(made, "application/xml", f"{held.number}.xml")


def shown(issued: Issued) -> Row:
    """An invoice with its paper."""
    return {**issued.head(), "paper": issued.paper.model_dump(mode="json")}


def _sees(who: Principal) -> Callable[[str], bool]:
    """Of which sites somebody may read the bills."""
    return lambda site: who.may("billing.see", site)


def _head(one: checking.Checked) -> Row:
    body = one.body()
    days = [line.line.date for line in one.lines]
    return {
        **{name: body[name] for name in SHOWN},
        "lines": len(one.lines), "stops": len(one.stops), "missing": len(body["missing"]),
        "from": min(days).isoformat() if days else None, "to": max(days).isoformat() if days else None,
    }  # fmt: skip


def _asked(connection: Connection, body: NewDraft) -> Draft | None:
    """What this request made already. Raises Conflict when that was something else."""
    made = drafts.by_request(connection, body.request)
    if made is None:
        return None
    same_person = patients.current(connection, made.patient) == patients.current(connection, body.patient)
    if made.site != body.site or not same_person or body.case not in (None, made.case):
        raise other_work(body.request)
    return made


def _make(connection: Connection, body: NewDraft, by: str, now: Now) -> Draft:
    """A draft of one case's open charges that wait on none. Raises Conflict when there are none."""
    found = charges.open_of(connection, body.site, body.patient, body.cure, body.until, body.case)
    taken = drafts.drafted(connection, [charge.id for charge in found])
    free = [charge for charge in found if charge.id not in taken]
    of_cases = {charge.case for charge in free}
    if len(of_cases) != 1:
        many: Text = {
            "de": "Die offenen Leistungen gehören zu mehreren Behandlungsfällen: bitte einen wählen.",
            "en": "the open charges belong to several cases: please choose one",
        }
        none: Text = {
            "de": "Es gibt keine offene Leistung, die nicht schon auf einem Entwurf steht.",
            "en": "there is no open charge that is not on a draft already",
        }
        raise said(Conflict, many if of_cases else none, cases=[str(case) for case in sorted(of_cases)])
    case = cases.one(connection, of_cases.pop())
    return returning.make(connection, case, free, "hand", by, us_of(now()), body.request)


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"content-disposition": f'inline; filename="{name}"'})
