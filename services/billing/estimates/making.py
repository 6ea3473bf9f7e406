"""Papers made, handed over and withdrawn, each in one transaction with its event."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.billing.charges import cases, charging, patients
from services.billing.charges import store as charges
from services.billing.charges.tables import CASES, PATIENTS
from services.billing.clinics import store as clinics
from services.billing.errors import NotFound, said
from services.billing.estimates import composing, menu, reckoning, refusing, store
from services.billing.estimates.models import (
    Clause,
    Content,
    Handing,
    How,
    Kept,
    Kind,
    NewAgreement,
    NewEstimate,
    Plan,
)
from services.billing.estimates.tables import PLANNED
from services.billing.goae import catalogue as catalogues
from services.billing.goae import pricing
from services.billing.goae.lines import Line
from services.billing.goae.tariffs import Tariff
from services.billing.models import Clinic, PricedLine
from services.billing.people import People, Person
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of

TRIES: Final = 5  # against others who make a version of the same paper


@dataclass(frozen=True, slots=True)
class Given:
    """How a paper came to whoever it is for, as somebody at the desk enters it."""

    request: UUID
    how: How
    receiver: str
    on: date | None
    note: str | None
    file: bytes | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Makes papers of one office."""

    office: Office
    people: People
    now: Now

    def today(self, connection: Connection, site: str) -> date:
        """The day at a site."""
        return self.now().astimezone(charging.zone_of(connection, site)).date()

    def zone(self, connection: Connection, site: str) -> ZoneInfo:
        """By whose clock a site's days begin."""
        return charging.zone_of(connection, site)

    def estimate(self, body: NewEstimate, by: str) -> Kept:
        """An estimate, or the one that this request made. Raises Invalid, Conflict, NotFound."""
        if (made := self._made("estimate", body.request, body.site)) is not None:
            return made
        clinic, person = self._parties(body.site, body.patient)
        with reading(self.office.engine) as connection:
            on = self.today(connection, body.site)
            tariff = tariff_for(connection, body.site, body.payer, body.tariff, on)
            if body.cure is not None:
                _require_own_cure(connection, body.site, person.id, body.cure)
            before = charged_before(connection, body.site, person.id)
        plan = reckoning.plan(body.region, body.sessions, body.payer, tariff, on, body.first_visit, before)
        content = _content(clinic, person, on, plan=plan)
        return self._keep("estimate", body.request, body.site, person.id, content, by, body.cure)

    def agreement(self, body: NewAgreement, by: str) -> Kept:
        """A fee agreement, or the one that this request made. Raises Invalid, Conflict, NotFound."""
        if (made := self._made("agreement", body.request, body.site)) is not None:
            return made
        clinic, person = self._parties(body.site, body.patient)
        if clinic.doctor is None:
            raise refusing.no_doctor(body.site)
        with reading(self.office.engine) as connection:
            on = self.today(connection, body.site)
        content = _content(clinic, person, on, clauses=clauses(body, on))
        return self._keep("agreement", body.request, body.site, person.id, content, by, None)

    def hand_over(self, kept: Kept, given: Given, by: str) -> Kept:
        """Keep a signed copy, or that it was handed over in text form. Raises Invalid, Conflict."""
        with writing(self.office.engine) as connection:
            known = store.handed_by_request(connection, given.request)
            if known is None:
                today = self.today(connection, kept.site)
                handing = _handing(store.one(connection, kept.kind, kept.id), given, today, by, self.now)
                store.hand_over(connection, kept.id, given.request, handing, given.file)
                self._tell(connection, "estimate.signed", kept)
            elif known != kept.id:
                raise refusing.other_request(given.request)
            left = store.one(connection, kept.kind, kept.id)
        self.office.outbox.woken.set()
        return left

    def withdraw(self, kept: Kept, reason: str, by: str) -> Kept:
        """Let a paper count no more. Raises Conflict when it counts no more already."""
        try:
            with writing(self.office.engine) as connection:
                store.withdraw(connection, kept.id, reason, by, us_of(self.now()))
                self._tell(connection, "estimate.withdrawn", kept)
        except IntegrityError:
            raise refusing.withdrawn(kept) from None
        self.office.outbox.woken.set()
        with reading(self.office.engine) as connection:
            return store.one(connection, kept.kind, kept.id)

    def _made(self, kind: Kind, request: UUID, site: str) -> Kept | None:
        with reading(self.office.engine) as connection:
            made = store.by_request(connection, kind, request)
        if made is not None and made.site != site:
            raise refusing.other_request(request)
        return made

    def _parties(self, site: str, patient: UUID) -> tuple[Clinic, Person]:
        """Who declares it, and to whom. Raises Invalid without a letterhead, NotFound for another site's."""
        with reading(self.office.engine) as connection:
            clinic = clinics.clinic_of(connection, site)
            current = patients.current(connection, patient)
            _require_here(connection, site, current)
        if clinic is None:
            raise refusing.no_clinic(site)
        return clinic, self.people.required(current)

    def _keep(
        self, kind: Kind, request: UUID, site: str, patient: UUID, content: Content, by: str,
        cure: UUID | None,
    ) -> Kept:  # fmt: skip
        """Set it and keep it as the next version, again for as long as somebody is quicker."""
        region = content.plan.region if content.plan else ""
        key = uuid4()
        for _ in range(TRIES):
            with reading(self.office.engine) as connection:
                version = store.next_version(connection, kind, site, patient, region)
            pdf = composing.pdf(kind, content, version, "de")
            digest = hashlib.sha256(pdf).hexdigest()
            try:
                with writing(self.office.engine) as connection:
                    store.add(
                        connection, kind, key, request, site, patient, content, pdf, digest, version, by,
                        us_of(self.now()), cure,
                    )  # fmt: skip
                    made = store.one(connection, kind, key)
                    self._tell(connection, "estimate.made", made)
            except IntegrityError:
                if (found := self._made(kind, request, site)) is not None:
                    return found
                continue
            self.office.outbox.woken.set()
            return made
        raise refusing.overtaken()

    def _tell(self, connection: Connection, kind: str, kept: Kept) -> None:
        """An event with random ids only; of agreements nobody is told."""
        if kept.kind == "estimate":
            data = {"estimate": str(kept.id), "patient": str(kept.patient)}
            event = ClinicEvent(id=uuid4(), type=kind, time=self.now(), data=data)
            self.office.outbox.add(connection, STREAMS["estimate"], kept.site, event)


def tariff_for(connection: Connection, site: str, payer: str, name: str | None, on: date) -> Tariff:
    """The payer's tariff with the site's factors, or the one that is told. Raises Invalid."""
    who = menu.payer(payer)
    tariff = clinics.tariff_of(connection, site, name or who.tariff, on)
    return require_capped(payer, tariff)


def charged_before(connection: Connection, site: str, patient: UUID) -> list[Line]:
    """What was charged there and not taken back, on an invoice or not, each line with its illness.

    Raises NotFound for somebody of another site.
    """
    _require_here(connection, site, patient)
    illnesses = {case.id: case.illness for case in cases.listed(connection, site, patient)}
    return [
        one.line.model_copy(update={"illness": one.line.illness or illnesses.get(one.case)})
        for one in charges.of_patient(connection, site, patient)
        if one.reversed is None
    ]


def require_capped(payer: str, tariff: Tariff) -> Tariff:
    """The tariff. Raises Invalid for one beyond the caps of the Standardtarif (§ 5b GOÄ)."""
    if payer == "standardtarif" and tariff.kind != "standard":
        raise refusing.beyond_standard(tariff)
    return tariff


def clauses(body: NewAgreement, on: date) -> tuple[Clause, ...]:
    """What is agreed on, priced. Raises Invalid where § 2 Abs. 3 GOÄ allows no agreement, and for doubles."""
    schedule = catalogues.at(on)
    found: dict[str, Clause] = {}
    for wanted in body.lines:
        item = schedule.item(wanted.number)
        if item.number in found:
            raise refusing.twice(item.number)
        price = pricing.price(schedule, item, wanted.factor, agreed=True)
        if not item.frame.agreement:
            raise refusing.not_agreeable(item, price)
        line = Line(date=on, number=item.number, factor=wanted.factor, amount=price.amount)
        found[item.number] = Clause(
            line=PricedLine(
                line=line, name=item.name, section=item.section, points=item.points, gross=price.amount,
                amount=price.amount,
            )
        )  # fmt: skip
    return tuple(found.values())


def _content(
    clinic: Clinic, person: Person, on: date, plan: Plan | None = None, clauses: tuple[Clause, ...] = ()
) -> Content:
    return Content(
        clinic=clinic, patient=person.patient, recipient=person.recipient, issued_on=on,
        language=person.language, diagnosis=person.diagnosis if plan else None, plan=plan, clauses=clauses,
    )  # fmt: skip


def _require_here(connection: Connection, site: str, patient: UUID) -> None:
    """Raises NotFound for somebody of another site who is not treated here: a paper tells who they are."""
    own = connection.execute(select(PATIENTS.c.site).where(PATIENTS.c.patient == str(patient))).scalar()
    if own == site:
        return
    files = patients.files(connection, patient)
    here = select(CASES.c.id).where(CASES.c.site == site, CASES.c.patient.in_(files)).limit(1)
    if connection.execute(here).first() is None:
        raise refusing.no_patient(patient)


def _require_own_cure(connection: Connection, site: str, patient: UUID, cure: UUID) -> None:
    """Raises NotFound for a cure that is not this patient's there."""
    wanted = select(PLANNED.c.patient).where(PLANNED.c.cure == str(cure), PLANNED.c.site == site)
    found = connection.execute(wanted).scalar()
    if found is None or patients.current(connection, UUID(found)) != patient:
        raise said(NotFound, {"de": f"Serie {cure} gibt es nicht.", "en": f"there is no cure {cure}"})


def _handing(kept: Kept, given: Given, today: date, by: str, now: Now) -> Handing:
    """Raises Conflict, Invalid."""
    on = given.on or today
    if kept.withdrawn is not None:
        raise refusing.withdrawn(kept)
    if kept.replaced_by is not None:
        raise refusing.replaced(kept)
    last = min(today, kept.valid_until or today)
    if not kept.issued_on <= on <= last:
        raise refusing.impossible_day(on, kept.issued_on, last)
    media = refusing.media_of(given.file) if given.file is not None else None
    if given.how == "signed" and given.file is None:
        raise refusing.no_file()
    if kept.kind == "agreement" and given.how != "signed":
        raise refusing.not_written()
    digest = hashlib.sha256(given.file).hexdigest() if given.file is not None else None
    receiver = given.receiver.strip() or _name(kept)
    return Handing(uuid4(), given.how, receiver, on, given.note, media, digest, by[:80], us_of(now()))


def _name(kept: Kept) -> str:
    patient = kept.content.patient
    return "-" if patient is None else patient.name
