"""Too many wrong tries at the panel: how long who waits, and what ends the wait."""

from uuid import uuid4

import pytest
from controller.panel_rig import wrong
from operator_rig import BADGE, PIN, THERAPIST

from services.controller.errors import SignInLocked, SignInRefused


@pytest.mark.requirement("slow-down-guessing")
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


@pytest.mark.requirement("slow-down-guessing")
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


@pytest.mark.requirement("slow-down-guessing")
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
