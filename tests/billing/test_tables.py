"""Billing's tables: the same from the migrations as from the modules, on both databases."""

from datetime import date

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError
from tables_made import differences, migrated

from services.billing.charges import tables as charges
from services.billing.clinics import tables as clinics
from services.billing.estimates import tables as estimates
from services.billing.exchange import tables as exchange
from services.billing.invoices import tables as invoices
from services.billing.payments import tables as payments
from services.billing.tables import METADATA, PACKAGE, TABLES
from services.kit.database import writing

ROOMS = (charges, clinics, exchange, estimates, invoices, payments)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    made = migrated(request, tmp_path, PACKAGE)
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_of_the_rooms(engine):
    """A column that only one of the two knows would fail in a clinic and not here."""
    assert differences(engine, METADATA, TABLES) == []


@pytest.mark.parametrize(
    "table",
    [
        charges.CHARGES,
        charges.REVERSALS,
        charges.SESSIONS,
        clinics.CLINICS,
        clinics.TARIFFS,
        exchange.DEBTORS,
        exchange.DELIVERIES,
        exchange.DELIVERED,
        exchange.DISCLOSURES,
        estimates.ESTIMATES,
        estimates.HANDINGS,
        estimates.ESTIMATE_WITHDRAWALS,
        invoices.INVOICES,
        invoices.ITEMS,
        invoices.DOCUMENTS,
        payments.PAYMENTS,
        payments.PAYMENT_REVERSALS,
        payments.REPORTED,
        payments.WAIVERS,
        payments.LETTERS,
        payments.STATEMENTS,
    ],
    ids=lambda table: table.name,
)
def test_what_was_is_never_changed(engine, table):
    """What was charged, and by which letterhead, is a record (§ 147 AO)."""
    sample = {int: 1, bool: False, dict: {}, bytes: b"x", date: date(2026, 11, 23)}
    values = {column.name: sample.get(column.type.python_type, "x") for column in table.columns}
    with writing(engine) as connection:
        connection.execute(insert(table).values(values))
    first = list(table.columns)[-1]
    for change in (update(table).values({first: values[first.name]}), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(change)
