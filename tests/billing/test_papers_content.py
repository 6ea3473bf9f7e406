import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import segno
from billing.papers_rig import CLINIC, EXTENSION, FIRST, HOME, cancelled, cure, paper, priced, session
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from services.billing.charges.models import Charge
from services.billing.errors import Invalid
from services.billing.invoices import checking
from services.billing.models import Outlay, Recipient
from services.billing.papers import (
    arithmetic,
    content,
    einvoice,
    girocode,
    issuing,
    rendering,
    schematron,
    validating,
)
from services.billing.papers.girocode import MOST
from services.billing.papers.wording import MINUS, country, factor, money

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def _words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def _amounts(root: etree._Element, name: str) -> list[Decimal]:
    return [Decimal(one.text or "") for one in root.iter(f"{RAM}{name}")]


LINES = st.lists(
    st.tuples(
        st.sampled_from(["1", "3", "5", "7", "516", "538", "652", "800"]),
        st.decimals(1, Decimal("3.5"), places=4),
        st.integers(1, 9),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES, st.lists(st.decimals(Decimal("0.01"), 900, places=2), max_size=3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_sums_are_those_of_the_rounded_items(drawn, outlays, taken_back):
    """Whoever adds up the page by hand must come to the cent that is asked for, whatever was done."""
    lines = tuple(
        priced(number, FIRST + timedelta(days=day), str(at), count=count) for number, at, count, day in drawn
    )
    bought = tuple(Outlay(date=FIRST, text="Kissen", amount=amount) for amount in outlays)
    told = paper(lines, outlays=bought)
    if taken_back:
        told = cancelled(told)
    xml = einvoice.xml(told)
    assert validating.problems_of_xml(xml) == []
    whole = sum((line.amount for line in lines), Decimal(0)) + sum(outlays)
    parts = _amounts(etree.fromstring(xml), "LineTotalAmount")
    assert sum(parts[:-1]) == parts[-1] == (-whole if taken_back else whole) == told.total


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(str.strip))
@settings(max_examples=25, deadline=None)
def test_a_name_is_printed_or_refused_never_something_else(name):
    """A crash at the counter or an empty box on the page are both worse than a plain refusal."""
    refused, pdf = None, b""
    try:
        pdf = rendering.pdf(paper(name=name))
    except Invalid as error:
        refused = error
    assert pdf.startswith(b"%PDF-") if refused is None else "U+" in str(refused.words)


@pytest.mark.parametrize(
    "name",
    ['#set page(width: 1cm) [a] \\ $x$ `raw` *b* _i_ <l> @ref // c -- "q"', "&lt;b&gt; & {json}", "Weiß #1"],
)
def test_markup_in_a_name_is_only_letters(name):
    """Data are set as data: no name can change the page or be changed by it."""
    assert "".join(name.split()) in "".join(_words(rendering.pdf(paper(name=name))).split())


@pytest.mark.parametrize(
    "name",
    [
        "محمد عبد الرحمن",
        "Дмитро Шевченко",
        "王小明 山田太郎 김철수",
        "Ελένη",
        "שלום",
        "გიორგი",
        "ሰላም",
        "नमस्ते",
    ],
)
def test_a_name_in_any_of_these_scripts_is_drawn(name):
    """A patient is called what the passport says; the fonts come along, whatever the machine has."""
    assert validating.report(issuing.document(paper(name=name)).pdf).ok


@pytest.mark.parametrize(("name", "code"), [("ཀ", "U+0F40"), ("a\u202eb", "U+202E"), ("a\ufffe", "U+FFFE")])
def test_a_letter_that_cannot_be_drawn_is_named(name, code):
    """Tibetan has no font here, U+202E would turn the line around, U+FFFE is no letter at all."""
    with pytest.raises(Invalid, match=re.escape(code)):
        issuing.document(paper(name=name))


def test_five_hundred_lines_carry_their_sums_from_page_to_page():
    """Every page begins with what the one before came to, and says which page of how many it is."""
    pages = PdfReader(io.BytesIO(rendering.pdf(paper(cure(167)[:500])))).pages
    texts = [" ".join(page.extract_text().split()) for page in pages]
    left = [re.findall(r"Zwischensumme ([\d.,]+)", text) for text in texts]
    begun = [re.findall(r"Übertrag ([\d.,]+)", text) for text in texts]
    assert len(pages) > 20
    assert all(len(one) == 1 for one in left[:-1])
    assert begun[1:] == left[:-1]
    assert (begun[0], left[-1]) == ([], [])
    assert f"Seite 2 von {len(pages)}" in texts[1]


def test_all_that_section_12_asks_for_is_on_the_page():
    """An insurer refuses an invoice for any one of these (§ 12 Abs. 2 to 4 GOÄ)."""
    longer = priced(
        "3", FIRST, "3.5", reduction="4.59", justification="Sprachbarriere", duration_min=25, time="09:30"
    )
    wished = priced("1", FIRST, "2.3", on_demand=True)
    bought = Outlay(date=FIRST, text="Lagerungskissen", amount=Decimal("39.90"), receipt="Nr. 4711")
    words = _words(rendering.pdf(paper((longer, wished, *session(FIRST)), outlays=(bought,))))
    for wanted in (
        "Rechnung HH2026-00001", "01.09.2026", "geb. 01.02.1980", "M51.1",
        "Dauer: 25 Minuten (mindestens 10 Minuten)", "09:30 Uhr", "Begründung: Sprachbarriere",
        "auf Verlangen", "Minderung nach § 6a GOÄ", "4,59", "3,5", "30,60", EXTENSION,
        "entsprechend Nr. 516 GOÄ: Extensionsbehandlung mit Schrägbett", "Beleg: Nr. 4711",
        "Arznei-, Verbandmittel, Material (§ 10 Abs. 1 Satz 1 Nr. 1 GOÄ)",
        "Beleg oder sonstiger Nachweis liegt bei", "Umsatzsteuerfrei nach § 4 Nr. 14 Buchst. a UStG",
        "Steuernummer 42/123/45678", "DE89 3704 0044 0532 0130 00", "Zahlbar bis",
    ):  # fmt: skip
        assert wanted in words, wanted


def test_page_and_data_name_the_same_outlays_in_the_same_order():
    """§ 12 Abs. 2 Nr. 5 GOÄ asks for the kind; who compares page and data finds line beside line."""
    bought = (
        Outlay(date=FIRST + timedelta(days=1), text="Kissen", amount=Decimal("5.00"), receipt="A7"),
        Outlay(date=FIRST, kind="shipping", text="Befunde", amount=Decimal("1.60")),
    )
    root = etree.fromstring(einvoice.xml(paper((), outlays=bought)))
    products = [
        (one.findtext(f"{RAM}Name"), one.findtext(f"{RAM}Description"))
        for one in root.iter(f"{RAM}SpecifiedTradeProduct")
    ]
    assert products == [
        ("Befunde", "Auslage: Versand, Porto (§ 10 Abs. 1 Satz 1 Nr. 2 GOÄ)"),
        (
            "Kissen",
            "Auslage: Arznei-, Verbandmittel, Material (§ 10 Abs. 1 Satz 1 Nr. 1 GOÄ), Beleg: A7",
        ),
    ]
    words = _words(rendering.pdf(paper((), outlays=bought)))
    assert words.index("Befunde Versand, Porto") < words.index("Kissen Arznei-")


@pytest.mark.parametrize(("number", "minutes"), [("3", 10), ("34", 20), ("1", None)])
def test_a_charge_comes_with_the_minimum_duration_of_its_number(number, minutes):
    """Where the official text names one, the invoice must (§ 12 Abs. 2 Nr. 2 GOÄ)."""
    line = priced(number, FIRST, "2.3", duration_min=25).line
    some = UUID(int=1)
    charge = Charge(some, "hamburg", some, some, None, None, line, "hand", "ada", 0)
    assert checking.priced(charge, "private").minimum_min == minutes


def test_the_english_copy_says_that_the_german_one_counts_and_holds_no_data():
    """Two papers with the same XML would be booked twice."""
    copy = rendering.pdf(paper(language="en"), is_copy=True)
    words = _words(copy)
    assert "only the German original counts" in words
    assert "Invoice total" in words
    assert not PdfReader(io.BytesIO(copy)).attachments
    assert "Rechnungsbetrag" in _words(rendering.pdf(paper(language="en")))


def test_a_reduction_is_an_allowance_of_its_line():
    """§ 6a takes off the fee, not off the outlays, and the XML adds up (BG-27)."""
    told = paper((priced("3", FIRST, "2.3", reduction="3.02"),))
    xml = einvoice.xml(told)
    assert validating.problems_of_xml(xml) == []
    assert _amounts(etree.fromstring(xml), "ActualAmount") == [Decimal("3.02")]
    assert validating.problems_of_xml(einvoice.xml(cancelled(told))) == []


def test_a_reduction_stays_on_the_page_of_its_service():
    """An amount taken off nothing, on top of a page, is read as taken off the sum carried there."""
    reduced = [priced("3", FIRST, "2.3", reduction="3.02", time=f"{at:02}:30") for at in range(24)]
    for page in PdfReader(io.BytesIO(rendering.pdf(paper(tuple(reduced))))).pages:
        text = page.extract_text()
        assert text.count("Minderung nach") == text.count("Eingehende")


@pytest.mark.parametrize("outlays", range(8, 20))
def test_sums_and_how_to_pay_never_stand_alone_on_a_sheet(outlays):
    """Whoever holds the last sheet alone sees what is to be paid, and what for."""
    bought = tuple(Outlay(date=FIRST, text=f"Artikel {at}", amount=Decimal(1)) for at in range(outlays))
    told = paper((priced("1", FIRST, "2.3"),), outlays=bought)
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(rendering.pdf(told))).pages]
    assert sum(text.count("Artikel") for text in texts) == outlays
    assert texts[-1].count("Artikel") >= 2
    assert "Rechnungsbetrag" in texts[-1]
    assert "Verwendungszweck" in texts[-1]


def test_remarks_longer_than_a_sheet_still_run_over_several():
    """What cannot be kept together is not cut off."""
    told = paper(remarks=tuple(f"Hinweis{at} " + "Wort " * 90 for at in range(16)))
    text = _words(rendering.pdf(told))
    assert all(f"Hinweis{at} " in text for at in range(16))
    assert "Verwendungszweck" in text


@pytest.mark.parametrize(
    ("removed", "rule"),
    [
        ("SellerTradeParty/{0}ID", "BR-CO-26"),
        ("SellerTradeParty/{0}Name", "BR-06"),
        ("BuyerTradeParty/{0}PostalTradeAddress/{0}CountryID", "BR-11"),
        ("ApplicableTradeTax/{0}ExemptionReason", ""),
    ],
)
def test_the_rules_speak_when_something_is_missing(removed, rule):
    """The schematron runs for real: take away what it asks for, and it says so."""
    root = etree.fromstring(einvoice.xml(paper()))
    path = f".//{RAM}" + removed.format(RAM)
    for element in root.findall(path):
        element.getparent().remove(element)
    if removed.endswith("ExemptionReason"):
        for element in root.findall(f".//{RAM}ExemptionReasonCode"):
            element.getparent().remove(element)
    problems = schematron.against_schematron(root)
    assert [problem for problem in problems if problem.fatal and rule in problem.message + problem.rule]


def test_validation_survives_what_is_no_invoice():
    """What comes from elsewhere may be anything."""
    assert validating.problems_of_xml(b"no xml")[0].rule == "well-formed"
    entity = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    assert validating.problems_of_xml(entity)
    assert not validating.report(b"").ok
    assert not validating.report(b"%PDF-1.7\n" + bytes(range(256)) * 40).ok


def test_tax_in_the_currency_of_the_books_is_not_added():
    """Others may state both (BT-110, BT-111), in either order; the sums are those of the invoice's own."""
    own = '<ram:TaxTotalAmount currencyID="EUR">0.00</ram:TaxTotalAmount>'
    other = '<ram:TaxTotalAmount currencyID="CHF">7.00</ram:TaxTotalAmount>'
    told = einvoice.xml(paper()).decode()
    assert own in told
    assert arithmetic.problems(etree.fromstring(told.replace(own, other + own).encode())) == []


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16"])
def test_data_in_any_encoding_are_checked(encoding):
    """What comes from elsewhere says by itself in which letters it is written."""
    data = etree.tostring(etree.fromstring(einvoice.xml(paper())), encoding=encoding, xml_declaration=True)
    assert validating.problems_of_xml(data) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("?>", '?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'), "well-formed"),
        (("20261122", "20261399"), "UNTDID 2379, 102"),
        (("20261122", "2026-11-22"), "UNTDID 2379, 102"),
    ],
)
def test_what_schema_and_rules_let_pass_is_found(change, rule):
    """A document type can read files; the schema takes any text for a day."""
    told = einvoice.xml(paper()).decode().replace(*change, 1).encode()
    assert [problem.rule for problem in validating.problems_of_xml(told)] == [rule]


@given(st.integers(0, 60_000), st.binary(min_size=1, max_size=40))
@settings(max_examples=20, deadline=None)
def test_a_damaged_file_is_reported_on_whatever_is_broken(at, damage):
    """A recipient's file may be cut or mangled anywhere: findings, never a crash."""
    whole = rendering.pdf(paper())
    at %= len(whole)
    told = validating.report(whole[:at] + damage + whole[at + len(damage) :])
    assert told.findings


def test_issuing_from_several_threads_gives_the_same():
    """Requests are served side by side: compilers and rules must not be shared wrongly."""
    papers = [paper(number=f"HH2026-{at:05}") for at in range(6)]
    alone = [issuing.document(one).sha256 for one in papers]
    with ThreadPoolExecutor(3) as threads:
        assert [one.sha256 for one in threads.map(issuing.document, papers)] == alone


def test_long_names_keep_clear_of_everything_else():
    """What does not fit the head, the window or the foot is set smaller, then moves the rest down."""
    long = "Gesellschaft für außergewöhnlich lange Namen " * 8
    clinic = CLINIC.model_copy(
        update={"name": long.strip(), "bank": long.strip(), "speciality": long.strip()}
    )
    pdf = rendering.pdf(paper(recipient=Recipient(name=long, address=HOME), clinic=clinic))
    words = _words(pdf)
    assert "22765 Hamburg" in words
    assert "DE89 3704 0044 0532 0130 00" in words


def test_a_word_longer_than_its_column_breaks_and_stays_whole():
    """It was set over the sum beside it and off the sheet; broken, it is copied as it was typed."""
    word = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
    (page,) = PdfReader(
        io.BytesIO(rendering.pdf(paper((priced("3", FIRST, "2.3", analogue=word),), name=word)))
    ).pages
    lines = page.extract_text().splitlines()
    assert max(map(len, lines)) < len(word)
    assert "".join("".join(lines).split()).count(word) == 3  # the address, the patient, the service


@pytest.mark.parametrize(
    ("amount", "german", "english"),
    [("1060.2", "1.060,20", "1,060.20"), ("-0.05", f"{MINUS}0,05", f"{MINUS}0.05"), ("0", "0,00", "0.00")],
)
def test_money_reads_as_the_language_writes_it(amount, german, english):
    """A point for a comma is a factor of a thousand."""
    assert (money(Decimal(amount), "de"), money(Decimal(amount), "en")) == (german, english)
    assert factor(Decimal("1.0"), "de") == "1,0"
    assert factor(Decimal("2.3000"), "en") == "2.3"


@pytest.mark.parametrize("holder", ["王" * 70, "Ä" * 70, "Praxis\nDE02120300000000202051\nEUR1", "Dr. Weiß"])
@pytest.mark.parametrize("reference", ["HH-2026-00001", "X" * 140])
def test_a_code_stays_within_its_331_bytes_and_its_lines(holder, reference, monkeypatch):
    """EPC069-12: whatever the account is called, the app reads this account, this sum, this reference."""
    told = []
    make = segno.make_qr
    monkeypatch.setattr(segno, "make_qr", lambda data, **more: told.append(data) or make(data, **more))
    assert girocode.svg(holder, "DE89 3704 0044 0532 0130 00", "COBADEFFXXX", MOST, reference)
    assert len(told[0]) <= 331
    fields = told[0].decode().split("\n")
    assert fields[:5] == ["BCD", "002", "1", "SCT", "COBADEFFXXX"]
    assert fields[6:] == ["DE89370400440532013000", "EUR999999999.99", "", "", reference]
    assert " ".join(holder.split()).startswith(fields[5])


@pytest.mark.parametrize(
    ("code", "german", "english"),
    [("DE", None, None), ("ES", "SPANIEN", "SPAIN"), ("QQ", "QQ", "QQ")],
)
def test_letters_that_go_abroad_name_the_country(code, german, english):
    """DIN 5008: in capitals, in words; a code is read by no postman."""
    assert (country(code, "de"), country(code, "en")) == (german, english)


def test_no_code_for_what_a_banking_app_cannot_pay():
    """EPC069-12 ends at a thousand million and knows no negative sums."""
    assert content.payment(CLINIC, Decimal("-1.00"), FIRST, "X", "de")["code"] is None
    assert content.payment(CLINIC, MOST + Decimal("0.01"), FIRST, "X", "de")["code"] is None
    assert content.payment(CLINIC, Decimal("10.00"), FIRST, "X" * 141, "de")["code"] is None
    assert content.payment(CLINIC, Decimal("10.00"), FIRST, "X", "de")["code"].startswith("<svg")
    assert arithmetic.problems(etree.fromstring("<a/>"))[0].rule == "BG-22"
