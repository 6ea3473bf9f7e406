"""Findings as files: known by their own bytes, kept by checksum, drawn, and never shown damaged."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from screening.screening_rig import ScreeningRig

PDF = b"%PDF-1.7\n%%EOF\n"


def picture(kind="PNG", size=(8, 6)):
    written = BytesIO()
    Image.new("RGB", size, "navy").save(written, kind)
    return written.getvalue()


def dicom(name="MR_small.dcm"):
    return Path(get_testdata_file(name)).read_bytes()


def file_it(rig, patient, content, name="mrt", status=201, **form):
    form = {"kind": "mri-before"} | form
    files = {"file": (name, content)}
    return rig.ask("POST", f"/patients/{patient}/attachments", data=form, files=files, status=status)


@pytest.mark.parametrize(
    ("content", "media_type", "ending"),
    [
        (picture("PNG"), "image/png", ".png"), (picture("JPEG"), "image/jpeg", ".jpg"),
        (PDF, "application/pdf", ".pdf"), (dicom(), "application/dicom", ".dcm"),
    ],
)  # fmt: skip
def test_a_finding_is_kept_as_it_came_with_its_checksum(rig, content, media_type, ending):
    """By its own first bytes, whatever its name says, and byte for byte."""
    patient = rig.patient()
    made = file_it(rig, patient, content, "../../etc/Befund “Ä”.exe", taken_on="2026-01-02", note="links")
    (row,) = rig.ask("GET", f"/patients/{patient}")["attachments"]
    assert row["attachment"] == made["attachment"]
    assert (row["media_type"], row["sha256"]) == (media_type, hashlib.sha256(content).hexdigest())
    assert row["filename"].endswith(ending)
    assert "/" not in row["filename"]
    answer = rig.client().get(f"/patients/{patient}/attachments/{made['attachment']}/file")
    assert (answer.content, answer.headers["content-type"]) == (content, media_type)
    assert rig.trail("patient.finding_seen")[0]["record"] == patient


@pytest.mark.parametrize(
    ("content", "form", "field", "says"),
    [
        (b"<script>alert(1)</script>", {}, "file", "weder DICOM noch PNG"),
        (b"MZ\x90\0", {}, "file", "weder DICOM"),
        (b"", {}, "file", "0 Bytes"),
        (picture()[:40], {}, "file", "nicht als solches zu lesen"),
        (picture(), {"kind": "selfie"}, "kind", "selfie"),
        (picture(), {"taken_on": "2026-02-30"}, "taken_on", "kein Tag"),
        (picture(), {"taken_on": "2999-01-01"}, "taken_on", "Zukunft"),
        (picture(), {"note": "a\0b"}, "note", "U+0000"),
    ],
)
def test_what_is_no_finding_is_refused_and_nothing_is_kept(rig, content, form, field, says):
    """What, the value and the limit; a script under a picture's name is a script."""
    patient = rig.patient()
    refusal = file_it(rig, patient, content, "mrt.png", status=422, **form)
    assert refusal["errors"][0]["field"] == field
    assert says in refusal["detail_de"]
    assert rig.ask("GET", f"/patients/{patient}")["attachments"] == []


def test_a_finding_larger_than_the_setting_allows_is_refused(tmp_path):
    """The limit is the clinic's, and the refusal names it."""
    rig = ScreeningRig(tmp_path, attachment_most_bytes=100_000)
    refusal = file_it(rig, rig.patient(), PDF + b"\0" * 100_000, status=422)
    assert "SPONDYL_ATTACHMENT_MOST_BYTES" in refusal["detail_de"]
    assert "100000" in refusal["detail"]
    rig.close()


@pytest.mark.parametrize("name", ["MR_small.dcm", "CT_small.dcm", "examples_rgb_color.dcm"])
def test_a_dicom_picture_is_drawn(rig, name):
    """An MRI is what one compares before and after; the grey values are those of the file."""
    patient = rig.patient()
    made = file_it(rig, patient, dicom(name))
    answer = rig.client().get(f"/patients/{patient}/attachments/{made['attachment']}/preview")
    head = dcmread(get_testdata_file(name), stop_before_pixels=True)
    with Image.open(BytesIO(answer.content)) as drawn:
        assert (drawn.height, drawn.width) == (head.Rows, head.Columns)
        assert len(drawn.convert("L").getcolors()) > 20


def test_a_dicom_file_that_cannot_be_drawn_says_why_and_can_be_fetched(rig):
    """Cut off behind its head."""
    patient = rig.patient()
    made = file_it(rig, patient, dicom()[:600])
    path = f"/patients/{patient}/attachments/{made['attachment']}"
    refusal = rig.ask("GET", f"{path}/preview", status=422)
    assert "lässt sich hier nicht darstellen" in refusal["detail_de"]
    assert rig.client().get(f"{path}/file").content == dicom()[:600]


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_finding_is_said_and_not_shown(rig, harm):
    """A picture with another patient's bytes is worse than none; the copy names it, too."""
    patient, content = rig.patient(), picture()
    made = file_it(rig, patient, content)
    (path,) = (it for it in (rig.office.directory / "files").rglob("*") if it.is_file())
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if harm == "cut" else content[:-1] + b"\x00")
    for end in ("file", "preview"):
        refusal = rig.ask("GET", f"/patients/{patient}/attachments/{made['attachment']}/{end}", status=409)
        assert "beschädigt oder fehlt" in refusal["detail_de"]
    assert rig.client().get(f"/patients/{patient}/export").status_code == 200
    file_it(rig, patient, content)  # filed again, it is whole again
    answer = rig.client().get(f"/patients/{patient}/attachments/{made['attachment']}/file")
    assert answer.content == content


def test_a_finding_that_was_filed_wrongly_is_taken_back_and_stays(rig):
    """Nothing is deleted: it says who took it back, when and why."""
    patient = rig.patient()
    made = file_it(rig, patient, picture())
    path = f"/patients/{patient}/attachments/{made['attachment']}/take-back"
    rig.ask("POST", path, json={"reason": " "}, status=422)
    rig.ask("POST", path, json={"reason": "falscher Patient"})
    rig.ask("POST", path, json={"reason": "noch einmal"}, status=409)
    (row,) = rig.ask("GET", f"/patients/{patient}")["attachments"]
    assert (row["taken_back"]["reason"], row["taken_back"]["by"]) == ("falscher Patient", "clinician")


def test_anothers_finding_is_not_shown_under_ones_own_patient(rig):
    """The finding's id alone opens nothing."""
    mine, theirs = rig.patient(), rig.patient("south")
    made = file_it(rig, theirs, picture())
    path = f"/patients/{mine}/attachments/{made['attachment']}/file"
    rig.ask("GET", path, sites=("north",), status=404)
    rig.ask("GET", path, status=404)
