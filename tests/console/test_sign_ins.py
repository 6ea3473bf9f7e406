"""Sign-ins: what opens one, what ends it; on SQLite and on PostgreSQL."""

import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from console.account_rig import grant
from console.door_rig import GOOD, browser, person, signed_in

from services.console.accounts import accounts
from services.console.accounts.accounts import BY_PAGE, IDLE_US, LONGEST_US, SECOND_US, WALL_US
from services.kit.auth.principal import SYSTEM
from services.kit.moments import now_us


def test_a_cookie_opens_its_sign_in_and_the_table_does_not_hold_it(people):
    """Whoever steals the table has no key to any door."""
    person(people)
    opened = people.open("grace")
    assert signed_in(people, opened.cookie)
    assert not signed_in(people, opened.sign_in.id)
    assert not signed_in(people, "")
    assert opened.cookie not in str(people.store.sign_in(opened.sign_in.id))


@pytest.mark.parametrize(
    ("roles", "unused_us", "lives"),
    [
        (["clinician"], IDLE_US - SECOND_US, True), (["clinician"], IDLE_US + SECOND_US, False),
        (["monitor"], IDLE_US + SECOND_US, True), (["monitor"], WALL_US + SECOND_US, False),
        (["monitor", "clinician"], IDLE_US + SECOND_US, False),
    ],
)  # fmt: skip
def test_a_sign_in_that_nobody_uses_ends_but_a_wall_stays(people, roles, unused_us, lives):
    """A browser left open is somebody else's chair; a screen on the wall has nobody in front of it."""
    people.person("grace", *roles)
    opened = people.open("grace")
    people.accounts.clock = lambda: now_us() + unused_us
    assert signed_in(people, opened.cookie) is lives


def test_a_sign_in_that_is_used_all_day_ends_after_twelve_hours(people):
    """However busy: after a working day it is shown anew who it is."""
    person(people)
    opened = people.open("grace")
    for minutes in range(0, 12 * 60, 20):
        people.accounts.clock = lambda at=minutes: opened.sign_in.created_at_us + at * 60 * SECOND_US
        assert signed_in(people, opened.cookie)
    people.accounts.clock = lambda: opened.sign_in.created_at_us + LONGEST_US
    assert not signed_in(people, opened.cookie)


def test_a_screen_whose_account_is_promoted_has_the_end_of_everybodys_sign_in(people):
    """Thirty days are for a screen that only shows; a therapist's rights must not hang on a wall so long."""
    people.person("grace", "monitor")
    opened = people.open("grace")
    people.person("grace", "monitor", "therapist")
    for minutes in range(0, 12 * 60, 20):
        people.accounts.clock = lambda at=minutes: opened.sign_in.created_at_us + at * 60 * SECOND_US
        assert signed_in(people, opened.cookie)
    people.accounts.clock = lambda: opened.sign_in.created_at_us + LONGEST_US
    assert not signed_in(people, opened.cookie)


def test_sign_ins_that_ended_long_ago_are_taken_out(people):
    """The table must not grow for ever, and nobody needs to know who came from where last year."""
    person(people)
    old, ended, fresh = (people.open("grace") for _ in range(3))
    people.store.end_sign_in(ended.sign_in.id)
    assert people.store.forget_ended(now_us() - SECOND_US) == 0
    assert people.store.forget_ended(now_us() + SECOND_US) == 1
    assert people.store.sign_in(ended.sign_in.id) is None
    assert people.store.forget_ended(old.sign_in.ends_at_us + SECOND_US) == 2
    assert people.store.sign_in(fresh.sign_in.id) is None


@pytest.mark.parametrize("headers", [{"accept": "application/json"}, {BY_PAGE: "page"}])
def test_what_a_page_fetches_by_itself_keeps_no_sign_in_alive(people, headers):
    """A browser that nobody sits at must end, however busy its page is."""
    person(people)
    opened = people.open("grace")
    for minutes in range(0, 40, 5):
        people.accounts.clock = lambda at=minutes: opened.sign_in.created_at_us + at * 60 * SECOND_US
        found = people.accounts.find(browser(opened.cookie, **headers))
        assert (found is not None) is (minutes < 30)


def test_every_sign_in_ends_with_a_new_password_and_with_disabling(people, users):
    """Whoever was in with the old password must be out with the new one."""
    user = person(people)
    first, second = people.open("grace"), people.open("grace")
    users.change_password(user, GOOD, "another bird altogether")
    assert not any(signed_in(people, it.cookie) for it in (first, second))
    third = people.open("grace")
    users.disable(SYSTEM, user.id)
    assert not signed_in(people, third.cookie)
    users.enable(SYSTEM, user.id)
    assert not signed_in(people, third.cookie)


def test_a_change_of_roles_holds_from_the_next_request_on(people, users):
    """A right that was taken away must not live on in an open browser."""
    user = person(people)
    opened = people.open("grace")
    users.give(SYSTEM, user.id, [grant("billing@south")])
    found = people.accounts.find(browser(opened.cookie))
    assert found[1].principal.sites("sessions.see") == {"south"}
    assert not found[1].principal.may("beds.stop")


def test_many_requests_at_once_may_let_go_of_the_oldest_sign_in(monkeypatch):
    """With more people than are remembered, every request does so: none of them fails for it."""
    monkeypatch.setattr(accounts, "KEPT", 50)
    kept: OrderedDict[str, int] = OrderedDict()

    def look(worker):
        for number in range(10_000):
            name = f"{worker}-{number % 200}"
            kept.pop(name, None)
            accounts._put(kept, name, number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(look, range(8)))
    finally:
        sys.setswitchinterval(before)
    assert 0 < len(kept) <= accounts.KEPT
