"""Homecare's tables: the same from the migrations as from the modules, on both databases."""

from uuid import uuid4

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError
from tables_made import differences, migrated

from services.homecare.diary import tables as diary
from services.homecare.programmes import tables as programmes
from services.homecare.tables import METADATA, PACKAGE, TABLES
from services.kit.database import writing


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """A migrated database of each kind."""
    made = migrated(request, tmp_path, PACKAGE)
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_of_the_rooms(engine):
    """A column that only one of the two knows would fail in a clinic and not here."""
    assert (programmes.TURNS.name, differences(engine, METADATA, TABLES)) == ("homecare_turns", [])


def test_what_a_patient_reported_cannot_be_changed_or_removed(engine):
    """A report of pain is part of the file: who finds it inconvenient answers it (§ 630f Abs. 1 BGB)."""
    row = {"entry": str(uuid4()), "programme": str(uuid4()), "exercise": "bridge", "pain_nrs": 6,
           "where": "back", "signs": [], "above": True, "at_us": 1, "received_us": 2}  # fmt: skip
    with writing(engine) as connection:
        connection.execute(insert(diary.PAINS).values(row))
    for change in (update(diary.PAINS).values(pain_nrs=0), delete(diary.PAINS)):
        with pytest.raises(DBAPIError, match="append-only"), writing(engine) as connection:
            connection.execute(change)
