"""The first account of a console, and the demo's."""

import pytest
from console.door_rig import GOOD, HOME
from least_work import LEAST

from services.console.accounts.entry import Entry
from services.console.accounts.first import begin, refuse_demo_password
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD, first_password
from services.kit.auth.principal import SYSTEM, Grant
from services.kit.errors import SpondylError


def test_the_first_start_makes_an_administrator_whose_password_is_in_a_file_until_it_is_changed(
    people, users, tmp_path
):
    """The one password that a machine makes must be found, and must not stay."""
    begin(people.store, users._trail, tmp_path, LEAST, demo=False)
    password = first_password(tmp_path)
    assert (tmp_path / "secrets" / "first-password").stat().st_mode & 0o777 == 0o600
    admitted = Entry(people.store, LEAST).admit("admin", password, HOME)
    assert admitted.must_change
    assert admitted.grants == (Grant("administrator"),)
    begin(people.store, users._trail, tmp_path, LEAST, demo=False)
    assert first_password(tmp_path) == password, "a second start makes no second one"
    users.change_password(admitted, password, GOOD)
    assert first_password(tmp_path) is None


def test_the_demos_account_opens_the_demo_and_nothing_else_starts_on_it(people, users, tmp_path):
    """A password on a public page must never guard a clinic."""
    begin(people.store, users._trail, tmp_path, LEAST, demo=True)
    begin(people.store, users._trail, tmp_path, LEAST, demo=True)
    user = Entry(people.store, LEAST).admit(DEMO_NAME, DEMO_PASSWORD, HOME)
    assert user.principal.may("users.manage")
    assert user.principal.may("beds.operate")
    with pytest.raises(SpondylError, match="spondyl users reset demo"):
        refuse_demo_password(people.store, LEAST)
    users.reset(SYSTEM, user.id)
    refuse_demo_password(people.store, LEAST)
