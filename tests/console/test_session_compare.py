"""A cure's course and chosen sessions over each other."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from console.past_rig import past_sessions, shown
from simulated_session import CURE, SESSION

from services.console.sessions.comparing import (
    FACTS,
    MOST,
    Compared,
    alike,
    base_of,
    courses,
    line,
    mixture,
)
from services.console.sessions.curve import Curve
from services.console.sessions.models import Session
from services.kit.formats import MINUS, NOTHING, UNBROKEN

pytestmark = pytest.mark.system
OF_ANOTHER = UUID(int=0x5E55 << 112 | 9)


def test_a_cure_shows_its_course_and_each_sessions_difference_to_the_first(rig):
    """Whether it gets better is seen at one look."""
    answer = rig.get("nora", f"/cures/{CURE}/sessions")
    text = shown(answer)
    first_peak = rig.history.session.summary.peak_n
    assert text.count('<circle class="course-peak"') == 2 * 4  # at a desk, on a phone
    assert text.count('data-toggle="') == 4
    assert f"+{round(331.0 - first_peak)}<" in text.replace("\n", "")
    assert rig.trail()[-1] == ("nora", "cure.seen", str(CURE), "north")


def told(**said):
    """A session whose summary says this, as the table compares it."""
    row = {
        "session": str(SESSION),
        "site": "north",
        "device": "bed-01",
        "state": "completed",
        "summary": said,
    }
    names = ("region", "segment", "cure", "patient", "appointment", "ended_at", "first_seq", "last_seq")
    return Session.of(row | dict.fromkeys(names) | {"started_at": "2026-11-22T09:00:00Z"})


@pytest.mark.parametrize(
    ("name", "mine", "value", "more"),
    [
        ("peak_n", 331.0, "331_N", "+11"), ("peak_n", 300.4, "300_N", f"{MINUS}20"),
        ("peak_n", 320.3, "320_N", ""), ("peak_n", None, NOTHING, ""),
        ("traction_s", 1290.0, "21_min_30_s", "+1_min_30_s"),
        ("traction_s", 1110.0, "18_min_30_s", f"{MINUS}1_min_30_s"),
        ("pain_after", 3, "3", f"{MINUS}2"), ("hold_rms_n", 1.25, "1,3_N", "+0,7"),
    ],
)  # fmt: skip
def test_a_number_stands_with_its_unit_and_its_difference_with_its_sign(name, mine, value, more):
    """A difference that both numbers' digits do not show is none; a hyphen is no minus."""
    first = told(peak_n=320.0, traction_s=1200.0, pain_after=5, hold_rms_n=0.6)
    fact = next(fact for fact in FACTS if fact.name == name)
    shown_now = fact.value(told(**{name: mine}), "de"), fact.more(told(**{name: mine}), first, "de")
    assert [text.replace(UNBROKEN, "_") for text in shown_now] == [value, more]


def test_a_session_without_samples_says_so_alone_and_beside_another(rig):
    """An empty frame looks like a page that is still loading."""
    south = UUID(int=0x5E55 << 112 | 9)
    alone = shown(rig.get("ada", f"/sessions/{south}"))
    assert "No samples are stored." in alone
    assert 'id="plot"' not in alone
    beside = shown(rig.get("ada", f"/sessions/compare?session={south}&session={SESSION}"))
    assert beside.count("No samples are stored.") == 1
    assert 'id="plot"' in beside


def test_chosen_sessions_are_compared_oldest_first(rig):
    """In whatever order they were ticked."""
    other = UUID(int=0x5E55 << 112 | 2)
    text = shown(rig.get("ada", f"/sessions/compare?session={other}&session={SESSION}"))
    assert text.index(f'href="/sessions/{SESSION}"') < text.index(f'href="/sessions/{other}"')
    assert text.count('data-toggle="') == 2


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 sessions were chosen"), (1, "1 sessions were chosen"), (MOST + 1, "2 to 12 can be compared")],
)
def test_too_few_or_too_many_to_compare_is_refused_with_the_limit(rig, count, words):
    """One is no comparison, thirteen lines are no picture."""
    answer = rig.get("ada", "/sessions/compare", params={"session": [str(uuid4()) for _ in range(count)]})
    assert answer.status_code == 422
    assert words in shown(answer)
    assert f'href="/sessions/{SESSION}"' in shown(answer)  # still on the list, nothing lost


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """A clinic in which a session goes on that began before all others."""
    with past_sessions(tmp_path_factory.mktemp("going-on")) as made:
        made.still = made.going_on(0x20, days=-1)
        yield made


def test_a_session_that_goes_on_says_so_and_names_nothing_that_ended_it(ward):
    """`Ended by: running` is what a program says."""
    for language, words in (("en", "still running"), ("de", "läuft noch")):
        page = shown(ward.get("ada", f"/sessions/{ward.still}", headers={"accept-language": language}))
        assert words in page
        assert "Ended by" not in page
        assert "Beendet durch" not in page


def test_others_are_not_compared_with_a_session_that_goes_on(ward):
    """Number 1 ran and had no numbers: nothing differed from it."""
    other = UUID(int=0x5E55 << 112 | 2)
    path = f"/sessions/compare?session={ward.still}&session={SESSION}&session={other}"
    page = shown(ward.get("ada", path))
    assert "how much more than in session 2." in page
    assert "Session 1 is still running: its numbers are those so far." in page
    first_peak = ward.history.session.summary.peak_n
    assert f"+{round(340.0 - first_peak)}<" in page.replace("\n", "")
    running, _, rest = page.partition(f'href="/sessions/{SESSION}"')
    assert re.search(
        r"\d+\s+N", running[running.index(f'href="/sessions/{ward.still}"') :]
    )  # measured so far
    assert rest.count("still running") == 0
    assert page.count('data-toggle="') == 3


def test_the_legend_of_compared_curves_tells_bed_and_second(rig):
    """Two sessions of one minute at two beds must not have the same line."""
    other = UUID(int=0x5E55 << 112 | 2)
    text = shown(rig.get("ada", f"/sessions/compare?session={other}&session={SESSION}"))
    lines = re.findall(r'data-toggle="\d+".*?<span>(.*?)</span></label>', text)
    assert [line[:10] for line in lines] == ["1. bed-01, "[:10], "2. bed-01, "[:10]]
    assert all(re.search(r"\d\d:\d\d:\d\d", line) for line in lines)


def of(number, *, patient=None, cure=None, days=0, peak_n=300.0):
    """A session with this patient and cure, by number."""
    ids = {"patient": patient and UUID(int=patient), "cure": cure and UUID(int=cure)}
    session = replace(told(peak_n=peak_n), id=UUID(int=number), **ids)
    return replace(session, started_at=session.started_at + timedelta(days=days))


@pytest.mark.parametrize(
    ("second", "said", "joined"),
    [
        ({"patient": 1, "cure": 5}, "", True),
        ({"patient": 1, "cure": 6}, "past_mixed_cures", True),
        ({"patient": 1}, "past_mixed_cures", True),
        ({"cure": 5}, "", True),
        ({"patient": 2, "cure": 6}, "past_mixed_patients", False),
        ({"patient": 2, "cure": 5}, "past_mixed_patients", False),
        ({"cure": 6}, "past_unsure_patients", False),
        ({}, "past_unsure_patients", False),
    ],
)
def test_only_sessions_that_are_known_to_be_one_person_s_are_joined(second, said, joined):
    """A line from one person's pain to another's is a course that nobody went through."""
    sessions = [of(1, patient=1, cure=5), of(2, **second)]
    assert mixture(sessions) == said
    assert bool(courses(sessions)) is joined
    rows = [Compared(session, Curve(), number=number) for number, session in enumerate(sessions)]
    assert alike(rows, base_of(rows)) == ({1} if joined else set())


def test_two_people_s_sessions_are_marked_and_have_no_course_and_no_difference(rig):
    """They were joined by a line, with a difference below each number."""
    page = shown(rig.get("ada", f"/sessions/compare?session={OF_ANOTHER}&session={SESSION}"))
    assert "These sessions are of different patients" in page
    assert 'class="course-peak"' not in page
    assert 'class="past-difference"' not in page
    assert "how much more than" not in page
    assert page.count('data-toggle="') == 2


def test_beside_another_person_s_a_session_is_still_compared_with_its_own_patient_s(rig):
    """Three were chosen, two are of one person: those two differ, the third does not."""
    other = UUID(int=0x5E55 << 112 | 2)
    path = f"/sessions/compare?session={OF_ANOTHER}&session={SESSION}&session={other}"
    page = shown(rig.get("ada", path))
    rows = {
        one: page[page.index(f'href="/sessions/{one}"') :].partition("</tr>")[0]
        for one in (OF_ANOTHER, other)
    }
    assert "past-difference" in rows[other]
    assert "past-difference" not in rows[OF_ANOTHER]
    assert "how much more than in session 1." in page
    assert 'class="course-peak"' not in page


@pytest.mark.parametrize(
    ("days", "language", "words"),
    [
        ([0], "en", "1 session on 22 Nov 2026"), ([0], "de", "1 Sitzung am 22.11.2026"),
        ([0, 0], "en", "2 sessions on 22 Nov 2026"),
        ([0, 2], "de", "2 Sitzungen vom 22.11.2026 bis 24.11.2026"),
    ],
)  # fmt: skip
def test_how_many_and_when_is_said_as_people_say_it(days, language, words):
    """`1 sessions from 22 Nov to 22 Nov` is what a program says."""
    assert line([of(number, days=day) for number, day in enumerate(days)], language) == words
