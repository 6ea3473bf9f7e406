"""Passwords, sign-ins, lock-out and the rules of accounts, on SQLite and on PostgreSQL."""

import re
import threading
import time

import pytest
from console.account_rig import AccountRig, grant
from servers import Postgres
from sqlalchemy import select
from sqlalchemy import text as sql
from starlette.requests import HTTPConnection

from services.console.accounts import passwords
from services.console.accounts.accounts import BY_PAGE, IDLE_US, LONGEST_US, SECOND_US, WALL_US
from services.console.accounts.entry import Entry
from services.console.accounts.first import begin, refuse_demo_password
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD, first_password
from services.console.accounts.limits import AddressLimit, Ghosts, wait_s
from services.console.accounts.users import Users
from services.console.errors import AccountRefused, NameTaken, SignInRefused, UnknownUser
from services.console.store import now_us
from services.console.tables import TRAIL
from services.console.trail import open_trail
from services.kit.auth.principal import SYSTEM, Grant, Principal
from services.kit.database import writing
from services.kit.errors import SpondylError
from services.kit.trail import TrailUnavailable

GOOD = "kestrel over the quarry"
KEPT = passwords.kept(GOOD)
HOME = "127.0.0.1"


@pytest.fixture(scope="module")
def postgres():
    """A real PostgreSQL."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def people(request, tmp_path):
    """An empty console's accounts in either database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/console/console.db"
    else:
        url = request.getfixturevalue("postgres").database()
    rig = AccountRig(url)
    yield rig
    rig.close()


@pytest.fixture
def users(people, tmp_path):
    """What is done with the accounts."""
    return Users(people.store, open_trail(people.store.engine, tmp_path), tmp_path)


def browser(cookie, **headers):
    """A request that shows this cookie; a page's own where its headers are not given."""
    shown = {"cookie": f"spondyl={cookie}", "accept": "text/html"} | headers
    headers = [(name.encode(), value.encode()) for name, value in shown.items()]
    return HTTPConnection({"type": "http", "method": "GET", "headers": headers, "state": {}})


def rows_of(users):
    """The trail, oldest first."""
    return users._trail.rows(select(TRAIL).order_by(TRAIL.c.seq))


def signed_in(people, cookie):
    return people.accounts.find(browser(cookie)) is not None


# --- passwords ---------------------------------------------------------------------------------------------


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_rfc_9106():
    """A stolen table must cost years, and the costs must be what the source says."""
    assert passwords.kept(GOOD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.holds(passwords.kept(GOOD), GOOD)
    assert not passwords.holds(passwords.kept(GOOD), GOOD + "x")


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("short", "password_length"), ("x" * 257, "password_length"), ("passwort1234", "password_common"),
        ("PASSWORD1234", "password_common"), ("aaaaaaaaaaaaaaa", "password_common"),
        ("grace is my name!", "password_has_name"), ("i am HOPPER indeed", "password_has_name"),
    ],
)  # fmt: skip
def test_a_password_that_somebody_guesses_is_refused(password, text):
    """Length, the commonest ones and one's own name are what is tried first."""
    with pytest.raises(AccountRefused) as refused:
        passwords.check(password, names=("grace", "Grace Hopper"))
    assert refused.value.text == text


def test_a_password_kept_with_other_parameters_is_kept_anew_at_the_next_sign_in(people):
    """Parameters grow with machines; nobody should have to change a password for it."""
    weak = passwords.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
    user = people.person("grace", "clinician")
    people.store.change_user(user.id, {"password": weak})
    assert (
        Entry(people.store).admit("grace", GOOD, HOME).password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    )


def test_a_one_time_password_passes_its_own_rules():
    """What the console makes it must also take."""
    passwords.check(passwords.one_time(), names=("admin",))


# --- signing in -------------------------------------------------------------------------------------------


def person(people, name="grace", **values):
    return people.person(name, "clinician@north", password=KEPT, **values)


def refusal(entry, name, password, address=HOME):
    with pytest.raises(SignInRefused) as refused:
        entry.admit(name, password, address)
    return refused.value


def test_the_right_password_admits_and_forgets_the_wrong_ones_before(people):
    """Four slips of a finger on Monday must not count on Tuesday."""
    person(people)
    entry = Entry(people.store)
    for _ in range(4):
        refusal(entry, "grace", "wrong")
    assert entry.admit(" GRACE ", GOOD, HOME).failures == 0
    assert refusal(entry, "grace", "wrong").reason == "wrong"


def test_five_wrong_passwords_lock_the_account_and_the_wait_doubles(people):
    """Guessing becomes hopeless, and the person is told how long it lasts."""
    person(people)
    entry = Entry(people.store)
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
    entry = Entry(people.store)
    for attempt in range(7):
        known, unknown = (refusal(entry, name, "wrong") for name in ("grace", "nobody"))
        words = [re.sub(r"\d+ s", "N s", it.message) for it in (known, unknown)]
        assert words[0] == words[1], attempt
        assert known.reason == unknown.reason
        assert abs(known.wait_s - unknown.wait_s) <= 5

    def seconds(name):
        began = time.process_time()
        refusal(Entry(people.store), name, "wrong")
        return time.process_time() - began

    person(people, "ada")
    times = {name: min(seconds(name) for _ in range(3)) for name in ("ada", "nobody")}
    assert times["nobody"] > times["ada"] / 2


def test_a_hundred_tries_at_once_are_no_more_than_five(people):
    """Counting before the password is looked at leaves no window for guessing in parallel."""
    person(people)
    entry = Entry(people.store)
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
    assert refusal(Entry(people.store), "grace", GOOD).message == "name or password is wrong"


def test_an_account_without_a_password_cannot_be_signed_in_to_with_one(people):
    """Whoever comes from a provider has none, and the empty one is not it."""
    people.person("grace", "clinician")
    for password in ("", GOOD):
        assert refusal(Entry(people.store), "grace", password).reason == "wrong"


@pytest.mark.parametrize("name", ["\x00", "x" * 10_000, "<script>alert(1)</script>", "' OR 1=1 --", "\ud800"])
def test_no_name_breaks_the_door(people, name):
    """Whatever is typed is a wrong name and nothing else."""
    assert refusal(Entry(people.store), name, name).reason == "wrong"


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


def test_what_is_remembered_of_strangers_is_bounded():
    """A million addresses or names must not fill the memory."""
    limit, ghosts = AddressLimit(), Ghosts()
    for number in range(10_050):
        limit.take(str(number))
        ghosts.take(str(number))
    assert len(limit._buckets) == len(ghosts._failures) == 10_000


# --- sign-ins ---------------------------------------------------------------------------------------------


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


# --- accounts ---------------------------------------------------------------------------------------------


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
    admitted = Entry(people.store).admit("grace", password, HOME)
    changed = users.change_password(admitted, password, GOOD)
    assert not changed.must_change
    assert refusal(Entry(people.store), "grace", password).reason == "wrong"


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
    assert refusal(Entry(people.store), "grace", GOOD).reason == "wrong"


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
    assert rows_of(users)[-1].detail["refused"].endswith("name another one first")


# --- the first account ------------------------------------------------------------------------------------


def test_the_first_start_makes_an_administrator_whose_password_is_in_a_file_until_it_is_changed(
    people, users, tmp_path
):
    """The one password that a machine makes must be found, and must not stay."""
    begin(people.store, users._trail, tmp_path, demo=False)
    password = first_password(tmp_path)
    assert (tmp_path / "secrets" / "first-password").stat().st_mode & 0o777 == 0o600
    admitted = Entry(people.store).admit("admin", password, HOME)
    assert admitted.must_change
    assert admitted.grants == (Grant("administrator"),)
    begin(people.store, users._trail, tmp_path, demo=False)
    assert first_password(tmp_path) == password, "a second start makes no second one"
    users.change_password(admitted, password, GOOD)
    assert first_password(tmp_path) is None


def test_the_demos_account_opens_the_demo_and_nothing_else_starts_on_it(people, users, tmp_path):
    """A password on a public page must never guard a clinic."""
    begin(people.store, users._trail, tmp_path, demo=True)
    begin(people.store, users._trail, tmp_path, demo=True)
    user = Entry(people.store).admit(DEMO_NAME, DEMO_PASSWORD, HOME)
    assert user.principal.may("users.manage")
    assert user.principal.may("beds.operate")
    with pytest.raises(SpondylError, match="spondyl users reset demo"):
        refuse_demo_password(people.store)
    users.reset(SYSTEM, user.id)
    refuse_demo_password(people.store)


def test_a_principal_of_a_token_manages_by_its_own_grants(users):
    """The same rules for whoever comes, browser or program."""
    with pytest.raises(AccountRefused, match="no site"):
        users.add(Principal("x", "x", (Grant("clinician"),)), "grace", "Grace", [grant("clinician")])
