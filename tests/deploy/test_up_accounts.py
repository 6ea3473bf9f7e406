"""What `spondyl up` refuses about the console's accounts before it starts anything."""

import pytest
from console.account_rig import AccountRig
from least_work import LEAST

from deploy.local import Plan
from deploy.up import _check_secrets
from services.console.accounts.first import begin
from services.console.accounts.known import DEMO_NAME
from services.console.accounts.users import Users
from services.console.trail import open_trail
from services.kit.auth.principal import SYSTEM
from services.kit.errors import SpondylError


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The accounts of a data directory that the demo was run in."""
    for name in ("SPONDYL_DEMO", "SPONDYL_CONSOLE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    rig = AccountRig(f"sqlite:///{tmp_path}/console/console.db")
    users = Users(rig.store, open_trail(rig.store.engine, tmp_path), tmp_path, LEAST)
    begin(rig.store, users._trail, tmp_path, LEAST, demo=True)
    yield users
    rig.close()


def test_a_demos_data_starts_as_the_demo_only_until_its_password_is_another(demo, tmp_path):
    """The password on a public page must not come along into a clinic."""
    _check_secrets(Plan(tmp_path, demo=True))
    with pytest.raises(SpondylError, match="spondyl users reset demo"):
        _check_secrets(Plan(tmp_path))
    demo.reset(SYSTEM, demo.store.user_named(DEMO_NAME).id)
    _check_secrets(Plan(tmp_path))


def test_a_first_start_has_nothing_to_refuse(tmp_path):
    """There is no account yet."""
    _check_secrets(Plan(tmp_path))
    assert not (tmp_path / "console").exists()
