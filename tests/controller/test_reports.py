import sqlite3
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from bedside_rig import PATIENT, Served
from worklist_rig import NOW, ListedClinic, suspension

from services.controller.bedside.reporting import Reporting
from services.controller.bedside.reports import GRADES, KINDS, Reports
from services.controller.bedside.session import Actor
from services.controller.bedside.suspending import Suspender
from services.controller.centre.worklists import Worklists
from services.controller.errors import SessionRefused
from services.controller.models import Adverse
from services.controller.panel import pages
from services.controller.recorder.known_sessions import KnownSessions

ROOT = Path(__file__).parents[2]
THERAPIST = Actor("Th. Rapeutin", str(uuid4()))


@pytest.fixture
def clinic(tmp_path, ticking):
    """A bedside with a centre, which has said its list."""
    clinic = ListedClinic(tmp_path, ticking)
    clinic.centre.says()
    clinic.worklists.refresh()
    yield clinic
    clinic.centre.says(suspended=[suspension(reason="adverse", adverse=True)])
    clinic.centre.says(at=NOW + timedelta(hours=20))
    clinic.clear_up()
    clinic.store.close()


def reporting(clinic):
    return Reporting(clinic.bedside, clinic.worklists)


def adverse(kind="weakness", grade=1, **more):
    return Adverse(id=uuid4(), kind=kind, grade=grade, **more)


def as_the_recorder(clinic):
    """What a recorder that starts now sees."""
    sessions = KnownSessions(clinic.directory / "session.db")
    found = Worklists(clinic.directory, reports=Reports(sessions.reports))
    found.refresh()
    return Suspender(clinic.memory, sessions, found)


@pytest.mark.requirement("report-adverse")
def test_kinds_and_grades_are_those_of_screening_in_every_word():
    """The bed suspends by the same table as the desk, and says the same words."""
    path = ROOT / "services/screening/outcomes/adverse.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in table["kind"]}
    for name, kind in KINDS.items():
        said = (kind.words.en, kind.words.de, kind.lumbar, kind.cervical)
        assert said == tuple(rows[name][column] for column in ("en", "de", "lumbar", "cervical"))
    grades = {row["number"]: (row["en"], row["de"]) for row in table["grade"]}
    assert {number: (words.en, words.de) for number, words in GRADES.items()} == grades


@pytest.mark.requirement("report-adverse")
def test_a_report_pauses_at_once_and_nobody_resumes_without_the_network(clinic):
    """New weakness under the pull: it ends now, and not only when some server has heard of it."""
    session = clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    given = adverse()
    answer = reporting(clinic).report("bed-01", given, THERAPIST)
    assert clinic.phase() == "paused"
    assert "clinician has signed" in answer.done.en
    assert "unterschriebener Begründung" in answer.done.de
    with pytest.raises(SessionRefused, match="because an adverse event was reported"):
        clinic.bedside.act("bed-01", "resume")
    assert reporting(clinic).report("bed-01", given, THERAPIST).session == session.session
    ((_, kept),) = clinic.store.reports()
    assert (kept.report, kept.session, kept.patient, kept.grade) == (given.id, session.session, PATIENT, 1)
    assert kept.account == THERAPIST.account
    clinic.bedside.act("bed-01", "stop")
    clinic.until_released()
    with pytest.raises(SessionRefused, match="confirm is refused"):
        clinic.confirm("bed-02")


@pytest.mark.requirement("report-adverse")
def test_a_report_that_the_panel_could_not_pause_is_paused_by_the_recorder(clinic):
    """Whatever process was ended meanwhile: the report is on the disk, and whoever reads it acts on it."""
    session = clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    reporting(clinic).report("bed-01", adverse("other", 1), THERAPIST)
    clinic.bedside.act("bed-01", "resume")
    assert as_the_recorder(clinic).look() == []
    clinic.until("precondition", "ramp", "hold")
    ((_, mild),) = clinic.store.reports()
    clinic.store.add_report(as_weakness(mild))
    assert as_the_recorder(clinic).look() == ["bed-01"]
    clinic.until("paused")
    assert session.patient == PATIENT


def as_weakness(report):
    """Another report of the same session, as a panel that was ended after writing it leaves it."""
    return replace(report, report=uuid4(), kind="weakness")


@pytest.mark.requirement("report-adverse")
def test_only_a_list_that_named_the_patient_and_no_longer_does_restores(clinic):
    """Neither a list that knows nothing of it yet nor a restart nor a lost line undoes what was reported."""
    session = clinic.under_way()
    reporting(clinic).report("bed-01", adverse(), THERAPIST)
    clinic.bedside.act("bed-01", "stop")
    clinic.until_released()
    clinic.centre.says()
    again = as_the_recorder(clinic).worklists
    assert again.suspension(PATIENT, "cervical").since > session.confirmed_at
    clinic.centre.says(suspended=[suspension(reason="adverse", adverse=True)])
    again.refresh()
    assert again.suspension(PATIENT, "cervical").reason == "adverse"
    clinic.centre.says()
    again.refresh()
    assert again.suspension(PATIENT, "cervical") is None
    assert clinic.confirm().patient == PATIENT


@pytest.mark.requirement("report-adverse")
def test_after_the_session_the_last_one_of_the_bed_is_meant_and_the_next_patient_goes_on(clinic):
    """Dizzy on getting up: it is about whoever lay there, not about whoever lies there now."""
    first = clinic.under_way()
    clinic.bedside.act("bed-01", "stop")
    clinic.until_released()
    about = reporting(clinic).about("bed-01", None)
    assert about.session == first.session
    other = uuid4()
    token = clinic.token(NOW - timedelta(minutes=1), other)
    clinic.under_way(patient=str(other), clearance=token)
    clinic.until("precondition", "ramp", "hold")
    reporting(clinic).report("bed-01", adverse("dizziness", 1, session=first.session), THERAPIST)
    assert clinic.phase() != "paused"
    ((_, kept),) = clinic.store.reports()
    assert kept.patient == PATIENT
    with pytest.raises(SessionRefused, match="no session here"):
        reporting(clinic).report("bed-02", adverse(), THERAPIST)


@pytest.mark.requirement("report-adverse")
def test_a_log_that_takes_nothing_pauses_all_the_same_and_the_report_is_written_later(clinic):
    """What cannot be written counts from memory, and the bed says that the desk must be told, too."""
    clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    rename(clinic, "reports", "away")
    answer = reporting(clinic).report("bed-01", adverse(), THERAPIST)
    assert clinic.phase() == "paused"
    assert "not on this machine's disk" in answer.done.en
    with pytest.raises(SessionRefused, match="resume is refused"):
        clinic.bedside.act("bed-01", "resume")
    rename(clinic, "away", "reports")
    assert clinic.store.reports() == []
    clinic.worklists.refresh()
    assert len(clinic.store.reports()) == 1


def rename(clinic, before, after):
    """The log's table is not there, as in a damaged file; or is there again."""
    with sqlite3.connect(clinic.directory / "session.db") as file:
        file.execute(f"ALTER TABLE {before} RENAME TO {after}")


def test_reports_only_grow(clinic):
    """A record that could be changed would be none."""
    clinic.under_way()
    reporting(clinic).report("bed-01", adverse(), THERAPIST)
    with sqlite3.connect(clinic.directory / "session.db") as file:
        for change in ("UPDATE reports SET grade = 1", "DELETE FROM reports"):
            with pytest.raises(sqlite3.IntegrityError, match="reports only grow"):
                file.execute(change)


def test_the_panel_takes_a_report_from_who_is_signed_in_and_shows_it(clinic):
    """The room sees that the bed pauses; what it was about is for who may see sessions."""
    panel = Served(clinic.panel(pages=pages.router, todays=clinic.todays))
    try:
        clinic.under_way()
        body = {"id": str(uuid4()), "kind": "radiating-pain", "grade": 2}
        assert panel.post("bed-01/adverse", body).status_code == 401
        panel.sign_in()
        for wrong in ({"grade": 6}, {"grade": "2"}, {"kind": "x"}, {"id": "1"}, {"by": "me"}):
            assert panel.post("bed-01/adverse", {**body, **wrong}).status_code == 422
        state = panel.post("bed-01/adverse", body).raise_for_status().json()["state"]
        assert state["phase"] == "paused"
        (made,) = state["adverse"]["reports"]
        assert made["text"]["de"].startswith("Ausstrahlender Schmerz")
        assert state["suspension"]["adverse"]
        assert datetime.fromisoformat(made["at"]) <= datetime.now(UTC)
        panel.http.cookies.clear()
        assert panel.get("/bed-01")["adverse"]["reports"] == []
    finally:
        panel.close()
