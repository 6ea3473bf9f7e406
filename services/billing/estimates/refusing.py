"""What is refused of a paper, and in which words."""

from datetime import date
from typing import Final
from uuid import UUID

from services.billing.errors import Conflict, Invalid, NotFound, said
from services.billing.estimates.models import MOST_SIGNED, Kept
from services.billing.goae.catalogue import Item
from services.billing.goae.pricing import Price
from services.billing.goae.tariffs import Tariff

_MAGIC: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}


def media_of(content: bytes) -> str:
    """The media type of a signed copy. Raises Invalid."""
    if len(content) > MOST_SIGNED:
        raise said(
            Invalid,
            {
                "de": f"Die Datei hat mehr als {MOST_SIGNED // 1_000_000} MB.",
                "en": f"the file has more than {MOST_SIGNED // 1_000_000} MB",
            },
            field="file",
        )
    found = next((media for magic, media in _MAGIC.items() if content.startswith(magic)), None)
    if found is None:
        raise said(
            Invalid,
            {
                "de": "Die unterschriebene Fassung ist eine PDF-, PNG- oder JPEG-Datei; diese ist keine.",
                "en": "a signed copy is a PDF, PNG or JPEG; this file is none",
            },
            field="file",
        )
    return found


def no_clinic(site: str) -> Invalid:
    """Text form names who declares it (§ 126b BGB)."""
    return said(
        Invalid,
        {
            "de": f"{site}: Die Praxisdaten fehlen noch; ein Kostenvoranschlag nennt, von wem er ist "
            "(§ 630c Abs. 3, § 126b BGB).",
            "en": f"{site}: the clinic's data are missing; an estimate says whom it is from "
            "(§ 630c(3), § 126b BGB)",
        },
        field="clinic",
    )


def no_doctor(site: str) -> Invalid:
    """An agreement is made by a doctor."""
    return said(
        Invalid,
        {
            "de": f"{site}: In den Praxisdaten fehlt die Ärztin oder der Arzt; nur sie vereinbaren ein "
            "Honorar (§ 2 Abs. 2 Satz 1 GOÄ).",
            "en": f"{site}: the clinic's data lack the doctor, who alone agrees on a fee (§ 2(2) GOÄ)",
        },
        field="doctor",
    )


def no_patient(patient: UUID) -> NotFound:
    """There is none, or none here."""
    return said(
        NotFound,
        {"de": f"Patient/in {patient} gibt es nicht.", "en": f"there is no patient {patient}"},
    )


def beyond_standard(tariff: Tariff) -> Invalid:
    """§ 5b GOÄ caps every factor."""
    return said(
        Invalid,
        {
            "de": f"Tarif {tariff.name}: im Standardtarif gelten die Höchstsätze des § 5b GOÄ.",
            "en": f"tariff {tariff.name}: the caps of § 5b GOÄ hold in the Standardtarif",
        },
        field="tariff",
    )


def not_agreeable(item: Item, price: Price) -> Invalid:
    """§ 2 Abs. 3 GOÄ."""
    return said(
        Invalid,
        {
            "de": f"Nr. {item.number} (Abschnitt {item.section}): {price.text['de']} ({price.paragraph})",
            "en": f"no. {item.number} (section {item.section}): {price.text['en']} ({price.paragraph})",
        },
        field="lines",
        number=item.number,
    )


def twice(number: str) -> Invalid:
    """A number has one factor."""
    return said(
        Invalid,
        {
            "de": f"Nr. {number} steht zweimal in der Vereinbarung.",
            "en": f"no. {number} stands twice on the agreement",
        },
        field="lines",
        number=number,
    )


def no_file() -> Invalid:
    """A signature is a file."""
    return said(
        Invalid,
        {
            "de": "Unterschrieben: Dazu gehört die unterschriebene Fassung als Datei.",
            "en": "signed: the signed copy is needed as a file",
        },
        field="file",
    )


def not_written() -> Invalid:
    """§ 2 Abs. 2 Satz 1 GOÄ: in writing."""
    return said(
        Invalid,
        {
            "de": "Eine Honorarvereinbarung gilt nur schriftlich, von beiden unterschrieben (§ 2 Abs. 2 "
            "Satz 1 GOÄ, § 126 BGB): Textform genügt nicht.",
            "en": "a fee agreement counts only in writing, signed by both (§ 2(2) GOÄ, § 126 BGB): text form "
            "is not enough",
        },
        field="how",
    )


def impossible_day(on: date, first: date, last: date) -> Invalid:
    """Not before it was made, not to come, not behind its validity."""
    return said(
        Invalid,
        {
            "de": f"Übergeben am {on:%d.%m.%Y}: möglich ist {first:%d.%m.%Y} bis {last:%d.%m.%Y}.",
            "en": f"handed over on {on}: possible is {first} to {last}",
        },
        field="on",
    )


def withdrawn(kept: Kept) -> Conflict:
    """It counts no more."""
    reason = kept.withdrawn or "-"
    return said(
        Conflict,
        {"de": f"Das ist schon zurückgezogen: {reason}", "en": f"this was withdrawn already: {reason}"},
    )


def replaced(kept: Kept) -> Conflict:
    """There is a newer version."""
    return said(
        Conflict,
        {
            "de": f"Fassung {kept.version} ist durch eine neuere ersetzt: bitte diese übergeben.",
            "en": f"version {kept.version} was replaced by a newer one: please hand that over",
        },
        replaced_by=str(kept.replaced_by),
    )


def other_request(request: UUID) -> Conflict:
    """A request's id was used for something else."""
    return said(
        Conflict,
        {
            "de": f"Die Anfrage {request} gehört zu etwas anderem.",
            "en": f"request {request} belongs to something else",
        },
    )


def overtaken() -> Conflict:
    """Others were quicker each time."""
    return said(
        Conflict,
        {
            "de": "Jemand hat gerade weitere Fassungen angelegt: bitte noch einmal.",
            "en": "somebody has just made further versions: please try again",
        },
    )
