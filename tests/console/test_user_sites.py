"""Where a role holds is said by a person, and a site that nobody knows is said back."""

import html
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert

from services.console.errors import UnknownUser
from services.console.tables import GRANTS
from services.kit.auth.principal import Grant
from services.kit.database import writing

CHANGES = {
    "give": lambda users, who, user: users.give(who, user.id, [Grant("therapist", "north")]),
    "disable": lambda users, who, user: users.disable(who, user.id),
    "enable": lambda users, who, user: users.enable(who, user.id),
    "reset": lambda users, who, user: users.reset(who, user.id),
    "pin": lambda users, who, user: users.set_pin(who, user.id, "271828"),
}


@pytest.fixture
def rig(empty_room):
    """A console with an administrator of all sites."""
    empty_room.person("ada", "administrator")
    return empty_room


def form(rig, **fields):
    """Send the form of a new account; the answer's status and words."""
    answer = rig.client("ada", accept="text/html").post(
        "/users/new", data={"name": "grace", "title": "Grace", "role": "therapist"} | fields
    )
    return answer.status_code, html.unescape(answer.text)


def sites_of(page):
    """What the first row of a new account has as its site."""
    return page.split('id="site-1"')[1].split('value="')[1].split('"')[0]


def test_a_role_without_a_site_is_refused_and_never_means_every_site(rig):
    """Who picks a role and forgets the site must not give the whole chain away."""
    status, page = form(rig, site="")
    assert status == 422
    assert "Every role needs a site" in page
    assert [user.name for user in rig.console.store.users()] == ["ada"]


def test_no_row_begins_with_every_site_and_the_only_site_is_chosen(rig):
    """A clinic with one site has nothing to choose; a chain must."""
    ask = rig.client("ada", accept="text/html").get
    assert sites_of(ask("/users/new").text) == ""
    rig.bed("bed-01", "north")
    assert sites_of(ask("/users/new").text) == "north"
    rig.bed("bed-02", "south")
    assert sites_of(ask("/users/new").text) == ""


def test_a_site_that_is_not_known_is_said_after_saving(rig):
    """A mistyped site gives a role that holds nowhere; a new one must still be possible."""
    rig.bed("bed-01", "north")
    status, page = form(rig, site="nrth")
    assert status == 200
    assert "This site is not known yet, no bed has been heard of there: nrth" in page
    assert "Known are: north." in page
    assert "not known yet" not in form(rig, name="tom", site="north")[1]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_became_more_meanwhile_is_out_of_a_sites_reach(rig, change):
    """The one-time password that was asked for just then would be one of an administrator of all sites."""
    nora, tom = rig.person("nora", "administrator@north"), rig.people.person("tom", "therapist@north")
    is_waiting = threading.Event()

    def listen(_connection, _cursor, statement, *_):
        if statement == "BEGIN IMMEDIATE":
            is_waiting.set()

    event.listen(rig.console.store.engine, "before_cursor_execute", listen)
    with ThreadPoolExecutor(1) as pool:
        with writing(rig.people.store.engine) as connection:
            asked = pool.submit(change, rig.console.users, nora, tom)
            assert is_waiting.wait(10)
            connection.execute(insert(GRANTS).values(user_id=tom.id, role="administrator", site="*"))
        with pytest.raises(UnknownUser):
            asked.result(20)
    now = rig.console.store.user(tom.id)
    assert (now.password, now.pin, now.disabled, len(now.grants)) == (tom.password, None, False, 2)
