"""Pain locks its exercise until a clinician has answered, and nothing else opens it."""

import threading
import tomllib
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from homecare.at_home import WANTED, Home

from services.homecare.diary.signs import places, signs
from services.screening.clearance.home import _Reported

WHOLE = ["Es zieht \ufffd", "a\ufffdb"]
REGIONS = ("lumbar", "thoracic", "cervical")


@pytest.fixture
def home(rig):
    """Somebody at home."""
    return Home(rig)


def events(home, kind):
    """What was told of this kind."""
    return [event.data for event in home.rig.told("programme") if event.type == kind]


def level(home, exercise="bridge"):
    """The level that today says."""
    items = home.get().json()["days"][0]["items"]
    return next(item["level"] for item in items if item["exercise"] == exercise)


@pytest.mark.requirement("lock-on-pain")
def test_a_report_locks_its_exercise_and_is_told_at_once(home):
    """The others go on; screening gets the fields that it suspends by."""
    report = home.pain(6)
    told = home.send(report)["programme"]
    assert [item["status"] for item in told["days"][0]["items"]] == ["pain", "open"]
    assert [(lock["report"], lock["exercise"], lock["answer"]) for lock in told["locks"]] == [
        (report["id"], "bridge", None)
    ]
    (event,) = events(home, "pain.reported")
    assert event == {
        "programme": home.programme, "patient": str(home.patient), "region": "lumbar", "report": report["id"],
        "exercise": "bridge", "pain_nrs": 6, "where": "lower-back", "signs": [], "above": True,
    }  # fmt: skip
    assert _Reported.model_validate(event).above
    (row,) = home.rig.ask("GET", "/pains?site=north")["pains"]
    assert (row["entry"], row["above"], row["where"]["words"]["de"]) == (report["id"], True, "Unterer Rücken")


def test_pain_beside_an_exercise_locks_everything(home):
    """Who hurts without knowing of what does nothing until somebody has asked; as with an unknown one."""
    home.send(home.pain(2, None))
    assert {home.status("bridge"), home.status("abdominal-tightening")} == {"pain"}
    other = Home(home.rig)
    other.send(other.pain(2, "forgotten-exercise"))
    assert {other.status("bridge"), other.status("abdominal-tightening")} == {"pain"}


def test_above_is_the_limit_passed_or_any_warning_sign(home):
    """A numb saddle without pain is an emergency; four of ten with a limit of four is not."""
    for pain, said in ((4, []), (5, []), (0, ["saddle-numbness"]), (0, ["not-in-this-release"])):
        home.send(home.pain(pain, data={"signs": said}))
    assert [event["above"] for event in events(home, "pain.reported")] == [False, True, True, True]


def test_no_report_is_lost_for_its_words(home):
    """A keyboard that leaves half an emoji at the end of the field must not keep pain from the clinic."""
    cut = "Es zieht 🦵".encode("utf-16-le")[:-2].decode("utf-16-le", "surrogatepass")
    sent = [home.pain(5, data={"words": words}, minutes=index) for index, words in enumerate((cut, "a\x00b"))]
    assert home.send(*sent)["refused"] == []
    assert [one["words"] for one in home.diary()["pains"]] in (WHOLE, WHOLE[::-1])
    assert len(home.send(*sent)["known"]) == 2


@pytest.mark.requirement("lock-on-pain")
def test_nothing_but_an_answer_opens_it(home):
    """Not a new version, not another link, not time, not an entry, not a pause and its end."""
    home.send(home.pain(3))
    change = {"request": str(uuid4()), "version": 1, "wanted": WANTED | {"weeks": 8}}
    home.rig.ask("PUT", f"/programmes/{home.programme}", json=change)
    home.turn("pause")
    home.turn("resume")
    home.rig.now += timedelta(days=20)
    home.sign("bridge", day="2026-11-24")
    _, secret = home.invite()
    home.send(home.done(version=2), home.session(), secret=secret)
    days = home.get(secret).json()["days"]
    assert {item["status"] for day in days for item in day["items"] if item["exercise"] == "bridge"} == {
        "pain"
    }
    (done,) = [one for one in home.diary()["entries"] if one["kind"] == "exercise"]
    assert [mark["id"] for mark in done["marks"]] == ["locked"]
    assert done["marks"][0]["words"]["de"] == "die Übung war gesperrt"


@pytest.mark.parametrize(
    ("decision", "status", "lower"), [("go_on", "open", 1), ("lower", "open", 2), ("stays_off", "off", 1)]
)
def test_the_answer_reaches_the_telephone(rig, decision, status, lower):
    """By its next sync, with the clinician's words and without their name."""
    exercises = [{"exercise": "bridge", "start_level": 2, "ceiling_level": 2}]
    home = Home(rig, signed=["bridge"], exercises=exercises)
    report = home.pain(3)
    home.send(report)
    rig.now += timedelta(hours=1)
    answered = home.answer(report["id"], decision)
    assert (answered["answer"]["by"], answered["answer"]["decision"]) == ("clinician", decision)
    told = home.get()
    assert (home.status(), level(home)) == (status, 2 - lower)
    (lock,) = told.json()["locks"]
    assert lock["answer"] == {
        "decision": decision, "words": "Bitte langsam weiter", "at": "2026-11-23T08:00:00Z",
    }  # fmt: skip
    assert "clinician" not in told.text
    assert events(home, "pain.answered") == [
        {"programme": home.programme, "patient": str(home.patient), "report": report["id"],
         "decision": decision}
    ]  # fmt: skip
    assert rig.ask("GET", "/pains?site=north")["pains"] == []
    assert [row["answer"]["decision"] for row in rig.ask("GET", "/pains?site=north&open=false")["pains"]] == [
        decision
    ]


def test_one_answer_of_two_reports_leaves_the_other_closed(home):
    """Each report is a question of its own."""
    first, second = home.pain(3), home.pain(5, minutes=1)
    home.send(first, second)
    home.answer(first["id"])
    assert home.status() == "pain"
    home.answer(second["id"], "lower")
    assert home.status() == "open"


def test_what_hurt_and_was_opened_may_be_done_without_a_mark(home):
    """A mark is for what was closed at that time, not for what was closed once."""
    report = home.pain(3)
    home.send(report)
    home.answer(report["id"])
    home.rig.now += timedelta(hours=2)
    after = home.done()
    home.send(after)
    assert home.marks()[after["id"]] == []


def test_a_report_is_answered_once(either_rig):
    """Two clinicians at the same moment: one answer counts, the other is told whose."""
    home = Home(either_rig)
    report = home.pain(6)
    home.send(report)
    bodies = [{"request": str(uuid4()), "decision": one, "words": ""} for one in ("go_on", "stays_off")]
    answers = {}

    def say(index):
        path = f"/pains/{report['id']}/answer"
        answers[index] = either_rig.knock("POST", path, json=bodies[index])

    threads = [threading.Thread(target=say, args=(index,)) for index in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.status_code for one in answers.values()) == [200, 409]
    lost = next(one.json() for one in answers.values() if one.status_code == 409)
    won = next(index for index, one in answers.items() if one.status_code == 200)
    assert (lost["by"], lost["decision"]) == ("clinician", bodies[won]["decision"])
    again = home.answer(report["id"], **bodies[won])
    assert again["answer"]["decision"] == bodies[won]["decision"]
    assert len(events(home, "pain.answered")) == 1
    other = home.pain(6, minutes=1)
    home.send(other)
    home.answer(other["id"], status=409, **bodies[won])


def test_only_a_clinician_of_the_site_answers(home):
    """Opening what hurt is a medical decision; another site's report does not exist."""
    report = home.pain(6)
    home.send(report)
    path, body = f"/pains/{report['id']}/answer", {"request": str(uuid4()), "decision": "go_on", "words": ""}
    assert home.rig.knock("POST", path, json=body, role="therapist").status_code == 403
    assert home.rig.knock("POST", path, json=body, sites=["south"]).status_code == 404
    assert home.rig.knock("GET", "/pains?site=north", sites=["south"]).status_code == 404
    assert home.rig.ask("GET", "/pains", sites=["south"])["pains"] == []
    assert len(home.rig.ask("GET", "/pains")["pains"]) == 1
    assert home.rig.knock("GET", f"/programmes/{home.programme}/diary", sites=["south"]).status_code == 404
    for changed in ({"decision": "open"}, {"words": "a\x00b"}, {"words": "x" * 1001}, {"request": "1"}):
        assert home.rig.knock("POST", path, json=body | changed).status_code == 422
    assert home.status() == "pain"


def test_what_was_reported_is_seen_and_written_down(home):
    """Every look at a patient's diary is a row of the trail; an erased person's reports are not shown."""
    home.send(home.pain(6, data={"words": "Es zieht ins Bein 🦵 нога"}))
    (said,) = home.diary()["pains"]
    assert said["words"] == "Es zieht ins Bein 🦵 нога"
    home.rig.ask("GET", "/pains?site=north")
    assert [row["action"] for row in home.rig.trail()][-2:] == ["diary.seen", "pains.seen"]
    assert len(home.rig.ask("GET", "/pains/open", sites=["north"])["reports"]) == 1
    assert home.rig.ask("GET", "/pains/open", sites=["south"])["reports"] == []
    home.rig.clinic_event("patient.erased", patient=home.patient)
    assert home.rig.ask("GET", "/pains?site=north")["pains"] == []
    assert home.rig.ask("GET", "/pains/open")["reports"] == []


def test_every_warning_sign_has_its_words_its_kind_and_its_source():
    """Screening knows the kinds; each region asks about bladder and bowel, the neck about its vessels too."""
    file = Path(__file__).parents[2] / "services/screening/outcomes/adverse.toml"
    kinds = {row["id"] for row in tomllib.loads(file.read_text("utf-8"))["kind"]}
    for one in signs():
        assert one.kind in kinds
        assert all((one.de, one.en, one.source))
    asked = {region: {one.id for one in signs(region)} for region in REGIONS}
    always = {"saddle-numbness", "bladder-bowel", "weakness", "radiating-pain", "chest-pain"}
    assert asked["lumbar"] == always
    assert asked["cervical"] == asked["thoracic"] == always | {"dizziness", "vision-speech"}
    for region in REGIONS:
        assert len(places(region)) >= 4
