"""Deliveries of PADneXt, element by element: the published order, lengths, signs and letters."""

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from billing import papers_rig
from billing.test_exchange_fhir import handed_out
from lxml import etree

from services.billing.errors import Invalid
from services.billing.exchange.padnext import building, checking
from services.billing.models import Address, BillingOffice, Outlay, Patient, Recipient

FIRST = date(2026, 9, 1)
FAR = papers_rig.HOME.model_copy(update={"city": "O" * 41})
OFFICE = BillingOffice(id="pvs", name="PVS", customer=4711, number=12, data_centre=300, iknr=660330076)
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PERSON = ("anrede", "titel", "vorname", "name", "namezusatz", "gebname", "gebdatum", "geschlecht")
POSITION = ("leistungserbringerid", "datum", "uhrzeit", "anzahl", "text", "zusatztext")
ORDERS = {  # of the elements below each, as PADneXt 2.12 has them
    "auftrag": (
        "empfaenger", "absender", "nachrichtentyp", "system", "verschluesselung", "empfangsquittung", "datei",
    ),
    "empfaenger": ("logisch", "physikalisch"),
    "absender": ("logisch", "physikalisch"),
    "system": ("produkt", "version", "hersteller", "zertifizierungsnr"),
    "datei": ("dokumententyp", "name", "beschreibung", "dateilaenge"),
    "rechnungen": ("hinweistext", "nachrichtentyp", "rechnungsersteller", "leistungserbringer", "rechnung"),
    "rechnungsersteller": (
        "name", "namezusatz", "kundennr", "anschrift", "iknr", "kontakt", "ustidnr", "glaeubigerid",
    ),
    "leistungserbringer": (
        *PERSON, "anschrift", "kundennr", "fachbereich", "lanr", "betriebsstaette", "kzvnr", "ustidnr", "hba",
        "iknr",
    ),
    "betriebsstaette": ("bsnr", "nbsnr"),
    "rechnung": (
        "rechnungsempfaenger", "zahlung", "rechnungsvorgaben", "abrechnungsfall", "abrechnungsanweisung",
        "anfangstext", "endetext",
    ),
    "rechnungsempfaenger": ("person", "organisation"),
    "person": (*PERSON, "anschrift", "kontakt"),
    "organisation": ("name", "namezusatz", "anschrift", "kontakt", "iknr"),
    "anschrift": ("hausadresse", "auslandsadresse"),
    "hausadresse": ("land", "zusatz", "plz", "ort", "strasse", "hausnr"),
    "auslandsadresse": ("land", "plz", "ort", "strasse"),
    "abrechnungsfall": ("humanmedizin",),
    "humanmedizin": (
        "leistungserbringerid", "ueberweiser", "behandelter", "versicherter", "zeitraum", "mwstsatz",
        "minderungssatz", "behandlungsart", "vertragsart", "beschreibung", "beteiligung", "aktenzeichen",
        "unfalldaten", "diagnose", "klasse", "positionen", "anhangid",
    ),
    "behandelter": (*PERSON, "verwandtschaft", "kontakt"),
    "zeitraum": ("startdatum", "endedatum", "anzahltage"),
    "diagnose": ("text", "code", "typ", "art", "datum", "sicherheit", "lokalisation"),
    "positionen": ("goziffer", "auslagen"),
    "goziffer": (
        *POSITION, "faktor", "einzelbetrag", "beteiligung", "anteil", "begruendung", "mwstsatz",
        "minderungssatz", "ambo", "punktwert", "punktzahl", "gesamtbetrag",
    ),
    "auslagen": (*POSITION, "beteiligung", "mwstsatz", "einzelbetrag", "gesamtbetrag"),
}  # fmt: skip


def delivered(*papers, office=OFFICE):
    """A delivery of these papers, sound by its own words."""
    issued = [handed_out(paper) for paper in papers]
    made = building.deliver(issued, papers_rig.CLINIC, office, 7, AT)
    checking.require_sound(made, sum((paper.total for paper in papers), Decimal(0)))
    return made


def root(data):
    return etree.fromstring(data)


def texts(delivery, name):
    """What stands in every element of this name."""
    return [one.text for one in root(delivery.invoices).iter(f"{{*}}{name}")]


def assert_in_order(element):
    """Every element below stands where the format has it."""
    name = etree.QName(element).localname
    if len(element):
        places = [ORDERS[name].index(etree.QName(one).localname) for one in element]
        assert places == sorted(places), name
    for one in element:
        assert_in_order(one)


def test_every_element_stands_in_the_published_order():
    """A program that checks against the schema refuses a file for one that does not."""
    first = papers_rig.priced(
        "652", date(2026, 9, 1), "3.0", analogue="Aufzeichnung", justification="Mehraufwand", time="09:30",
        duration_min=20, body_part="LWS", agreed=True,
    )  # fmt: skip
    outlay = Outlay(date=FIRST, kind="shipping", text="Versand", amount=Decimal("3.20"), receipt="Beleg 1")
    abroad = Address(street="Rue de la Paix 3", postal_code="75002", city="Paris", country="FR")
    made = delivered(
        papers_rig.paper((first,), outlays=(outlay,), remarks=("Vielen Dank",)),
        papers_rig.paper(recipient=Recipient(name="Musterversicherung", address=abroad), id=UUID(int=7)),
    )
    for data in (made.order, made.invoices):
        assert root(data).tag.startswith("{http://padinfo.de/ns/pad}")
        assert_in_order(root(data))
    assert len(made.invoices_name) <= 40, "the order file has no room for more"
    assert texts(made, "land") == ["D", "D", "D", "F"]
    assert "Musterversicherung" in texts(made, "name")


def test_a_reduction_is_told_by_its_share():
    """§ 6a: the fee as it is, the share beside it, the sum less it."""
    line = papers_rig.priced("652", date(2026, 9, 1), "2.3", reduction="14.92")
    made = delivered(papers_rig.paper((line,)))
    assert (texts(made, "minderungssatz"), texts(made, "gesamtbetrag")) == (["25.00"], ["59.66"])
    assert root(made.invoices).find("{*}rechnung").get("aisendbetrag") == "44.74"


def test_letters_that_the_encoding_lacks_arrive_all_the_same():
    """ISO-8859-15 has no Arabic; XML has a number for every letter."""
    who = Patient(id=UUID(int=2), name="علي حسن", birth_date=date(1980, 2, 1), sex="male")
    made = delivered(papers_rig.paper(name="علي حسن", patient=who))
    assert made.invoices.startswith(b"<?xml version='1.0' encoding='ISO-8859-15'?>")
    assert texts(made, "vorname").count("علي") == 2
    assert texts(made, "geschlecht") == ["m"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"recipient": Recipient(name=f"Anna {'x' * 41}", address=papers_rig.HOME)}, "name .* 41 letters"),
        ({"recipient": Recipient(name="Anna Muster", address=FAR)}, "ort .* 41 letters, at most 40"),
        ({"diagnosis": "x" * 500}, None),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name_and_never_cut(changed, says):
    """Half a name on a reminder is somebody else's."""
    if says is None:
        assert delivered(papers_rig.paper(**changed))
        return
    with pytest.raises(Invalid, match=f"^HH2026-00001: PADneXt: {says}") as refused:
        delivered(papers_rig.paper(**changed))
    assert refused.value.more["without"] == str(UUID(int=1)), "which one to leave out"


def test_a_test_delivery_says_so():
    """An office that is being tried must not send its bills to anybody."""
    made = delivered(papers_rig.paper(), office=OFFICE.model_copy(update={"is_test": True}))
    assert root(made.order).get("echtdaten") == "0"


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("order", b'laenge="', b'laenge="1'), ("order", b'dateianzahl="0001"', b'dateianzahl="0002"'),
        ("invoices", b'anzahl="1"', b'anzahl="2"'), ("invoices", b'posanzahl="3"', b'posanzahl="2"'),
        ("invoices", b"59.66", b"59.67"), ("invoices", b'aisendbetrag="70.68"', b'aisendbetrag="70.69"'),
    ],
)  # fmt: skip
def test_a_delivery_that_disagrees_with_itself_goes_nowhere(where, old, new):
    """Counts, sums, length and checksum are read back before anything is handed out."""
    made = delivered(papers_rig.paper())
    data = getattr(made, where)
    assert old in data
    broken = dataclasses.replace(made, **{where: data.replace(old, new, 1)})
    with pytest.raises(Invalid, match="disagrees with itself"):
        checking.require_sound(broken, Decimal("70.68"))
