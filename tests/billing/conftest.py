"""Billing, on SQLite; `either_rig` on PostgreSQL too."""

import pytest
from billing.billing_rig import BillingRig


@pytest.fixture
def rig(tmp_path):
    """A billing service of its own."""
    made = BillingRig(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_rig(request, tmp_path):
    """The same on each kind of database."""
    on_postgres = request.param == "postgresql"
    made = BillingRig(tmp_path, request.getfixturevalue("postgres").database() if on_postgres else None)
    yield made
    made.close()
