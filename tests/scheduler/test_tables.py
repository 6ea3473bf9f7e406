"""The scheduler's tables: the same from the migrations as from the modules, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError

from services.kit.database import migrate, open_database, reading, writing
from services.scheduler.booking import tables as booking
from services.scheduler.progression import tables as progression
from services.scheduler.resources import tables as resources
from services.scheduler.tables import METADATA, PACKAGE, TABLES
from services.scheduler.worklists import tables as worklists

ROOMS = (booking, progression, resources, worklists)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    if request.param == "sqlite":
        made = open_database(f"sqlite:///{tmp_path}/scheduler.db")
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


@pytest.mark.parametrize("table", [booking.HISTORY, progression.PRESCRIPTIONS], ids=lambda table: table.name)
def test_what_was_is_never_changed(engine, table):
    """The history of an appointment and a prescription that was given are records (630f BGB)."""
    values = {
        column.name: {int: 1, bool: False, dict: {}}.get(column.type.python_type, "x")
        for column in table.columns
        if column.name != "row"
    }
    with writing(engine) as connection:
        connection.execute(insert(table).values(values))
    for change in (update(table).values(by="another"), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(change)
