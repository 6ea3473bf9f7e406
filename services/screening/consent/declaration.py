"""The declaration of consent as PDF, in German: to be read and signed, then with its signature."""

from datetime import datetime, tzinfo
from typing import Any

from services.kit.language import Language
from services.kit.paper import Paper, pdf
from services.screening.consent.documents import SHIPPED, Document
from services.screening.consent.store import Consent
from services.screening.consent.words import POINTS, REGIONS, SIGNERS
from services.screening.patients.models import File
from services.screening.rules.findings import german_day


def unsigned(file: File, consent: Consent, zone: tzinfo | None) -> bytes:
    """To be read, or printed and signed by hand; ``zone`` is the site's clock."""
    under = f"Ort, Datum, Unterschrift ({file.content.given_name} {file.content.family_name})"
    return pdf(_paper(file, consent, under, zone))


def signed(
    file: File, consent: Consent, signer: str, role: str, at: datetime, drawn: bytes, zone: tzinfo | None
) -> bytes:
    """As it was signed on the screen; ``zone`` is the site's clock."""
    who = "" if role == "patient" else f" ({SIGNERS[role]['de']})"
    under = f"{signer}{who}, {_moment(at, zone)}"
    return pdf(_paper(file, consent, under, zone, drawn))


def leaflet(document: Document, language: Language) -> bytes:
    """A leaflet, the information sheet, or the declaration's bare text."""
    return pdf(Paper(document.title, document.body, language, _footer(document, language)))


def _paper(
    file: File, consent: Consent, under: str, zone: tzinfo | None, drawn: bytes | None = None
) -> Paper:
    content = file.content
    facts = [
        ("Name", f"{content.given_name} {content.family_name}"),
        ("Geboren am", german_day(content.birth_date)),
        ("Abschnitt", _place(file, consent.region)),
    ]
    document = consent.document
    return Paper(
        document.title, document.body, "de", f"{_footer(document, 'de')}, Einwilligung {consent.id}",
        facts, [("Mündliche Aufklärung (§ 630e BGB)", _information(consent.information, zone))], under, drawn,
        f"Unterschrift: {under}",
    )  # fmt: skip


def _place(file: File, region: str) -> str:
    segment = file.content.segment if file.content.region == region else None
    return REGIONS[region]["de"] + (f", {segment}" if segment else "")


def _information(told: dict[str, Any], zone: tzinfo | None) -> list[tuple[str, str]]:
    rows = [
        ("Durch", str(told["by"])),
        ("Am", _moment(datetime.fromisoformat(told["at"]), zone)),
        ("Über", ", ".join(POINTS[point]["de"] for point in told["points"])),
    ]
    return [*rows, ("Fragen", str(told["questions"]))] if told["questions"] else rows


def _moment(at: datetime, zone: tzinfo | None) -> str:
    local = at.astimezone(zone)
    return f"{german_day(local.date())}, {local.hour:02}:{local.minute:02} Uhr"


def _footer(document: Document, language: Language) -> str:
    words = {"de": ("Fassung", "der Software"), "en": ("Version", "of the software")}[language]
    origin = f" {words[1]}" if document.site == SHIPPED else ""
    return f"{words[0]} {document.number}{origin}, {document.sha256[:12]}"
