"""Who saw which record: also who went past its page."""

import pytest
from console.samples import Clock
from console.session_rig import SessionRig
from servers import Valkey
from simulated_session import CURE, PATIENT, SESSION
from sqlalchemy import select

from services.console.tables import TRAIL
from services.kit.auth.principal import SYSTEM
from services.kit.looks import MOST, ONE_LOOK_S, Looks

CURVE = f"/api/sessions/{SESSION}/curve?from=0&to=100000"
NOBODY = "00000000-0000-4000-8000-000000000007"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A console on a real telemetry with one archived session at north."""
    directory = tmp_path_factory.mktemp("looks")
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory, minutes=0.5)
        made.history.store("archived")
        yield made
        made.close()


@pytest.fixture
def rig(clinic):
    """That console, before anybody has looked."""
    clinic.console.looks = Looks()
    return clinic


def looks_at_beds(room):
    rows = room.console.trail.rows(select(TRAIL).order_by(TRAIL.c.seq))
    return [(row.name, row.record, row.site) for row in rows if row.action == "bed.seen"]


def test_a_curve_without_its_page_leaves_one_row(rig):
    """The whole of a session's samples was to be had without a trace."""
    before = rig.trail()
    for _ in range(3):
        assert rig.get("nora", CURVE).status_code == 200
    assert rig.trail()[len(before) :] == [("nora", "session.seen", str(SESSION), "north")]


def test_a_curve_of_an_open_page_leaves_no_row_of_its_own(rig):
    """Zooming is no second look."""
    rig.get("nora", f"/sessions/{SESSION}")
    seen = rig.trail()
    assert rig.get("nora", CURVE).status_code == 200
    assert rig.trail() == seen


def test_a_curve_that_is_refused_leaves_no_row(rig):
    """South's reader has seen nothing of north's."""
    before = rig.trail()
    assert rig.get("sam", CURVE).status_code == 404
    assert rig.trail() == before


@pytest.mark.parametrize("field", ["patient", "cure", "q"])
def test_a_search_by_an_id_leaves_a_row_with_it_found_or_not(rig, field):
    """Whether a patient was treated here is something that one learns of a patient."""
    before = rig.trail()
    rig.get("nora", "/sessions", params={field: NOBODY})
    rig.get("nora", "/sessions", params={field: NOBODY})
    beneath = [("nora", "sessions.listed", None, "north")] if field == "q" else []  # the list that stays
    assert rig.trail()[len(before) :] == [("nora", "sessions.searched", NOBODY, None), *beneath]


@pytest.mark.parametrize(
    "path",
    [
        f"/sessions/{SESSION}", f"/cures/{CURE}/sessions", f"/sessions?patient={PATIENT}", "/sessions",
        f"/sessions/compare?session={SESSION}&session={NOBODY}",
    ],
    ids=["session", "cure", "patient", "list", "compare"],
)  # fmt: skip
def test_a_page_that_is_loaded_again_is_the_same_look(rig, path):
    """A row a reload buries the one that matters; another sign-in or a quarter of an hour is another look."""
    clock = Clock()
    rig.console.looks = Looks(clock)
    before = rig.trail()
    for _ in range(3):
        rig.get("nora", path)
    once = rig.trail()[len(before) :]
    assert len(once) == (0 if "compare" in path else 1)
    rig.sign_in_anew("nora")
    rig.get("nora", path)
    assert rig.trail()[len(before) :] == once * 2
    clock.now += ONE_LOOK_S
    rig.get("nora", path)
    assert rig.trail()[len(before) :] == once * 3


def listed(rig, before):
    """(site, details) of the rows of lists since then."""
    rows = rig.console.trail.rows(select(TRAIL).order_by(TRAIL.c.seq))[len(before) :]
    return [(row.action, row.record, row.site, dict(row.detail)) for row in rows]


def test_a_list_of_sessions_is_a_row_with_what_was_asked_and_how_many_were_shown(rig):
    """Whoever leafs through everybody's sessions has seen more than one record."""
    before = rig.trail()
    for query in ({}, {"region": "lumbar", "site": "north"}, {"region": "cervical"}, {}):
        assert rig.get("nora", "/sessions", params=query).status_code == 200
    assert listed(rig, before) == [
        ("sessions.listed", None, "north", {"shown": 1}),
        ("sessions.listed", None, "north", {"region": "lumbar", "site": "north", "shown": 1}),
        ("sessions.listed", None, None, {"region": "cervical", "shown": 0}),
    ]


def test_a_list_by_a_patient_s_id_says_the_rest_of_the_question_too(rig):
    """One row for one list: with the patient as its record."""
    before = rig.trail()
    rig.get("nora", "/sessions", params={"patient": str(PATIENT), "outcome": "completed"})
    detail = {"by": "patient", "outcome": "completed", "shown": 1}
    assert listed(rig, before) == [("sessions.searched", str(PATIENT), "north", detail)]


def test_a_list_that_is_refused_leaves_no_row(rig):
    """Nobody has seen a list of a day that there is none of."""
    before = rig.trail()
    assert rig.get("nora", "/sessions", params={"since": "nonsense", "span": "dates"}).status_code == 422
    assert rig.get("moni", "/sessions").status_code == 403
    assert rig.trail() == before


@pytest.mark.parametrize("path", ["/beds/bed-01", "/api/beds/bed-01/curve"])
def test_a_look_at_a_bed_leaves_one_row_a_quarter_of_an_hour(room, path):
    """A page that is opened anew after each pause is one look."""
    clock = Clock()
    room.console.looks = Looks(clock)
    anna = room.client("anna")
    for _ in range(3):
        anna.get(path)
    assert looks_at_beds(room) == [("anna", "north/bed-01", "north")]
    clock.now += ONE_LOOK_S
    anna.get(path)
    assert len(looks_at_beds(room)) == 2


def test_looks_that_are_remembered_are_bounded():
    """A console runs for months; whoever tries every id must not fill its memory."""
    looks = Looks()
    for number in range(MOST + 1):
        looks.put_down(SYSTEM, "session.seen", str(number))
    assert not looks.known(SYSTEM, "session.seen", "0")
    assert looks.known(SYSTEM, "session.seen", str(MOST))
