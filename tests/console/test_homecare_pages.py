"""Home programmes on the console: set, judged beside the form, signed, handed over, answered, looked over."""

import re
from html import unescape
from uuid import uuid4

import pytest
from console.homecare_room import HomecareRoom
from console.room_rig import RoomRig

from broker import contract
from broker.bus import Delivery
from broker.messages import ClinicEvent
from services.console.handlers import handle

SEE_OTHER, FORBIDDEN, NOT_FOUND, TAKEN, REFUSED, AWAY = 303, 403, 404, 409, 422, 503
TAG = re.compile(r"<(input|select|textarea|option)\b([^>]*)>")


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A clinic; each test has patients of its own."""
    made = HomecareRoom(tmp_path_factory.mktemp("clinic"))
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path):
    """A clinic in which nothing was before."""
    made = HomecareRoom(tmp_path)
    yield made
    made.close()


def page(answer, status=200):
    """What a reader sees, without the marks."""
    assert answer.status_code == status, answer.text[:3000]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def fields(answer):
    """What a browser sends of a page's programme form: what is typed, ticked and chosen."""
    form = answer.text[answer.text.index("data-home-form") :]
    found, select, first = {}, "", False
    for tag, rest in TAG.findall(form[: form.index("</form>")]):
        said = dict(re.findall(r'([a-z-]+)="([^"]*)"', rest))
        if tag == "select":
            select, first = said["name"], True
        elif tag == "option":
            if first or " selected" in rest:
                found[select] = unescape(said["value"])
            first = False
        elif said.get("type") not in ("checkbox", "radio") or " checked" in rest:
            found[said["name"]] = unescape(said.get("value", ""))
    return found


def filled(client, patient, **changed):
    """The form after the template, as a browser would send it on."""
    path = f"/patients/{patient}/homecare"
    begun = fields(client.get(f"{path}/new"))
    finding = {"stage": "chronic", "hernia": "protrusion", "size": "slight"}
    return fields(client.post(f"{path}/fill", data=begun | finding | changed))


def programme_of(answer):
    """The id in the address where a save leads."""
    assert answer.status_code == SEE_OTHER, page(answer, answer.status_code)[:3000]
    return re.fullmatch(r"/homecare/([0-9a-f-]{36})\?done=\w+", answer.headers["location"])[1]


def kept_of(rig, patient):
    """A patient's programmes as homecare has them."""
    return rig.homecare.ask("GET", f"/programmes?site=north&patient={patient}")["programmes"]


def report(kind, site="north"):
    """An event of homecare as the broker delivers it."""
    stream = contract.STREAMS["programme"]
    message = ClinicEvent.model_validate(
        {"id": uuid4(), "type": kind, "time": "2026-11-23T08:00:00Z", "data": {}}
    )
    return Delivery(stream, site, None, message, b"", False, False, None, None, 0, 0, 0)


def test_a_programme_is_set_by_its_template_in_four_choices(rig):
    """Region and weight come from the file; stage, displacement and size fill the rest, judged at once."""
    patient = rig.patient()
    client = rig.client()
    form = filled(client, patient)
    assert form["region"] == "lumbar"
    assert form["body_weight_kg"] == "78"
    assert form["use-bridge"] == "yes"
    shown = client.post(f"/patients/{patient}/homecare/decide", data=form)
    for piece in ("at home", "1 supervised session first", "Pull 170 N", "Home-traction article"):
        assert piece in page(shown)
    assert 'class="angle-chart"' in shown.text
    saved = client.post(f"/patients/{patient}/homecare/new", data=form)
    key = programme_of(saved)
    assert programme_of(client.post(f"/patients/{patient}/homecare/new", data=form)) == key
    tab = page(client.get(f"/patients/{patient}/homecare"))
    assert "under supervision" in tab
    assert "Hand it over now" in page(client.get(saved.headers["location"]))


def test_reminders_are_switched_on_and_off_in_the_form(rig):
    """Only where a clinician wants it; a template that is filled in later takes the tick not away."""
    patient, client = rig.patient(), rig.client()
    form = filled(client, patient, reminders="yes")
    assert form["reminders"] == "yes"
    key = programme_of(client.post(f"/patients/{patient}/homecare/new", data=form))
    said = rig.homecare.ask("GET", f"/programmes/{key}")["programme"]
    assert said["wanted"]["reminders"] is True
    again = fields(client.get(f"/homecare/{key}/edit"))
    assert again.pop("reminders") == "yes"
    programme_of(client.post(f"/homecare/{key}/edit/save", data=again))
    assert rig.homecare.ask("GET", f"/programmes/{key}")["programme"]["wanted"]["reminders"] is False


def test_what_the_gates_say_follows_what_is_typed(rig):
    """A steeper board is refused beside its field, with the angle that would do; nothing is kept."""
    patient = rig.patient()
    client = rig.client()
    form = filled(client, patient) | {"angle-inclined-board": "88", "most-inclined-board": "150"}
    shown = client.post(f"/patients/{patient}/homecare/decide", data=form)
    assert "At most 41 degrees" in page(shown)
    assert "refused" in page(shown)
    assert kept_of(rig, patient) == []


def test_conditions_come_from_the_questionnaire(rig):
    """What screening was answered is not asked again, and is said to come from there."""
    patient = rig.patient()
    body = {"value": {"answer": "yes"}, "given_by": "staff"}
    rig.screening.ask("PUT", f"/patients/{patient}/answers/pregnancy", json=body)
    shown = rig.client().get(f"/patients/{patient}/homecare/new")
    assert 'value="pregnancy" checked' in shown.text
    assert "from the file" in page(shown)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"weeks": "99"}, "weeks", "52"),
        ({"weeks": "viele"}, "weeks", "viele"),
        ({"start-bridge": "3", "ceiling-bridge": "1"}, "start-bridge", "at most the ceiling, 1"),
        ({"body_weight_kg": "zwölf"}, "body_weight_kg", "no number"),
        ({"body_weight_kg": "500"}, "body_weight_kg", "300"),
        ({"friction-inclined-board": "2"}, "friction-inclined-board", "1"),
        ({"starts_on": "2026-02-30"}, "starts_on", "2026-02-30"),
        ({"size": "none"}, "size", "missing"),
        ({"note": "leise\x00laut"}, "note", "NUL"),
    ],
)
def test_a_refusal_stands_at_its_field_and_nothing_typed_is_lost(rig, changed, field, words):
    """The clinician mends one field, and does not begin anew."""
    patient = rig.patient()
    client = rig.client()
    form = filled(client, patient) | {"note": "Ruhig atmen"} | changed
    refused = client.post(f"/patients/{patient}/homecare/new", data=form)
    assert words in page(refused, REFUSED)
    assert f'id="f-{field}-error"' in refused.text
    kept = fields(refused)
    assert {name: kept.get(name) for name in form if name not in ("note", *changed)} == {
        name: value for name, value in form.items() if name not in ("note", *changed)
    }
    assert kept_of(rig, patient) == []


def test_a_programme_without_an_exercise_is_refused(rig):
    """Nobody is sent home with an empty page."""
    patient = rig.patient()
    client = rig.client()
    form = {name: it for name, it in filled(client, patient).items() if not name.startswith("use-")}
    assert "at least one is needed" in page(
        client.post(f"/patients/{patient}/homecare/new", data=form), REFUSED
    )


def test_who_may_not_set_sees_no_form(rig):
    """A therapist signs, reception hands out links, billing sees nothing."""
    patient = rig.patient()
    made = rig.programme(patient)
    key = made["programme"]["id"]
    for name, signs, links in (("theo", True, True), ("rita", False, True)):
        client = rig.client(name)
        assert f"/patients/{patient}/homecare/new" not in client.get(f"/patients/{patient}/homecare").text
        page(client.get(f"/patients/{patient}/homecare/new"), FORBIDDEN)
        page(client.get(f"/homecare/{key}/edit"), FORBIDDEN)
        shown = client.get(f"/homecare/{key}").text
        assert ("/supervised" in shown) is signs
        assert (f"/homecare/{key}/links" in shown) is links
        assert "/turn/" not in shown
    bill = rig.client("bill")
    page(bill.get("/homecare"), FORBIDDEN)
    assert "/homecare" not in bill.get("/billing/open-items?site=north").text


def test_another_site_s_programme_is_answered_like_none(rig):
    """Nobody learns whether it exists."""
    made = rig.programme(rig.patient(site="south"), site="south")
    client = rig.client()
    other = page(client.get(f"/homecare/{made['programme']['id']}"), NOT_FOUND)
    nobody = page(client.get(f"/homecare/{uuid4()}"), NOT_FOUND)
    assert other[:200] == nobody[:200]
    page(client.get("/homecare/nonsense"), NOT_FOUND)


def test_a_therapist_signs_with_one_tap_and_reads_why_not(rig):
    """A second session on the same day is no second session."""
    made = rig.programme(rig.patient(), signed=("none",))
    key = made["programme"]["id"]
    client = rig.client("theo")
    day = re.search(r'name="day" type="date" value="([0-9-]+)"', client.get(f"/homecare/{key}").text)[1]
    tap = {"exercise": "bridge", "day": day, "well": "yes", "note": ""}
    path = f"/homecare/{key}/supervised"
    assert client.post(path, data=tap | {"request": str(uuid4())}).headers["location"].endswith("done=signed")
    assert "Supervised sessions signed: 1 of 1" in page(client.get(f"/homecare/{key}"))
    refused = client.post(path, data=tap | {"request": str(uuid4()), "note": "zum zweiten Mal"})
    assert "one session a day" in page(refused, TAKEN)
    assert 'value="zum zweiten Mal"' in refused.text


def test_a_link_is_shown_once_with_its_code_and_is_revoked(rig):
    """The address stands on the page that made it and nowhere else."""
    made = rig.programme(rig.patient())
    key = made["programme"]["id"]
    client = rig.client("rita")
    request = {"request": str(uuid4())}
    handed = client.post(f"/homecare/{key}/links", data=request)
    address = re.search(r'id="address">([^<]+)<', handed.text)[1]
    assert "<svg" in handed.text[handed.text.index("home-qr") :]
    assert "This link was shown already" in page(client.post(f"/homecare/{key}/links", data=request))
    shown = client.get(f"/homecare/{key}").text
    assert address.rpartition("/")[2] not in shown
    link = re.search(rf"/homecare/{key}/links/([0-9a-f-]+)/revoke", shown)[1]
    client.post(f"/homecare/{key}/links/{link}/revoke")
    assert "revoked" in page(client.get(f"/homecare/{key}"))


def test_pain_stands_first_and_is_answered(alone):
    """On the overview, on the programme's page, on the clinician's list; the answer opens the exercise."""
    made = alone.programme(alone.patient(), days_ago=10)
    key = made["programme"]["id"]
    hurt = alone.hurt(alone.link(made), "bridge", nrs=8, signs=["radiating-pain"], words="Zieht ins Bein")
    client = alone.client()
    overview = page(client.get("/homecare"))
    assert "1 report of pain open" in overview
    assert "warning sign reported" in overview
    assert "1 report of pain open" in page(client.get("/attention"))
    assert "Zieht ins Bein" in page(client.get(f"/homecare/{key}"))
    assert f"/homecare/{key}/pains/" not in alone.client("theo").get(f"/homecare/{key}").text
    path, body = f"/homecare/{key}/pains/{hurt}", {"request": str(uuid4()), "words": "Bitte langsam"}
    refused = client.post(path, data=body)
    assert "Bitte langsam" in page(refused, REFUSED)
    client.post(path, data=body | {"decision": "lower"})
    assert client.get("/homecare/pains/open").json()["reports"] == []
    again = client.post(path, data=body | {"decision": "go_on", "request": str(uuid4())})
    assert "already" in page(again, TAKEN)


def test_every_page_counts_open_reports_of_the_reader_s_sites_alone(alone):
    """The count is homecare's own, so that a console that has just started has it right."""
    north, south = (
        alone.programme(alone.patient()),
        alone.programme(alone.patient(site="south"), site="south"),
    )
    hurt = alone.hurt(alone.link(north), None, nrs=2)
    alone.hurt(alone.link(south), None, nrs=9)
    told = alone.client("rita", **{"accept-language": "de"}).get("/homecare/pains/open").json()
    assert told["reports"] == [hurt]
    assert told["text"] == "1 Schmerzmeldung offen"
    assert "data-home-count" in alone.client("rita").get("/patients").text
    assert "data-home-count" not in alone.client("bill").get("/billing/open-items?site=north").text


def test_news_of_pain_reaches_open_pages_of_its_site(alone):
    """The stream's mark changes, and the page asks what is open; an answer elsewhere takes the count back."""
    fanout, live = alone.room.console.fanout, alone.room.live
    marks = [{site: fanout.header("en", frozenset([site]))["pains"] for site in ("north", "south")}]
    for kind in ("pain.reported", "pain.answered", "session.done"):
        handle(live, alone.room.console.remote, report(kind))
        marks.append({site: fanout.header("en", frozenset([site]))["pains"] for site in ("north", "south")})
    assert len({mark["south"] for mark in marks}) == 1
    assert marks[0]["north"] != marks[1]["north"] != marks[2]["north"]
    assert marks[2] == marks[3]
    before = live.pains_told(None)
    live.broker(up=False)
    live.clock.now += 5.0
    live.broker(up=True)
    assert live.pains_told(None) != before


def test_what_nobody_knows_is_said_as_not_known(alone):
    """A silent telephone is no lazy patient."""
    made = alone.programme(alone.patient(), days_ago=10)
    overview = page(alone.client().get("/homecare"))
    assert "not known" in overview
    assert "never yet" in overview
    assert "0%" not in overview
    shown = page(alone.client().get(f"/homecare/{made['programme']['id']}"))
    assert "Nothing has come from the telephone yet." in shown
    file = alone.client(**{"accept-language": "de"}).get("/homecare/report/file")
    assert file.text.splitlines()[1].startswith("north;1;1;0;;;;1;0;0;")
    assert "1 not known" in page(alone.client().get("/homecare/report"))
    page(alone.client().get("/homecare/report?from=1900-01-01&to=2026-01-01"), REFUSED)
    page(alone.client().get("/homecare/report?from=bad"), REFUSED)


def test_the_overview_is_narrowed_and_sorted(alone):
    """By name in any script, by state, by column."""
    for family in ("Čapek", "Öztürk"):
        alone.programme(alone.patient(family))
    client = alone.client()
    assert "Öztürk" not in page(client.get("/homecare?q=čapek")).partition("Narrow")[2]
    backwards = page(client.get("/homecare?sort=-name"))
    assert backwards.rindex("Čapek") > backwards.rindex("Öztürk")
    assert "No home programme found" in page(client.get("/homecare?state=ended"))
    assert "No home programme found" in page(client.get("/homecare?q=%00"))


def test_a_programme_is_changed_paused_and_ended_with_a_reason(rig):
    """A version that somebody else has replaced is refused, and what was typed stays."""
    made = rig.programme(rig.patient())
    key = made["programme"]["id"]
    client = rig.client()
    form = fields(client.get(f"/homecare/{key}/edit"))
    saved = client.post(f"/homecare/{key}/edit/save", data=form | {"weeks": "7"})
    assert programme_of(saved) == key
    late = client.post(f"/homecare/{key}/edit/save", data=form | {"weeks": "9", "request": str(uuid4())})
    page(late, TAKEN)
    assert fields(late)["weeks"] == "9"
    page(client.post(f"/homecare/{key}/turn/pause", data={"request": str(uuid4()), "reason": " "}), REFUSED)
    for kind, state in (("pause", "paused"), ("resume", "running"), ("end", "ended")):
        client.post(f"/homecare/{key}/turn/{kind}", data={"request": str(uuid4()), "reason": f"Grund {kind}"})
        shown = page(client.get(f"/homecare/{key}"))
        assert f"Grund {kind}" in shown
        assert rig.homecare.ask("GET", f"/programmes/{key}")["state"] in (state, "supervised")
    page(client.post(f"/homecare/{key}/turn/jump", data={"request": str(uuid4()), "reason": "x"}), REFUSED)


def test_the_note_and_the_drawings_come_through(rig):
    """As papers and pictures of homecare's, in the reader's name."""
    key = rig.programme(rig.patient())["programme"]["id"]
    client = rig.client("theo")
    assert client.get(f"/homecare/{key}/note?for=gym&language=en").content.startswith(b"%PDF")
    drawn = client.get("/homecare/drawings/bridge.svg")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    page(client.get("/homecare/drawings/nothing.svg"), NOT_FOUND)
    assert "Home programme set" in page(rig.client("ada").get("/trail?of=homecare"))


def test_a_console_without_homecare_asks_nothing_and_says_so(tmp_path):
    """Pages of a house without home programmes do not wait for them; one that is away is asked again."""
    room = RoomRig(tmp_path)
    room.person("cleo", "clinician@north")
    client = room.client("cleo", accept="text/html")
    assert 'id="home-open"' not in client.get("/").text
    assert client.get("/homecare/pains/open").json() == {"reports": None}
    page(client.get("/homecare"), AWAY)
    room.close()
