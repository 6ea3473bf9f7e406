"""The note for the gym or the therapist: what is allowed, what is not, until when."""

from datetime import date
from io import BytesIO
from uuid import UUID

import pytest
from pypdf import PdfReader

from services.homecare.gates.deciding import decide
from services.homecare.models import Programme, Wanted
from services.homecare.papers.note import render

WANTED = Wanted.model_validate({
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "moderate", "body_weight_kg": 80,
    "starts_on": date(2026, 11, 23), "weeks": 6,
    "exercises": [{"exercise": "bridge", "ceiling_level": 2},
                  {"exercise": "inclined-board", "ceiling_level": 1}],
})  # fmt: skip
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


def test_what_is_locked_by_pain_is_not_on_the_note():
    """It would be trained elsewhere while the clinic still looks at it."""
    noted = read(render(PROGRAMME, {}, "gym", "de", "Jörg Ümläut", closed=frozenset({"bridge"})))
    assert "Zurzeit keine Übung" in noted
    assert "Jörg Ümläut" in noted
