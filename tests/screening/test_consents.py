"""Consent: information, signature, copy, withdrawal; and the documents that it stands on."""

import base64
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image, ImageDraw
from screening.test_decisions import CLINICIAN, answer_all, new_patient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.kit import paper
from services.kit.database import reading, writing
from services.screening.consent import documents, store
from services.screening.consent.words import KINDS, POINTS
from services.screening.patients import parts


def png(*, ink=True, size=(600, 200)):
    """A signature as a page sends it."""
    picture = Image.new("RGBA", size)
    if ink:
        ImageDraw.Draw(picture).line([(20, 120), (180, 30), (400, 160), (580, 40)], fill="black", width=4)
    held = BytesIO()
    picture.save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def informed(**changes):
    """The oral information, complete."""
    at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    body = {"region": "lumbar", "informed_by": "Dr. Weber", "informed_at": at, "points": list(POINTS)}
    return body | changes


def begun(rig, patient, **changes):
    """A consent that waits for its signature."""
    return rig.ask("POST", f"/patients/{patient}/consents", json=informed(**changes), status=201)["id"]


def held(rig, patient, region="lumbar"):
    """The consent in force."""
    with reading(rig.engine) as connection:
        return store.in_force(connection, patient, region)


def test_a_consent_goes_from_information_over_signature_and_copy_to_withdrawal(rig):
    """The whole life of one, and it is in force in its middle only."""
    patient = new_patient(rig)
    path = f"/patients/{patient}/consents/{begun(rig, patient)}"
    assert held(rig, patient) is None
    unsigned = rig.client().get(f"{path}/declaration").content
    signed = rig.ask("POST", f"{path}/signature", json={"signer": "Erika Mustermann", "png": png()})
    assert (signed["state"], signed["signed"]["way"]) == ("signed", "drawn")
    declaration = rig.client().get(f"{path}/declaration")
    assert declaration.headers["content-type"] == "application/pdf"
    assert declaration.content.startswith(b"%PDF-")
    assert b"pdfaid" in declaration.content
    assert len(declaration.content) > len(unsigned)
    assert (held(rig, patient).is_copied, held(rig, patient, "cervical")) == (False, None)
    rig.ask("POST", f"{path}/copy", json={"how": "paper"})
    assert held(rig, patient).is_copied
    over = rig.ask("POST", f"{path}/withdrawal", json={"how": "oral"})
    assert over["state"] == "withdrawn"
    assert held(rig, patient) is None
    rig.ask("POST", f"{path}/withdrawal", json={"how": "oral"}, status=409)
    assert rig.client().get(f"{path}/declaration").content == declaration.content


def test_every_point_of_the_law_must_have_been_talked_about(rig):
    """BGB 630e(1) lists them; a consent without one of them is none."""
    patient = new_patient(rig)
    lacking = informed(points=[point for point in POINTS if point != "alternatives"])
    refusal = rig.ask("POST", f"/patients/{patient}/consents", json=lacking, status=422)
    assert "Alternativen" in refusal["detail_de"]
    assert "§ 630e" in refusal["detail_de"]


@pytest.mark.parametrize(
    "change",
    [{"region": "knee"}, {"informed_by": " "}, {"informed_at": "2026-02-30T10:00:00+01:00"},
     {"informed_at": "2999-01-01T10:00:00+01:00"}, {"informed_at": "1999-01-01T10:00:00+01:00"},
     {"points": [*POINTS, "weather"]}, {"informed_by": "Dr.\x00Weber"}],
)  # fmt: skip
def test_an_information_that_cannot_be_is_refused_in_both_languages(rig, change):
    """Nothing of it is kept."""
    patient = new_patient(rig)
    refusal = rig.ask("POST", f"/patients/{patient}/consents", json=informed(**change), status=422)
    assert refusal["detail_de"]
    assert rig.ask("GET", f"/patients/{patient}/consents")["consents"] == []


@pytest.mark.parametrize("drawn", [png(ink=False), "bm8gcGljdHVyZQ==", "%%%", png(size=(5000, 20))])
def test_what_is_no_signature_is_refused(rig, drawn):
    """An empty pad signs nothing."""
    patient = new_patient(rig)
    path = f"/patients/{patient}/consents/{begun(rig, patient)}/signature"
    rig.ask("POST", path, json={"signer": "Erika Mustermann", "png": drawn}, status=422)
    assert held(rig, patient) is None


def test_a_declaration_signed_on_paper_is_filed_as_it_came(rig):
    """The scan itself is what was signed, byte for byte."""
    patient = new_patient(rig)
    path = f"/patients/{patient}/consents/{begun(rig, patient)}"
    form = {"signer": "Erika Mustermann", "at": datetime.now(UTC).isoformat()}
    scan = b"%PDF-1.7 scanned"
    rig.ask(
        "POST", f"{path}/scan", data=form, files={"file": ("x.exe", b"MZ..", "application/pdf")}, status=422
    )
    told = rig.ask("POST", f"{path}/scan", data=form, files={"file": ("scan.pdf", scan, "text/html")})
    assert told["signed"]["way"] == "scanned"
    assert rig.client().get(f"{path}/declaration").content == scan


def test_nobody_signs_before_being_informed_or_for_a_minor_in_their_own_name(rig):
    """BGB 630e(2): in time; BGB 630d(1): who is not of age is spoken for."""
    patient = new_patient(rig, birth_date="2012-01-01")
    path = f"/patients/{patient}/consents/{begun(rig, patient)}"
    early = {"signer": "x", "role": "guardian", "at": "2020-01-01T10:00:00+01:00"}
    rig.ask(
        "POST", f"{path}/scan", data=early, files={"file": ("a.pdf", b"%PDF-", "application/pdf")}, status=422
    )
    own = {"signer": "Kind", "png": png()}
    rig.ask("POST", f"{path}/signature", json=own, status=422)
    rig.ask("POST", f"{path}/signature", json=own | {"role": "guardian", "signer": "Mutter"})
    assert held(rig, patient).last("signed").detail["role"] == "guardian"


def test_another_site_s_consent_is_like_none_and_looks_are_in_the_trail(rig):
    """Whose signature somebody saw is written down; who may not see it learns nothing."""
    patient = new_patient(rig)
    consent = begun(rig, patient)
    answer = rig.client("clinician", "south").get(f"/patients/{patient}/consents/{consent}/declaration")
    assert answer.status_code == 404
    rig.client().get(f"/patients/{patient}/consents/{consent}/declaration")
    assert [row["record"] for row in rig.trail("declaration.seen")] == [str(patient)]


def test_a_document_is_edited_in_versions_and_a_consent_keeps_the_one_it_stands_on(rig):
    """Whoever asks later reads the very words that were signed."""
    patient = new_patient(rig)
    first = begun(rig, patient)
    shown = rig.ask("GET", "/documents/consent/de")
    body = {"title": "Einwilligung", "body": "## Neu\n- **eins**", "base": shown["sha256"], "note": "kürzer"}
    made = rig.ask("POST", "/documents/consent/de", json=body, status=201)
    assert (made["number"], made["by"]) == (1, CLINICIAN.name)
    rig.ask("POST", "/documents/consent/de", json=body, status=409)
    rows = {row["id"]: row for row in rig.ask("GET", f"/patients/{patient}/consents")["consents"]}
    assert rows[first]["document"]["sha256"] == shown["sha256"]
    second = begun(rig, patient)
    rows = {row["id"]: row for row in rig.ask("GET", f"/patients/{patient}/consents")["consents"]}
    assert rows[second]["document"]["sha256"] == made["sha256"]
    old = rig.ask("GET", f"/document-versions/{rows[first]['document']['id']}")
    assert old["body"] == shown["body"]


def test_a_site_s_own_text_counts_there_alone_and_is_edited_there_alone(rig):
    """A chain has one leaflet until a clinic needs another."""
    base = rig.ask("GET", "/documents/before/de?site=north")["sha256"]
    body = {"site": "north", "title": "Hier", "body": "Text", "base": base}
    rig.ask("POST", "/documents/before/de", sites=("south",), json=body, status=403)
    rig.ask("POST", "/documents/before/de", sites=("north",), json=body | {"site": "*"}, status=403)
    rig.ask("POST", "/documents/before/de", role="reception", json=body, status=403)
    rig.ask("POST", "/documents/before/de", sites=("north",), json=body, status=201)
    assert rig.ask("GET", "/documents/before/de?site=north")["title"] == "Hier"
    assert rig.ask("GET", "/documents/before/de?site=south")["title"] != "Hier"


def test_every_document_comes_in_both_languages_and_prints(rig):
    """Nobody starts with an empty page; #import and * of a text are text."""
    assert len(rig.ask("GET", "/documents")) == 2 * len(KINDS)
    for kind in KINDS:
        assert documents.shipped(kind, "de").title != documents.shipped(kind, "en").title
    assert rig.client().get("/documents/after/de/pdf").content.startswith(b"%PDF-")
    draft = {"title": "#panic()", "body": '#read("/etc/passwd") *x* $y$ 王小明 محمد', "language": "de"}
    made = rig.client().post("/documents/preview", json=draft)
    assert made.content.startswith(b"%PDF-")
    rig.ask("POST", "/documents/preview", json=draft | {"body": " "}, status=422)


def test_a_text_is_read_in_blocks():
    """The few signs that a clinic's editor needs, and no more."""
    told = paper.blocks("Ein\nAbsatz\n\n## Kopf\n- **fett** und\n- mehr")
    assert [(row["kind"], "".join(run["text"] for run in row["runs"])) for row in told] == [
        ("paragraph", "Ein Absatz"), ("heading", "Kopf"), ("item", "fett und"), ("item", "mehr"),
    ]  # fmt: skip
    assert told[2]["runs"][0] == {"text": "fett", "bold": True}


@pytest.mark.system
def test_consents_and_documents_stay_as_they_were_on_both_databases(either):
    """The database itself refuses to rewrite what was signed."""
    patient = new_patient(either)
    path = f"/patients/{patient}/consents/{begun(either, patient)}/signature"
    either.ask("POST", path, json={"signer": "Erika Mustermann", "png": png()})
    assert held(either, patient) is not None
    for change in (
        "UPDATE screening_consent_event SET kind = 'x'", "DELETE FROM screening_consent_paper",
        "UPDATE screening_document SET body = ''",
    ):  # fmt: skip
        with pytest.raises(DBAPIError), writing(either.engine) as connection:
            connection.execute(text(change))


def test_the_copy_of_a_file_has_answers_decisions_consents_and_their_papers(rig):
    """GDPR article 15: everything of this room, the signed declaration as it was signed."""
    patient = new_patient(rig)
    path = f"/patients/{patient}/consents/{begun(rig, patient)}/signature"
    rig.ask("POST", path, json={"signer": "Erika Mustermann", "png": png()})
    rig.ask("PUT", f"/patients/{patient}/answers/implant", json={"value": {"answer": "no"}})
    rig.ask("POST", f"/patients/{patient}/decisions", json={"region": "lumbar"}, status=201)
    shares = {part.name: part for part in parts.every()}
    with reading(rig.engine) as connection:
        rows = {
            name: shares[name].rows(connection, [patient]) for name in ("answers", "decisions", "consents")
        }
        files = shares["consents"].files(connection, [patient])
        last = shares["consents"].last_on(connection, [patient])
    assert {name: len(found) for name, found in rows.items()} == {"answers": 1, "decisions": 1, "consents": 1}
    assert json.dumps(rows)
    assert sorted(name.rpartition(".")[2] for name in files) == ["pdf", "png"]
    assert last == datetime.now(UTC).date()


def cleared(rig):
    """A patient with a clearance: every answer no, a consent in force."""
    patient = new_patient(rig)
    answer_all(rig, patient)
    consent = begun(rig, patient)
    path = f"/patients/{patient}/consents/{consent}"
    rig.ask("POST", f"{path}/signature", json={"signer": "Erika Mustermann", "png": png()})
    rig.ask("POST", f"/patients/{patient}/clearances", json={"region": "lumbar"}, status=201)
    return patient, path


def suspended(rig):
    """Why clearances were suspended, as the bus is told."""
    return [event.data["reason"] for event in rig.told("clearance") if event.type == "clearance.suspended"]


def test_a_withdrawal_suspends_the_clearance_at_once(rig):
    """BGB 630d(3): from this moment nobody is treated, also where the network is down tomorrow."""
    _, path = cleared(rig)
    assert suspended(rig) == []
    rig.ask("POST", f"{path}/withdrawal", json={"how": "session", "note": "will nicht mehr"})
    assert suspended(rig) == ["consent"]
    decided = [event.data for event in rig.told("clearance") if event.type == "clearance.decided"]
    consented = [row["consented"] for row in decided if row["region"] == "lumbar"]
    assert consented[-2:] == [True, False]  # whoever books is told both


def test_a_new_answer_suspends_the_clearance_and_the_same_one_does_not(rig):
    """What changes between two sessions must reach the bed before the next."""
    patient, _ = cleared(rig)
    path = f"/patients/{patient}/answers/acute-injury"
    rig.ask("PUT", path, json={"value": {"answer": "no"}})
    assert suspended(rig) == []
    rig.ask("PUT", path, json={"value": {"answer": "yes"}})
    assert suspended(rig) == ["answer"]
