"""Estimates before treatment: their prices, their papers, who may see them, what became of them."""

import hashlib
import json
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from uuid import uuid4

import pytest
from billing.billing_rig import NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import select
from typer.testing import CliRunner

from services.billing.estimates import menu, reckoning, tables
from services.billing.estimates.erasing import Erasing
from services.billing.goae import catalogue, sheet, tariffs
from services.cli import build
from services.kit.database import reading

DAY = date(2026, 11, 23)
PDF = b"%PDF-1.7 signed"


def planned(region="lumbar", sessions=18, payer="private", visit="usual"):
    """A cure as it is estimated."""
    tariff = tariffs.named(menu.payer(payer).tariff, catalogue.at(DAY))
    return reckoning.plan(region, sessions, payer, tariff, DAY, visit)


def made(rig, patient, site="north", **changed):
    """An estimate by the API."""
    body = {
        "request": str(uuid4()), "site": site, "patient": str(patient), "region": "lumbar", "sessions": 18,
        "payer": "private", **changed,
    }  # fmt: skip
    return rig.ask("POST", "/estimates", json=body, status=201)


def handed(rig, paper, path="estimates", status=201, file=None, **said):
    """Handing it over."""
    data = {"request": str(uuid4()), "how": "email", **said}
    files = {"file": ("signed.pdf", file, "application/pdf")} if file else None
    return rig.ask("POST", f"/{path}/{paper['id']}/signed", data=data, files=files, status=status)


@pytest.mark.parametrize(
    ("region", "payer", "per_session", "visit", "expected"),
    [
        ("lumbar", "private", "70.68", "67.70", "1339.94"),
        ("cervical", "private", "66.48", "67.70", "1264.34"),
        ("lumbar", "beihilfe", "70.68", "67.70", "1339.94"),
        ("lumbar", "self", "57.71", "67.70", "1106.48"),
        ("cervical", "self", "53.51", "67.70", "1030.88"),
        ("lumbar", "standardtarif", "52.05", "50.03", "986.93"),
    ],
)
def test_a_cure_costs_what_its_invoices_will(region, payer, per_session, visit, expected):
    """The seed's amounts to the cent, for every payer and region."""
    totals = planned(region, payer=payer).totals
    found = (totals.per_session, totals.first_visit, totals.expected)
    assert found == (Decimal(per_session), Decimal(visit), Decimal(expected))


@settings(max_examples=12)
@given(
    st.sampled_from(["lumbar", "cervical"]), st.integers(1, 60), st.sampled_from([*menu.payers()]),
    st.sampled_from([*menu.at(DAY).visits]),
)  # fmt: skip
def test_an_estimate_obeys_the_rules_of_invoices_and_adds_up(region, sessions, payer, visit):
    """No patient is told of a service that nobody may charge; sums are those of the rounded items."""
    plan = planned(region, sessions, payer, visit)
    version, schedule = menu.at(DAY), catalogue.at(DAY)
    lines = reckoning.laid_out(schedule, version, plan.positions)
    assert sheet.check(sheet.Sheet(tariff=plan.kind, lines=tuple(lines))).verdict in ("fine", "note")
    every = sum(one.line.amount * one.times for one in plan.positions)
    assert plan.totals.at_most == every
    assert plan.totals.certain == sum(one.amount for one in plan.positions if one.certain)
    assert plan.totals.certain <= plan.totals.expected <= plan.totals.at_most


def test_infrared_is_never_certain():
    """It is charged only if the lamp was on."""
    lamp = [one for one in planned().positions if one.line.line.number == "538"]
    assert [(one.part, one.certain, one.times) for one in lamp] == [("infrared", False, 18)]
    assert not [one for one in planned("cervical").positions if one.line.line.number == "538"]


def test_an_interim_examination_is_counted_as_often_as_the_rules_allow():
    """Numbers 1 and 5 stand beside sessions once a treatment case."""
    assert [one.times for one in planned(sessions=18).positions if one.part == "control"] == [1, 1]
    assert not [one for one in planned(sessions=6).positions if one.part == "control"]


def charged(rig, patient, *numbers, **line):
    """Lines by hand, today."""
    for number in numbers:
        told = {"date": "2026-11-23", "number": number, "factor": "2.3", "illness": "lumbar", **line}
        body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "line": told}
        rig.ask("POST", "/charges", json=body, status=201)


def test_what_was_charged_already_in_the_treatment_case_is_not_estimated_again(either_rig):
    """1 and 5 stand beside sessions once a month (section B no. 2): whoever had them is not told of more."""
    rig = either_rig
    rig.clinic()
    patient = rig.patient()
    asked = f"/estimates/preview?site=north&region=lumbar&sessions=18&payer=private&patient={patient}"
    assert "control" in [one["part"] for one in rig.ask("GET", f"{asked}&first_visit=none")["positions"]]
    rig.session(patient, rig.cure(patient))
    charged(rig, patient, "1", "5")
    plan = rig.ask("GET", f"{asked}&first_visit=none")
    assert "control" not in [one["part"] for one in plan["positions"]]
    (left,) = plan["left_out"]
    assert left["part"] == "control"
    assert "23.11.2026" in left["text"]["de"]
    assert "Abschnitt B" in left["paragraph"]
    kept = made(rig, patient, first_visit="none")["content"]["plan"]
    assert (kept["left_out"], kept["totals"]) == (plan["left_out"], plan["totals"])
    assert rig.trail("estimate.previewed")


def test_a_first_visit_that_was_charged_already_is_refused_with_its_day(rig):
    """Number 3 wants a reason of its own the second time in a treatment case; what was taken back is free."""
    rig.clinic()
    patient = rig.patient()
    charged(rig, patient, "3", duration_min=10)
    rig.now += timedelta(days=3)
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "region": "lumbar",
            "sessions": 6, "payer": "private"}  # fmt: skip
    refused = rig.ask("POST", "/estimates", json=body, status=422)
    assert refused["field"] == "first_visit"
    assert "23.11.2026" in refused["detail_de"]
    assert (
        rig.ask("POST", "/estimates", json={**body, "first_visit": "none"}, status=201)["total"] == "424.08"
    )
    charge = rig.ask("GET", f"/charges?site=north&patient={patient}")["charges"][0]["id"]
    rig.ask("POST", f"/charges/{charge}/reverse", json={"reason": "Irrtum"})
    made(rig, patient, sessions=6)


def test_an_estimate_is_kept_with_its_paper_and_told_with_random_ids_alone(either_rig):
    """The paper that was handed out is the one that is shown a year later."""
    rig = either_rig
    rig.clinic()
    patient = rig.patient()
    request = str(uuid4())
    estimate = made(rig, patient, request=request)
    assert made(rig, patient, request=request)["id"] == estimate["id"]
    assert (estimate["total"], estimate["state"], estimate["version"]) == ("1339.94", "made", 1)
    pdf = rig.knock("GET", f"/estimates/{estimate['id']}/pdf").content
    assert hashlib.sha256(pdf).hexdigest() == estimate["sha256"]
    words = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    for piece in ("Anna Muster", "§ 630c", "1.339,94", "nicht gesichert", "Praxis am Park"):
        assert piece in words
    (event,) = rig.told("estimate")
    assert (event.type, event.data) == (
        "estimate.made", {"estimate": estimate["id"], "patient": str(patient)}
    )  # fmt: skip
    assert rig.ask("GET", f"/estimates?site=north&patient={patient}")["estimates"][0]["total"] == "1339.94"


def test_the_text_form_says_what_the_paper_says_and_who_declares_it(rig):
    """§ 126b BGB: readable, and whose declaration it is; English is a copy."""
    rig.clinic()
    estimate = made(rig, rig.patient(), region="cervical", payer="self")
    text = rig.knock("GET", f"/estimates/{estimate['id']}/text").text
    for piece in (
        "1.030,88 €",
        "963,18 €",
        "Dr. med. Ada Beispiel",
        "Gültig bis: 21.02.2027",
        "§ 630c Abs. 3",
    ):
        assert piece in text
    english = rig.knock("GET", f"/estimates/{estimate['id']}/text?language=en").text
    assert "Expected costs: 1,030.88 €" in english
    assert "Halswirbelsäule" not in english
    copy = rig.knock("GET", f"/estimates/{estimate['id']}/pdf?language=en")
    assert copy.content.startswith(b"%PDF")
    assert copy.headers["content-disposition"].endswith('-en.pdf"'), "it never takes the original's place"


def test_a_new_version_takes_the_place_of_the_old_which_stays(rig):
    """§ 630f Abs. 1 BGB: corrections keep the original readable."""
    rig.clinic()
    patient = rig.patient()
    first, second = made(rig, patient), made(rig, patient, sessions=12)
    old = rig.ask("GET", f"/estimates/{first['id']}")
    assert (old["state"], old["replaced_by"], second["version"]) == ("replaced", second["id"], 2)
    assert old["content"]["plan"]["sessions"] == 18
    assert handed(rig, first, status=409)["replaced_by"] == second["id"]
    assert made(rig, patient, region="cervical")["version"] == 1


def test_handing_over_is_kept_with_who_when_and_how_or_the_signed_copy(either_rig):
    """The clinic bears the burden of proof (§ 630h BGB)."""
    rig = either_rig
    rig.clinic()
    estimate = made(rig, rig.patient())
    request = str(uuid4())
    for _ in range(2):
        left = handed(
            rig, estimate, request=request, receiver="Berta Muster (Mutter)", note="an b@example.org"
        )
    (kept,) = left["handings"]
    assert (kept["how"], kept["receiver"], kept["on"]) == ("email", "Berta Muster (Mutter)", "2026-11-23")
    assert left["state"] == "handed"
    left = handed(rig, estimate, how="signed", file=PDF)
    assert (left["state"], left["handings"][1]["sha256"]) == ("signed", hashlib.sha256(PDF).hexdigest())
    assert rig.knock("GET", f"/estimates/{estimate['id']}/signed").content == PDF
    assert [event.type for event in rig.told("estimate")] == ["estimate.made", *["estimate.signed"] * 2]
    assert len(rig.trail("estimate.signed")) == 3


def test_what_cannot_have_been_handed_over_is_refused_and_nothing_is_kept(rig):
    """A day to come, a day before it was made, a signature without a file, a file that is none."""
    rig.clinic()
    estimate = made(rig, rig.patient())
    for said in (
        {"on": "2026-11-24"}, {"on": "2026-11-22"}, {"how": "signed"}, {"how": "signed", "file": b"MZ"},
        {"how": "fax"}, {"receiver": "A\0"},
    ):  # fmt: skip
        handed(rig, estimate, status=422, **said)
    assert rig.ask("GET", f"/estimates/{estimate['id']}")["handings"] == []


def test_a_withdrawn_estimate_is_handed_over_no_more(rig):
    """Once, with its reason."""
    rig.clinic()
    estimate = made(rig, rig.patient())
    path = f"/estimates/{estimate['id']}/withdraw"
    assert rig.ask("POST", path, json={"reason": "falsche Region"})["state"] == "withdrawn"
    rig.ask("POST", path, json={"reason": "noch einmal"}, status=409)
    handed(rig, estimate, status=409)
    assert [event.type for event in rig.told("estimate")] == ["estimate.made", "estimate.withdrawn"]


def test_an_estimate_expires(rig):
    """A clinic's word has an end."""
    rig.clinic()
    estimate = made(rig, rig.patient())
    rig.now = NOW + timedelta(days=91)
    assert rig.ask("GET", f"/estimates/{estimate['id']}")["state"] == "expired"
    handed(rig, estimate, status=422)


@pytest.mark.parametrize(
    "changed",
    [
        {"sessions": 0}, {"sessions": 61}, {"sessions": True}, {"payer": "gkv"}, {"region": "thoracic"},
        {"tariff": "cheap"}, {"first_visit": "long"}, {"payer": "standardtarif", "tariff": "private"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_estimate_is_refused(rig, changed):
    """Bad input never half-applies."""
    rig.clinic()
    patient = rig.patient()
    body = {
        "request": str(uuid4()), "site": "north", "patient": str(patient), "region": "lumbar", "sessions": 18,
        "payer": "private", **changed,
    }  # fmt: skip
    rig.ask("POST", "/estimates", json=body, status=422)
    assert rig.ask("GET", "/estimates?site=north")["estimates"] == []


def test_without_a_letterhead_or_while_screening_is_away_nothing_is_made(rig):
    """An estimate says whom it is from, and for whom."""
    patient = rig.patient()
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "region": "lumbar",
            "sessions": 18, "payer": "private"}  # fmt: skip
    assert rig.ask("POST", "/estimates", json=body, status=422)["field"] == "clinic"
    rig.clinic()
    rig.screening.is_away = True
    rig.ask("POST", "/estimates", json=body, status=409)
    rig.screening.is_away = False
    rig.screening.files[str(patient)]["street"] = ""
    text = rig.knock("GET", f"/estimates/{rig.ask('POST', '/estimates', json=body)['id']}/text").text
    assert "Anna Muster" in text


def test_another_site_learns_nothing(rig):
    """Not of its papers, nor by making one for a patient of the other."""
    rig.clinic()
    rig.clinic("south")
    patient = rig.patient()
    estimate = made(rig, patient)
    body = {"request": str(uuid4()), "site": "south", "patient": str(patient), "region": "lumbar",
            "sessions": 18, "payer": "private"}  # fmt: skip
    rig.ask("POST", "/estimates", json=body, sites=("south",), status=404)
    rig.ask("GET", "/estimates?site=north", sites=("south",), status=404)
    for path in ("", "/pdf", "/text", "/signed"):
        rig.ask("GET", f"/estimates/{estimate['id']}{path}", sites=("south",), status=404)
    rig.ask("POST", "/estimates", json={**body, "site": "north"}, role="therapist", status=403)


def test_a_planned_cure_without_an_estimate_is_listed_until_one_is_handed_over(either_rig):
    """§ 630c Abs. 3 BGB: before treatment begins; a cure that began without comes first."""
    rig = either_rig
    rig.clinic()
    patient, other = rig.patient(), rig.patient()
    cure, second = rig.cure(patient), rig.cure(other, region="cervical", sessions=12)
    rig.session(other, second, region="cervical")
    waiting = rig.ask("GET", "/estimates/due?site=north")["due"]
    assert [(one["cure"], one["treated"], one["estimate"]) for one in waiting] == [
        (str(second), True, None), (str(cure), False, None),
    ]  # fmt: skip
    few = made(rig, patient, sessions=12)
    handed(rig, few)
    assert str(cure) in [one["cure"] for one in rig.ask("GET", "/estimates/due?site=north")["due"]]
    enough = made(rig, patient)
    due = {one["cure"]: one for one in rig.ask("GET", "/estimates/due?site=north")["due"]}
    assert due[str(cure)]["estimate"] == enough["id"]
    handed(rig, enough)
    assert [one["cure"] for one in rig.ask("GET", "/estimates/due?site=north")["due"]] == [str(second)]
    rig.now += timedelta(days=1)
    third = rig.cure(patient)
    assert str(third) in [one["cure"] for one in rig.ask("GET", "/estimates/due?site=north")["due"]]
    for ended in (second, third):
        rig.clinic_event("cure.ended", cure=ended, reason="cancelled")
    assert rig.ask("GET", "/estimates/due?site=north")["due"] == []


def test_papers_of_an_erased_patient_go_when_nothing_asks_for_them(either_rig):
    """Art. 17 DSGVO; what was signed is part of the file for ten years (§ 630f Abs. 3 BGB)."""
    rig = either_rig
    rig.clinic()
    patient, other = rig.patient(), rig.patient()
    rig.cure(patient)
    offered, signed = made(rig, patient, region="cervical"), made(rig, patient)
    handed(rig, offered)
    handed(rig, signed, how="signed", file=PDF)
    stays = made(rig, other)
    erasing = Erasing(rig.office, lambda: rig.now)
    assert erasing.turn() == 0
    rig.clinic_event("patient.erased", patient=patient)
    assert erasing.turn() == 1
    rig.ask("GET", f"/estimates/{offered['id']}", status=404)
    assert rig.knock("GET", f"/estimates/{signed['id']}/signed").content == PDF
    rig.now = NOW.replace(year=2036) - timedelta(days=1)
    assert erasing.turn() == 0
    rig.now = NOW.replace(year=2036)
    assert erasing.turn() == 1
    assert [one["id"] for one in rig.ask("GET", "/estimates?site=north")["estimates"]] == [stays["id"]]
    with reading(rig.office.engine) as connection:
        assert connection.execute(select(tables.HANDINGS.c.id)).all() == []
        assert connection.execute(select(tables.PLANNED.c.cure)).all() == []


def test_what_was_handed_over_before_a_treatment_is_kept_as_its_proof(rig):
    """§ 630h Abs. 2 BGB: the clinic has to prove it; ten years from the last service on."""
    rig.clinic()
    patient = rig.patient()
    handed(rig, made(rig, patient))
    rig.now += timedelta(days=2)
    rig.session(patient, rig.cure(patient))
    rig.clinic_event("patient.erased", patient=patient)
    rig.now = NOW.replace(year=2036) + timedelta(days=1)
    erasing = Erasing(rig.office, lambda: rig.now)
    assert erasing.turn() == 0
    rig.now += timedelta(days=1)
    assert erasing.turn() == 1


@pytest.mark.parametrize(("payer", "total"), [("private", "1339.94"), ("self", "1106.48")])
def test_the_command_needs_no_service(tmp_path, payer, total):
    """Anybody can look at what a cure costs; a sample says that it is one."""
    out = tmp_path / "estimate.pdf"
    told = ["estimate", "--region", "lumbar", "--sessions", "18", "--payer", payer, "--date", "2026-11-23"]
    result = CliRunner().invoke(build(), [*told, "--pdf", str(out), "--json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert (shown["total"], shown["letterhead"]) == (total, "sample")
    assert sum(Decimal(one["amount"]) for one in shown["items"]) == Decimal(shown["totals"]["at_most"])
    words = PdfReader(out).pages[0].extract_text()
    assert "Muster" in words
    assert "every session 1" in CliRunner().invoke(build(), told).stdout, "not the whole cure"
    assert "630c" in CliRunner().invoke(build(), [*told, "--text"]).stdout


def test_the_command_says_what_is_wrong_with_a_clinics_file(tmp_path):
    """Not with a traceback."""
    wrong = tmp_path / "clinic.json"
    wrong.write_text('{"name": ""}')
    told = ["estimate", "--region", "lumbar", "--sessions", "18", "--clinic", str(wrong)]
    result = CliRunner().invoke(build(), told)
    assert result.exit_code != 0
    assert "clinic.json" in str(result.output) + str(result.exception)
