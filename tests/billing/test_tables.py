"""Billing's tables: the same from the migrations as from the modules, on both databases."""

from datetime import date

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError

from services.billing.charges import tables as charges
from services.billing.clinics import tables as clinics
from services.billing.estimates import tables as estimates
from services.billing.exchange import tables as exchange
from services.billing.invoices import tables as invoices
from services.billing.payments import tables as payments
from services.billing.tables import METADATA, PACKAGE, TABLES
from services.kit.database import migrate, open_database, reading, writing

ROOMS = (charges, clinics, exchange, estimates, invoices, payments)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    if request.param == "sqlite":
        made = open_database(f"sqlite:///{tmp_path}/billing.db")
    else:
        made = open_database(request.getfixturevalue("postgres").database())
    migrate(made, PACKAGE)
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_of_the_rooms(engine):
    """A column that only one of the two knows would fail in a clinic and not here."""
    business = {table.name for table in (TABLES.inbox, TABLES.outbox, TABLES.refused, TABLES.trail)}
    wanted = set(METADATA.tables) - business
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in wanted},
        )
        found = [step for step in compare_metadata(context, METADATA) if not business & set(names_in(step))]
        assert found == []


def names_in(step):
    """The tables that a difference is about."""
    table = getattr(step[1], "table", step[1])
    return [getattr(table, "name", "")]


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
        estimates.ESTIMATES,
        estimates.HANDINGS,
        estimates.ESTIMATE_WITHDRAWALS,
        invoices.INVOICES,
        invoices.ITEMS,
        invoices.DOCUMENTS,
        payments.PAYMENTS,
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
