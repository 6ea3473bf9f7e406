"""Whoever has to wait at the door is told for what, how long, and by which limit; nobody is told who has an
account.
"""

import re
from pathlib import Path

import pytest
from asgi_client import Client
from console.door_rig import GOOD, person
from sqlalchemy import select

from services.console.accounts import limits
from services.console.tables import TRAIL

LIMIT = {
    "en": "Too many wrong passwords for this name (5). Try again in N s. From 5 in a row on every name waits "
    "here, whether there is such an account or not: 30 s at first, twice as long after each further one, at "
    "most 1 h.",
    "de": "Zu viele falsche Passwörter für diesen Namen (5). Wieder möglich in N s. Ab 5 hintereinander "
    "wartet hier jeder Name, ob es das Konto gibt oder nicht: erst 30 s, nach jedem weiteren doppelt so "
    "lange, höchstens 1 h.",
}


def door(rig, language, name):
    """Status and words after one more try with the right password."""
    client = Client(rig.app, {"accept": "text/html", "accept-language": language})
    answer = client.post("/sign-in", data={"name": name, "password": GOOD})
    words = re.search(r'id="refusal".*?<span>(.*?)</span>', answer.text, re.DOTALL)[1]
    within = re.sub(r"(in) \d+ s", r"\1 N s", words.replace("\N{NO-BREAK SPACE}", " "))
    return answer.status_code, within, int(answer.headers["retry-after"])


def refusals(rig):
    """The trail's rows of refused sign-ins."""
    chosen = select(TRAIL).where(TRAIL.c.action == "sign_in.refused").order_by(TRAIL.c.seq)
    return rig.console.trail.rows(chosen)


@pytest.fixture
def rig(empty_room):
    """A console with one account, and five wrong passwords of that name and of one that nobody has."""
    person(empty_room.people)
    client = Client(empty_room.app, {"accept": "text/html"})
    for name in ("grace", "nobody"):
        for _ in range(5):
            assert client.post("/sign-in", data={"name": name, "password": "wrong"}).status_code == 401
    return empty_room


def test_the_door_says_the_value_the_limit_and_where_it_comes_from_of_any_name(rig):
    """`Try again in 30 s` tells neither what was wrong nor what comes after the next try."""
    for language, words in LIMIT.items():
        for name in ("grace", "nobody"):
            status, said, wait_s = door(rig, language, name)
            assert (status, said) == (429, words)
            assert 0 < wait_s <= 30


def test_an_address_that_tries_too_often_is_told_its_limit(rig):
    """One machine that tries every name must wait, whoever is behind it."""
    client = Client(rig.app, {"accept": "text/html", "accept-language": "de"})
    for _ in range(60):  # a busy machine takes seconds for some of them
        client.post("/sign-in", data={"name": "grace", "password": "wrong"})
    _, said, _ = door(rig, "de", "another")
    assert said == (
        "Zu viele Versuche von dieser Adresse. Wieder möglich in N s. Hier hat jede Adresse 30 Versuche auf "
        "einmal und danach alle 10 s einen weiteren; was gelingt, zählt nicht."
    )


def test_a_storm_at_the_door_leaves_sixty_rows_and_the_next_says_how_many_came_without_one(rig):
    """Strangers must not fill the trail; a wrong password of an account is always a row."""
    now = [0.0]
    rig.console.refused = limits.RefusedRows(clock=lambda: now[0])
    client = Client(rig.app, {"accept": "text/html"})
    rows = len(refusals(rig))
    for _ in range(70):
        client.post("/sign-in", data={"name": "nobody", "password": "wrong"})
    assert len(refusals(rig)) == rows + limits.ROWS_AT_ONCE
    now[0] = limits.ROW_EVERY_S
    client.post("/sign-in", data={"name": "nobody", "password": "wrong"})
    assert refusals(rig)[-1].detail["left_out"] == 10


def test_the_page_that_tells_of_the_limits_has_the_numbers_of_the_code():
    """The refusal leads there."""
    page = (Path(__file__).parents[2] / "docs/access.md").read_text()
    assert f"after {limits.FREE_FAILURES} wrong passwords in a row {limits.FIRST_WAIT_S} s pass" in page
    assert f"{limits.TRIES_AT_ONCE} tries at once, then one every {limits.TRY_EVERY_S:g} s" in page
    assert f"have {limits.ROWS_AT_ONCE} rows at once, then one every {limits.ROW_EVERY_S:g} s" in page
    assert limits.LONGEST_WAIT_S == 3600  # "at most an hour"
