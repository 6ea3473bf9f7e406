"""The scheduler's tables: the same from the migrations as from the modules, on both databases."""

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError
from tables_made import differences, migrated

from services.kit.database import writing
from services.scheduler.booking import tables as booking
from services.scheduler.progression import tables as progression
from services.scheduler.resources import tables as resources
from services.scheduler.tables import METADATA, PACKAGE, TABLES
from services.scheduler.worklists import tables as worklists

ROOMS = (booking, progression, resources, worklists)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    made = migrated(request, tmp_path, PACKAGE)
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_of_the_rooms(engine):
    """A column that only one of the two knows would fail in a clinic and not here."""
    assert differences(engine, METADATA, TABLES) == []


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
