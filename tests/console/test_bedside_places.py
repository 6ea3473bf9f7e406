"""The last place on a site's list of operators, from the shell and the page, on SQLite and PostgreSQL."""

import contextlib
import html
import io
import threading

import pytest
from asgi_client import Client
from console.account_rig import AccountRig, grant
from least_work import LEAST
from sqlalchemy import insert

from services.cli import main
from services.console import api
from services.console.accounts.users import Users
from services.console.context import Console
from services.console.errors import AccountRefused
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.operators import from_accounts
from services.console.remote import Remote
from services.console.store import Store
from services.console.tables import GRANTS, USERS
from services.console.trail import open_trail
from services.kit.auth.operators import MAX_OPERATORS, operators_at
from services.kit.auth.principal import SYSTEM

PIN = "394817"


@pytest.fixture(params=["sqlite", "postgresql"])
def ward(request, tmp_path):
    """What is done with the accounts of an empty console, in either database."""
    url = f"sqlite:///{tmp_path}/console/console.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
    with opened(url, tmp_path) as made:
        yield made


@contextlib.contextmanager
def opened(url, directory):
    """The accounts in this database, and the people in them."""
    people = AccountRig(url)
    users = Users(people.store, open_trail(people.store.engine, directory), directory, LEAST)
    yield people, users
    people.close()


def crowd(store, count, role="therapist", site="north"):
    """So many people with a PIN, of this role there."""
    rows = [
        {
            "id": f"{site}-{number}", "name": f"{site}-{number}", "title": "U", "must_change": False,
            "pin": "h", "failures": 0, "locked_until_us": 0, "created_at_us": 0,
        }
        for number in range(count)
    ]  # fmt: skip
    grants = [{"user_id": row["id"], "role": role, "site": site} for row in rows]
    with store.engine.begin() as connection:
        connection.execute(insert(USERS), rows)
        connection.execute(insert(GRANTS), grants)


def listed(store, site="north"):
    """How many stand on the site's list as the console would sign it."""
    return len(operators_at(site, from_accounts(store)()))


@pytest.mark.parametrize("give", [("set_pin", PIN), ("set_badge", "04:A2:19:7F")], ids=lambda row: row[0])
def test_the_person_after_the_last_place_is_refused_pin_and_badge(ward, give):
    """A list that cannot be signed leaves whoever was dismissed at every bed."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS - 1)
    method, value = give
    last, late = (people.person(name, "therapist@north") for name in ("last", "late"))
    getattr(users, method)(SYSTEM, last.id, value)
    with pytest.raises(AccountRefused) as refused:
        getattr(users, method)(SYSTEM, late.id, value + "0")
    assert refused.value.message == (
        "late would be operator number 401 of site north: the list that its gateways hold has room for 400 "
        "people with a PIN or a badge (see docs/operations.md); take PIN and badge away from somebody who "
        "does not operate there any more, or switch that account off"
    )
    assert listed(people.store) == MAX_OPERATORS
    getattr(users, method)(SYSTEM, last.id, None)
    getattr(users, method)(SYSTEM, late.id, value + "0")


def test_who_stands_on_a_full_list_may_be_given_another_pin_or_a_badge_beside_it(ward):
    """A forgotten PIN is no new person."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS)
    users.set_pin(SYSTEM, "north-0", PIN)
    users.set_badge(SYSTEM, "north-0", "04:A2:19:7F")
    assert listed(people.store) == MAX_OPERATORS


@pytest.mark.parametrize("roles", [["therapist@south"], ["reception"], ["billing@north"]], ids=str)
def test_a_full_site_refuses_nobody_who_does_not_operate_there(ward, roles):
    """Its list does not have them."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS)
    users.set_pin(SYSTEM, people.person("grace", *roles).id, PIN)
    assert listed(people.store) == MAX_OPERATORS


def test_a_role_and_an_account_that_is_switched_on_again_take_a_place_too(ward):
    """There are more ways onto the list than a PIN."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS)
    guest = people.person("guest", "therapist@south", pin="h")
    with pytest.raises(AccountRefused, match="guest would be operator number 401 of site north"):
        users.give(SYSTEM, guest.id, [grant("therapist")])
    away = people.person("away", "clinician@north", pin="h", disabled_at_us=1)
    with pytest.raises(AccountRefused, match="away would be operator number 401 of site north"):
        users.enable(SYSTEM, away.id)
    assert listed(people.store) == MAX_OPERATORS
    users.disable(SYSTEM, "north-0")
    users.enable(SYSTEM, away.id)


def test_people_of_every_site_are_counted_where_no_site_has_a_name(ward):
    """A chain that gives its roles everywhere has full lists at sites that no grant names."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS, site="*")
    late = people.person("late", "therapist")
    with pytest.raises(AccountRefused, match="late would be operator number 401 of every site"):
        users.set_pin(SYSTEM, late.id, PIN)


def test_two_at_once_do_not_both_get_the_last_place(ward):
    """Each sees it free; whoever writes second must look again."""
    people, users = ward
    crowd(people.store, MAX_OPERATORS - 1)
    both = [people.person(name, "therapist@north").id for name in ("grace", "rosa")]
    together, looked, refused = threading.Barrier(2), users.store.users, []

    def look():
        found = looked()
        together.wait(10)
        return found

    def give(user_id):
        try:
            users.set_pin(SYSTEM, user_id, PIN)
        except AccountRefused as error:
            refused.append(error.text)

    users.store.users = look
    threads = [threading.Thread(target=give, args=(user_id,)) for user_id in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["operators_full"]
    assert listed(people.store) == MAX_OPERATORS


def test_the_shell_says_it_and_ends_with_a_failure(tmp_path, monkeypatch, capsys):
    """`spondyl users pin` is what a script calls."""
    monkeypatch.delenv("SPONDYL_CONSOLE_DATABASE_URL", raising=False)
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO(PIN))
    with opened(f"sqlite:///{tmp_path}/console/console.db", tmp_path) as (people, _):
        crowd(people.store, MAX_OPERATORS)
        people.person("late", "therapist@north")
        with pytest.raises(SystemExit) as ended:
            main(["users", "pin", "late"])
    assert ended.value.code == 1
    assert "late would be operator number 401 of site north" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Late would be operator number 401 of north: a gateway's list holds 400 people"),
        (
            "de",
            "Late käme als 401. Person auf die Liste von north: Die Liste eines Gateways fasst 400 Personen",
        ),
    ],
)
def test_the_account_s_page_says_it_in_the_reader_s_language(tmp_path, language, words):
    """With the value, the limit and what to do."""
    settings = ConsoleSettings(data=tmp_path)
    store = Store(settings.database)
    app = api.create(Console(Live(), Remote(None), settings, store), "0", [])
    with opened(settings.database, tmp_path) as (people, _):
        people.person("ada", "administrator")
        crowd(store, MAX_OPERATORS)
        late = people.person("late", "therapist@north")
        headers = {"accept": "text/html", "accept-language": language} | people.headers("ada")
        answer = Client(app, headers).post(f"/users/{late.id}/pin", data={"pin": PIN})
    store.close()
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)
