"""The note for the gym or the therapist: what is allowed, what is not, until when."""

from datetime import date
from io import BytesIO
from uuid import UUID

import pytest
from homecare.at_home import Home
from homecare.homecare_rig import HomecareRig
from pypdf import PdfReader

from services.homecare.exercises.library import library
from services.homecare.gates.deciding import decide
from services.homecare.models import Programme, Wanted
from services.homecare.papers.note import render

WANTED = Wanted.model_validate({
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "moderate", "body_weight_kg": 80,
    "starts_on": date(2026, 11, 23), "weeks": 6,
    "exercises": [{"exercise": "bridge", "ceiling_level": 2},
                  {"exercise": "inclined-board", "ceiling_level": 1}],
})  # fmt: skip
TIGHTENING = library().of("abdominal-tightening").name["en"]
PROGRAMME = Programme(
    id=UUID(int=1), patient=UUID(int=2), site="north", region="lumbar", cure=None, version=2, state="running",
    language="de", wanted=WANTED, decision=decide(WANTED),
)  # fmt: skip


def read(pdf):
    """The words of a PDF in one line."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


@pytest.mark.parametrize(
    ("language", "until", "not_allowed"),
    [
        ("de", "23.11.2026 bis 03.01.2027", "Nicht erlaubt"),
        ("en", "23 Nov 2026 to 3 Jan 2027", "Not allowed"),
    ],
)
def test_it_says_what_is_allowed_what_is_not_and_until_when(language, until, not_allowed):
    """A gym has nobody who supervises: what needs that is not allowed there, and is with a therapist."""
    gym = read(render(PROGRAMME, {"bridge": 2}, "gym", language))
    allowed, refused = gym.split(not_allowed)
    assert until in allowed
    assert "2 x 10" in allowed
    board = {"de": "schrägen Brett", "en": "inclined board"}[language]
    assert board in refused
    assert board not in allowed
    assert board in read(render(PROGRAMME, {}, "therapist", language)).split(not_allowed)[0]


@pytest.mark.requirement("lock-on-pain")
def test_what_is_locked_by_pain_is_not_on_the_note():
    """It would be trained elsewhere while the clinic still looks at it."""
    noted = read(render(PROGRAMME, {}, "gym", "de", "Jörg Ümläut", closed=frozenset({"bridge"})))
    assert "Zurzeit keine Übung" in noted
    assert "Jörg Ümläut" in noted


def note(rig, programme, **query):
    """The words of the note that the API gives."""
    answer = rig.knock("GET", f"/programmes/{programme}/note.pdf", params={"for": "gym"} | query)
    assert answer.headers["content-type"] == "application/pdf", answer.text
    return read(answer.content)


def test_the_note_of_a_programme_has_what_is_open_today_and_no_name_that_nobody_told(rig):
    """What waits for a signature is for a therapist, what hurts for nobody, and the trail says who asked."""
    home = Home(rig, signed=["bridge"])
    gym = note(rig, home.programme, language="en")
    allowed, refused = gym.split("Not allowed")
    assert "Bridge" in allowed
    assert TIGHTENING in refused
    assert (
        TIGHTENING
        in note(rig, home.programme, **{"for": "therapist", "language": "en"}).split("Not allowed")[0]
    )
    assert "___" not in note(rig, home.programme)
    home.send(home.pain(exercise="bridge"))
    assert "No exercise at present" in note(rig, home.programme, language="en")
    assert {row["action"] for row in rig.trail("note.seen")} == {"note.seen"}
    home.turn("end")
    assert (
        rig.knock("GET", f"/programmes/{home.programme}/note.pdf", params={"for": "gym"}).status_code == 409
    )


def test_the_note_leaves_a_line_for_the_name_when_screening_does_not_answer(tmp_path):
    """A desk that waits for a name has a pen."""
    rig = HomecareRig(tmp_path, screening_url="http://127.0.0.1:9")
    home = Home(rig)
    assert "_____" in note(rig, home.programme)
    rig.close()
