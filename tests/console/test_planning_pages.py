"""The scheduler's pages over the real scheduler: what they show, refuse and change."""

import contextlib
import re
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from console.planning_rig import (
    AWAY,
    FORBIDDEN,
    NOT_FOUND,
    REFUSED,
    SEE_OTHER,
    PlanningRig,
    request_in,
    shown,
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One clinic for this file's tests; each has a patient of its own."""
    made = PlanningRig(tmp_path_factory.mktemp("planning"))
    yield made
    made.close()


def moves(appointment, at, **changes):
    """What the calendar sends when an appointment is put down."""
    return {
        "site": "north", "at": at, "device": appointment["device"], "therapist": appointment["therapist"],
        "reason": "wish", **changes,
    }  # fmt: skip


def wall(appointment):
    """When it begins, by the clock on the site's wall."""
    at = datetime.fromisoformat(appointment["starts_at"]).astimezone(ZoneInfo("Europe/Berlin"))
    return at.replace(tzinfo=None)


def test_the_calendar_shows_who_comes_by_name_and_where(rig):
    """The scheduler knows ids alone: the name is screening's, asked in the reader's own right."""
    cure = rig.cure(rig.patient("Ødegård", "Bjørn"))
    first = cure["appointments"][0]
    page = rig.client().get(f"/calendar?site=north&day={wall(first).date()}")
    assert "Ødegård, Bjørn" in shown(page)
    assert f'data-appointment="{first["appointment"]}"' in page.text
    week = rig.client().get(f"/calendar?site=north&span=week&of={first['device']}&day={rig.monday}")
    days = {rig.monday + timedelta(days=number) for number in range(7)}
    own = [it for it in cure["appointments"] if wall(it).date() in days and it["device"] == first["device"]]
    assert week.text.count("Ødegård, Bjørn") == len(own)
    other = rig.client().get(f"/calendar?site=north&by=therapist&day={wall(first).date()}")
    assert "Therapist 1" in shown(other)


@pytest.mark.parametrize("path", ["/board", "/calendar", "/planning", "/cures", "/waiting", "/resources"])
def test_no_site_yet_is_said_and_not_guessed(rig, path):
    """A console that has heard no bed asks nobody about a site of no name."""
    rig.room.person("eve", "administrator")
    live = rig.room.live.devices
    held = dict(live)
    live.clear()
    try:
        assert "No site is known yet" in shown(rig.client("eve").get(path), REFUSED)
    finally:
        live.update(held)


def test_a_place_is_checked_before_it_is_allowed_and_the_rule_is_said_in_the_readers_language(rig):
    """Who drags onto a closed evening is told so, not that something failed."""
    one = rig.cure(rig.patient("Iversen", "Tor"))["appointments"][2]
    day = wall(one).date()
    path = f"/api/appointments/{one['appointment']}"
    client = rig.client("rita", **{"accept-language": "de"})
    closed = client.request("POST", f"{path}/check", json=moves(one, f"{day}T21:00")).json()
    assert closed["ok"] is False
    assert any("geöffnet" in rule or "Öffnungszeit" in rule for rule in closed["rules"]), closed
    free = client.request("POST", f"{path}/check", json=moves(one, f"{day}T08:15")).json()
    assert free == {"ok": True, "rules": []}


def test_what_is_moved_is_moved_and_may_be_moved_back(rig):
    """That is the undo of the calendar."""
    one = rig.cure(rig.patient("Ahrens", "Ute"))["appointments"][1]
    before = wall(one)
    path = f"/api/appointments/{one['appointment']}/move"
    for at in (before.replace(hour=8, minute=30), before):
        assert rig.client().request("POST", path, json=moves(one, at.isoformat())).status_code == 200
        now = rig.scheduler.ask("GET", f"/appointments/{one['appointment']}")
        assert wall(now) == at


def test_the_form_moves_without_a_mouse_and_keeps_what_was_typed_when_refused(rig):
    """Who uses a screen reader can do all that a drag does."""
    one = rig.cure(rig.patient("Brandt", "Ines"))["appointments"][3]
    at = wall(one)
    path = f"/appointments/{one['appointment']}"
    form = {"day": f"{at:%Y-%m-%d}", "time": "22:15", "device": one["device"], "therapist": one["therapist"],
            "scope": "this", "reason": "night shift"}  # fmt: skip
    fresh = rig.client().get(path).text
    assert re.search(r'<input id="f-reason"[^>]* required', fresh), (
        "a reason is needed, and is to be asked for"
    )
    assert re.search(r'<button[^>]*name="only"[^>]*formnovalidate', fresh), "only to check needs none"
    refused = rig.client().request("POST", f"{path}/move", data=form)
    assert "It is not possible there" in shown(refused, REFUSED)
    assert 'value="22:15"' in refused.text
    assert "night shift" in refused.text
    wrong = rig.client().request("POST", f"{path}/move", data=form | {"time": "noon"})
    assert "noon is no time of day" in shown(wrong, REFUSED)
    silent = rig.client().request("POST", f"{path}/move", data=form | {"time": "08:45", "reason": " "})
    assert "Give a reason" in shown(silent, REFUSED)
    done = rig.client().request("POST", f"{path}/move", data=form | {"time": "08:45"})
    assert done.status_code == SEE_OTHER
    assert "Moved" in shown(rig.client().get(path))


def test_a_time_that_the_clocks_leave_out_is_said_to_be_none(rig):
    """02:30 does not exist on the last Sunday of March."""
    one = rig.cure(rig.patient("Carstens", "Jo"))["appointments"][0]
    form = {"day": "2027-03-28", "time": "02:30", "device": one["device"], "therapist": one["therapist"],
            "reason": "early"}  # fmt: skip
    answer = rig.client().request("POST", f"/appointments/{one['appointment']}/move", data=form)
    assert "There is no 02:30 on 2027-03-28" in shown(answer, REFUSED)


def test_a_patient_is_found_with_a_typing_error(rig):
    """The desk hears a name, it does not see it."""
    patient = rig.patient("Kristiansen", "Marit")
    assert patient in rig.client().get("/planning?site=north&q=Christiansen").text
    form = rig.client().get(f"/planning?site=north&patient={patient}").text
    assert "Kristiansen, Marit" in form


def test_the_board_says_who_comes_and_what_is_missing_before_they_may_lie_down(rig):
    """No clearance here: the desk sees it before the patient stands at the bed."""
    one = rig.cure(rig.patient("Lund", "Kari"))["appointments"][0]
    path = f"/board?site=north&day={wall(one).date()}"
    assert "Lund, Kari" in shown(rig.client().get(path))
    page = rig.client().get(path)
    assert "No clearance" in shown(page)
    assert "Cannot be confirmed: No clearance" in shown(page)
    assert f'action="/appointments/{one["appointment"]}/confirm"' not in page.text
    assert "No clearance" in shown(rig.client().get(f"/calendar?site=north&day={wall(one).date()}"))
    assert "Not cleared yet" in shown(rig.client().get(f"/cures/{one['cure']}"))
    waiting = rig.client("cleo").get("/attention")
    assert "Lund, Kari" in shown(waiting)
    assert "Booked without clearance" in shown(waiting)
    desk = rig.client("rita").get("/attention")
    assert "Booked without clearance" in shown(desk)
    assert "To clear up at the desk" in desk.text
    assert "/clearance?region=" in waiting.text
    assert "/clearance?region=" not in desk.text, "the desk needs no findings"
    assert 'href="/attention?site=north"' in rig.client("rita").get(path).text
    form = {"back": "board"}
    answer = rig.client().request("POST", f"/appointments/{one['appointment']}/confirm", data=form)
    assert answer.headers["location"].startswith("/board?site=north")
    assert rig.scheduler.ask("GET", f"/appointments/{one['appointment']}")["confirmed"] is True


def test_cancelling_says_why_and_following_ones_go_with_it(rig):
    """This one, or this and following: the history keeps the reason."""
    rows = rig.cure(rig.patient("Moe", "Jan"))["appointments"]
    form = {"scope": "following", "reason": "moves away"}
    path = f"/appointments/{rows[12]['appointment']}"
    assert rig.client().request("POST", f"{path}/cancel", data=form).status_code == SEE_OTHER
    states = [rig.scheduler.ask("GET", f"/appointments/{row['appointment']}")["state"] for row in rows[11:]]
    assert states == ["booked", "cancelled", "cancelled", "cancelled"]
    assert "moves away" in shown(rig.client().get(path))


def test_a_replan_is_shown_before_it_is_applied(tmp_path):
    """Who would move from where to where; nobody moves before the second button."""
    with contextlib.closing(PlanningRig(tmp_path)) as rig:
        replanned(rig)


def replanned(rig):
    """The story, in a clinic where only one patient comes: the fewest are proven at once."""
    cure = rig.cure(rig.patient("Nygård", "Pia"), device="bed-01", times=[["15:00", "17:30"]])
    one = cure["appointments"][0]
    day = wall(one).date()
    span = {"from": f"{day}T00:00", "to": f"{day}T23:55", "reason": "smells of smoke"}
    form = {"site": "north", "out": "device:bed-01", **span}
    page = rig.client().request("POST", "/replanning", data=form)
    assert "Nygård, Pia" in shown(page)
    assert "Nothing is changed yet." in shown(page)
    assert rig.scheduler.ask("GET", f"/appointments/{one['appointment']}")["starts_at"] == one["starts_at"]
    replan = re.search(r"/replanning/([^/]+)/apply", page.text)[1]
    assert re.search(r'name="outage" value="yes" checked', page.text), (
        "the outage is entered unless told not to"
    )
    sent = {"site": "north", "outage": "yes"}
    done = rig.client().request("POST", f"/replanning/{replan}/apply", data=sent)
    assert done.status_code == SEE_OTHER, shown(done, done.status_code)
    told = rig.client().get(done.headers["location"])
    assert "Entered as an outage: bed-01, " in shown(told)
    assert 'href="/resources?site=north#outages"' in told.text
    assert "smells of smoke" in shown(rig.client().get("/resources?site=north"))
    now = rig.scheduler.ask("GET", f"/appointments/{one['appointment']}")
    assert (now["device"], now["starts_at"]) != (one["device"], one["starts_at"])
    backwards = rig.client().request("POST", "/replanning", data=form | {"to": form["from"]})
    assert backwards.status_code == REFUSED
    assert form["from"] in backwards.text


def test_prescriptions_are_set_and_confirmed_by_a_clinician_alone(rig):
    """The first is typed, the next one proposed with its reason; the desk sees both and signs neither."""
    cure = rig.cure(rig.patient("Prytz", "Ada"), prescription=None)
    path, before = f"/cures/{cure['cure']}", rig.scheduler.now
    assert 'name="peak_n"' not in rig.client().get(path).text
    first = rig.client("cleo").get(path)
    assert "Prescription of session 1" in shown(first)
    assert "78 kg" in shown(first)
    assert "From the file, version 1" in shown(first)
    form = {"first": "yes", "number": "1", "region": "lumbar", "segment": "L4/5", "body_weight_kg": "78",
            "age_years": "60", "sex": "female", "request": request_in(first)}  # fmt: skip
    much = rig.client("cleo").request("POST", f"{path}/prescriptions", data=form | {"peak_n": "900"})
    assert "900" in shown(much, REFUSED)
    assert "prescription.peak_n" not in shown(much, REFUSED)  # a program's name for what stands at its field
    assert request_in(much) == form["request"]
    for _ in range(2):  # a double click
        given = rig.client("cleo").request("POST", f"{path}/prescriptions", data=form | {"peak_n": "170,0"})
        assert given.status_code == SEE_OTHER
    assert len(rig.scheduler.shown(cure)["prescriptions"]) == 1
    try:
        rig.scheduler.session(cure, pain_before=6, pain_after=4)
        assert "Proposal for session 2" in shown(rig.client("cleo").get(path))
        answer = rig.client().request("POST", f"{path}/prescriptions", data={"number": "2"})
        assert answer.status_code == FORBIDDEN
        answer = rig.client("cleo").request("POST", f"{path}/prescriptions", data={"number": "2"})
        assert answer.status_code == SEE_OTHER
        assert "Confirmed already" in shown(rig.client().get(path))
    finally:
        rig.scheduler.now = before


def test_a_peak_may_be_prescribed_as_the_force_at_the_segment(rig):
    """Both forces stand with the prescription, the model's with its interval; limits are of the pull."""
    cure = rig.cure(rig.patient("Quist", "Unn"), prescription=None)
    path, cleo = f"/cures/{cure['cure']}", rig.client("cleo")
    first = cleo.get(path)
    assert 'aria-describedby="f-segment_peak_n-hint"' in first.text
    form = {
        "first": "yes",
        "number": "1",
        "region": "lumbar",
        "segment": "L4/5",
        "request": request_in(first),
    }

    def sent(client=cleo, **typed):
        return client.request("POST", f"{path}/prescriptions", data=form | typed)

    much = sent(segment_peak_n="700")
    assert 'id="f-segment_peak_n-error"' in much.text
    assert 'id="f-peak_n-error"' not in much.text
    told = shown(much, REFUSED)
    (error,) = re.findall(r"700 N at the segment, by the model a pull of .+ N\) to the segment", told)
    assert ": the lumbar ceiling of the first two sessions for women for session 1 is 180 N (" in error
    assert not re.search(r"\w+_n\b|docs/", error), "a program's names"
    german = rig.client("cleo", **{"accept-language": "de"})
    assert "nach dem Modell ein Zug von" in shown(sent(german, segment_peak_n="700"), REFUSED)
    beyond = shown(sent(segment_peak_n="5000"), REFUSED)
    assert "5000 N: the force model takes 0 to" in beyond
    assert "Give one of the two" in shown(sent(segment_peak_n="150", peak_n="170"), REFUSED)
    assert "is no number" in shown(sent(segment_peak_n="much"), REFUSED)
    assert rig.scheduler.shown(cure)["prescriptions"] == []
    assert sent(segment_peak_n="150").status_code == SEE_OTHER
    (kept,) = rig.scheduler.shown(cure)["prescriptions"]
    assert (kept["prescription"]["segment_peak_n"], kept["prescription"]["peak_n"]) == (150.0, 178.6)
    text = shown(rig.client().get(path))
    assert text.count("179 N, at the segment by the model 150 N (1") == 2, "of the session, and of the cure"


def test_a_proposal_may_be_changed_to_a_force_at_the_segment(rig):
    """What hangs on the peak is reckoned anew; the proposal itself says what the model lets arrive of it."""
    cure, before = rig.cure(rig.patient("Rong", "Liv")), rig.scheduler.now
    path, cleo = f"/cures/{cure['cure']}", rig.client("cleo")
    try:
        rig.scheduler.session(cure, pain_before=6, pain_after=4)
        assert re.search(r"At the segment \(model\)\s+1\d\d N \(1\d\d to 1\d\d N\)", shown(cleo.get(path)))
        typed = {"number": "2", "segment_peak_n": "120", "hold_s": "30"}
        assert cleo.request("POST", f"{path}/prescriptions", data=typed).status_code == SEE_OTHER
        document = rig.scheduler.shown(cure)["prescriptions"][-1]["prescription"]
        assert (document["segment_peak_n"], document["hold_s"]) == (120.0, 30.0)
        assert document["peak_n"] > 120.0
    finally:
        rig.scheduler.now = before


def test_the_limits_without_a_signature_are_a_clinicians(rig):
    """Set, shown to everybody, taken back."""
    path = f"/cures/{rig.cure(rig.patient('Rask', 'Ida'))['cure']}"
    limits = {"most_peak_n": "300", "most_step_n": "20"}
    assert rig.client().request("POST", f"{path}/automatic", data=limits).status_code == FORBIDDEN
    wrong = rig.client("cleo").request("POST", f"{path}/automatic", data=limits | {"most_peak_n": "a lot"})
    assert "a lot is no number" in shown(wrong, REFUSED)
    german = rig.client("cleo", **{"accept-language": "de"})
    wrong = german.request("POST", f"{path}/automatic", data=limits | {"most_peak_n": "9999"})
    assert "muss höchstens 1000 sein" in shown(wrong, REFUSED)
    assert rig.client("cleo").request("POST", f"{path}/automatic", data=limits).status_code == SEE_OTHER
    assert "up to 300 N" in shown(rig.client().get(path))
    off = rig.client("cleo").request("POST", f"{path}/automatic", data={"off": "yes"})
    assert off.status_code == SEE_OTHER
    assert "Every prescription needs a signature." in shown(rig.client().get(path))


def test_a_session_that_broke_off_is_decided_on(rig):
    """It counts, is repeated, or the cure ends: nobody guesses."""
    cure = rig.cure(rig.patient("Solberg", "Ove"))
    one, before = cure["appointments"][0], rig.scheduler.now
    path = f"/appointments/{one['appointment']}"
    try:
        rig.scheduler.session(cure, completed=False)
        assert "The session broke off. What is it?" in shown(rig.client().get(path))
        board = rig.client().get(f"/board?site=north&day={wall(one).date()}")
        assert "to be decided" in shown(board)
        form = {"decision": "counts", "reason": "nearly done"}
        assert rig.client().request("POST", f"{path}/decide", data=form).status_code == SEE_OTHER
        assert "The session broke off" not in shown(rig.client().get(path))
    finally:
        rig.scheduler.now = before


def test_the_sites_hours_are_kept_and_what_cannot_be_read_stays_as_it_was_typed(rig):
    """Half a working day is typed in many ways; what is none is said at its weekday."""
    body = rig.scheduler.ask("GET", "/sites/north")
    form = {"state": "DE-BE", "zone": "Europe/Berlin", "appointment_min": "45", "clean_up_min": "15",
            "rest_h": "20", "closed": "2027-12-24\n2027-12-31"}  # fmt: skip
    form |= {f"hours_{day}": "8-18" for day in ("mon", "tue", "wed", "thu", "fri")}
    client = rig.client("ada")
    refused = client.request("POST", "/resources/north/site", data=form | {"hours_wed": "all day"})
    assert "all day are no hours" in shown(refused, REFUSED)
    assert 'value="all day"' in refused.text
    wrong = client.request("POST", "/resources/north/site", data=form | {"hours_wed": "18:00-08:00"})
    assert wrong.status_code == REFUSED
    assert 'value="18:00-08:00"' in wrong.text
    assert rig.scheduler.ask("GET", "/sites/north")["hours"] == body["hours"]
    assert client.request("POST", "/resources/north/site", data=form).status_code == SEE_OTHER
    now = rig.scheduler.ask("GET", "/sites/north")
    assert now["closed"] == ["2027-12-24", "2027-12-31"]
    assert now["hours"]["mon"] == [["08:00", "18:00"]]
    assert rig.client("rita").request("POST", "/resources/north/site", data=form).status_code == FORBIDDEN


def test_somebody_new_and_an_outage_are_kept(rig):
    """A therapist with shifts, a bed that is out and comes back."""
    client = rig.client("ada")
    shifts = {"shift_mon": "08:00-12:00, 13:00-17:00"}
    new = client.request(
        "POST", "/resources/north/therapist", data={"name": "Zoë Ruud", "active": "yes", **shifts}
    )
    assert new.status_code == SEE_OTHER
    page = client.get("/resources?site=north")
    assert "Zoë Ruud" in shown(page)
    assert "08:00-12:00, 13:00-17:00" in page.text
    far = rig.monday + timedelta(days=300)
    out = {"out": "device:bed-02", "from": f"{far}T08:00", "to": f"{far}T12:00", "reason": "service"}
    assert client.request("POST", "/resources/north/outage", data=out).status_code == SEE_OTHER
    outage = re.search(r'name="outage" value="([^"]+)"', client.get("/resources?site=north").text)[1]
    done = client.request("POST", "/resources/north/outage", data={"outage": outage})
    assert done.headers["location"].endswith("outage_ended")


def test_a_calendars_address_is_shown_once_and_leads_nowhere_once_revoked(rig):
    """Whoever has it sees the appointments: it is a key."""
    form = {"site": "north", "of": "device:bed-01"}
    made = rig.client().request("POST", "/feeds", data=form)
    address = re.search(r'id="feed-address">([^<]+)<', made.text)[1]
    path = address[address.index("/feeds/") :]
    assert rig.scheduler.knock("GET", path).text.startswith("BEGIN:VCALENDAR")
    page = rig.client().get("/feeds?site=north").text
    assert path not in page
    feed = re.search(r"/feeds/([0-9a-f-]{36})/revoke", page)[1]
    gone = rig.client().request("POST", f"/feeds/{feed}/revoke", data={"site": "north"})
    assert gone.status_code == SEE_OTHER
    assert rig.scheduler.knock("GET", path).status_code == NOT_FOUND


def test_what_is_out_of_the_plan_says_so_when_the_scheduler_is_away(rig, monkeypatch):
    """A page that cannot know is not an empty one."""
    away = rig.room.console.scheduler
    monkeypatch.setattr(rig.room.console, "scheduler", rig.room.console._office("scheduler", "", "scheduler"))
    assert rig.client().get("/board?site=north").status_code == AWAY
    monkeypatch.undo()
    assert rig.room.console.scheduler is away


def test_another_sites_appointments_are_not_there(rig):
    """Whoever is of south learns nothing of north."""
    one = rig.cure(rig.patient("Quist", "Nils"))["appointments"][0]
    rig.room.person("sol", "reception@south")
    for path in (f"/appointments/{one['appointment']}", f"/cures/{one['cure']}", "/calendar?site=north"):
        assert rig.client("sol").get(path).status_code == NOT_FOUND, path


@pytest.fixture
def far_away(rig):
    """The site's clock is half a day from any that a test machine goes by."""
    rig.room.live.zones.told("north", "Pacific/Auckland")
    yield ZoneInfo("Pacific/Auckland")
    rig.room.live.zones.told("north", "Europe/Berlin")


def test_a_patients_pages_tell_and_read_times_by_the_sites_clock(rig, far_away):
    """A server of another zone refused the right time as one to come, and showed each an hour off."""
    patient = rig.patient("Örtlich", "Zeit")
    client = rig.client("cleo")
    page = client.get(f"/patients/{patient}/outcomes")
    assert "Local time of the site (Pacific/Auckland)" in shown(page)
    assert 'data-zone="Pacific/Auckland"' in page.text  # by which the page's scripts tell times
    wall = datetime.now(far_away).replace(tzinfo=None, second=0, microsecond=0)
    offered = re.search(r'id="f-pain-at" name="measured_at" type="datetime-local" value="([^"]+)"', page.text)
    assert offered
    assert abs(datetime.fromisoformat(offered[1]) - wall) < timedelta(minutes=10)
    form = {"id": str(uuid4()), "region": "lumbar", "before": "4", "measured_at": f"{wall:%Y-%m-%dT%H:%M}"}
    kept = client.request("POST", f"/patients/{patient}/outcomes/pain", data=form)
    assert kept.status_code == SEE_OTHER, shown(kept, kept.status_code)
    row = rig.screening.ask("GET", f"/patients/{patient}/outcomes")["outcomes"][0]
    assert datetime.fromisoformat(row["measured_at"]).astimezone(far_away).replace(tzinfo=None) == wall
    assert f"{wall:%H:%M}" in shown(client.get(f"/patients/{patient}/outcomes"))
    event = {
        "id": str(uuid4()), "kind": "dizziness", "grade": "1", "region": "cervical", "detail": "x",
        "happened_at": f"{wall:%Y-%m-%dT%H:%M}",
    }  # fmt: skip
    told = client.request("POST", f"/patients/{patient}/adverse", data=event)
    assert told.status_code == SEE_OTHER, shown(told, told.status_code)


def test_a_page_of_sites_with_several_clocks_says_whose_its_times_are(rig, far_away):
    """Ten past nine is doubted by whoever sees two sites, and by nobody who sees one."""
    rig.room.live.zones.told("island", "Atlantic/Canary")
    rig.room.person("both", "clinician@north", "clinician@island")
    assert "Your sites have several clocks" in shown(rig.client("both").get("/attention"))
    assert "several clocks" not in shown(rig.client("cleo").get("/attention"))
