"""A delivery of PADneXt 2.12 (namespace http://padinfo.de/ns/pad): the order and the invoices, in one zip.

The order is readable; the invoices lie in a zip of their own beside it, which is encrypted (PKCS#7, then
called .p7m) where the office has a certificate. Length and checksum are those of the plain file.
Written by the published structure of the format; its schema may not be passed on and was not at hand.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Final

from services.billing.clinics import certificates
from services.billing.errors import Invalid, said
from services.billing.exchange.padnext import people, sealing
from services.billing.exchange.padnext.elements import (
    LIMITS,
    VERSION,
    Node,
    add,
    file_of,
    maybe,
    root,
)
from services.billing.goae import catalogue
from services.billing.invoices.models import Issued
from services.billing.models import BillingOffice, Clinic, Outlay, Paper, PricedLine

MESSAGE: Final = "ADL"
FILE: Final = "0001"
LONGEST_NUMBER: Final = 14  # aisrechnungsnr
OUTLAYS: Final = {"material": "L", "shipping": "P", "radioactive": "L", "listed": "L"}
SHARES: Final = (Decimal(25), Decimal(15))  # § 6a Abs. 1
AMBULATORY, INPATIENT = 0, 1
PLAIN, PKCS7 = "0", "1"  # verfahren
_CENT_OF_EURO: Final = 100


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes to an office: both files as they are read, and both in one as they are sent."""

    name: str
    order: bytes
    invoices: bytes
    content: bytes

    @property
    def order_name(self) -> str:
        """The order file's."""
        return f"{self.name}_auf.xml"

    @property
    def invoices_name(self) -> str:
        """The invoices file's."""
        return f"{self.name}_padx.xml"


def deliver(
    issued: Sequence[Issued], clinic: Clinic, office: BillingOffice, number: int, at: datetime
) -> Delivery:
    """The delivery of this number; ``at`` by the clinic's clock. Raises Invalid that names the invoice."""
    name = f"{office.customer:08d}_{at:%Y%m%d}_{MESSAGE}_{number:06d}"
    invoices = file_of(_invoices(issued, clinic, office))
    order = file_of(_order(f"{name}_padx.xml", invoices, clinic, office, number, at))
    inner = _zip({f"{name}_padx.xml": invoices}, at)
    ending = sealing.ENDING if office.certificate else ""
    payload = sealing.for_office(inner, office, at)
    packed = _zip({f"{name}_auf.xml": order, f"{name}_dat_padx.zip{ending}": payload}, at)
    return Delivery(name, order, invoices, packed)


def _zip(files: dict[str, bytes], at: datetime) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()


def _order(
    name: str, invoices: bytes, clinic: Clinic, office: BillingOffice, number: int, at: datetime
) -> Node:
    """The order file: who sends what to whom, how long it is, and its checksum (SHA-1, by the format)."""
    made_at = at.replace(microsecond=0, tzinfo=None)
    made = root(
        "auftrag", erstellungsdatum=made_at, transfernr=f"{number:06d}", echtdaten=not office.is_test,
        dateianzahl="0001",
    )  # fmt: skip
    receiver = add(made, "empfaenger")
    for role in ("logisch", "physikalisch"):
        add(
            receiver, role, office.name, most=LIMITS["name"], kundennr=office.number, rzid=office.data_centre,
            iknr=office.iknr,
        )  # fmt: skip
    sender = add(made, "absender")
    for role in ("logisch", "physikalisch"):
        add(sender, role, clinic.name, most=LIMITS["name"], kundennr=office.customer)
    add(made, "nachrichtentyp", MESSAGE, version=VERSION)
    system = add(made, "system")
    add(system, "produkt", "Spondyl")
    add(system, "version", version("spondyl")[:20])
    add(system, "hersteller", "Spondyl")
    _encryption(made, office)
    add(made, "empfangsquittung", "0")
    file = add(made, "datei", id=FILE, erstellungsdatum=made_at)
    add(file, "dokumententyp", "PADneXt")
    add(file, "name", name, most=40)
    checksum = hashlib.sha1(invoices, usedforsecurity=False).hexdigest()
    add(file, "dateilaenge", laenge=len(invoices), pruefsumme=checksum)
    return made


def _encryption(parent: Node, office: BillingOffice) -> None:
    """The procedure, and which certificate: by its serial number, as the office has it in its list."""
    if not office.certificate:
        add(parent, "verschluesselung", verfahren=PLAIN, idcert="0")
        return
    serial = certificates.read(office.certificate).serial_number
    add(parent, "verschluesselung", verfahren=PKCS7, idcert=f"{serial:x}")


def _invoices(issued: Sequence[Issued], clinic: Clinic, office: BillingOffice) -> Node:
    made = root("rechnungen", anzahl=len(issued))
    add(made, "nachrichtentyp", MESSAGE, version=VERSION)
    people.sender(made, clinic, office)
    people.doctor(made, clinic, office)
    for one in issued:
        try:
            _invoice(made, one.paper, office)
        except Invalid as error:
            raise _unfit(one, error) from None
    return made


def _unfit(issued: Issued, error: Invalid) -> Invalid:
    """Which invoice does not fit; the others can go without it."""
    told = error.words or {"de": error.message, "en": error.message}
    return said(
        Invalid,
        {"de": f"{issued.number}: {told['de']}", "en": f"{issued.number}: {told['en']}"},
        without=str(issued.id),
    )


def _invoice(parent: Node, paper: Paper, office: BillingOffice) -> None:
    is_short = len(paper.number) <= LONGEST_NUMBER
    made = add(
        parent, "rechnung", id=str(paper.id), aisrechnungsnr=paper.number if is_short else None,
        aisaktenzeichen=paper.number[-LIMITS["aktenzeichen"] :], aisendbetrag=paper.total,
    )  # fmt: skip
    people.payer(made, paper)
    case = add(add(made, "abrechnungsfall"), "humanmedizin")
    add(case, "leistungserbringerid", people.DOCTOR)
    people.patient(case, paper)
    first, last = paper.period
    period = add(case, "zeitraum")
    add(period, "startdatum", first)
    add(period, "endedatum", last)
    add(case, "behandlungsart", INPATIENT if any(line.reduction for line in paper.lines) else AMBULATORY)
    add(case, "vertragsart", office.contract)
    if paper.diagnosis:
        add(add(case, "diagnose"), "text", paper.diagnosis)
    positions = add(case, "positionen", posanzahl=len(paper.lines) + len(paper.outlays))
    for place, line in enumerate(paper.lines, 1):
        _service(positions, line, place)
    for place, outlay in enumerate(paper.outlays, len(paper.lines) + 1):
        _outlay(positions, outlay, place)
    maybe(made, "endetext", "\n".join(paper.remarks))


def _service(parent: Node, line: PricedLine, place: int) -> None:
    """A service: an analogue one in its own words, with the number of its equivalent as both."""
    told = line.line
    made = add(
        parent, "goziffer", positionsnr=place, go="GOAE", analog=told.number if told.analogue else None,
        ziffer=told.number,
    )  # fmt: skip
    add(made, "datum", told.date)
    if told.time is not None:
        add(made, "uhrzeit", told.time.replace(microsecond=0))
    add(made, "anzahl", told.count)
    add(made, "text", _words(line))
    maybe(made, "zusatztext", _remark(line))
    add(made, "faktor", told.factor)
    maybe(made, "begruendung", told.justification)
    if line.reduction:
        exact = abs(line.reduction) * 100 / abs(line.gross)
        share = min(SHARES, key=lambda one: abs(one - exact))
        add(made, "minderungssatz", share.quantize(Decimal("0.01")))
    add(made, "punktwert", catalogue.at(told.date).point_value_ct / _CENT_OF_EURO)
    maybe(made, "punktzahl", line.points)
    add(made, "gesamtbetrag", abs(line.gross))


def _outlay(parent: Node, outlay: Outlay, place: int) -> None:
    made = add(parent, "auslagen", positionsnr=place, kennzeichen=OUTLAYS[outlay.kind])
    add(made, "datum", outlay.date)
    add(made, "anzahl", 1)
    add(made, "text", outlay.text)
    maybe(made, "zusatztext", outlay.receipt)
    add(made, "einzelbetrag", outlay.amount)
    add(made, "gesamtbetrag", outlay.amount)


def _words(line: PricedLine) -> str:
    """The official name, which is what the law wants; an analogue service's own words, and then it."""
    if line.line.analogue:
        return f"{line.line.analogue}, entsprechend {line.name}"
    return line.name


def _remark(line: PricedLine) -> str:
    told = line.line
    parts = (
        f"Dauer {told.duration_min} min" if told.duration_min is not None else "",
        "auf Verlangen" if told.on_demand else "",
        "nach Honorarvereinbarung" if told.agreed else "",
        told.body_part or "",
    )
    return ", ".join(filter(None, parts))
