import threading

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, bindparam, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.kit.database import Prepared, create_schema, open_database, reading, writing
from services.kit.errors import SpondylError

METADATA = MetaData()
CURES = Table("cures", METADATA, Column("id", Integer, primary_key=True))
SESSIONS = Table("sessions", METADATA, Column("cure", ForeignKey("cures.id")))


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/deep/down/data.db")
    create_schema(engine, METADATA)
    yield engine
    engine.dispose()


def test_what_is_committed_is_on_disk_and_readers_never_wait(engine):
    """WAL with full synchronisation: a power cut after a commit loses nothing."""
    with reading(engine) as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert pragmas == ["wal", 2]


def test_foreign_keys_are_enforced(engine):
    """SQLite ignores them unless told; an orphaned row is a lost session."""
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(SESSIONS.insert().values(cure=7))


def test_an_error_names_the_statement_and_none_of_its_values(engine):
    """It goes to the log: a note on a patient and the hash of a password do not."""
    with pytest.raises(IntegrityError) as refused, writing(engine) as connection:
        connection.execute(SESSIONS.insert().values(cure=270_219))
    assert "INSERT INTO sessions" in str(refused.value)
    assert "270219" not in str(refused.value)


def test_a_transaction_that_raises_leaves_nothing_behind(engine):
    """Half-done is worse than not done."""

    def half_done() -> None:
        with writing(engine) as connection:
            connection.execute(CURES.insert().values(id=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    with reading(engine) as connection:
        assert connection.execute(select(CURES)).all() == []


def test_two_writers_wait_for_each_other(engine):
    """Read, then write, in two threads at once: one waits, none fails with `database is locked`."""
    start = threading.Barrier(2)

    def add() -> None:
        start.wait()
        for _ in range(20):
            with writing(engine) as connection:
                count = len(connection.execute(select(CURES)).all())
                connection.execute(CURES.insert().values(id=count + 1))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with reading(engine) as connection:
        assert len(connection.execute(select(CURES)).all()) == 40


@pytest.mark.parametrize(
    "url", ["no url", "sqlite:////proc/none/data.db", "mysql://host/data", "nonsense://host/data"]
)
def test_a_database_that_cannot_be_opened_is_one_clear_line(url):
    """Not a trace back of the driver."""
    with pytest.raises(SpondylError, match="database"):
        open_database(url)


@pytest.mark.system
def test_nobody_waits_for_ever_for_a_database_on_a_silent_network(postgres):
    """The driver would; who wants other times says so in the URL."""
    url = postgres.database()
    told = open_database(f"{url}{'&' if '?' in url else '?'}connect_timeout=17")
    plain = open_database(url)
    try:
        assert plain.url.query["connect_timeout"] == "5"
        assert plain.url.query["tcp_user_timeout"] == "10000"
        assert told.url.query["connect_timeout"] == "17"
    finally:
        told.dispose()
        plain.dispose()


def test_a_prepared_select_answers_as_a_transaction_does(engine):
    """It goes past SQLAlchemy's transaction: rows, names and errors stay what callers know."""
    with writing(engine) as connection:
        connection.execute(CURES.insert(), [{"id": number} for number in (1, 2, 3)])
    query = select(CURES).where(CURES.c.id > bindparam("above"), CURES.c.id < bindparam("below"))
    prepared = Prepared(engine, query)
    assert prepared.rows({"below": 4, "above": 1}) == [{"id": 2}, {"id": 3}]
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE sessions")
        connection.exec_driver_sql("DROP TABLE cures")
    with pytest.raises(DBAPIError, match="no such table"):
        prepared.rows({"below": 4, "above": 1})
