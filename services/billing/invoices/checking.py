"""A draft as it would be issued: every line priced, every rule that speaks of it, what is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from services.billing.charges import before, cases
from services.billing.charges.before import Before, Sees
from services.billing.charges.models import Case, Charge
from services.billing.clinics import store as clinics
from services.billing.errors import Invalid, said
from services.billing.goae import catalogue as catalogues
from services.billing.goae import pricing, rulebook, sheet
from services.billing.goae.findings import Finding
from services.billing.goae.outlays import Outlay as GoaeOutlay
from services.billing.goae.pricing import Kind
from services.billing.invoices import drafts
from services.billing.invoices.models import Draft
from services.billing.models import Clinic, Outlay, PricedLine
from services.billing.papers import issuing
from services.kit.language import Text

TAX_SENTENCE: Final = (
    "Heilbehandlungen … , die im Rahmen der Ausübung der Tätigkeit als Arzt … durchgeführt werden."
)
TAXABLE: Final[Text] = {
    "de": "Auf Verlangen ohne therapeutisches Ziel: steuerpflichtig (19 %, oder § 19 UStG). Rechnungen "
    "von hier sind steuerfrei und weisen keine Umsatzsteuer aus: bitte außerhalb berechnen und hier "
    "zurücknehmen.",
    "en": "on demand without a therapeutic aim: taxable (19 %, or § 19 UStG); invoices made here are "
    "exempt and show no VAT: please charge it elsewhere and take it back here",
}
KINDS: Final[dict[str, Kind]] = {"self-payer": "self", "standardtarif": "standard"}  # of payers; else private


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft with everything that is to be said of it."""

    draft: Draft
    case: Case
    charges: tuple[Charge, ...]
    lines: tuple[PricedLine, ...]
    findings: tuple[Finding, ...]
    total: Decimal
    clinic: Clinic
    before: Before

    @property
    def stops(self) -> list[Finding]:
        """What has to be settled before it can be issued."""
        return [one for one in self.findings if one.verdict in ("forbidden", "justification")]

    def body(self, sees: Sees = lambda _site: False) -> dict[str, Any]:
        """As the API shows it to somebody who sees the bills of these sites."""
        return {
            "id": str(self.draft.id), "site": self.draft.site, "patient": str(self.draft.patient),
            "case": self.case.body(), "why": self.draft.why, "by": self.draft.by, "at_us": self.draft.at_us,
            "revision": self.draft.revision, "said": self.draft.said.model_dump(mode="json"),
            "lines": [
                {"charge": str(charge.id), "origin": charge.origin, **line.model_dump(mode="json")}
                for charge, line in zip(self.charges, self.lines, strict=True)
            ],
            "findings": [
                one.body() | {"elsewhere": self.before.elsewhere(one, self.draft.site, sees)}
                for one in self.findings
            ],
            "total": str(self.total),
            "missing": [
                {"field": one.field, **one.words, "rule": one.rule} for one in issuing.missing(self.clinic)
            ],
        }  # fmt: skip


def of_draft(connection: Connection, draft: Draft) -> Checked:
    """The draft, priced and checked against everything that this patient was charged before."""
    case = cases.one(connection, draft.case)
    mine = drafts.charges_of(connection, draft.id)
    kind = KINDS.get(case.payer or "", "private")
    lines = tuple(priced(charge, kind) for charge in mine)
    counted = _before(connection, case, mine)
    found = (
        sheet.check(
            sheet.Sheet(
                tariff=kind,
                lines=counted.told(mine),
                history=counted.lines,
                outlays=tuple(_outlay(one) for one in draft.said.outlays),
            )
        )
        if lines or draft.said.outlays
        else None
    )
    clinic = clinics.clinic_of(connection, draft.site) or Clinic(name=draft.site)
    findings = (*_taxable(lines), *found.findings) if found else ()
    total = found.total if found else Decimal(0)
    return Checked(draft, case, tuple(mine), lines, findings, total, clinic, counted)


def _taxable(lines: Sequence[PricedLine]) -> Iterator[Finding]:
    """Papers made here are exempt from tax and say so: a service that is not stands on none of them."""
    places = tuple(at for at, one in enumerate(lines) if one.line.taxable)
    if places:
        numbers = tuple(dict.fromkeys(lines[at].line.number for at in places))
        yield Finding("tax", "forbidden", "§ 4 Nr. 14 Buchst. a UStG", TAX_SENTENCE, TAXABLE, numbers, places)


def priced(charge: Charge, kind: Kind) -> PricedLine:
    """A charge with what the fee schedule of its day says. Raises Invalid for a number it has not."""
    schedule = catalogues.at(charge.line.date)
    item = schedule.item(charge.line.number)
    price = pricing.of_line(schedule, charge.line, kind)
    return PricedLine(
        line=charge.line.model_copy(update={"amount": price.amount}), name=item.name, section=item.section,
        points=item.points, minimum_min=rulebook.minutes(schedule, charge.line.number), gross=price.amount,
        amount=price.amount,
    )  # fmt: skip


def require_issuable(checked: Checked) -> None:
    """Raises Invalid with every rule that forbids, or that wants a reason which is not there."""
    stops = checked.stops
    if checked.case.payer is None:
        raise said(
            Invalid,
            {
                "de": "Noch ist nicht bekannt, wer zahlt (privat, Beihilfe, selbst): am Fall eintragen.",
                "en": "nobody said yet who pays (private, Beihilfe, self): please enter it at the case",
            },
        )
    if stops:
        raise said(
            Invalid,
            {
                "de": " ".join(f"{one.text['de']} ({one.paragraph})" for one in stops[:5]),
                "en": " ".join(f"{one.text['en']} ({one.paragraph})" for one in stops[:5]),
            },
            findings=[one.body() for one in stops],
        )


def _before(connection: Connection, case: Case, mine: Sequence[Charge]) -> Before:
    """What was charged to this patient beside the draft: frequencies and treatment cases count it."""
    twins = [one.id for one in cases.alike(connection, case) if one.id != case.id]
    left_out = [charge for twin in twins for charge in drafts.left_out_of(connection, twin)]
    return before.of_case(connection, case, [charge.id for charge in mine], left_out)


def _outlay(outlay: Outlay) -> GoaeOutlay:
    return GoaeOutlay(
        date=outlay.date,
        kind=outlay.kind,
        text=outlay.text,
        amount=outlay.amount,
        receipt=outlay.receipt is not None,
    )
