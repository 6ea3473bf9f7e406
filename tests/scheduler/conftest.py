"""The scheduler, on SQLite; `either_rig` on PostgreSQL too."""

import pytest
from scheduler.scheduler_rig import SchedulerRig


@pytest.fixture
def rig(tmp_path):
    """A scheduler of its own."""
    made = SchedulerRig(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clinic(rig):
    """The same with two beds and two therapists."""
    rig.people = rig.clinic()
    return rig


@pytest.fixture(params=["sqlite", "postgresql"])
def either_rig(request, tmp_path):
    """The same on each kind of database."""
    on_postgres = request.param == "postgresql"
    made = SchedulerRig(tmp_path, request.getfixturevalue("postgres").database() if on_postgres else None)
    yield made
    made.close()
