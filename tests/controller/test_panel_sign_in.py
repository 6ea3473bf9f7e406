"""Who may do what at the panel: signed in, signed out, with a token from elsewhere, after too many tries."""

import asyncio
import json
import time
from uuid import UUID, uuid4

import httpx
import pytest
from asgi_client import Client
from bedside_rig import PATIENT, Served
from operator_rig import ACCOUNT, BADGE, PIN, THERAPIST
from servers import eventually
from websockets.sync.client import connect

from services.controller.clearance import Anchor, Clocks
from services.controller.errors import SignInLocked, SignInRefused
from services.controller.panel import pages
from services.controller.panel.__main__ import PanelSettings
from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal
from services.kit.auth.roles import ROLES
from services.kit.errors import SpondylError

ACTING = {
    "confirm": {}, "switch-test": {}, "start": {}, "pause": {}, "resume": {}, "reset": {}, "close": {},
    "change": {}, "heat": {"on": True}, "pain": {"when": "after", "value": 3}, "note": {"text": "x"},
}  # fmt: skip
COOKIE = "spondyl-panel-north"


class Time:
    """Both clocks in a test's hand."""

    def __init__(self):
        self.wall, self.steady = time.time(), 1000.0

    def clocks(self):
        """As a panel has them."""
        return Clocks(Anchor(self.wall, self.steady), wall=lambda: self.wall, steady=lambda: self.steady)

    def pass_s(self, seconds):
        """Both go on."""
        self.wall, self.steady = self.wall + seconds, self.steady + seconds


@pytest.fixture
def hands():
    """Time that a test moves."""
    return Time()


@pytest.fixture
def panel(clinic):
    """A panel at which nobody is signed in yet."""
    served = Served(clinic.panel(pages=pages.router))
    yield served
    served.close()


@pytest.fixture
def door(clinic, hands):
    """Sign-ins without a server, on a clock of the test's."""
    return clinic.sign_ins(600.0, hands.clocks(), steady=lambda: hands.steady)


# --- what a sign-in is for ----------------------------------------------------------------------------------


def test_nothing_but_stop_is_done_by_somebody_unknown(panel, clinic):
    """A visitor at the bed must not start, change or note anything."""
    session = clinic.confirm().session
    for action, body in ACTING.items():
        answer = panel.post(f"bed-01/{action}", body)
        assert (action, answer.status_code) == (action, 401)
        assert "nobody is signed in at this panel" in answer.json()["detail"]
    assert clinic.phase() == "ready"
    assert [row["action"] for row in clinic.store.actions(session)] == ["confirm"]


@pytest.mark.parametrize("role", ROLES)
def test_a_token_from_elsewhere_never_acts_whatever_its_role(panel, clinic, role):
    """Only the bedside may start: not a console, not an integrator, not an administrator at home."""
    for action, body in ACTING.items():
        answer = panel.post(f"bed-01/{action}", body, headers=clinic.staff.bearer(role))
        assert (action, answer.status_code) == (action, 403)
        assert "only the bedside may start, resume or change" in answer.json()["detail"]
    assert clinic.phase() == "idle"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer forged"}, {"authorization": "Basic eDp5"}])
def test_stop_needs_no_sign_in_and_minds_no_forged_token(panel, clinic, headers):
    """Whoever stands at the bed may stop it."""
    clinic.under_way()
    answer = panel.post("bed-01/stop", headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, True)
    assert clinic.phase() == "stopped"


def test_who_acts_is_who_signed_in(panel, clinic):
    """The record names the person that the PIN proved, and nothing that a browser claims."""
    panel.sign_in()
    forged = panel.post("bed-01/confirm", clinic.request() | {"operator": "somebody else"})
    assert forged.status_code == 422
    session = panel.post("bed-01/confirm", clinic.request(note="calm")).json()["session"]
    panel.post("bed-01/stop")
    stored = clinic.store.by_id(UUID(session))
    found = eventually(lambda: len(told(clinic, stored)) == 2 and told(clinic, stored), 10, "stop written")
    assert found == [("confirm", THERAPIST), ("stop", THERAPIST)]
    assert (stored.operator, stored.account) == (THERAPIST, str(ACCOUNT))
    assert [note.operator for note in clinic.store.notes(stored.session)] == [THERAPIST]


def told(clinic, session):
    """Who did what, as the log has it."""
    return [(row["action"], row["operator"]) for row in clinic.store.actions(session.session)]


def test_faults_are_for_those_who_may_break_a_bed(panel, clinic):
    """By the table of roles: at the bed or by a token of this site."""
    body = {"kind": "drive-stuck", "clear": True}
    assert panel.post("bed-01/fault", body).status_code == 401
    assert panel.post("bed-01/fault", body, headers=clinic.staff.bearer("therapist")).status_code == 403
    elsewhere = panel.post("bed-01/fault", body, headers=clinic.staff.bearer("administrator", "south"))
    unknown = panel.post("bed-99/fault", body, headers=clinic.staff.bearer("administrator"))
    assert (elsewhere.status_code, unknown.status_code) == (404, 404)
    assert elsewhere.json()["detail"].replace("bed-01", "bed-99") == unknown.json()["detail"]
    right = clinic.staff.bearer("administrator")
    assert panel.post("bed-01/fault", body, headers=right).status_code == 200
    assert panel.post("bed-01/fault", {"kind": "cosmic-ray"}, headers=right).status_code == 409
    panel.sign_in()
    assert panel.post("bed-01/fault", body).status_code == 403


# --- what is seen ----------------------------------------------------------------------------------------


def test_what_the_bed_does_is_open_and_whose_session_it_is_is_not(panel, clinic):
    """Nobody who helps is kept from the numbers; nobody who passes by reads who lies there."""
    clinic.under_way(note="slight pull left")
    for page in (panel.get("/bed-01"), json.loads(hello(panel))["state"]):
        assert page["phase"] in ("slack", "precondition", "ramp", "hold", "rest", "release")
        assert set(page["session"]["prescription"]) <= {
            "base_n", "peak_n", "rise_n_s", "fall_n_s", "hold_s", "rest_s",
        }  # fmt: skip
        assert "patient" not in page["session"]
        assert page["session"]["notes"] == []
    assert str(PATIENT) not in panel.http.get("/bed-01").text
    panel.sign_in()
    for page in (panel.get("/bed-01"), json.loads(hello(panel))["state"]):
        assert page["session"]["patient"] == str(PATIENT)
        assert page["session"]["prescription"]["body_weight_kg"] == 80.0
        assert page["session"]["notes"][0]["text"] == "slight pull left"


def hello(panel):
    """The first frame of a live socket, with the cookies of now."""
    cookies = "; ".join(f"{name}={value}" for name, value in panel.http.cookies.items())
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    with connect(address, proxy=None, additional_headers={"cookie": cookies}) as socket:
        return socket.recv(timeout=5)


def test_a_socket_opened_by_somebody_shows_no_more_than_the_open_view_once_they_have_gone(panel, clinic):
    """A page that is left behind must not go on reading out the notes."""
    clinic.under_way(note="slight pull left")
    panel.sign_in()
    cookies = "; ".join(f"{name}={value}" for name, value in panel.http.cookies.items())
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    with connect(address, proxy=None, additional_headers={"cookie": cookies}) as socket:
        assert json.loads(socket.recv(timeout=5))["state"]["session"]["patient"] == str(PATIENT)
        panel.http.post("/api/sign-out", json={}).raise_for_status()
        eventually(lambda: "patient" not in next_state(socket)["session"], 10, "the open view")


def test_a_socket_opened_by_a_token_shows_no_more_than_the_open_view_once_it_has_ended(panel, clinic):
    """What is shown to a minute's token must not be shown for a day."""
    clinic.under_way(note="slight pull left")
    who = Principal("a1", "ada", (Grant("clinician", "north"),))
    token = tokens.mint(clinic.staff.keys.private, who, 2.0, [tokens.PANEL])
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    headers = {"authorization": f"Bearer {token}"}
    with connect(address, proxy=None, additional_headers=headers) as socket:
        assert json.loads(socket.recv(timeout=5))["state"]["session"]["patient"] == str(PATIENT)
        eventually(lambda: "patient" not in next_state(socket)["session"], 10, "the open view")


def test_no_request_of_a_stranger_reads_the_access_key(clinic):
    """The key is in memory: whoever sends tokens by the thousand must not keep the disk and the loop busy."""
    session = clinic.confirm().session
    app = clinic.panel(hosts=["testserver"])
    clinic.staff.keys.public.unlink()
    answer = Client(app, clinic.staff.bearer("clinician")).get(f"/api/devices/bed-01/sessions/{session}")
    assert answer.status_code == 200


# --- from where -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "networks", "status"),
    [
        ("127.0.0.1", (), 200), ("::1", (), 200), ("10.1.2.3", (), 200), ("::ffff:10.1.2.3", (), 200),
        ("10.1.2.4", (), 403), ("2001:db8::7", (), 403), ("10.1.2.4", ("10.1.2.0/28",), 200),
        ("10.1.2.17", ("10.1.2.0/28",), 403), ("fe80::1%eth0", ("fe80::/10",), 200),
    ],
)  # fmt: skip
def test_only_browsers_at_the_bed_sign_in_and_act(clinic, client, networks, status):
    """A PIN that was seen must not start a bed from an office; STOP and the view are open to all."""
    clinic.confirm()
    app = clinic.panel(clients=networks, hosts=["10.1.2.3"])
    inside = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    outside = httpx.ASGITransport(app, client=(client, 1))

    async def knock():
        async with httpx.AsyncClient(transport=inside, base_url="http://10.1.2.3") as bed:
            signed = await bed.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
            cookies = signed.cookies
        async with httpx.AsyncClient(transport=outside, base_url="http://10.1.2.3") as office:
            entry = await office.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
            office.cookies = cookies
            acted = await office.post("/api/devices/bed-01/note", json={"text": "x"})
            seen = await office.get("/api/devices/bed-01")
            stopped = await office.post("/api/devices/bed-01/stop")
        return entry, acted, seen, stopped

    entry, acted, seen, stopped = asyncio.run(knock())
    assert [answer.status_code for answer in (entry, acted, seen, stopped)] == [status, status, 200, 200]
    if status == 403:
        assert "SPONDYL_PANEL_CLIENTS" in acted.json()["detail"]
        assert "nur am Bett" in entry.json()["detail_de"]


@pytest.mark.parametrize("text", ["10.1.2.3/24", "bed", "10.1.2.0/33"])
def test_a_network_that_is_none_is_refused_at_the_start(monkeypatch, text):
    """A slip of the pen must not open the panel to more, nor silently to nobody."""
    monkeypatch.setenv("SPONDYL_PANEL_CLIENTS", f"127.0.0.1, {text}")
    with pytest.raises(SpondylError, match="SPONDYL_PANEL_CLIENTS"):
        PanelSettings.load()


def next_state(socket):
    """The next state that a socket is told."""
    while True:
        frame = json.loads(socket.recv(timeout=5))
        if frame["type"] == "state":
            return frame["state"]


@pytest.mark.parametrize(
    ("role", "site", "status"),
    [
        (None, "north", 401), ("reception", "north", 403), ("monitor", "north", 403),
        ("billing", "north", 200), ("clinician", "north", 200), ("clinician", "*", 200),
        ("clinician", "south", 404),
    ],
)  # fmt: skip
def test_a_past_session_is_for_those_who_may_see_sessions_here(panel, clinic, role, site, status):
    """Another site's is answered like one that does not exist."""
    session = clinic.confirm()
    headers = clinic.staff.bearer(role, site) if role else {}
    answer = panel.http.get(f"/api/devices/bed-01/sessions/{session.session}", headers=headers)
    assert answer.status_code == status


def test_names_to_choose_from_are_open_and_no_digest_is_told(panel, clinic):
    """The page needs names; nobody needs what a PIN hashes to."""
    text = panel.http.get("/api/sign-in").text
    assert json.loads(text)["operators"] == [{"name": THERAPIST, "title": "M. Keller", "pin": True}]
    for secret in (clinic.staff.people[0].pin, clinic.staff.people[0].badge, str(ACCOUNT)):
        assert secret not in text
        assert secret not in panel.http.get("/bed-01").text


# --- signing in ------------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_panel_and_no_script(panel):
    """A cookie goes to every port of a host: its name is the site's, and no page can read it."""
    answer = panel.http.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert answer.json()["signed_in"]["name"] == THERAPIST
    assert panel.http.post("/api/sign-out", json={}).json()["signed_in"] is None
    assert panel.http.cookies.get(COOKIE) is None


def test_a_badge_opens_as_a_pin_does(panel):
    """One movement instead of a name and six keys."""
    answer = panel.http.post("/api/sign-in", json={"badge": BADGE})
    assert answer.json()["signed_in"]["how"] == "badge"
    assert panel.post("bed-01/reset").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": THERAPIST, "pin": "000111"}, {"name": "nobody", "pin": PIN}, {"name": "", "pin": ""},
        {"name": THERAPIST, "pin": ""}, {"badge": "BADGE-0043"}, {"badge": "<script>"}, {},
        {"name": "' OR 1=1 --", "pin": PIN}, {"name": "n" * 80, "pin": "9" * 64},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_of_it_is_said_or_kept(panel, clinic, body):
    """Neither answer nor log has the PIN that somebody mistyped."""
    answer = panel.http.post("/api/sign-in", json=body)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail_de"]
    assert COOKIE not in panel.http.cookies
    eventually(lambda: clinic.staff.notes, 5, "the entry")
    for value in body.values():
        assert len(value) < 4 or value == THERAPIST or value not in answer.text + repr(clinic.staff.notes)


@pytest.mark.parametrize(
    "body", [{"name": "n" * 10_000, "pin": PIN}, {"pin": "4711084711084711" * 9}, {"badge": "b" * 201}]
)
def test_what_is_too_long_is_refused_without_being_repeated(panel, body):
    """A scanner gone wild fills no log."""
    answer = panel.http.post("/api/sign-in", json=body)
    assert answer.status_code == 422
    assert len(answer.text) < 500
    assert "4711084711" not in answer.text


def test_signing_in_by_a_form_of_another_page_is_impossible(panel):
    """Nobody is made to act as somebody else."""
    for how in (
        {"data": {"name": THERAPIST, "pin": PIN}},
        {"content": b"{}", "headers": {"content-type": "text/plain"}},
    ):
        assert panel.http.post("/api/sign-in", **how).status_code == 415
    foreign = {"origin": "http://evil.example"}
    assert panel.http.post("/api/sign-in", json={"badge": BADGE}, headers=foreign).status_code == 403


# --- too many tries --------------------------------------------------------------------------------------


def wrong(door, name=THERAPIST, pin="000111"):
    """One wrong try; what was answered."""
    with pytest.raises(SignInRefused) as refused:
        door.by_pin(name, pin)
    return refused.value


def test_after_five_wrong_pins_every_further_one_doubles_the_wait(door, hands):
    """Six digits stand for nothing when they may be tried without end."""
    assert [type(wrong(door)) for _ in range(5)] == [SignInRefused] * 5
    for wait_s in (30, 60, 120, 240):
        locked = wrong(door, pin=PIN)
        assert isinstance(locked, SignInLocked)
        assert locked.retry_after_s == wait_s
        hands.pass_s(wait_s + 0.1)
        assert type(wrong(door)) is SignInRefused
    hands.pass_s(3600)
    door.by_pin(THERAPIST, PIN)
    assert type(wrong(door)) is SignInRefused  # the right one: the count began anew


def test_the_wait_survives_a_restart_and_a_clock_set_back(clinic, door, hands):
    """Pulling the plug must not buy five more tries."""
    for _ in range(5):
        wrong(door)
    again = clinic.sign_ins(600.0, hands.clocks(), steady=lambda: hands.steady)
    assert isinstance(wrong(again, pin=PIN), SignInLocked)
    hands.wall -= 86_400
    set_back = clinic.sign_ins(600.0, hands.clocks(), steady=lambda: hands.steady)
    locked = wrong(set_back, pin=PIN)
    assert 0 < locked.retry_after_s <= 30


def test_going_round_the_names_is_counted_too(clinic, door, hands):
    """Fifteen wrong ones at the panel are a wait for everybody, badges too, and it passes."""
    people = [clinic.staff.person(f"u{number}", account=uuid4(), badge=None) for number in range(8)]
    clinic.staff.enlist(clinic.directory, *people, clinic.staff.people[0])
    for number in range(15):
        wrong(door, f"u{number % 8}")
    locked = wrong(door, pin=PIN)
    assert "15 wrong tries at this panel" in locked.message
    with pytest.raises(SignInLocked):
        door.by_badge(BADGE)
    hands.pass_s(31)
    door.by_pin(THERAPIST, PIN)
    hands.pass_s(24 * 3600)
    assert type(wrong(door, "u0")) is SignInRefused
    assert type(wrong(door, "u0")) is SignInRefused


def test_a_quiet_quarter_of_an_hour_buys_no_new_tries_at_the_panel(door, hands):
    """Whoever guesses badges waits: in a day there are some three hundred tries, not a thousand."""
    taken = 0
    for _ in range(24 * 60):
        with pytest.raises(SignInRefused) as refused:
            door.by_badge("NO-SUCH-BADGE")
        taken += type(refused.value) is SignInRefused
        hands.pass_s(60)
    assert 15 < taken < 320


def test_slips_of_a_day_lock_no_panel(door, hands):
    """Somebody mistypes every two hours, for days: that is no attack."""
    for _ in range(40):
        assert type(wrong(door, "nobody")) is SignInRefused
        hands.pass_s(2 * 3600)


def test_one_operators_lock_is_nobody_elses(clinic, door):
    """A colleague's slip must not cost a treatment."""
    other = clinic.staff.person("other", account=uuid4(), badge=None)
    clinic.staff.enlist(clinic.directory, clinic.staff.people[0], other)
    for _ in range(5):
        wrong(door)
    assert isinstance(wrong(door), SignInLocked)
    door.by_pin("other", PIN)


def test_a_new_pin_begins_without_the_old_ones_count(clinic, door):
    """Whoever forgot it gets a new one, and may use it."""
    for _ in range(5):
        wrong(door)
    clinic.staff.enlist(clinic.directory, clinic.staff.person(pin="805112"))
    door.by_pin(THERAPIST, "805112")


def test_a_wait_says_how_long_in_both_languages_and_in_a_header(panel):
    """A person wants to know, a program too."""
    for _ in range(5):
        panel.http.post("/api/sign-in", json={"name": THERAPIST, "pin": "000111"})
    answer = panel.http.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert "wrong tries" in answer.json()["detail"]
    assert "falsche Versuche" in answer.json()["detail_de"]
    assert panel.post("bed-01/stop").status_code == 200


# --- the end of a sign-in -----------------------------------------------------------------------------------


def test_an_untouched_sign_in_ends_and_a_touched_one_goes_on(door, hands):
    """Ten minutes without a hand on the screen."""
    cookie, made = door.by_pin(THERAPIST, PIN)
    assert door.idle_left_s(made) == 600
    for _ in range(3):
        hands.pass_s(599)
        assert door.touch(cookie) is not None
    hands.pass_s(601)
    assert door.name_of(cookie) == ""
    assert door.find(cookie) is None
    assert door.touch(cookie) is None


@pytest.mark.parametrize("change", ["gone", "role", "pin"])
def test_whoever_the_list_drops_is_out_at_once(clinic, door, change):
    """A dismissal, another role, a new PIN: the browser that is still open does not outlive it."""
    cookie, _ = door.by_pin(THERAPIST, PIN)
    person = {
        "gone": clinic.staff.person("other", account=uuid4()),
        "role": clinic.staff.person(roles=("reception",)),
        "pin": clinic.staff.person(pin="805112"),
    }[change]
    clinic.staff.enlist(clinic.directory, person)
    assert door.find(cookie) is not None  # not read yet
    door.operators.refresh()
    assert door.find(cookie) is None


def test_a_list_that_expires_keeps_new_people_out_and_ends_no_treatment(clinic, door, hands):
    """Who is at work stays at work; STOP and the view ask for no list."""
    clinic.staff.enlist(clinic.directory, issued_s=hands.wall, valid_s=300)
    cookie, _ = door.by_pin(THERAPIST, PIN)
    hands.pass_s(301)
    assert door.find(cookie) is not None
    refused = wrong(door, pin=PIN)
    assert "expired" in refused.message
    assert "abgelaufen" in refused.german


def test_a_restarted_panel_knows_nobody_and_the_treatment_goes_on(clinic):
    """A browser's old cookie opens nothing."""
    clinic.under_way()
    first = Served(clinic.panel())
    first.sign_in()
    cookies = dict(first.http.cookies)
    first.close()
    second = Served(clinic.panel())
    try:
        second.http.cookies.update(cookies)
        assert second.post("bed-01/pause").status_code == 401
        assert clinic.phase() not in ("stopped", "paused", "fault")
        second.sign_in()
        assert second.post("bed-01/pause").status_code == 200
    finally:
        second.close()


def test_the_log_has_every_sign_in_its_end_and_every_wrong_try(clinic, door):
    """Who was signed in when is asked after an accident."""
    wrong(door)
    cookie, _ = door.by_badge(BADGE)
    door.close(cookie)
    door.close_log()
    assert [(note.detail, note.name, note.account, note.accepted) for note in clinic.staff.notes] == [
        ("wrong PIN", THERAPIST, str(ACCOUNT), False),
        ("signed in by badge", THERAPIST, str(ACCOUNT), True),
        ("signed out", THERAPIST, str(ACCOUNT), True),
    ]
