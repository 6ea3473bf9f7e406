"""What several tests of the console stand on: its accounts in two databases, past sessions, a console."""

import pytest
from console.account_rig import AccountRig
from console.past_rig import past_sessions
from console.room_rig import RoomRig
from least_work import LEAST

from services.console.accounts.users import Users
from services.console.trail import open_trail


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
    return Users(people.store, open_trail(people.store.engine, tmp_path), tmp_path, LEAST)


@pytest.fixture(scope="session")
def rig(tmp_path_factory):
    """A console over past sessions, where a file has no rig of its own."""
    with past_sessions(tmp_path_factory.mktemp("sessions")) as made:
        yield made


@pytest.fixture
def empty_room(tmp_path):
    """A console that has heard of no bed and has no accounts."""
    rig = RoomRig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def room(empty_room):
    """A console with a bed, and somebody who may see it."""
    empty_room.bed()
    empty_room.person("anna", "therapist@north")
    return empty_room
