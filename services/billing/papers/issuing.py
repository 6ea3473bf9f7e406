"""The finished invoice: page and XML, made and proven in one go, or refused with the rule that it breaks."""

import hashlib
from dataclasses import dataclass
from typing import Final

from services.billing.errors import Invalid, said
from services.billing.models import Clinic, Paper
from services.billing.papers import content, einvoice, rendering, validating
from services.billing.papers.schematron import Problem
from services.kit.language import Text


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice as it is kept and handed out."""

    pdf: bytes
    xml: bytes
    sha256: str  # of the PDF


@dataclass(frozen=True, slots=True)
class Missing:
    """What a clinic's data lack before an invoice can be issued."""

    field: str
    words: Text
    rule: str


# What an invoice lacks without it, and who asks for it; fields joined by | stand in for each other.
NEEDED: Final[tuple[Missing, ...]] = (
    Missing("doctor", {"de": "Name der Ärztin, des Arztes", "en": "the doctor's name"}, "§ 12 Abs. 1 GOÄ"),
    Missing("address", {"de": "Anschrift der Praxis", "en": "the clinic's address"}, "EN 16931 BR-08"),
    Missing("account_holder", {"de": "Kontoinhaber", "en": "the account's holder"}, "EPC069-12"),
    Missing("iban", {"de": "IBAN", "en": "the IBAN"}, "EN 16931 BR-61"),
    Missing(
        "tax_number|vat_id", {"de": "Steuernummer oder USt-IdNr.", "en": "tax number or VAT ID"},
        "§ 14 Abs. 4 Nr. 2 UStG; EN 16931 BR-E-02",
    ),
    Missing(
        "identifier|vat_id", {"de": "BSNR oder IK", "en": "the institution's number"}, "EN 16931 BR-CO-26"
    ),
)  # fmt: skip


def missing(clinic: Clinic) -> tuple[Missing, ...]:
    """What this clinic's data still lack."""
    return tuple(need for need in NEEDED if not any(getattr(clinic, name) for name in need.field.split("|")))


def document(paper: Paper) -> Document:
    """The German original of a paper, proven. Raises Invalid with the words of whatever does not hold."""
    _complete(paper)
    values = content.invoice(paper, language="de", is_copy=False)
    xml = einvoice.xml(paper)
    rules = validating.begun(xml)
    pdf = rendering.with_xml(values, paper.issued_on, xml)
    broken = [problem for problem in rules() if problem.fatal]
    if broken:
        raise _refused(paper, broken)
    return Document(pdf, xml, hashlib.sha256(pdf).hexdigest())


def _complete(paper: Paper) -> None:
    lacking = missing(paper.clinic)
    if lacking:
        raise said(
            Invalid,
            {
                "de": "Den Praxisdaten fehlt für eine Rechnung: "
                + "; ".join(f"{one.words['de']} ({one.rule})" for one in lacking) + ".",
                "en": "the clinic's data lack for an invoice: "
                + "; ".join(f"{one.words['en']} ({one.rule})" for one in lacking),
            },
            missing=[one.field for one in lacking],
        )  # fmt: skip
    if not paper.lines and not paper.outlays:
        raise said(
            Invalid,
            {
                "de": f"Rechnung {paper.number} hat keine Position (§ 12 Abs. 2 GOÄ; EN 16931 BR-16).",
                "en": f"invoice {paper.number} has no line (§ 12(2) GOÄ; EN 16931 BR-16)",
            },
        )
    if paper.kind == "cancellation" and (paper.cancels is None or paper.cancels_on is None):
        raise said(
            Invalid,
            {
                "de": f"Storno {paper.number} nennt Nummer und Datum der stornierten Rechnung nicht "
                "(EN 16931 BT-25, BT-26).",
                "en": f"cancellation {paper.number} lacks number and date of the invoice that it takes "
                "back (EN 16931 BT-25, BT-26)",
            },
        )


def _refused(paper: Paper, broken: list[Problem]) -> Invalid:
    told = "; ".join(f"{one.rule} ({one.standard}): {one.message}" for one in broken[:5])
    more = len(broken) - 5
    rest = {"de": f" … und {more} weitere", "en": f" … and {more} more"} if more > 0 else {"de": "", "en": ""}
    return said(
        Invalid,
        {
            "de": f"Rechnung {paper.number} besteht die Prüfung nicht: {told}{rest['de']}",
            "en": f"invoice {paper.number} fails validation: {told}{rest['en']}",
        },
        problems=[one.body() for one in broken],
    )
