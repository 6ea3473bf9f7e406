"""Signing in at the panel and the end of a sign-in."""

from uuid import uuid4

import pytest
from bedside_rig import Served
from controller.panel_rig import COOKIE, wrong
from operator_rig import ACCOUNT, BADGE, PIN, THERAPIST
from servers import eventually


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


@pytest.mark.requirement("sign-in-to-operate")
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


@pytest.mark.requirement("sign-in-to-operate")
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


@pytest.mark.requirement("sign-in-offline")
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
