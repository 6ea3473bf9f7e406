import hashlib
import io
import json
from decimal import Decimal

import facturx
import pytest
import typer.main
from billing.papers_rig import CLINIC, FIRST, cancelled, cure, paper, priced
from lxml import etree
from pypdf import PdfReader, PdfWriter

from services.billing.benches import bench_invoices
from services.billing.errors import Invalid
from services.billing.papers import content, einvoice, issuing, letters, rendering, validating, xmp
from services.cli import build


def _words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def test_an_invoice_is_issued_with_page_and_data_that_hold():
    """What insurers read by eye and by program is one invoice, proven before anybody gets it."""
    made = issuing.document(paper())
    assert hashlib.sha256(made.pdf).hexdigest() == made.sha256
    assert "70,68" in _words(made.pdf)
    assert b"<ram:DuePayableAmount>70.68</ram:DuePayableAmount>" in made.xml
    assert dict(PdfReader(io.BytesIO(made.pdf)).attachments) == {"factur-x.xml": [made.xml]}


def test_the_same_paper_gives_the_same_bytes():
    """A paper rendered anew after a lost race or for an auditor is the one that was sent."""
    assert issuing.document(paper()) == issuing.document(paper())


def test_another_library_finds_and_accepts_the_same_data():
    """Not only our own reader must find what is inside."""
    made = issuing.document(paper())
    name, xml = facturx.get_xml_from_pdf(made.pdf, check_xsd=True, check_schematron=False)
    assert (name, xml) == ("factur-x.xml", made.xml)
    assert facturx.get_level(etree.fromstring(xml)) == "en16931"


def test_a_cancellation_is_negative_and_names_what_it_takes_back():
    """A cancelled invoice is never deleted: its opposite says which one it was (EN 16931 BG-3)."""
    made = issuing.document(cancelled(paper(cure(2))))
    words = _words(made.pdf)
    assert "Nr. HH2026-00001 vom 22.11.2026" in words
    assert "\N{MINUS SIGN}141,36" in words
    assert b"<ram:TypeCode>384</ram:TypeCode>" in made.xml
    assert b"<ram:DuePayableAmount>-141.36</ram:DuePayableAmount>" in made.xml


def test_validation_finds_a_broken_sum():
    """A validation that cannot fail proves nothing."""
    broken = einvoice.xml(paper()).replace(b"<ram:LineTotalAmount>6.82", b"<ram:LineTotalAmount>6.83")
    rules = {problem.rule for problem in validating.problems_of_xml(broken)}
    assert {"BR-CO-10", "BT-131"} <= rules


def test_a_clinic_without_bank_or_tax_data_issues_nothing():
    """The refusal names every field that lacks and who asks for it."""
    bare = CLINIC.model_copy(update={"iban": None, "tax_number": None, "identifier": None})
    with pytest.raises(Invalid) as refused:
        issuing.document(paper(clinic=bare))
    assert refused.value.more["missing"] == ["iban", "tax_number|vat_id", "identifier|vat_id"]


def test_a_total_that_is_not_the_sum_of_its_lines_is_refused():
    """Sums equal the sum of rounded items, or there is no paper."""
    with pytest.raises(Invalid, match=r"70\.69.*70\.68"):
        issuing.document(paper(total=Decimal("70.69")))


def _letter(**more: object) -> dict[str, object]:
    invoice = paper()
    row = letters.row_of(invoice.lines[1], "de", times=18)
    return {
        "clinic": CLINIC, "recipient": invoice.recipient, "patient": invoice.patient,
        "issued_on": "2026-11-22", "sections": [{"rows": [row], "total": "1073.88"}], **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("estimate", "nicht gesichert"),
        ("agreement", "möglicherweise nicht in vollem Umfang gewährleistet"),
        ("reminder", "Zahlungserinnerung"),
        ("reminder", "Sehr geehrte Damen und Herren,"),
    ],
)
def test_every_letter_says_what_law_wants(template, sentence):
    """§ 630c Abs. 3 BGB and § 2 Abs. 2 GOÄ want their sentence, whoever writes the rest."""
    words = _words(letters.pdf(template, _letter(), "de"))
    assert sentence in words
    assert "entsprechend Nr. 652 GOÄ" in words
    assert "1.073,88" in words


def test_a_fee_agreement_holds_nothing_else():
    """§ 2 Abs. 2 Satz 3 GOÄ: one more declaration and the agreement is void."""
    with pytest.raises(Invalid, match=r"§ 2\(2\)"):
        letters.pdf("agreement", _letter(paragraphs=["Bitte rasch unterschreiben."]), "de")


def test_an_english_letter_says_that_the_german_one_counts():
    """A courtesy copy must never be taken for the document itself."""
    assert "only the German version counts" in _words(letters.pdf("estimate", _letter(), "en"))


def test_an_english_copy_says_in_english_what_a_session_was_charged_with():
    """§ 12 Abs. 4 GOÄ: whoever pays understands it; the fee schedule's own names stay as the law has them."""
    part = "Lendenwirbelsäule"
    words = f"Computergesteuerte Dekompressionsbehandlung der {part} am kraftgeregelten Behandlungstisch"
    lines = (
        priced("516", FIRST, "1.8", analogue=words, body_part=part),
        priced("652", FIRST, "2.3", analogue="Eigenes"),
    )
    copy = " ".join(rows_of(content.invoice(paper(lines), language="en", is_copy=True)))
    assert "Eigenes" in copy, "what somebody wrote is nobody's to translate"
    assert "Computer-controlled decompression of the lumbar spine on a force-controlled" in copy
    assert "Region: lumbar spine" in copy
    assert "Lendenwirbelsäule" not in copy
    assert "Nr. 652 GOÄ: Elektrokardiographische Untersuchung" in copy


def rows_of(values):
    """Names and notes of the page's lines."""
    return [text for row in values["rows"] for text in (row["name"], *row["notes"])]


def test_what_is_issued_holds_when_it_is_opened_again(capsys, tmp_path):
    """Whoever gets the file finds every mark, the XML and the sums, and sees the same on the page."""
    file = tmp_path / "invoice.pdf"
    file.write_bytes(issuing.document(paper(cure(3))).pdf)
    assert _ran(["invoice", "verify", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert (told["number"], told["total"]) == ("HH2026-00001", "212.04")
    standards = {finding["standard"] for finding in told["findings"]}
    assert {"ISO 19005-3 (PDF/A-3)", "EN 16931-1 schematron"} <= standards


def _ran(words: list[str]) -> int:
    result = typer.main.get_command(build()).main(words, standalone_mode=False)
    return int(result or 0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ((b"/AFRelationship/Alternative", b"/AFRelationship/Unspecified"), "6.8"),
        ((b"<pdfaid:part>3<", b"<pdfaid:part>2<"), "6.6.4"),
        ((b"fx:ConformanceLevel", b"fx:ConformanceLabel"), "fx:ConformanceLevel"),
        ((b"/GTS_PDFA1", b"/GTS_PDFX1"), "6.2.3"),
        ((b"%PDF-", b"%PDX-"), "readable"),
    ],
)
def test_a_file_without_a_mark_does_not_hold(change, rule):
    """A look that never finds anything would be no look."""
    broken = issuing.document(paper()).pdf.replace(*change)
    told = validating.report(broken)
    assert not told.ok
    assert rule in {finding.rule for finding in told.findings if not finding.ok}


def test_an_encrypted_file_does_not_hold():
    """Even one that opens without a password is no archival one (ISO 19005-3, 6.1.3)."""
    writer, out = PdfWriter(clone_from=io.BytesIO(issuing.document(paper()).pdf)), io.BytesIO()
    writer.encrypt("", "owner", algorithm="AES-256")
    writer.write(out)
    told = validating.report(out.getvalue())
    assert [finding.message for finding in told.findings if not finding.ok] == [
        "is not encrypted: is encrypted"
    ]


@pytest.mark.parametrize(("number", "total"), [("2026", "1.00"), ("HH2026-0000", "70.68"), ("2026", "0.68")])
def test_a_part_of_what_is_printed_is_not_what_is_printed(number, total):
    """0,68 stands within 70,68 on the page, and is another invoice all the same."""
    amount = Decimal(total)
    line = paper().lines[0].model_copy(update={"gross": amount, "amount": amount})
    other = einvoice.xml(paper((line,), number=number, total=amount))
    values = content.invoice(paper(), language="de", is_copy=False)
    told = validating.report(rendering.with_xml(values, paper().issued_on, other))
    wrong = {"BT-1"} | ({"BT-115"} if total != "70.68" else set())
    assert {finding.rule for finding in told.findings if not finding.ok} == wrong


def test_another_invoice_s_data_behind_a_page_are_found():
    """The page says one sum and the XML another: nobody may be sent one and book the other."""
    values = content.invoice(paper(), language="de", is_copy=False)
    other = einvoice.xml(paper(cure(2), number="HH2026-00007"))
    told = validating.report(rendering.with_xml(values, paper().issued_on, other))
    assert {finding.rule for finding in told.findings if not finding.ok} == {"BT-1", "BT-115"}


def test_the_benchmark_s_invoices_all_hold():
    """The short form measures nothing and proves that what is measured is right."""
    told = bench_invoices.measure(count=4, verified=2, rounds=0)
    assert (told["invoices"], told["invalid"], told["ok"]) == (4, 0, True)
    assert {"xml", "xsd", "schematron", "page"} <= told["share_of_time"].keys()


def test_metadata_are_added_to_nothing_but_our_own_pages():
    """A PDF that typst did not prove must not be told to be an archival invoice."""
    for other in (b"", b"%PDF-1.7\ntrailer\n", issuing.document(paper()).pdf):
        with pytest.raises(Invalid, match=r"6\.6\.2"):
            xmp.with_invoice_properties(other)
