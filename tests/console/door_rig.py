"""Accounts at the console's door: a person with a password, a browser, what door and trail say."""

import pytest
from least_work import LEAST
from sqlalchemy import select
from starlette.requests import HTTPConnection

from services.console.accounts import passwords
from services.console.errors import SignInRefused
from services.console.tables import TRAIL

GOOD = "kestrel over the quarry"
KEPT = passwords.kept(GOOD, LEAST)
HOME = "127.0.0.1"


def person(people, name="grace", **values):
    """A clinician of one site whose password is GOOD."""
    return people.person(name, "clinician@north", password=KEPT, **values)


def browser(cookie, **headers):
    """A request that shows this cookie; a page's own where its headers are not given."""
    shown = {"cookie": f"spondyl={cookie}", "accept": "text/html"} | headers
    headers = [(name.encode(), value.encode()) for name, value in shown.items()]
    return HTTPConnection({"type": "http", "method": "GET", "headers": headers, "state": {}})


def signed_in(people, cookie):
    """Whether this cookie opens a sign-in."""
    return people.accounts.find(browser(cookie)) is not None


def refusal(entry, name, password, address=HOME):
    """What the door says to a password that it does not take."""
    with pytest.raises(SignInRefused) as refused:
        entry.admit(name, password, address)
    return refused.value


def rows_of(users):
    """The trail, oldest first."""
    return users._trail.rows(select(TRAIL).order_by(TRAIL.c.seq))
