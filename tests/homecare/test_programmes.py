"""Setting, changing, signing and closing programmes over the API; what screening says of them."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from homecare import programmes as home
from sqlalchemy import event, func, select
from sqlalchemy.exc import DBAPIError

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.homecare.diary.tables import ANSWERS, ENTRIES, LINKS, PAINS
from services.homecare.programmes.erasing import Erasing, erase
from services.homecare.programmes.tables import CURES, PROGRAMMES, STANDING, SUPERVISED, TURNS, VERSIONS
from services.kit.database import reading, writing

CLEAR = "clearance.decided"


def at(rig, patient):
    """The ids of somebody's programmes."""
    found = rig.ask("GET", "/programmes", params=home.NORTH | {"patient": str(patient)})
    return [row["id"] for row in found["programmes"]]


def late(rig, kind, hours, **data):
    """An event that was told so many hours ago and comes only now."""
    said = {name: str(value) if name != "rules" else value for name, value in data.items()}
    told = ClinicEvent(id=uuid4(), type=kind, time=rig.now - timedelta(hours=hours), data=said)
    rig.hear(STREAMS["clearance"], told)


# --- choosing ---------------------------------------------------------------------------------------------
def test_a_template_is_filled_from_the_file_and_set_as_it_is(rig):
    """Under a minute: the finding, one look, done; what screening knows is not asked again."""
    patient = home.cleared(rig)
    rig.clinic_event("clearance.given", patient=patient, region="lumbar", conditions=["some-bone-loss"])
    finding = {name: home.WANTED[name] for name in ("region", "stage", "hernia", "size", "starts_on")}
    named = home.NORTH | {"patient": str(patient)}
    filled = rig.ask("POST", "/fill", json=finding, params=named)
    assert filled["wanted"]["body_weight_kg"] == 80
    assert filled["wanted"]["conditions"] == ["some-bone-loss"]
    assert filled["decision"] == rig.ask("POST", "/decide", json=filled["wanted"], params=named)
    made = rig.ask("POST", "/programmes", json=home.new(patient) | {"wanted": filled["wanted"]})
    assert made["decision"]["verdict"] == "home"
    assert len(rig.trail("programme.decided")) == 2
    rig.now += timedelta(days=90)
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="cleared", rules=[])
    assert rig.ask("POST", "/fill", json=finding, params=named)["wanted"]["conditions"] == []


def test_the_library_the_templates_and_the_chart_are_there_in_both_languages(rig):
    """What the console and the patient's page are made of."""
    library = rig.ask("GET", "/library")
    assert {"exercises", "conditions", "equipment", "everyday", "sources", "stop_always"} <= set(library)
    assert set(library["exercises"][0]["name"]) == {"de", "en"}
    found = rig.ask("GET", "/templates", params={"region": "cervical"})["templates"]
    assert {row["region"] for row in found} == {"cervical"}
    nobody = rig.client()
    nobody.headers = {}
    assert nobody.request("GET", "/library/drawings/bridge.svg").headers["content-type"] == "image/svg+xml"
    assert rig.knock("GET", "/library/drawings/..%2f..%2flibrary.svg").status_code == 404
    drawn = rig.knock("GET", "/dose/chart.svg", params={"body_weight_kg": 80, "language": "en"})
    assert drawn.text.startswith("<svg")
    assert rig.knock("GET", "/dose/chart.svg", params={"body_weight_kg": "nan"}).status_code == 422


# --- setting ----------------------------------------------------------------------------------------------
def test_the_same_request_is_one_programme(rig):
    """A double click, a lost answer: one programme; the same id for something else is refused."""
    patient = home.cleared(rig)
    body = home.new(patient)
    first, second = (rig.ask("POST", "/programmes", json=body) for _ in range(2))
    assert first["programme"]["id"] == second["programme"]["id"]
    assert rig.count(PROGRAMMES) == 1
    rig.ask("POST", "/programmes", json=body | {"patient": str(home.cleared(rig))}, status=409)
    turn = {"request": body["request"], "reason": "x"}
    rig.ask("POST", f"/programmes/{first['programme']['id']}/pause", json=turn, status=409)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"starts_on": "2026-11-01"}, "starts_on"),
        ({"starts_on": "2031-01-01"}, "starts_on"),
        ({"starts_on": "2026-02-30"}, "starts_on"),
        ({"starts_on": "2026-11-10", "weeks": 1}, "weeks"),
        ({"body_weight_kg": 8000}, "body_weight_kg"),
        ({"note": "a\x00b"}, "note"),
        ({"minutes_per_day": 600}, "minutes_per_day"),
        ({"exercises": [{"exercise": "handstand"}]}, "handstand"),
        ({"conditions": ["tired"]}, "tired"),
        ({"conditions": ["pregnancy"], "exercises": [{"exercise": "hanging"}]}, "abgelehnt"),
        ({"region": "cervical", "exercises": [{"exercise": "knee-to-chest"}]}, "abgelehnt"),
    ],
)
def test_what_cannot_be_set_is_refused_with_value_and_limit(rig, changed, named):
    """And nothing of it is kept."""
    patient = home.cleared(rig)
    refused = rig.knock("POST", "/programmes", json=home.new(patient, **changed))
    assert refused.status_code == 422
    assert named in refused.text
    assert (rig.count(PROGRAMMES), rig.count(VERSIONS)) == (0, 0)


def test_a_refused_programme_says_every_reason_and_what_is_possible_instead(rig):
    """A clinician who is told "no" without why sets something worse."""
    patient = home.cleared(rig, outcome="refused", rules=["pregnancy"])
    refused = rig.ask("POST", "/programmes", json=home.new(patient), status=422)
    assert refused["reasons"][0]["rule"] == "screening-refused"
    assert refused["reasons"][0]["instead"]["en"]
    assert "Schwangerschaft" in refused["detail_de"]


def test_nobody_unknown_erased_or_of_another_site_gets_a_programme(rig):
    """They are answered alike; a cure must be theirs."""
    other, gone = rig.patient("south"), rig.patient()
    rig.clinic_event("patient.erased", patient=gone)
    for patient in (uuid4(), other, gone):
        rig.ask("POST", "/programmes", json=home.new(patient), status=404)
    body = home.new(home.cleared(rig)) | {"cure": str(uuid4())}
    rig.ask("POST", "/programmes", json=body, status=404)


def test_a_region_has_one_open_programme_and_pain_is_answered_before_the_next(rig):
    """A new programme must not be the way around a lock."""
    patient = home.cleared(rig)
    programme = home.made(rig, patient)["programme"]["id"]
    refused = rig.ask("POST", "/programmes", json=home.new(patient), status=409)
    assert refused["programme"] == programme
    report = home.hurt(rig, programme, "bridge")
    home.turn(rig, programme, "end")
    assert "unanswered" in rig.ask("POST", "/programmes", json=home.new(patient), status=409)["detail"]
    home.answer(rig, programme, report, "go_on")
    assert home.made(rig, patient)["programme"]["id"] != programme


def test_whoever_changes_an_older_version_is_told_who_was_quicker(rig):
    """Nothing of either is lost silently; the same request again is the same version."""
    programme = home.made(rig)["programme"]["id"]
    body = home.request(version=1, wanted=home.WANTED | {"weeks": 6})
    for _ in range(2):
        assert rig.ask("PUT", f"/programmes/{programme}", json=body)["programme"]["version"] == 2
    refused = home.change(rig, programme, 1, status=409)
    assert refused["version"] == 2
    other = home.WANTED | {"region": "thoracic", "exercises": [{"exercise": "chair-back-bend"}]}
    assert home.change(rig, programme, 2, wanted=other, status=422)["field"] == "region"


def both(rig, method, path, *bodies):
    """The statuses of requests that are sent at once, the smallest first."""
    gate, seen = threading.Barrier(len(bodies)), []

    def send(body):
        gate.wait()
        seen.append(rig.knock(method, path, json=body).status_code)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seen)


def test_of_two_clinicians_at_once_one_is_quicker(either_rig):
    """One programme, one version more, one signature; the other one is told so instead of overwriting it."""
    rig = either_rig
    patient = home.cleared(rig)
    assert both(rig, "POST", "/programmes", home.new(patient), home.new(patient)) == [201, 409]
    path = f"/programmes/{at(rig, patient)[0]}"
    changes = [home.request(version=1, wanted=home.WANTED | {"weeks": weeks}) for weeks in (4, 5)]
    assert both(rig, "PUT", path, *changes) == [200, 409]
    signing = home.request(exercise="bridge", day=home.MONDAY, went_well=True)
    assert both(rig, "POST", f"{path}/supervised", signing, signing) == [200, 200]
    assert (rig.count(PROGRAMMES), rig.count(VERSIONS), rig.count(SUPERVISED)) == (1, 2, 1)
    assert [told.type for told in rig.told("programme")] == ["programme.started"]


# --- signing ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("exercise", "day", "status", "named"),
    [
        ("bridge", "2026-11-24", 422, "2026-11-24"),
        ("bridge", "2026-11-22", 422, "2026-11-22"),
        ("hanging", home.MONDAY, 422, "hanging"),
        ("abdominal-tightening", home.MONDAY, 409, "already"),
    ],
)
def test_what_cannot_be_signed_is_refused(rig, exercise, day, status, named):
    """Tomorrow's session, one before the programme, another exercise, a day twice."""
    programme = home.made(rig)["programme"]["id"]
    home.sign(rig, programme, "abdominal-tightening")
    assert named in home.sign(rig, programme, exercise, day, status=status)["detail"]
    assert rig.count(SUPERVISED) == 1


@pytest.mark.requirement("supervise-first")
def test_a_stronger_pull_is_begun_beside_a_therapist_anew(rig):
    """A signature is for what was done then; a body weight that varies a little is the same pull."""
    board = {"exercise": "inclined-board", "ceiling_level": 1, "angle_deg": 40, "most_n": 390}
    made = home.made(rig, exercises=[board])
    programme, version = made["programme"]["id"], 1
    (judged,) = made["decision"]["exercises"]
    for day in range(judged["supervised_sessions"]):
        view = home.sign(rig, programme, "inclined-board", str(rig.now.date()))
        rig.now += timedelta(days=1)
        assert home.statuses(view)["inclined-board"] == ("open" if day == 2 else "supervision")
    for angle, status in ((40.5, "open"), (50, "supervision"), (40, "open")):
        wanted = home.WANTED | {"exercises": [board | {"angle_deg": angle}]}
        view = home.change(rig, programme, version, wanted=wanted)
        assert home.statuses(view)["inclined-board"] == status
        version += 1


def test_a_reason_is_words_and_a_day_is_the_sites(rig):
    """NUL, nothing and a novel are refused; any script is taken; the day turns in Berlin, also in March."""
    programme = home.made(rig, weeks=30)["programme"]["id"]
    for reason in ("", "  ", "a\x00b", "x" * 501):
        path, body = f"/programmes/{programme}/pause", home.request(reason=reason)
        assert rig.ask("POST", path, json=body, status=422)
    rig.ask("POST", path, json=home.request(reason="عطلة"))
    home.turn(rig, programme, "resume")
    rig.now = datetime(2027, 3, 28, 21, 59, tzinfo=UTC)  # 23:59 on the day that has 23 hours
    home.sign(rig, programme, "bridge", "2027-03-29", status=422)
    rig.now += timedelta(minutes=1)
    home.sign(rig, programme, "bridge", "2027-03-29")
    assert [row["reason"] for row in home.shown(rig, programme)["turns"]][:1] == ["عطلة"]


def test_a_therapist_signs_and_does_not_set(rig):
    """What is a clinician's stays a clinician's."""
    programme = home.made(rig)["programme"]["id"]
    home.sign(rig, programme, "bridge", role="therapist")
    turning = home.request(reason="x")
    rig.ask("POST", f"/programmes/{programme}/pause", role="therapist", json=turning, status=403)
    rig.ask("POST", f"/programmes/{programme}/pause", sites=["south"], json=turning, status=404)
    assert [row["record"] for row in rig.trail("programme.supervised")] != [programme]


# --- pain -------------------------------------------------------------------------------------------------
def test_what_stays_off_is_off_until_a_version_names_it_again(rig):
    """A form that is sent with every exercise in it must not open one by accident."""
    programme = home.made(rig)["programme"]["id"]
    home.sign(rig, programme, "bridge")
    report = home.hurt(rig, programme, "bridge")
    view = home.change(rig, programme, 1)
    assert home.statuses(view)["bridge"] == "pain"
    assert [lock["report"] for lock in view["locks"]] == [report]
    home.answer(rig, programme, report, "stays_off")
    view = home.change(rig, programme, 2)
    assert (home.statuses(view)["bridge"], view["off"]) == ("off", ["bridge"])
    home.sign(rig, programme, "bridge", status=422)
    rig.now += timedelta(minutes=1)
    assert home.statuses(home.change(rig, programme, 3, again=["bridge"]))["bridge"] == "open"


# --- screening --------------------------------------------------------------------------------------------
@pytest.mark.requirement("gate-the-home")
def test_screening_closes_a_programme_and_opens_it_again(rig):
    """At once, with its reason on the page and in the history; a late word changes nothing."""
    patient = home.cleared(rig)
    programme = home.made(rig, patient)["programme"]["id"]
    home.sign(rig, programme, "bridge")
    held = {"suspension": uuid4(), "patient": patient, "region": None, "reason": "adverse"}
    rig.clinic_event("clearance.suspended", **held)
    view = home.shown(rig, programme)
    assert home.statuses(view)["bridge"] == "suspended"
    assert "unerwünschtes Ereignis" in view["programme"]["suspended"]["words"]["de"]
    home.change(rig, programme, 1, status=422)
    rig.now += timedelta(hours=1)
    rig.clinic_event("clearance.restored", **held)
    late(rig, "clearance.suspended", 2, **held | {"region": "lumbar"})
    late(rig, CLEAR, 2, patient=patient, region="lumbar", outcome="refused")
    assert home.statuses(home.shown(rig, programme))["bridge"] == "open"
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="refused", rules=["tumour"])
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="cleared", rules=[])
    kinds = [row["kind"] for row in home.shown(rig, programme)["turns"]]
    assert kinds == ["started", "suspended", "restored", "suspended", "restored"]


def test_restored_before_suspended_is_restored(rig):
    """Two messages may overtake each other; a programme must not stay closed for it."""
    patient = home.cleared(rig)
    programme = home.made(rig, patient)["programme"]["id"]
    held = {"suspension": uuid4(), "patient": patient, "region": "lumbar"}
    rig.clinic_event("clearance.restored", **held)
    late(rig, "clearance.suspended", 1, **held)
    assert home.shown(rig, programme)["programme"]["suspended"] is None


def test_whom_nobody_screened_trains_under_supervision_until_it_is_set_anew(rig):
    """What becomes freer waits for a clinician; what becomes stricter does not."""
    patient = rig.patient()
    made = home.made(rig, patient)
    programme = made["programme"]["id"]
    assert (made["decision"]["verdict"], made["renewed"]) == ("supervised", None)
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="cleared", rules=[])
    home.sign(rig, programme, "bridge")
    view = home.shown(rig, programme)
    assert (view["state"], view["renewed"]["verdict"]) == ("supervised", "home")
    view = home.change(rig, programme, 1)
    assert (view["state"], view["renewed"]) == ("running", None)
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="conditions", rules=["diabetes"])
    assert home.statuses(home.shown(rig, programme))["bridge"] == "supervision"


def test_between_neck_and_lower_back_the_stricter_word_holds(rig):
    """Screening asks about neither the middle back nor nobody: what is heard of the others counts."""
    wanted = {"region": "thoracic", "exercises": [{"exercise": "chair-back-bend"}]}
    patient = home.cleared(rig)
    made = home.made(rig, patient, **wanted)
    assert made["decision"]["verdict"] == "home"
    rig.clinic_event(CLEAR, patient=patient, region="cervical", outcome="refused", rules=["tumour"])
    assert home.shown(rig, made["programme"]["id"])["programme"]["suspended"]["rule"] == "screening-refused"


def test_files_that_are_merged_are_one_person(rig):
    """What was said of either holds; the programme is found by both, and parted again it is as before."""
    patient, twin = home.cleared(rig), rig.patient()
    programme = home.made(rig, patient)["programme"]["id"]
    rig.clinic_event("clearance.suspended", suspension=uuid4(), patient=twin, region=None, reason="file")
    rig.clinic_event("patient.merged", patient=patient, into=twin)
    view = home.shown(rig, programme)
    assert view["programme"]["patient"] == str(twin)
    assert view["programme"]["suspended"] is not None
    assert at(rig, patient) == at(rig, twin) == [programme]
    rig.ask("POST", "/programmes", json=home.new(twin), status=409)
    assert view["others"] == []
    rig.clinic_event("patient.unmerged", patient=patient)
    view = home.shown(rig, programme)
    assert (view["programme"]["patient"], view["programme"]["suspended"]) == (str(patient), None)
    assert [row["kind"] for row in view["turns"]] == ["suspended", "restored"]
    double = home.cleared(rig)
    other = home.made(rig, double)["programme"]["id"]
    rig.clinic_event("patient.merged", patient=patient, into=double)
    assert [row["id"] for row in home.shown(rig, programme)["others"]] == [other]


def test_who_is_erased_has_no_programme_any_more(rig):
    """It is ended, its links open nothing, nothing shows it, and what was said of them is gone."""
    patient = home.cleared(rig)
    programme = home.made(rig, patient)["programme"]["id"]
    link = {"link": str(uuid4()), "request": str(uuid4()), "programme": programme, "secret_sha256": "0" * 64,
            "account": str(uuid4()), "name": "clara", "made_us": 1}  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(LINKS.insert().values(link))
    rig.clinic_event("patient.erased", patient=patient)
    rig.clinic_event(CLEAR, patient=patient, region="lumbar", outcome="cleared", body_weight_kg=80.0)
    rig.clinic_event("cure.planned", cure=uuid4(), patient=patient, region="lumbar")
    rig.ask("GET", f"/programmes/{programme}", status=404)
    assert rig.ask("GET", "/programmes", params=home.NORTH)["programmes"] == []
    assert (rig.count(STANDING), rig.count(CURES)) == (0, 0)
    with reading(rig.engine) as connection:
        assert connection.execute(select(LINKS.c.revoked_by)).scalar() == "patient.erased"
        assert connection.execute(select(PROGRAMMES.c.state)).scalar() == "ended"


def test_the_record_of_an_erased_patient_goes_after_its_own_ten_years(either_rig):
    """Not a day sooner (§ 630f Abs. 3 BGB), and nobody else's with it: the database sees to that itself."""
    rig = either_rig
    gone, other = (home.made(rig)["programme"] for _ in range(2))
    home.sign(rig, gone["id"], "bridge")
    home.done(rig, gone["id"], "bridge", rig.now.date())
    home.answer(rig, gone["id"], home.hurt(rig, gone["id"]), "go_on")
    rig.clinic_event("patient.erased", patient=gone["patient"])
    erasing = Erasing(rig.office, lambda: rig.now)
    rig.now = rig.now.replace(year=2036, day=22)
    assert erasing.turn() == 0
    rig.now += timedelta(days=1)
    assert (erasing.turn(), erasing.turn()) == (1, 0)
    tables = (PROGRAMMES, VERSIONS, SUPERVISED, TURNS, ENTRIES, PAINS, ANSWERS)
    assert [rig.count(table) for table in tables] == [1, 1, 0, 0, 0, 0, 0]
    with pytest.raises(DBAPIError, match="append-only"), writing(rig.engine) as connection:
        erase(connection, [other["id"]])


# --- lists ------------------------------------------------------------------------------------------------
def test_cures_that_ended_without_a_programme_are_named(rig):
    """Nobody falls between the cure and what should go on after it."""
    cured, followed, running, merged = (home.cleared(rig) for _ in range(4))
    cures = {patient: uuid4() for patient in (cured, followed, running)}
    for patient, cure in cures.items():
        rig.clinic_event("cure.planned", cure=cure, patient=patient, region="lumbar")
    for patient in (cured, followed):
        rig.clinic_event("cure.ended", cure=cures[patient])
    rig.clinic_event("patient.merged", patient=cured, into=merged)
    rig.ask("POST", "/programmes", json=home.new(followed) | {"cure": str(cures[followed])})
    found = rig.ask("GET", "/cures-ended", params=home.NORTH)["cures"]
    assert [(row["cure"], row["patient"]) for row in found] == [(str(cures[cured]), str(merged))]
    rig.now += timedelta(days=61)
    assert rig.ask("GET", "/cures-ended", params=home.NORTH)["cures"] == []


def test_a_list_asks_the_database_as_often_for_many_as_for_one(rig):
    """A clinic with hundreds of programmes has one page of them."""
    asked, counts = [], []
    event.listen(rig.engine, "before_cursor_execute", lambda *sent: asked.append(sent[2]))
    for _ in range(3):
        programme = home.made(rig)["programme"]["id"]
        home.hurt(rig, programme, "bridge")
        asked.clear()
        rows = rig.ask("GET", "/programmes", params=home.NORTH)["programmes"]
        counts.append(len(asked))
    assert counts[0] == counts[2]
    assert {tuple(row["locked"]) for row in rows} == {("bridge",)}
    with reading(rig.engine) as connection:
        assert connection.execute(select(func.count()).select_from(PROGRAMMES)).scalar() == 3
    listed = rig.ask("GET", "/programmes", params=home.NORTH | {"state": ["running", "paused"]})
    assert listed["programmes"] == []
