"""The rules of accounts, on SQLite and on PostgreSQL."""

import threading

import pytest
from console.account_rig import grant
from console.door_rig import GOOD, HOME, person, refusal, rows_of, signed_in
from least_work import LEAST
from sqlalchemy import text as sql

from services.console.accounts.entry import Entry
from services.console.errors import AccountRefused, NameTaken, UnknownScreen, UnknownUser
from services.console.screens import Screens
from services.kit.auth.principal import SYSTEM, Grant, Principal
from services.kit.database import writing
from services.kit.errors import SpondylError
from services.kit.trail import TrailUnavailable


def test_the_last_administrator_cannot_be_taken_away(people, users):
    """A console that nobody administers any more is lost."""
    chief = people.person("ada", "administrator")
    for change in (
        lambda: users.disable(SYSTEM, chief.id),
        lambda: users.give(SYSTEM, chief.id, [grant("clinician")]),
        lambda: users.give(SYSTEM, chief.id, [grant("administrator@north")]),
    ):
        with pytest.raises(AccountRefused, match="last administrator"):
            change()
    other, _ = users.add(SYSTEM, "grace", "Grace", [grant("administrator")])
    users.disable(SYSTEM, chief.id)
    with pytest.raises(AccountRefused, match="last administrator"):
        users.disable(SYSTEM, other.id)


def test_an_id_that_no_database_takes_is_nobodys(people, users):
    """PostgreSQL refuses a NUL: a link with one in it was a fault of the console."""
    screens = Screens(people.store.engine)
    for odd in ("\0", "a\0b", "x" * 10_000):
        with pytest.raises(UnknownUser):
            users.find(SYSTEM, odd)
        with pytest.raises(UnknownScreen):
            screens.visible(odd, SYSTEM)


def test_an_administrator_of_one_site_manages_that_site_and_nothing_else(people, users):
    """A clinic's own IT must not become the chain's."""
    north = people.person("ada", "administrator@north").principal
    other = people.person("grace", "therapist@south")
    both = people.person("alan", "therapist@south", "therapist@north")
    own, _ = users.add(north, "emmy", "Emmy", [grant("therapist@north")])
    assert [user.name for user in users.seen_by(north)] == ["ada", "emmy"]
    for stranger in (other, both):
        with pytest.raises(UnknownUser) as refused:
            users.disable(north, stranger.id)
        with pytest.raises(UnknownUser) as missing:
            users.disable(north, "0" * 36)
        assert refused.value.message.replace(stranger.id, "") == missing.value.message.replace("0" * 36, "")
    for wanted in ("administrator", "therapist@south"):
        with pytest.raises(AccountRefused, match="roles may be given at north only"):
            users.give(north, own.id, [grant(wanted)])


@pytest.mark.parametrize(
    ("name", "title", "roles", "text"),
    [
        ("x" * 10_000, "X", ["clinician"], "name_refused"), ("", "X", ["clinician"], "name_refused"),
        ("<script>", "X", ["clinician"], "name_refused"),
        ("grace", "X" * 10_000, ["clinician"], "title_refused"),
        ("grace", "a\x00b", ["clinician"], "title_refused"), ("grace", "X", [], "roles_none"),
        ("grace", "X", ["king"], "role_unknown"), ("grace", "X", ["clinician@<b>"], "site_refused"),
        ("grace", "X", ["clinician@" + "n" * 41], "site_refused"),
    ],
)  # fmt: skip
def test_an_account_that_cannot_be_is_refused_in_words(users, name, title, roles, text):
    """What is stored is shown on many pages and published to gateways."""
    with pytest.raises(AccountRefused) as refused:
        users.add(SYSTEM, name, title, [grant(role) for role in roles])
    assert refused.value.text == text
    assert len(refused.value.message) < 300
    assert users.store.users() == []


def test_a_title_with_markup_is_kept_as_it_is(users):
    """Names are text; what they look like in HTML is the page's business."""
    user, _ = users.add(SYSTEM, "grace", "<script>alert(1)</script>", [grant("clinician")])
    assert user.title == "<script>alert(1)</script>"


def test_a_name_is_given_once(users):
    """Two people of one name could not be told apart in the trail."""
    users.add(SYSTEM, "grace", "Grace", [grant("clinician")])
    with pytest.raises(NameTaken, match="an account named 'grace' already"):
        users.add(SYSTEM, "GRACE", "Grace", [grant("clinician")])


def test_a_new_account_has_a_one_time_password_that_must_be_changed(people, users):
    """Whoever hands the password over must not be able to use it afterwards."""
    user, password = users.add(SYSTEM, "grace", "Grace", [grant("clinician")])
    assert user.must_change
    admitted = Entry(people.store, LEAST).admit("grace", password, HOME)
    changed = users.change_password(admitted, password, GOOD)
    assert not changed.must_change
    assert refusal(Entry(people.store, LEAST), "grace", password).reason == "wrong"


def test_a_password_change_needs_the_present_one_and_a_different_new_one(people, users):
    """An open browser alone must not be enough to take an account over."""
    user = person(people)
    for current, new, text in (
        ("wrong", "another bird altogether", "password_current_wrong"), (GOOD, GOOD, "password_same"),
        (GOOD, "short", "password_length"), (GOOD, "it is grace again", "password_has_name"),
    ):  # fmt: skip
        with pytest.raises(AccountRefused) as refused:
            users.change_password(user, current, new)
        assert refused.value.text == text


def test_pins_and_badges_are_kept_as_digests_and_operators_are_those_who_have_one(people, users):
    """The gateway gets what proves a PIN, and nobody gets the PIN."""
    user, other = person(people), person(people, "ada")
    users.set_pin(SYSTEM, user.id, "394817")
    users.set_badge(SYSTEM, user.id, "04:A2:19:7F")
    assert [row.name for row in people.store.operators()] == ["grace"]
    assert "394817" not in str(people.store.user(user.id))
    with pytest.raises(SpondylError, match="6 to 12 digits"):
        users.set_pin(SYSTEM, user.id, "12")
    with pytest.raises(AccountRefused, match="another account has this badge"):
        users.set_badge(SYSTEM, other.id, "04:A2:19:7F")
    users.set_pin(SYSTEM, user.id, None)
    users.set_badge(SYSTEM, user.id, None)
    assert people.store.operators() == []


def test_every_change_of_an_account_is_a_row_of_the_trail(users):
    """Who may sign in is the first question after an incident."""
    user, password = users.add(SYSTEM, "grace", "Grace", [grant("clinician@north")], "10.1.1.1")
    users.give(SYSTEM, user.id, [grant("therapist")])
    users.disable(SYSTEM, user.id)
    users.enable(SYSTEM, user.id)
    users.reset(SYSTEM, user.id)
    users.set_pin(SYSTEM, user.id, "394817")
    rows = rows_of(users)
    actions = ["user.added", "user.roles", "user.disabled", "user.enabled", "user.reset", "user.pin"]
    assert [row.action for row in rows] == actions
    assert {row.record for row in rows} == {"grace"}
    assert rows[1].detail == {"before": ["clinician@north"], "after": ["therapist@*"]}
    assert password not in str(rows)
    assert users._trail.verify().ok


def test_the_trail_of_a_site_has_the_work_on_that_sites_accounts(users):
    """A site's administrator reads rows of that site alone, and must find the own work there."""
    user, _ = users.add(SYSTEM, "grace", "Grace", [grant("clinician@north"), grant("billing@north")])
    users.give(SYSTEM, user.id, [grant("therapist@north")])
    users.give(SYSTEM, user.id, [grant("therapist@south")])
    users.give(SYSTEM, user.id, [grant("therapist")])
    assert [row.site for row in rows_of(users)] == ["north", "north", None, None]


def test_nothing_is_changed_while_the_trail_cannot_be_written(people, users):
    """A change that nobody can find again must not stand, and no one-time password goes with it."""
    user = person(people)
    opened = people.open("grace")

    with writing(people.store.engine) as connection:
        connection.execute(sql("DROP TABLE console_trail"))
    for change in (
        lambda: users.add(SYSTEM, "ada", "Ada", [grant("clinician")]),
        lambda: users.give(SYSTEM, user.id, [grant("therapist")]),
        lambda: users.disable(SYSTEM, user.id),
        lambda: users.reset(SYSTEM, user.id),
        lambda: users.set_pin(SYSTEM, user.id, "394817"),
        lambda: users.change_password(user, GOOD, "another bird altogether"),
    ):
        with pytest.raises(TrailUnavailable):
            change()
    assert people.store.users() == [user]
    assert signed_in(people, opened.cookie)


def test_a_site_administrator_has_no_hand_on_an_account_without_roles(people, users):
    """Whoever lost every group may get them back tomorrow: a password set meanwhile would open them."""
    north = people.person("ada", "administrator@north").principal
    lost = person(people, "grace")
    people.store.set_grants(lost.id, ())
    assert lost.id not in {user.id for user in users.seen_by(north)}
    with pytest.raises(UnknownUser):
        users.reset(north, lost.id)
    assert lost.id in {user.id for user in users.seen_by(SYSTEM)}


def test_whom_a_provider_vouches_for_gets_no_password_here(people, users):
    """A local password would outlive everything that the provider says of the person."""
    user = person(people, issuer="https://id.clinic.example", subject="1")
    for change in (
        lambda: users.reset(SYSTEM, user.id),
        lambda: users.change_password(user, GOOD, "another bird altogether"),
    ):
        with pytest.raises(AccountRefused, match="signs in through https:"):
            change()
    assert refusal(Entry(people.store, LEAST), "grace", GOOD).reason == "wrong"


def test_two_chiefs_cannot_switch_each_other_off_at_once(people, users):
    """Each sees the other still there; whoever writes second must look again."""
    chiefs = [people.person(name, "administrator") for name in ("ada", "grace")]
    together = threading.Barrier(2)
    looked = users.store.users

    def look():
        found = looked()
        if threading.current_thread() is not threading.main_thread():
            together.wait(10)
        return found

    users.store.users = look
    refused = []

    def disable(who, whom):
        try:
            users.disable(who.principal, whom.id)
        except AccountRefused as error:
            refused.append(error.text)

    threads = [threading.Thread(target=disable, args=pair) for pair in (chiefs, chiefs[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last_administrator"]
    assert [user.disabled for user in looked()].count(False) == 1
    assert rows_of(users)[-1].detail == {"refused": "last_administrator"}


def test_a_principal_of_a_token_manages_by_its_own_grants(users):
    """The same rules for whoever comes, browser or program."""
    with pytest.raises(AccountRefused, match="no site"):
        users.add(Principal("x", "x", (Grant("clinician"),)), "grace", "Grace", [grant("clinician")])
