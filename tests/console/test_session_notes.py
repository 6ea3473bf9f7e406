"""Taking a past session away as a file, writing notes on it, and telemetry away."""

import pytest
from console.past_rig import note, shown
from simulated_session import CURE, SESSION

from services.console.sessions.notes import MOST_CHARACTERS
from services.kit.looks import Looks

pytestmark = pytest.mark.system


@pytest.mark.parametrize("form", ["parquet", "csv", "edf", "fhir", "arrow"])
def test_an_export_is_telemetrys_own_file(rig, form):
    """The console adds and takes away nothing, and writes down who took it."""
    answer = rig.get("nora", f"/sessions/{SESSION}/export?format={form}")
    origin = rig.history.get(f"/sessions/{SESSION}/export?format={form}")
    assert answer.status_code == 200
    assert answer.content == origin.content
    for header in ("content-type", "content-disposition"):
        assert answer.headers[header] == origin.headers[header]
    assert rig.trail()[-1] == ("nora", "session.exported", str(SESSION), "north")


def test_a_format_that_is_none_is_refused_and_not_recorded(rig):
    """Nothing was taken."""
    before = rig.trail()
    answer = rig.get("nora", f"/sessions/{SESSION}/export?format=xls")
    assert answer.status_code == 422
    assert "xls is no form that a session can be saved in" in shown(answer)
    assert rig.trail() == before


def test_a_note_stays_with_who_and_when_and_is_never_markup(rig):
    """What is written of a patient can be read for ten years, as it was written."""
    typed = "<script>alert('note')</script>\r\nLess tingling & no pain."
    answer = note(rig, "tina", typed)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{SESSION}#notes")
    page = rig.get("nora", f"/sessions/{SESSION}")
    assert "<script>alert" not in page.text
    assert "<script>alert('note')</script>\nLess tingling & no pain." in shown(page)
    assert ">tina<" in page.text
    assert ("tina", "note.added", str(SESSION), "north") in rig.trail()


def test_a_note_cannot_disguise_its_author(rig):
    """U+202E turned round everything behind it, name and time included."""
    assert note(rig, "tina", "tingling\u202e\u2069 less").status_code == 303
    text = shown(rig.get("nora", f"/sessions/{SESSION}"))
    assert "<bdi>tingling\ufffd\ufffd less</bdi>" in text
    assert "<bdi>tina</bdi>" in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 10_000, "The note has 10000 characters: at most 4000 are kept"),
        ("x" * (MOST_CHARACTERS + 1), "The note has 4001 characters"),
        (" \r\n ", "The note is empty"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_and_its_text_is_still_there(rig, text, words):
    """Cut in silence, or lost, it would be missed when it counts."""
    rig.get("tina", f"/sessions/{SESSION}")
    before = rig.trail()
    answer = note(rig, "tina", text)
    assert answer.status_code == 422
    assert words in shown(answer)
    assert text.strip() in answer.text
    assert rig.trail() == before


def test_a_refused_note_shows_no_session_that_the_trail_does_not_know_of(rig):
    """The page comes back with everything on it: an empty note would be a way to look unseen."""
    rig.console.looks = Looks()  # a console that has just started
    before = rig.trail()
    assert note(rig, "tina", "").status_code == 422
    assert rig.trail() == [*before, ("tina", "session.seen", str(SESSION), "north")]


def test_who_may_not_write_notes_leaves_none(rig):
    """Billing reads them."""
    assert note(rig, "bill", "paid").status_code == 403
    assert "paid" not in shown(rig.get("bill", f"/sessions/{SESSION}"))


def test_a_page_of_others_cannot_write_a_note_in_my_name(rig):
    """The cookie alone is not enough."""
    headers = rig.accounts.headers("tina") | {"x-csrf-token": "guessed"}
    answer = rig.post("tina", f"/sessions/{SESSION}/notes", data={"text": "forged"}, headers=headers)
    assert answer.status_code == 403
    assert "forged" not in shown(rig.get("tina", f"/sessions/{SESSION}"))


def test_telemetry_away_is_a_page_with_a_way_to_try_again_and_loses_no_note(rig):
    """What was typed is in the form that comes back."""
    before = rig.trail()
    rig.away(is_away=True)
    try:
        for path in ("/sessions", f"/sessions/{SESSION}", f"/cures/{CURE}/sessions"):
            answer = rig.get("ada", path)
            assert answer.status_code == 503
            assert "No connection to the archive at http://127.0.0.1:9" in shown(answer)
            assert f'href="{path}"' in answer.text
        answer = note(rig, "tina", "a long thought")
        assert answer.status_code == 503
        assert "a long thought</textarea>" in answer.text
    finally:
        rig.away(is_away=False)
    assert rig.trail() == before
    assert "a long thought" not in rig.get("tina", f"/sessions/{SESSION}").text
