"""The Digitale Patientenrechnung: what we write is read back the same; what others write is checked."""

import json
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from billing import papers_rig
from billing.billing_rig import ANNA
from billing.test_invoices import cured, issued
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.billing.checking import readers
from services.billing.errors import Invalid
from services.billing.exchange import names
from services.billing.exchange.fhir import reading, terms, writing
from services.billing.goae.pricing import REDUCTIONS
from services.billing.invoices.models import Issued
from services.billing.models import Outlay, Patient, Recipient

DATA = Path(__file__).with_name("data")
CANCELS = UUID(int=9)
FIRST = date(2026, 2, 1)
KEPT = (
    "date", "time", "number", "analogue", "factor", "count", "justification", "duration_min", "on_demand",
    "agreed", "body_part", "illness",
)  # fmt: skip


def handed_out(paper, **more):
    """A paper as the database has it."""
    told = {"cancels": CANCELS if paper.kind == "cancellation" else None, "cancelled_by": None, **more}
    return Issued(
        paper.id, paper.site, paper.number, paper.kind, paper.patient.id, UUID(int=3), None, paper.issued_on,
        paper.due_on, paper.total, paper.recipient.name, (), paper, None, "billing", 1_700_000_000_000_000,
        told["cancels"], told["cancelled_by"],
    )  # fmt: skip


def written(paper, **more):
    """The bundle as it goes over the line: a number has become text and a number again."""
    return json.loads(json.dumps(writing.bundle(handed_out(paper, **more))))


def of_kind(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def assert_same(paper, sheet):
    """Every line, outlay and sum of the paper stands in the sheet."""
    assert len(sheet.lines) == len(paper.lines)
    for mine, read in zip(paper.lines, sheet.lines, strict=True):
        assert {name: getattr(mine.line, name) for name in KEPT} == {
            name: getattr(read, name) for name in KEPT
        }
        assert read.amount == abs(mine.gross)
    assert [(one.date, one.kind, one.text, one.amount, one.receipt) for one in sheet.outlays] == [
        (one.date, one.kind, one.text, one.amount, one.receipt is not None) for one in paper.outlays
    ]
    assert (sheet.number, sheet.date, sheet.tariff) == (paper.number, paper.issued_on, paper.tariff)
    assert sheet.total == abs(paper.total)
    assert (sheet.reduction or 0) == sum(abs(line.reduction) for line in paper.lines)


line = st.fixed_dictionaries(
    {"number": st.sampled_from(["1", "516", "652", "538", "3", "75"])},
    optional={
        "time": st.times(time(6), time(22)).map(lambda at: at.replace(second=0, microsecond=0)),
        "analogue": st.sampled_from(["Dekompression „L5/S1“; Zug & Gegenzug", "علاج"]),
        "count": st.integers(1, 3), "justification": st.sampled_from(["Mehraufwand; zwei Segmente"]),
        "duration_min": st.integers(1, 90), "on_demand": st.booleans(), "agreed": st.booleans(),
        "body_part": st.sampled_from(["LWS"]), "illness": st.sampled_from(["lumbar"]),
    },
)  # fmt: skip
LINES = st.lists(st.tuples(line, st.integers(0, 250), st.integers(1000, 3500)), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, st.booleans(), st.booleans())
def test_every_invoice_written_is_read_back_with_the_same_lines_and_sums(told, has_outlay, is_taken_back):
    """What an insurer's program makes of it is what the paper says."""
    lines = tuple(
        papers_rig.priced(on=FIRST + timedelta(days=day), factor=f"{factor / 1000}", **row)
        for row, day, factor in told
    )
    outlay = Outlay(date=FIRST, kind="shipping", text="Versand", amount=Decimal("3.20"), receipt="Beleg 1")
    paper = papers_rig.paper(lines, outlays=(outlay,) if has_outlay else ())
    paper = papers_rig.cancelled(paper) if is_taken_back else paper
    bundle = written(paper)
    assert_same(paper, reading.sheet(bundle))
    assert not [one for one in readers.check(json.dumps(bundle)).findings if one.rule in ("amount", "sum")]


@pytest.mark.parametrize(("treatment", "code"), [("inpatient", "IMP"), ("attending", "IMP")])
def test_what_paragraph_6a_takes_off_comes_back_as_such(treatment, code):
    """§ 6a: the fee, what is taken off, and by how many per cent."""
    gross = papers_rig.priced("652", date(2026, 9, 1), "2.3")
    off = (gross.gross * REDUCTIONS[treatment]).quantize(Decimal("0.01"))
    paper = papers_rig.paper((papers_rig.priced("652", date(2026, 9, 1), "2.3", reduction=str(off)),))
    bundle = written(paper)
    found = reading.sheet(bundle)
    assert_same(paper, found)
    assert found.treatment == treatment
    assert terms.value_of(of_kind(bundle, "Invoice")[0], terms.TREATMENT)["code"] == code
    assert readers.check(json.dumps(bundle)).verdict == "fine"


def test_a_position_says_all_that_the_fee_schedule_knows_of_it():
    """Points, simple rate, factor, analogue and reason each stand where the profile wants them."""
    first = papers_rig.priced(
        "652", date(2026, 9, 1), "3.0", analogue="Aufzeichnung", justification="Mehraufwand", agreed=True
    )
    bundle = written(papers_rig.paper((first,)))
    (item,) = of_kind(bundle, "ChargeItem")
    assert item["code"]["coding"][0]["system"] == "http://fhir.de/CodeSystem/bäk/goä"
    assert (item["code"]["coding"][0]["code"], item["code"]["text"]) == ("652", "Aufzeichnung")
    schedule = next(terms.extensions(item, terms.SCHEDULE))
    assert terms.value_of(schedule, "Punktzahl") == 445
    assert terms.value_of(schedule, "Einfachsatz") == {"value": 25.94, "currency": "EUR"}
    assert terms.value_of(schedule, "Faktor", "Value") == 3.0
    assert terms.value_of(schedule, "Faktor", "FaktorGrund")["code"] == "HV"
    assert terms.value_of(item, terms.ADDITION)["code"] == "A"
    assert [reason["text"] for reason in item["reason"]][1] == "Mehraufwand"
    assert "entsprechend Nr. 652" in item["reason"][0]["text"]


def test_how_to_pay_is_told_as_on_the_page():
    """The profile wants all that a transfer takes: whose account, where, under which words, how much."""
    (invoice,) = of_kind(written(papers_rig.paper()), "Invoice")
    assert invoice["paymentTerms"] == (
        "Überweisung an Dr. med. Johanna Weiß, IBAN DE89370400440532013000, BIC COBADEFFXXX, "
        "Verwendungszweck HH2026-00001, zahlbar bis 22.12.2026 ohne Abzug: 70,68 EUR"
    )


def test_a_standard_tariff_is_told_with_every_factor():
    """§ 5b: whoever checks it knows which caps hold."""
    paper = papers_rig.paper(
        (papers_rig.priced("538", date(2026, 9, 1), "1.3"),), tariff="standard", diagnosis=None
    )
    assert reading.sheet(written(paper)).tariff == "standard"


def test_somebody_else_who_pays_is_a_person_of_their_own():
    """A mother pays for her child: the profile knows who was treated and who pays."""
    child = Patient(
        id=UUID(int=2), name="Kim Muster", birth_date=date(2012, 1, 1), given_name="Kim",
        family_name="Muster", sex="diverse", insurance_number="A123456780",
    )  # fmt: skip
    mother = Recipient(name="Dr. Eva von Muster", address=papers_rig.HOME)
    bundle = written(papers_rig.paper(patient=child, recipient=mother))
    treated, payer = of_kind(bundle, "Patient")
    assert (treated["name"][0]["given"], treated["gender"]) == (["Kim"], "other")
    assert treated["identifier"][0]["value"] == "A123456780"
    assert (payer["name"][0]["text"], payer["name"][0]["prefix"]) == ("Dr. Eva von Muster", ["Dr."])
    invoice = of_kind(bundle, "Invoice")[0]
    assert invoice["recipient"]["reference"] == f"urn:uuid:{payer['id']}"
    assert "value" not in invoice["recipient"]["identifier"], "the child's number is not the mother's"


@pytest.mark.parametrize(
    ("whole", "title", "given", "family"),
    [
        ("Dr. med. Ada Beispiel", "Dr. med.", "Ada", "Beispiel"),
        ("Prof. Dr. Dr. h. c. Karl Heinz Weiß", "Prof. Dr. Dr. h. c.", "Karl Heinz", "Weiß"),
        ("Drusilla Drews", "", "Drusilla", "Drews"),
        ("Madonna", "", "", "Madonna"),
        ("علي حسن", "", "علي", "حسن"),
    ],
)
def test_names_fall_into_title_given_and_family_name(whole, title, given, family):
    """Only where nobody told the parts."""
    assert names.of_text(whole) == names.Name(family, given, title)


def test_a_field_of_medicine_without_a_code_is_asked_for():
    """The profile wants one; it is not guessed."""
    clinic = papers_rig.CLINIC.model_copy(update={"speciality": "Osteologie"})
    with pytest.raises(Invalid, match="Osteologie") as refused:
        written(papers_rig.paper(clinic=clinic))
    assert refused.value.more["missing"] == ["speciality_code"]
    coded = clinic.model_copy(update={"speciality_code": "ORTH"})
    writing.bundle(handed_out(papers_rig.paper(clinic=clinic)), now=coded)


def test_the_specification_s_invoice_is_read_and_its_wrong_sum_named():
    """Gematik's Musterrechnung prints 54.95; its seven amounts come to 54.94."""
    checked = readers.check((DATA / "dipag-musterrechnung.json").read_text(encoding="utf-8"))
    assert [one.rule for one in checked.findings if one.verdict == "forbidden"] == ["total"]
    assert checked.total == Decimal("54.94")


def test_the_specification_s_bundle_names_points_and_rates_that_are_not_those_of_the_law():
    """Number 1 has 80 points, 4.66 EUR; its example says 100 and 10.72. Dental lines stay unchecked."""
    checked = readers.check((DATA / "dipag-bundle-example.json").read_text(encoding="utf-8"))
    found = {one.rule for one in checked.findings if one.verdict == "forbidden"}
    assert {"amount", "points", "simple-rate", "total"} <= found
    assert checked.unpriced == (1, 2, 3)
    assert checked.outlays == Decimal("53.55")


def test_amounts_that_were_changed_on_the_way_are_named():
    """A line, the points, the simple rate, the sum of all, the total."""
    bundle = written(papers_rig.paper())
    invoice, item = of_kind(bundle, "Invoice")[0], of_kind(bundle, "ChargeItem")[0]
    invoice["lineItem"][0]["priceComponent"][0]["amount"]["value"] = 6.81
    invoice["totalPriceComponent"][0]["amount"]["value"] = 70.69
    invoice["totalGross"]["value"] = 70.70
    schedule = next(terms.extensions(item, terms.SCHEDULE))
    for part in schedule["extension"]:
        if part["url"] == "Punktzahl":
            part["valueDecimal"] = 66
    found = {
        one.rule: one for one in readers.check(json.dumps(bundle)).findings if one.verdict == "forbidden"
    }
    assert {"amount", "points", "sum", "total", "net"} <= set(found)
    assert "66" in found["points"].text["de"]


def factored(bundle, value):
    """The bundle with another factor at its first position, or with none."""
    factor = next(
        terms.extensions(next(terms.extensions(of_kind(bundle, "ChargeItem")[0], terms.SCHEDULE)), "Faktor")
    )
    named = next(part for part in factor["extension"] if part["url"] == "Value")
    if value is None:
        factor["extension"].remove(named)
    else:
        named[next(key for key in named if key.startswith("value"))] = value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told: told["entry"].pop(0), "0 x Invoice"),
        (lambda told: told["entry"].append({"resource": told["entry"][0]["resource"]}), "2 x Invoice"),
        (lambda told: told["entry"].append(told["entry"][0]), "stands twice"),
        (lambda told: told["entry"].pop(), "is not in the file"),
        (lambda told: of_kind(told, "Invoice")[0].update(date="yesterday"), "date"),
        (lambda told: of_kind(told, "Invoice")[0]["totalGross"].update(currency="USD"), "USD"),
        (lambda told: of_kind(told, "Invoice")[0].update(colour="red"), "colour"),
        (lambda told: told["entry"][1]["resource"].update(resourceType=7), "none of FHIR's"),
        (lambda told: told["entry"][1]["resource"].update(resourceType="Money-Bag"), "none of FHIR's"),
        (lambda told: of_kind(told, "ChargeItem")[0]["quantity"].update(value=1.5), "quantity is 1.5"),
        (lambda told: of_kind(told, "ChargeItem")[0]["quantity"].update(value=-1), "count"),
        (lambda told: factored(told, None), "no Faktor"),
        (lambda told: factored(told, 0), "lines.0.factor"),
        (
            lambda told: of_kind(told, "ChargeItem")[0]["quantity"].update(value="1e999999"),
            "beyond 12 digits",
        ),
    ],
)
def test_a_file_that_is_no_invoice_is_refused_with_the_place(change, says):
    """In a line, with what stands there; nothing is half read."""
    bundle = written(papers_rig.paper())
    change(bundle)
    with pytest.raises(Invalid, match=says) as refused:
        readers.check(json.dumps(bundle))
    assert set(refused.value.words) == {"de", "en"}


def test_an_invoice_alone_with_everything_contained_is_read_too():
    """Bundles are the profile's way; FHIR allows this one as well."""
    bundle = written(papers_rig.paper())
    (invoice,) = of_kind(bundle, "Invoice")
    invoice["contained"] = of_kind(bundle, "ChargeItem")
    for row, item in zip(invoice["lineItem"], invoice["contained"], strict=True):
        row["chargeItemReference"]["reference"] = f"#{item['id']}"
    assert_same(papers_rig.paper(), reading.sheet(invoice))


@pytest.mark.parametrize(
    ("is_patient", "name", "persons"),
    [(True, "Anna Muster", 1), (False, "Anna Muster", 2), (None, "Anna Muster", 1), (True, "A. Muster", 1)],
)
def test_a_namesake_who_pays_is_not_the_patient(is_patient, name, persons):
    """A father of his son's name has another number and day of birth; where nobody says, the name decides."""
    payer = Recipient(name=name, address=papers_rig.HOME, is_patient=is_patient)
    child = Patient(
        id=UUID(int=2), name="Anna Muster", birth_date=date(2012, 1, 1), insurance_number="A123456780"
    )
    bundle = written(papers_rig.paper(patient=child, recipient=payer))
    assert len(of_kind(bundle, "Patient")) == persons
    number = of_kind(bundle, "Invoice")[0]["recipient"]["identifier"].get("value")
    assert number == ("A123456780" if persons == 1 else None)


def test_who_pays_is_known_by_more_than_the_name(rig):
    """The patient's own address says that it is them; the same name elsewhere does not."""
    rig.clinic()
    told = {}
    for street in (None, ANNA["street"], "Anderswo 1"):
        patient = cured(rig)
        (draft,) = rig.ask("GET", "/drafts", params={"site": "north"})["drafts"]
        if street:
            address = {"street": street, "postal_code": ANNA["postal_code"], "city": ANNA["city"]}
            body = {"revision": 1, "recipient": {"name": "Anna Muster", "address": address}}
            draft = rig.ask("PUT", f"/drafts/{draft['id']}", json=body)
        invoice = issued(rig, draft)
        assert invoice["patient"] == str(patient)
        bundle = rig.ask("GET", f"/invoices/{invoice['id']}/fhir")
        told[street] = len(of_kind(bundle, "Patient"))
    assert told == {None: 1, ANNA["street"]: 1, "Anderswo 1": 2}


def test_an_issued_invoice_goes_out_as_fhir_and_says_when_it_was_taken_back(rig):
    """With billing's permission; another site's does not exist; every reading is written down."""
    rig.clinic()
    cured(rig)
    invoice = issued(rig)
    path = f"/invoices/{invoice['id']}/fhir"
    answer = rig.knock("GET", path)
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["content-disposition"] == f'inline; filename="{invoice["number"]}.fhir.json"'
    bundle = answer.json()
    assert reading.sheet(bundle).total == Decimal("141.36")
    (patient,) = of_kind(bundle, "Patient")
    assert (patient["name"][0]["family"], patient["gender"]) == ("Muster", "female")
    rig.ask("GET", path, sites=("south",), status=404)
    rig.ask("GET", path, role="therapist", status=403)
    told = {"request": str(uuid4()), "reason": "falscher Tarif"}
    cancellation = rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=201)
    taken_back = of_kind(rig.ask("GET", path), "Invoice")[0]
    assert (taken_back["status"], "falscher Tarif" in taken_back["cancelledReason"]) == ("cancelled", True)
    assert "meta" not in taken_back, "the profile knows issued invoices alone"
    second = of_kind(rig.ask("GET", f"/invoices/{cancellation['id']}/fhir"), "Invoice")[0]
    assert terms.value_of(second, terms.REPLACES) == f"urn:uuid:{taken_back['id']}"
    assert second["totalGross"]["value"] == -141.36
    assert [row["action"] for row in rig.trail("invoice.exported")] == ["invoice.exported"] * 3
