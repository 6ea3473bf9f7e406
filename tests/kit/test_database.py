import os
import signal
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, bindparam, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from services.kit.database import Prepared, create_schema, open_database, reading, writing
from services.kit.errors import SpondylError
from services.kit.postgres import GRACE_S, unhurried

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


@contextmanager
def within(seconds):
    """What is done here takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture
def hasty(postgres):
    """A PostgreSQL of which nobody waits longer than 0.3 s for a statement."""
    engine = open_database(postgres.database(), patience_s=0.3)
    create_schema(engine, METADATA)
    yield engine
    engine.dispose()


@pytest.mark.system
def test_nobody_waits_for_ever_for_a_lock(hasty):
    """A migration or a forgotten session holds the table: a page is an error after seconds."""
    with writing(hasty) as other:
        other.execute(text("LOCK TABLE cures"))
        with within(3), pytest.raises(DBAPIError, match="statement timeout"), reading(hasty) as connection:
            connection.execute(select(CURES))
    with reading(hasty) as connection:
        assert connection.execute(select(CURES)).all() == []


@pytest.mark.system
def test_nobody_waits_for_ever_for_a_server_that_is_frozen(hasty):
    """It cannot end a statement itself, and its network answers all the while."""
    with hasty.connect() as connection:
        frozen = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        os.kill(frozen, signal.SIGSTOP)
        try:
            with within(GRACE_S + 3), pytest.raises(DBAPIError, match="says nothing"):
                connection.execute(select(CURES))
            with within(GRACE_S + 3), reading(hasty) as another:
                assert another.execute(select(CURES)).all() == []
        finally:
            os.kill(frozen, signal.SIGCONT)


@pytest.mark.system
def test_nobody_waits_for_ever_for_a_connection(hasty):
    """Behind fifteen statements that hang, the sixteenth page hangs too."""
    with ExitStack() as held:
        for _ in range(15):
            held.enter_context(hasty.connect())
        with within(3), pytest.raises(NoConnectionFree), reading(hasty):
            pass
    with reading(hasty) as connection:
        assert connection.execute(select(CURES)).all() == []


@pytest.mark.system
def test_a_migration_takes_as_long_as_it_takes(hasty):
    """The tables of ten years are not rebuilt in the time of a page."""
    with writing(hasty) as connection, unhurried(connection):
        connection.execute(text("SELECT pg_sleep(0.6)"))
    with pytest.raises(DBAPIError, match="statement timeout"), reading(hasty) as connection:
        connection.execute(text("SELECT pg_sleep(0.6)"))


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
