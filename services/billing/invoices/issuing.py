"""From a checked draft to an invoice, and from an invoice to its cancellation.

The page is made and proven outside any transaction, with the number that is next. One transaction then takes
that number, writes the invoice and what is handed out, lets the charges stand on it and tells it. Whoever was
overtaken makes the page anew with the next number; killed anywhere, there is neither a gap nor a double.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.billing.charges import following, parting
from services.billing.charges import store as charges
from services.billing.errors import Conflict, Invalid, NotFound, other_work, said
from services.billing.invoices import checking, drafts, returning, store
from services.billing.invoices.checking import Checked
from services.billing.invoices.models import Issued, ToCancel, ToIssue
from services.billing.models import Clinic, Paper, Recipient
from services.billing.papers import content, rendering
from services.billing.papers.issuing import Document, document
from services.billing.payments import fees
from services.billing.people import People, Person
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.language import Language, Text
from services.kit.moments import Now, us_of

TRIES: Final = 50  # others were quicker so often, one after the other
PREVIEW: Final[Text] = {"de": "Entwurf: keine Rechnung", "en": "Draft: not an invoice"}
PREVIEW_NUMBER: Final[Text] = {"de": "ENTWURF", "en": "DRAFT"}
Make = Callable[[date, str], Paper]  # of the day and the number
Write = Callable[[Connection, Paper, Document, int], None]


@dataclass(frozen=True, slots=True)
class Counter:
    """Issues the papers of one office, each with the next number of its site and year."""

    office: Office
    people: People
    now: Now

    def issue(self, draft: UUID, body: ToIssue, by: str) -> Issued:
        """Issue a draft that somebody checked; the same request again is the same invoice.

        Raises Invalid (a rule, missing data), Conflict (it changed, screening is away), NotFound.
        """
        try:
            return self._issue(draft, body, by)
        except (Conflict, NotFound):
            with reading(self.office.engine) as connection:
                made = store.by_request(connection, body.request)
            if made is None or made.id != draft:
                raise
            return made  # the same request came twice at once, and the other one was quicker

    def _issue(self, draft: UUID, body: ToIssue, by: str) -> Issued:
        with reading(self.office.engine) as connection:
            if (made := store.by_request(connection, body.request)) is not None:
                if made.kind != "invoice" or drafts.exists(connection, draft):
                    raise other_work(body.request)
                return made
            _require_waiting(connection, draft)
            held = drafts.one(connection, draft)
            drafts.require_revision(held, body.revision)
            checked = checking.of_draft(connection, held)
        checking.require_issuable(checked)
        _require_done(checked, self._today(checked.clinic))
        person = self.people.required(held.patient)
        invoice, cure = draft, _cure_of(checked)  # (by its draft's id: whoever asks for that finds it)
        mine = [charge.id for charge in checked.charges]

        def write(connection: Connection, paper: Paper, made: Document, counted: int) -> None:
            _require_waiting(connection, draft)
            drafts.require_revision(drafts.one(connection, draft, lock=True), body.revision)
            store.add(
                connection, paper, made, request=body.request, counted=counted, case=held.case, cure=cure,
                charges=mine, by=by, at_us=us_of(self.now()),
            )  # fmt: skip
            drafts.drop(connection, draft)
            charges.bill(connection, mine, invoice)
            taps = following.follow(connection, "session invoiced", mine, invoice=invoice)
            self._tell(connection, "invoice.issued", paper, cure, taps)

        def make(on: date, number: str) -> Paper:
            return _invoice(invoice, checked, person, on, number)

        return self._counted(held.site, checked.clinic, body.request, make, write)

    def preview(self, draft: UUID, language: Language) -> bytes:
        """The page that this draft would become, which says that it is none. Raises Conflict, NotFound."""
        with reading(self.office.engine) as connection:
            checked = checking.of_draft(connection, drafts.one(connection, draft))
        person = self.people.required(checked.draft.patient)
        on = self._today(checked.clinic)
        paper = _invoice(uuid4(), checked, person, on, PREVIEW_NUMBER[language])
        values = content.invoice(paper, language=language, is_copy=True)
        return rendering.page("invoice", {**values, "copy": PREVIEW[language], "payment": None}, on)

    def cancel(self, invoice: UUID, body: ToCancel, by: str) -> Issued:
        """Take an invoice back by another one; its charges are open again. Raises Conflict, NotFound."""
        with reading(self.office.engine) as connection:
            if (made := store.by_request(connection, body.request)) is not None:
                if made.cancels != invoice:
                    raise other_work(body.request)
                return made
            held = store.required(connection, invoice)
        _require_cancellable(held)
        cancellation = uuid4()

        def write(connection: Connection, paper: Paper, made: Document, counted: int) -> None:
            _require_cancellable(store.locked(connection, invoice))
            store.add(
                connection, paper, made, request=body.request, counted=counted, case=held.case,
                cure=held.cure, charges=held.charges, by=by, at_us=us_of(self.now()), cancels=invoice,
                reason=body.reason,
            )  # fmt: skip
            charges.unbill(connection, invoice)
            parting.settle(connection, held.charges, us_of(self.now()))
            returning.put_back(connection, held, by, us_of(self.now()))
            fees.waive_all(connection, invoice, paper.issued_on, by, us_of(self.now()))
            self._tell(connection, "invoice.cancelled", held.paper, held.cure)

        def make(on: date, number: str) -> Paper:
            return held.paper.model_copy(
                update={
                    "id": cancellation, "kind": "cancellation", "number": number, "issued_on": on,
                    "due_on": on, "total": -held.total, "cancels": held.number,
                    "cancels_on": held.issued_on, "remarks": (body.reason,),
                }
            )  # fmt: skip

        return self._counted(held.site, held.paper.clinic, body.request, make, write)

    def _counted(self, site: str, clinic: Clinic, request: UUID, make: Make, write: Write) -> Issued:
        """Make the paper with the next number and write it, again for as long as somebody is quicker."""
        on = self._today(clinic)
        engine = self.office.engine
        for _ in range(TRIES):
            with reading(engine) as connection:
                if (found := store.by_request(connection, request)) is not None:
                    return found  # the same request came twice at once, and the other one was quicker
                counted = store.last(connection, site, on.year) + 1
            paper = make(on, number_of(site, on.year, counted))
            made = document(paper)
            try:
                with writing(engine) as connection:
                    if not store.take(connection, site, on.year, counted):
                        continue
                    write(connection, paper, made, counted)
            except IntegrityError:
                continue
            self.office.outbox.woken.set()
            with reading(engine) as connection:
                return store.required(connection, paper.id)
        raise _overtaken()

    def _today(self, clinic: Clinic) -> date:
        return self.now().astimezone(ZoneInfo(clinic.zone)).date()

    def _tell(
        self, connection: Connection, kind: str, paper: Paper, cure: UUID | None, taps: Sequence[str] = ()
    ) -> None:
        """``taps``: correlations of the sessions, beside that of the tap which does this."""
        data: dict[str, Any] = {"invoice": str(paper.id), "patient": str(paper.patient.id)}
        if cure is not None:
            data["cure"] = str(cure)
        if taps:
            data["correlations"] = list(taps)
        event = ClinicEvent(id=uuid4(), type=kind, time=self.now(), data=data)
        self.office.outbox.add(connection, STREAMS["invoice"], paper.site, event)


def already(made: Issued) -> Conflict:
    """Somebody issued this draft before, by another request."""
    return said(
        Conflict,
        {
            "de": f"Dieser Entwurf ist schon ausgestellt: Rechnung {made.number}.",
            "en": f"this draft is issued already: invoice {made.number}",
        },
        invoice=str(made.id), number=made.number, site=made.site,
    )  # fmt: skip


def _require_waiting(connection: Connection, draft: UUID) -> None:
    """Raises Conflict for a draft that became an invoice."""
    if (made := store.issued(connection, draft)) is not None:
        raise already(made)


def number_of(site: str, year: int, counted: int) -> str:
    """What is printed: unique over all sites, counted without a gap within a site's year."""
    return f"{site.upper()}-{year}-{counted:05d}"


def _invoice(invoice: UUID, checked: Checked, person: Person, on: date, number: str) -> Paper:
    told, case, clinic = checked.draft.said, checked.case, checked.clinic
    return Paper(
        id=invoice, number=number, site=checked.draft.site, issued_on=on,
        due_on=on + timedelta(days=clinic.payment_days), clinic=clinic,
        recipient=_payer(told.recipient or case.recipient, person), patient=person.patient,
        diagnosis=told.diagnosis or case.diagnosis or person.diagnosis, lines=checked.lines,
        outlays=told.outlays, total=checked.total, remarks=told.remarks,
        tariff=checking.KINDS.get(case.payer or "", "private"),
    )  # fmt: skip


def _payer(told: Recipient | None, person: Person) -> Recipient:
    """Who was told to pay, else the patient; of the same name but another address it is somebody else."""
    if told is None:
        return _own(person)
    is_namesake = told.name == person.name and person.address not in (None, told.address)
    if told.is_patient is None and is_namesake:
        return told.model_copy(update={"is_patient": False})
    return told


def _own(person: Person) -> Recipient:
    """The patient as whoever pays. Raises Invalid without an address."""
    if person.recipient is None:
        raise said(
            Invalid,
            {
                "de": f"In der Akte von {person.name} fehlt die Anschrift (EN 16931 BR-11).",
                "en": f"the file of {person.name} lacks the address (EN 16931 BR-11)",
            },
            missing=["recipient.address"],
        )
    return person.recipient


def _require_done(checked: Checked, today: date) -> None:
    """Raises Invalid for a service or an outlay of a day to come."""
    days = [line.line.date for line in checked.lines] + [one.date for one in checked.draft.said.outlays]
    if max(days, default=today) > today:
        raise said(
            Invalid,
            {
                "de": f"Am {max(days):%d.%m.%Y}: heute ist erst der {today:%d.%m.%Y} "
                "(§ 12 Abs. 2 Nr. 1 GOÄ: berechnet wird, was erbracht ist).",
                "en": f"on {max(days)}: that is to come, today is {today} (§ 12 (2) no. 1 GOÄ)",
            },
        )


def _cure_of(checked: Checked) -> UUID | None:
    """The cure that every charge belongs to, if it is one."""
    found = {charge.cure for charge in checked.charges if charge.cure is not None}
    return found.pop() if len(found) == 1 else None


def _require_cancellable(held: Issued) -> None:
    """Raises Conflict for a cancellation, and for an invoice that has one."""
    if held.kind == "cancellation":
        raise said(
            Conflict,
            {
                "de": f"{held.number} ist selbst ein Storno von {held.paper.cancels}.",
                "en": f"{held.number} is itself a cancellation of {held.paper.cancels}",
            },
        )
    if held.cancelled_by is not None:
        raise said(
            Conflict,
            {
                "de": f"{held.number} ist schon storniert.", "en": f"{held.number} is cancelled already",
            },
            cancelled_by=str(held.cancelled_by),
        )  # fmt: skip


def _overtaken() -> Conflict:
    return said(
        Conflict,
        {
            "de": f"{TRIES} mal war jemand schneller mit der nächsten Rechnungsnummer: bitte noch einmal.",
            "en": f"somebody was quicker with the next number {TRIES} times: please try again",
        },
    )
