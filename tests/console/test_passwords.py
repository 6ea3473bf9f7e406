"""Passwords and the door: what is kept, what is refused, lock-out; on SQLite and on PostgreSQL."""

import re
import threading
import time

import pytest
from console.door_rig import GOOD, HOME, person, refusal
from least_work import LEAST

from services.console.accounts import passwords
from services.console.accounts.entry import Entry
from services.console.accounts.limits import AddressLimit, Ghosts, RefusedRows, wait_s
from services.console.errors import AccountRefused
from services.kit.auth.hashing import LEAST_MEMORY_KIB, LEAST_PASSES, Work
from services.kit.moments import now_us


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_rfc_9106():
    """A stolen table must cost years, and the costs must be what the source says."""
    kept = passwords.kept(GOOD, Work())
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    for work in (Work(), LEAST):  # what was kept with another work is as good
        assert passwords.holds(kept, GOOD, work)
        assert not passwords.holds(kept, GOOD + "x", work)
        assert passwords.outdated(kept, work) is (work == LEAST)


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("short", "password_length"), ("x" * 257, "password_length"), ("passwort1234", "password_common"),
        ("PASSWORD1234", "password_common"), ("aaaaaaaaaaaaaaa", "password_common"),
        ("grace is my name!", "password_has_name"), ("i am HOPPER indeed", "password_has_name"),
        ("annannannann", "password_has_name"),
    ],
)  # fmt: skip
def test_a_password_that_somebody_guesses_is_refused(password, text):
    """Length, the commonest ones and one's own name are what is tried first."""
    with pytest.raises(AccountRefused) as refused:
        passwords.check(password, names=("grace", "Grace Hopper", "ann"))
    assert refused.value.text == text


@pytest.mark.parametrize("before", [Work(1024, 1), Work(LEAST_MEMORY_KIB + 1024, LEAST_PASSES + 1)])
def test_a_password_kept_with_other_parameters_is_kept_anew_at_the_next_sign_in(people, before):
    """Parameters follow the machine, up or down; nobody should have to change a password for it."""
    user = people.person("grace", "clinician")
    people.store.change_user(user.id, {"password": passwords.kept(GOOD, before)})
    admitted = Entry(people.store, LEAST).admit("grace", GOOD, HOME)
    assert admitted.password.startswith("$argon2id$v=19$m=19456,t=2,p=4$")
    assert Entry(people.store, LEAST).admit("grace", GOOD, HOME).password == admitted.password


def test_a_one_time_password_passes_its_own_rules():
    """What the console makes it must also take."""
    passwords.check(passwords.one_time(), names=("admin",))


def test_the_right_password_admits_and_forgets_the_wrong_ones_before(people):
    """Four slips of a finger on Monday must not count on Tuesday."""
    person(people)
    entry = Entry(people.store, LEAST)
    for _ in range(4):
        refusal(entry, "grace", "wrong")
    assert entry.admit(" GRACE ", GOOD, HOME).failures == 0
    assert refusal(entry, "grace", "wrong").reason == "wrong"


def test_five_wrong_passwords_lock_the_account_and_the_wait_doubles(people):
    """Guessing becomes hopeless, and the person is told how long it lasts."""
    person(people)
    entry = Entry(people.store, LEAST)
    for _ in range(5):
        assert refusal(entry, "grace", "wrong").status == 401
    locked = refusal(entry, "grace", GOOD)
    assert (locked.status, locked.reason) == (429, "locked")
    assert 28 <= locked.wait_s <= 30
    user = people.store.user_named("grace")
    people.store.change_user(user.id, {"locked_until_us": 0})
    refusal(entry, "grace", "wrong")
    assert 58 <= refusal(entry, "grace", GOOD).wait_s <= 60
    assert [wait_s(n) for n in (4, 5, 6, 7, 20, 10_000)] == [0, 30, 60, 120, 3600, 3600]


def test_an_unknown_name_gets_the_same_words_waits_and_work(people):
    """Whether somebody has an account here is nobody's business."""
    person(people)
    entry = Entry(people.store, LEAST)
    for attempt in range(7):
        known, unknown = (refusal(entry, name, "wrong") for name in ("grace", "nobody"))
        words = [re.sub(r"\d+ s", "N s", it.message) for it in (known, unknown)]
        assert words[0] == words[1], attempt
        assert known.reason == unknown.reason
        assert abs(known.wait_s - unknown.wait_s) <= 5

    def seconds(name):
        began = time.process_time()
        refusal(Entry(people.store, LEAST), name, "wrong")
        return time.process_time() - began

    person(people, "ada")
    times = {name: min(seconds(name) for _ in range(3)) for name in ("ada", "nobody")}
    assert times["nobody"] > times["ada"] / 2


def test_a_hundred_tries_at_once_are_no_more_than_five(people):
    """Counting before the password is looked at leaves no window for guessing in parallel."""
    person(people)
    entry = Entry(people.store, LEAST)
    reasons = []
    threads = [
        threading.Thread(
            target=lambda i=i: reasons.append(refusal(entry, "grace", f"w{i}", f"10.0.0.{i}").reason)
        )
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reasons.count("wrong") == 5
    assert reasons.count("locked") == 15


def test_a_disabled_account_is_refused_in_the_words_of_a_wrong_password(people):
    """A person who left learns nothing of what became of the account."""
    person(people, disabled_at_us=now_us())
    assert refusal(Entry(people.store, LEAST), "grace", GOOD).message == "name or password is wrong"


def test_an_account_without_a_password_cannot_be_signed_in_to_with_one(people):
    """Whoever comes from a provider has none, and the empty one is not it."""
    people.person("grace", "clinician")
    for password in ("", GOOD):
        assert refusal(Entry(people.store, LEAST), "grace", password).reason == "wrong"


@pytest.mark.parametrize("name", ["\x00", "x" * 10_000, "<script>alert(1)</script>", "' OR 1=1 --", "\ud800"])
def test_no_name_breaks_the_door(people, name):
    """Whatever is typed is a wrong name and nothing else."""
    assert refusal(Entry(people.store, LEAST), name, name).reason == "wrong"


def test_an_address_has_thirty_tries_and_then_one_in_ten_seconds():
    """One machine that tries every account must wait, others must not."""
    now = [0.0]
    limit = AddressLimit(clock=lambda: now[0])
    assert [limit.take("a") for _ in range(30)] == [0.0] * 30
    assert limit.take("a") == pytest.approx(10.0)
    assert limit.take("b") == 0.0
    limit.give_back("a")
    assert limit.take("a") == 0.0
    now[0] = 10.0
    assert limit.take("a") == 0.0


def test_refused_tries_of_strangers_have_sixty_rows_and_then_one_in_ten_seconds():
    """Nobody fills the trail by knocking, and no storm goes unnoticed."""
    now = [0.0]
    rows = RefusedRows(clock=lambda: now[0])
    assert [rows.take() for _ in range(62)] == [0] * 60 + [None] * 2
    now[0] = 10.0
    assert [rows.take(), rows.take()] == [2, None]
    now[0] = 20.0
    assert rows.take() == 1


def test_what_is_remembered_of_strangers_is_bounded():
    """A million addresses or names must not fill the memory."""
    limit, ghosts = AddressLimit(), Ghosts()
    for number in range(10_050):
        limit.take(str(number))
        ghosts.take(str(number))
    assert len(limit._buckets) == len(ghosts._failures) == 10_000
