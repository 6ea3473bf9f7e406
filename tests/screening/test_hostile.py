"""What strangers send: no file, however odd, stops the exchange, fills the memory or is half taken."""

import base64
import struct
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from screening.screening_rig import ScreeningRig
from screening.test_consents import begun
from screening.test_fhir import ANSWERS, declaration, fhir, refused
from screening.test_gdt_exchange import Practice

from services.screening.exchange.gdt.reading import read


def picture_of(side):
    """A PNG that says it is a square of this side, and has no dots."""
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for kind, said in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        made += struct.pack(">I", len(said)) + kind + said + struct.pack(">I", zlib.crc32(kind + said))
    return made


@pytest.mark.parametrize("side", [4001, 12_000, 30_000, 2**31 - 1])
def test_a_signature_that_unpacks_to_gigabytes_is_refused(rig, side):
    """A few bytes may say that they are a picture of any size."""
    patient = rig.patient()
    consent = begun(rig, patient)
    drawn = {"signer": "Erika Mustermann", "png": base64.b64encode(picture_of(side)).decode()}
    said = rig.ask("POST", f"/patients/{patient}/consents/{consent}/signature", json=drawn, status=422)
    assert "signature" in said["detail"]


def test_a_length_of_thousands_of_digits_is_no_length(tmp_path):
    """Python refuses to turn so many digits into a number: that must not be where reading ends."""
    found = read(b"01380006301\r\n9998100" + b"9" * 5000 + b"\r\n0133000 4711\r\n")
    assert found.records[0].kind == "6301"
    assert any("8100" in warning for warning in found.warnings)


def test_a_file_that_nobody_foresaw_is_put_aside_and_the_next_one_taken(tmp_path, monkeypatch):
    """One practice's odd file must not keep every practice waiting, at every turn again."""
    from services.screening.exchange import taking

    rig = ScreeningRig(tmp_path, gdt_stable_s=0.0)
    practice, whole = Practice(rig, tmp_path), taking.read

    def reading(content):
        if b"odd" in content:
            raise ZeroDivisionError
        return whole(content)

    monkeypatch.setattr(taking, "read", reading)
    assert practice.write(content=b"0098odd\r\n")["state"] == "rejected"
    assert practice.write()["state"] == "taken"
    assert list((practice.folder / "work").iterdir()) == []
    rig.close()


@pytest.mark.parametrize(
    "change",
    [
        {"dateTime": (datetime.now(UTC) - timedelta(days=9)).isoformat()},
        {"performer": [{"display": "x" * 500}]},
    ],
)
def test_a_declaration_that_is_refused_leaves_nothing_begun(rig, change):
    """Half of a declaration would stand in the file as an information without a signature."""
    patient = rig.patient()
    refused(rig, "POST", "Consent", 422, json=declaration(patient, **change))
    assert fhir(rig, "GET", f"Consent?patient={patient}")["total"] == 0


def test_answers_that_are_refused_together_are_not_kept_in_part(rig):
    """What needs findings is not the patient's to answer: then none of the same response is kept."""
    patient = rig.patient()
    answers = [{"linkId": rule, "answer": [{"valueCoding": {"system": ANSWERS, "code": "no"}}]}
               for rule in ("claustrophobia", clinicians_rule(rig, patient))]  # fmt: skip
    body = {
        "resourceType": "QuestionnaireResponse", "status": "completed", "item": answers,
        "questionnaire": "Questionnaire/lumbar", "subject": {"reference": f"Patient/{patient}"},
        "source": {"reference": f"Patient/{patient}"},
    }  # fmt: skip
    refused(rig, "POST", "QuestionnaireResponse", 422, json=body)
    found = rig.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")
    assert found["answered"] == 0


def clinicians_rule(rig, patient):
    """A question that is not put to patients."""
    rows = rig.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")["questions"]
    return next(row["id"] for row in rows if row["asked"] == "clinician")


def test_a_resource_nested_without_end_is_refused(rig):
    """A hundred thousand brackets are no resource."""
    patient = rig.patient()
    deep = {"url": "x", "valueString": "x"}
    for _ in range(300):
        deep = {"url": "x", "extension": [deep]}
    refused(rig, "POST", "Consent", 422, json=declaration(patient, extension=[deep]))
    answer = rig.client().post(
        "/fhir/Consent", content=b"[" * 100_000, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422)
