"""The registry's tables: the same from the migrations as from the modules, on both databases."""

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError
from tables_made import differences, migrated

from services.kit.database import writing
from services.registry.tables import METADATA, PACKAGE, REVOCATIONS, TABLES


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    made = migrated(request, tmp_path, PACKAGE)
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_and_what_was_revoked_stays_so(engine):
    """Who could take a row away would have let a stolen machine in again."""
    assert differences(engine, METADATA, TABLES) == []
    with writing(engine) as connection:
        connection.execute(insert(REVOCATIONS).values(serial="ab", at_us=1, reason="stolen"))
    for change in (update(REVOCATIONS).values(reason="x"), delete(REVOCATIONS)):
        with pytest.raises(DBAPIError, match="stays written"), writing(engine) as connection:
            connection.execute(change)
