"""Everybody lands on a page that they may open, and is told nothing of beds that they may not see."""

import pytest
from asgi_client import Client
from console.account_rig import PASSWORD
from least_work import LEAST

from services.console.accounts import passwords
from services.console.navigation import NOWHERE, home
from services.kit.auth.principal import Grant, Principal
from services.kit.auth.roles import ROLES

KEPT = passwords.kept(PASSWORD, LEAST)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_first_page_of_every_role_opens(empty_room, role):
    """Billing's first page was a refusal whose only button led to the same refusal."""
    empty_room.people.person("kim", f"{role}@north", password=KEPT)
    browser = Client(empty_room.app, {"accept": "text/html"})
    answer = browser.post("/sign-in", data={"name": "kim", "password": PASSWORD})
    leads = answer.headers["location"]
    assert (answer.status_code, leads) == (303, "/billing" if role == "billing" else "/")
    refused = empty_room.client("kim", accept="text/html").get("/nothing-here").text
    assert f'class="brand" href="{leads}"' in refused
    assert f'href="{leads}"' in refused.partition('class="empty-actions"')[2]


def test_who_may_open_nothing_lands_on_their_own_password():
    """An account whose roles were all taken is still somebody."""
    assert home(Principal("a", "kim", ())) == NOWHERE


@pytest.mark.parametrize(("role", "hidden"), [("billing", True), ("therapist", False)])
def test_who_may_not_see_beds_is_told_nothing_of_them(empty_room, role, hidden):
    """`0 beds` and a green `No alarms` are claims about a ward that the reader does not see."""
    assert Principal("a", "kim", (Grant(role, "north"),)).may("beds.see") is not hidden
    empty_room.bed()
    empty_room.person("kim", f"{role}@north")
    page = empty_room.client("kim", accept="text/html").get("/nothing-here").text
    beds = page.partition('id="beds"')[2].partition(">")[0]
    bar = page.partition('id="alarmbar"')[2].partition(">")[0]
    assert (beds.endswith("hidden"), bar.endswith("hidden")) == (hidden, hidden)


def test_a_lost_broker_rings_at_nobody_who_may_see_no_bed(empty_room):
    """An alarm that stands on no part of the page cannot be acknowledged there."""
    empty_room.live.broker(up=False)
    none = empty_room.console.fanout.header("en", frozenset())
    assert (none["alarms"], none["count"], none["signal"], none["beds"]) == ([], 0, None, "")
    assert empty_room.console.fanout.header("en", frozenset({"north"}))["signal"] == "medium"
