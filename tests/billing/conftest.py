"""Billing, on SQLite; `either_rig` on PostgreSQL too."""

import pytest
from billing.billing_rig import BillingRig
from billing.books_rig import pay, written


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


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """A site with three invoices, a cancellation, and payments of which one was taken back."""
    rig = written(tmp_path_factory.mktemp("books"))
    pay(rig, "anna", "100.00", "bank")
    pay(rig, "formula", "70.68", "cash")
    slip = pay(rig, "formula", "5.00", "card")
    rig.ask("POST", f"/payments/{slip['id']}/reverse", json={"reason": "vertippt"})
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def unpaid(tmp_path_factory):
    """The same before anybody paid: what a billing office takes over."""
    rig = written(tmp_path_factory.mktemp("unpaid"))
    yield rig
    rig.close()
