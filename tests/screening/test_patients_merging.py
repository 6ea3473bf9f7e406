"""Two files of one person: noticed, merged, taken apart again; and a file's end, ten years later."""

import json
from datetime import date
from io import BytesIO
from uuid import UUID
from zipfile import ZipFile

import pytest
from access import somebody
from PIL import Image
from screening.screening_rig import PERSON

from services.kit.database import reading
from services.screening.patients import keeping, store, unneeded
from services.screening.patients.attachments import Cabinet
from services.screening.patients.tables import ATTACHMENT, GRAM, NOTE, PATIENT, UNNEEDED, VERSION


def picture():
    written = BytesIO()
    Image.new("RGB", (2, 2), "navy").save(written, "PNG")
    return written.getvalue()


PNG = picture()


def opened(rig, **content):
    body = {"site": "north", "content": PERSON | content}
    return rig.client("reception", "north").post("/patients", json=body)


@pytest.mark.parametrize(
    "alike",
    [
        {},
        {"given_name": "Erica", "family_name": "Mustermann"},
        {"family_name": "Erika", "given_name": "Mustermann"},
        {"birth_date": "1964-12-08"},
        {"birth_date": "1965-08-12"},
    ],
)
def test_a_second_file_of_the_same_person_is_noticed_before_it_is_opened(rig, alike):
    """Two files are two histories, of which a clinician reads one."""
    first = rig.patient()
    refusal = opened(rig, **alike)
    assert refusal.status_code == 409
    assert [row["patient"] for row in refusal.json()["duplicates"]] == [first]
    assert "12.08.1964" in refusal.json()["detail_de"]


@pytest.mark.parametrize(
    "other",
    [
        {"given_name": "Hans"},
        {"birth_date": "1991-01-30"},
        {"family_name": "Schulz", "given_name": "Bernd"},
    ],
)
def test_somebody_else_is_no_duplicate(rig, other):
    """A husband at the same address, a namesake, a stranger of the same day."""
    rig.patient()
    assert opened(rig, **other).status_code == 201


def test_duplicates_are_listed_until_somebody_tells_them_apart(either):
    """Twins look alike for ever: the list must not say so every day."""
    one, other = either.patient(), either.patient(given_name="Erica")
    either.patient(family_name="Weber", given_name="Tom", birth_date="1950-01-01")
    (pair,) = either.ask("GET", "/patients/duplicates")
    assert {pair["one"]["patient"], pair["other"]["patient"]} == {one, other}
    either.ask("POST", "/patients/apart", json={"one": other, "other": one, "reason": "Zwillinge"})
    assert either.ask("GET", "/patients/duplicates") == []


def test_a_merge_is_recorded_and_can_be_undone(either):
    """Both files keep what was written in them; the merge, too, has a who, a when and a why."""
    old, new = either.patient(family_name="Kowalski"), either.patient()
    either.ask("POST", f"/patients/{old}/notes", json={"text": "alte Notiz"})
    either.ask("POST", f"/patients/{old}/merge", json={"into": new, "reason": "verheiratet"})
    with reading(either.engine) as connection:
        assert store.current(connection, UUID(old)).patient == UUID(new)
        assert store.family(connection, UUID(old)) == [UUID(new), UUID(old)]
    file = either.ask("GET", f"/patients/{old}")
    assert (file["patient"], [it["text"] for it in file["notes"]]) == (new, ["alte Notiz"])
    assert [(it["action"], it["reason"], it["by"]) for it in file["merges"]] == [
        ("merged", "verheiratet", "clinician")
    ]
    back = either.ask("POST", f"/patients/{old}/unmerge", json={"reason": "doch nicht"})
    assert (back["patient"], back["content"]["family_name"]) == (old, "Kowalski")
    assert [it["action"] for it in either.ask("GET", f"/patients/{new}")["merges"]] == ["merged", "unmerged"]
    told = [(it.type, it.data) for it in either.told("patient") if "merged" in it.type]
    assert told == [
        ("patient.merged", {"patient": old, "into": new}),
        ("patient.unmerged", {"patient": old, "into": new}),
    ]


def test_what_cannot_be_merged_is_refused_and_says_why(rig):
    """Into itself, twice, in a ring, across sites, without a reason, by whoever may not."""
    one, two, away = rig.patient(), rig.patient(), rig.patient("south")

    def merge(patient, into, role="clinician", reason="doppelt"):
        answer = rig.client(role).post(f"/patients/{patient}/merge", json={"into": into, "reason": reason})
        return answer.status_code

    assert merge(one, one) == 409
    assert merge(one, away) == 409
    assert merge(one, two, reason=" ") == 422
    assert merge(one, two, role="reception") == 403
    assert merge(one, two) == 200
    assert merge(one, two) == 409
    assert merge(two, one) == 409  # which stands for two itself
    assert rig.client().post(f"/patients/{two}/unmerge", json={"reason": "x"}).status_code == 409
    assert len(rig.told("patient")) == 4


def test_the_copy_holds_everything_of_all_merged_files(rig):
    """GDPR Art. 15(3): versions, notes, findings, a document that anybody can read."""
    old, new = rig.patient(city="Köln"), rig.patient(note="<b>laut</b>")
    form = {"kind": "mri-before", "taken_on": "2026-01-02"}
    rig.ask("POST", f"/patients/{old}/attachments", data=form, files={"file": ("mrt.png", PNG)})
    rig.ask("POST", f"/patients/{old}/merge", json={"into": new, "reason": "doppelt"})
    answer = rig.client().get(f"/patients/{old}/export")
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        whole = json.loads(archive.read("akte.json"))
        (finding,) = (name for name in archive.namelist() if name.startswith("befunde/"))
        assert archive.read(finding) == PNG
        page = archive.read("akte.html").decode()
    assert whole["merged_versions"][old][0]["content"]["city"] == "Köln"
    assert whole["attachments"][0]["path"] == finding
    assert "Mustermann" in page
    assert "&lt;b&gt;laut&lt;/b&gt;" in page
    assert rig.trail("patient.exported")[0]["record"] == new
    rig.ask("GET", f"/patients/{new}/export", role="reception", status=403)


def test_a_file_is_erased_only_ten_years_after_its_end(rig):
    """BGB 630f(3): the refusal says until when, by which rule, in both languages."""
    patient = rig.patient()
    refusal = rig.ask(
        "POST", f"/patients/{patient}/erase", role="administrator", json={"reason": "Wunsch"}, status=409
    )
    today = store.today()
    assert refusal["kept_until"] == keeping._years_later(today, 10).isoformat()
    assert "630f" in refusal["detail"]
    assert "630f" in refusal["detail_de"]
    assert rig.ask("GET", f"/patients/{patient}")["retention"]["is_over"] is False


def test_ten_years_after_a_leap_day_is_the_first_of_march():
    """A day that is not in the calendar must not make a file immortal."""
    assert keeping._years_later(date(2024, 2, 29), 10) == date(2034, 3, 1)
    assert keeping._years_later(date(2026, 11, 22), 10) == date(2036, 11, 22)


def test_erasing_takes_everything_but_the_fact(either, monkeypatch):
    """Every row and file of the person, of merged files too; others' stay, and a shared file stays theirs."""
    old, new, other = either.patient(), either.patient(), either.patient(given_name="Hans")
    for patient, content in ((old, PNG), (new, PNG + b"\0"), (other, PNG)):
        files = {"file": ("mrt.png", content)}
        either.ask("POST", f"/patients/{patient}/attachments", data={"kind": "ct"}, files=files)
        either.ask("POST", f"/patients/{patient}/notes", json={"text": "Notiz"})
    either.ask("POST", f"/patients/{old}/merge", json={"into": new, "reason": "doppelt"})
    later = keeping._years_later(store.today(), 10)
    monkeypatch.setattr(store, "today", lambda: later)
    path = f"/patients/{old}/erase"
    either.ask("POST", path, json={"reason": "Frist"}, role="clinician", status=403)
    either.ask("POST", path, json={"reason": "Frist"}, role="administrator")
    for table in (VERSION, NOTE, ATTACHMENT, PATIENT):
        assert either.count(table) == 1
    assert either.count(GRAM) > 0
    either.ask("GET", f"/patients/{new}", status=404)
    assert len(either.ask("GET", f"/patients/{other}")["attachments"]) == 1
    kept = [it for it in (either.office.directory / "files").rglob("*") if it.is_file()]
    assert [it.read_bytes() for it in kept] == [PNG]
    erased = {it.data["patient"] for it in either.told("patient") if it.type == "patient.erased"}
    assert erased == {old, new}


def test_an_erasure_that_was_cut_short_is_finished_at_the_next_start(either, monkeypatch):
    """A power cut between the commit and the disk must not leave an MRI of somebody who is erased."""
    patient, other = either.patient(), either.patient(given_name="Hans")
    for whose, content in ((patient, PNG), (patient, PNG + b"\0"), (other, PNG)):
        files = {"file": ("mrt.png", content)}
        either.ask("POST", f"/patients/{whose}/attachments", data={"kind": "ct"}, files=files)
    later = keeping._years_later(store.today(), 10)
    monkeypatch.setattr(store, "today", lambda: later)
    keeping.erase(either.office, somebody("administrator"), UUID(patient), "Frist")
    cabinet = Cabinet(either.office.directory)
    assert len(lying(either)) == 2
    cut = Cut()
    with pytest.raises(KeyboardInterrupt):
        unneeded.remove(either.office, cut)
    assert len(lying(either)) == 2
    unneeded.remove(either.office, cabinet)
    assert lying(either) == [PNG]
    assert either.count(UNNEEDED) == 0


def test_a_file_that_is_filed_again_while_an_erasure_is_finished_stays(rig, monkeypatch):
    """The same picture of somebody else: what was unneeded a moment ago is theirs."""
    patient, other = rig.patient(), rig.patient(given_name="Hans")
    files = {"file": ("mrt.png", PNG)}
    rig.ask("POST", f"/patients/{patient}/attachments", data={"kind": "ct"}, files=files)
    later = keeping._years_later(store.today(), 10)
    monkeypatch.setattr(store, "today", lambda: later)
    keeping.erase(rig.office, somebody("administrator"), UUID(patient), "Frist")
    rig.ask("POST", f"/patients/{other}/attachments", data={"kind": "ct"}, files=files)
    unneeded.remove(rig.office, Cabinet(rig.office.directory))
    assert lying(rig) == [PNG]


class Cut:
    """A disk at which the process is killed."""

    def remove(self, _sha256):
        """Never comes back."""
        raise KeyboardInterrupt


def lying(rig):
    """What lies on the disk."""
    return [it.read_bytes() for it in (rig.office.directory / "files").rglob("*") if it.is_file()]
