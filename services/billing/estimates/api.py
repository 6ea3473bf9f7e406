"""Estimates and fee agreements over HTTP."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from broker.fields import Slug
from services.billing.charges import patients
from services.billing.estimates import composing, due, menu, plain, reckoning, store
from services.billing.estimates.making import Desk, Given, charged_before, tariff_for
from services.billing.estimates.models import (
    MOST_SESSIONS,
    MOST_SIGNED,
    How,
    Kept,
    Kind,
    NewAgreement,
    NewEstimate,
    PayerName,
    Region,
    Withdrawn,
)
from services.billing.goae import tariffs
from services.billing.goae.lines import Line, Words
from services.billing.models import Language
from services.billing.people import People
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.business.sites import here, unknown
from services.kit.database import reading
from services.kit.moments import Now
from services.kit.routes import Routes, gives

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("estimates.write")]
FILE_NAMES: Final[dict[Kind, str]] = {"estimate": "Kostenvoranschlag", "agreement": "Honorarvereinbarung"}
PATHS: Final[dict[Kind, str]] = {"estimate": "/estimates", "agreement": "/agreements"}


def router(office: Office, people: People, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["estimates"])
    desk = Desk(office, people, now)
    _choices(made, office, desk)
    _making(made, office, desk)
    for kind in PATHS:
        _papers(made, office, desk, kind)
        _becoming(made, office, desk, kind)
    return made


def _choices(router: APIRouter, office: Office, desk: Desk) -> None:
    @router.get("/estimates/choices")
    def choices(who: Reader, site: Slug) -> Row:
        """What can be chosen for an estimate: payers, tariffs, first visits."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            version = menu.at(desk.today(connection, site))
        return {
            "payers": [
                {"id": one.id, "tariff": one.tariff, "assured": one.assured, "text": dict(one.text)}
                for one in menu.payers().values()
            ],
            "tariffs": [{"name": name, "text": dict(text)} for name, text in tariffs.names().items()],
            "first_visits": [
                {"id": one.id, "text": dict(one.text), "items": list(one.items), "paragraph": one.paragraph}
                for one in version.visits.values()
            ],
            "most_sessions": MOST_SESSIONS,
        }  # fmt: skip

    @router.get("/estimates/preview")
    def preview(
        who: Reader, site: Slug, region: Region, sessions: Annotated[int, Query(ge=1, le=MOST_SESSIONS)],
        payer: PayerName, tariff: Annotated[str | None, Query(max_length=80)] = None,
        first_visit: Annotated[str, Query(max_length=80)] = "usual", patient: UUID | None = None,
    ) -> Row:  # fmt: skip
        """What a cure would cost; nothing is kept. With ``patient`` what they were charged counts."""
        here(who, "billing.see", site)
        before: list[Line] = []
        with reading(office.engine) as connection:
            on = desk.today(connection, site)
            chosen = tariff_for(connection, site, payer, tariff, on)
            if patient is not None:
                before = charged_before(connection, site, patients.current(connection, patient))
        if patient is not None:
            office.seen(who, "estimate.previewed", str(patient), site)
        plan = reckoning.plan(region, sessions, payer, chosen, on, first_visit, before)
        return plan.model_dump(mode="json")

    @router.get("/estimates/due")
    def waiting(who: Reader, site: Slug) -> Row:
        """Running cures whose patient was handed no estimate: it is owed before treatment begins."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found = due.of_site(connection, site, desk.zone(connection, site))
        office.seen(who, "estimates.due", None, site)
        return {"site": site, "due": [one.body() for one in found]}


def _making(router: APIRouter, office: Office, desk: Desk) -> None:
    @router.post("/estimates", status_code=201)
    def estimate(who: Writer, body: NewEstimate) -> Row:
        """An estimate of a cure; the same `request` again is the same estimate."""
        here(who, "estimates.write", body.site)
        made = desk.estimate(body, who.name)
        office.seen(who, "estimate.made", str(made.patient), made.site)
        return _shown(office, desk, made)

    @router.post("/agreements", status_code=201)
    def agreement(who: Writer, body: NewAgreement) -> Row:
        """A fee agreement by § 2 GOÄ; the same `request` again is the same agreement."""
        here(who, "estimates.write", body.site)
        made = desk.agreement(body, who.name)
        office.seen(who, "agreement.made", str(made.patient), made.site)
        return _shown(office, desk, made)


def _papers(router: APIRouter, office: Office, desk: Desk, kind: Kind) -> None:
    path = PATHS[kind]

    @router.get(path)
    def listed(who: Reader, site: Slug, patient: UUID | None = None) -> Row:
        """A site's, or one person's there, newest first."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            found, today = store.listed(connection, kind, site, patient), desk.today(connection, site)
        office.seen(who, f"{kind}s.seen", None if patient is None else str(patient), site)
        return {f"{kind}s": [one.head(today) for one in found]}

    @router.get(path + "/{paper}")
    def one(who: Reader, paper: UUID) -> Row:
        """Everything that stands on it, and what became of it."""
        kept = _own(office, who, "billing.see", kind, paper)
        office.seen(who, f"{kind}.seen", str(kept.patient), kept.site)
        return _shown(office, desk, kept)

    @router.get(path + "/{paper}/pdf", **gives("application/pdf"))
    def pdf(who: Reader, paper: UUID, language: Language = "de") -> Response:
        """What is handed out, to the byte; in English a copy made now."""
        kept = _own(office, who, "billing.see", kind, paper)
        if language == "de":
            with reading(office.engine) as connection:
                made = store.pdf(connection, paper)
        else:
            made = composing.pdf(kind, kept.content, kept.version, language)
        office.seen(who, f"{kind}.read", str(kept.patient), kept.site)
        copy = "" if language == "de" else f"-{language}"
        return _file(made, "application/pdf", f"{FILE_NAMES[kind]}-{kept.issued_on}{copy}.pdf")

    @router.get(path + "/{paper}/text", **gives("text/plain"))
    def text(who: Reader, paper: UUID, language: Language = "de") -> Response:
        """The same as plain text, for an e-mail."""
        kept = _own(office, who, "billing.see", kind, paper)
        letter = composing.letter(kept.content, kept.version, language)
        office.seen(who, f"{kind}.read", str(kept.patient), kept.site)
        return Response(plain.text(kind, letter, language), media_type="text/plain; charset=utf-8")


def _becoming(router: APIRouter, office: Office, desk: Desk, kind: Kind) -> None:
    path = PATHS[kind]

    @router.post(path + "/{paper}/signed", status_code=201)
    def signed(
        who: Writer, paper: UUID, request: Annotated[UUID, Form()], how: Annotated[How, Form()] = "signed",
        receiver: Annotated[Words | None, Form()] = None, on: Annotated[date | None, Form()] = None,
        note: Annotated[Words | None, Form()] = None, file: Annotated[UploadFile | None, File()] = None,
    ) -> Row:  # fmt: skip
        """Keep the signed copy, or that it was handed over in text form: to whom, when, how."""
        kept = _own(office, who, "estimates.write", kind, paper)
        content = file.file.read(MOST_SIGNED + 1) if file is not None else None
        left = desk.hand_over(kept, Given(request, how, receiver or "", on, note, content or None), who.name)
        office.seen(who, f"{kind}.signed", str(kept.patient), kept.site, how=how)
        return _shown(office, desk, left)

    @router.get(path + "/{paper}/signed")
    def copy(who: Reader, paper: UUID) -> Response:
        """The newest signed copy, to the byte."""
        kept = _own(office, who, "billing.see", kind, paper)
        with reading(office.engine) as connection:
            found = store.signed_copy(connection, paper)
        if found is None:
            raise unknown({"de": "Unterschriebene Fassung", "en": "signed copy"}, paper)
        office.seen(who, f"{kind}.read", str(kept.patient), kept.site)
        return _file(found[0], found[1], f"{FILE_NAMES[kind]}-{kept.issued_on}")

    @router.post(path + "/{paper}/withdraw")
    def withdraw(who: Writer, paper: UUID, body: Withdrawn) -> Row:
        """Let it count no more, with a reason; it stays readable."""
        kept = _own(office, who, "estimates.write", kind, paper)
        left = desk.withdraw(kept, body.reason, who.name)
        office.seen(who, f"{kind}.withdrawn", str(kept.patient), kept.site)
        return _shown(office, desk, left)


def _own(office: Office, who: Principal, permission: Permission, kind: Kind, paper: UUID) -> Kept:
    """It, where this is permitted to them. Raises NotFound."""
    with reading(office.engine) as connection:
        kept = store.one(connection, kind, paper)
    if not who.may(permission, kept.site):
        raise unknown(store.WORDS[kind], paper)
    return kept


def _shown(office: Office, desk: Desk, kept: Kept) -> Row:
    with reading(office.engine) as connection:
        today = desk.today(connection, kept.site)
    return kept.body(today)


def _file(data: bytes, media: str, name: str) -> Response:
    return Response(data, media_type=media, headers={"content-disposition": f'inline; filename="{name}"'})
