"""SQLAlchemy engines by URL: SQLite on one machine, PostgreSQL for many, the same code above both."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, MetaData, Select, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from services.kit.errors import SpondylError

Made = TypeVar("Made")
Migrate = Literal["at-start", "never"]  # SPONDYL_MIGRATE
BUSY_TIMEOUT_MS = 5000
PATIENCE_S = 30.0  # for one statement of a PostgreSQL
IDLE_S = 30.0  # between two of a transaction: a process that is frozen in it keeps its locks from all others
IMPATIENT_MS = 100
CROSSED = frozenset({"40P01", "40001"})  # PostgreSQL: deadlock detected, serialization failure
HIDDEN = True  # the values of a statement in its error, which goes to a log: notes, hashes of passwords
# libpq waits for ever unless told: for a connection, and for a machine that is gone to confirm what was sent.
_NETWORK = {"connect_timeout": "5", "tcp_user_timeout": "10000"}
_URLS = "sqlite:///FILE or postgresql+psycopg://..."
# WAL: readers never wait for the writer; FULL: a commit is on disk when it returns, power cut included.
_SQLITE_PRAGMAS = {
    "busy_timeout": str(BUSY_TIMEOUT_MS),
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
}


def open_database(url: str, patience_s: float = PATIENCE_S) -> Engine:
    """An engine for the URL; SQLite's directory is made and its connections are set to lose nothing.

    A statement of a PostgreSQL that takes longer than ``patience_s`` is an error. Raises SpondylError when
    the URL is not one or the database cannot be opened.
    """
    try:
        parsed = make_url(url)
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgres(parsed, patience_s)
        with engine.connect():
            return engine
    except (NoSuchModuleError, ModuleNotFoundError):
        raise SpondylError(f"there is no driver for the database {_shown(url)}: {_URLS}") from None
    except ArgumentError:
        raise SpondylError(f"the database URL is not one: {_URLS}") from None
    except (DBAPIError, OSError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise SpondylError(f"cannot open the database {_shown(url)}: {reason}") from None


def _sqlite(url: URL) -> Engine:
    if url.database not in (None, "", ":memory:"):
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=HIDDEN)
    _prepare_sqlite(engine)
    return engine


def _postgres(url: URL, patience_s: float) -> Engine:
    """With the times after which a silent network, server or pool is an error; what the URL says counts."""
    from services.kit.postgres import be_patient  # (the gateway has no PostgreSQL)

    options = (
        f"-c statement_timeout={round(patience_s * 1000)} "
        f"-c idle_in_transaction_session_timeout={round(IDLE_S * 1000)}"
    )
    told = url.set(query={**_NETWORK, "options": options, **url.query})
    engine = create_engine(told, pool_pre_ping=True, pool_timeout=patience_s, hide_parameters=HIDDEN)
    be_patient(engine, patience_s)
    return engine


def create_schema(engine: Engine, metadata: MetaData) -> None:
    """Create the tables and indices that are not there yet, in one transaction."""
    with writing(engine) as connection:
        metadata.create_all(connection)


def migrate(engine: Engine, package: str, when: Migrate = "at-start") -> None:
    """See that a service's tables are those of the newest of the migrations in ``{package}.migrations``.

    ``package`` is the service's, as ``services.telemetry``. Any number of processes may start at once: one
    migrates, the others wait and find nothing to do. ``never``: a job does that, here an older database is
    refused. Raises SpondylError then, when the database is of a newer release, and when a migration fails;
    then nothing is changed.
    """
    revision = revision_of(engine, package)
    if refusal := _refusal(engine, package, revision, when):
        raise SpondylError(refusal)
    if revision.at == revision.newest:
        return  # without alembic in memory, and without anybody's turn
    from alembic.util import CommandError

    try:
        with writing(engine) as connection, _unhurried(connection):
            _wait_turn(connection, package)
            upgrade(connection, package)
    except CommandError as error:
        raise SpondylError(_not_brought(engine, str(error))) from None
    except DBAPIError as error:
        raise SpondylError(_not_brought(engine, str(error.orig))) from None


@dataclass(frozen=True, slots=True)
class Revision:
    """How far a service's tables are (None: none yet), how far this release's code, and who wrote them."""

    at: str | None
    newest: str
    release: str | None = None  # that migrated last; not known of 0.1.0

    @property
    def is_newer(self) -> bool:
        """Whether a newer release than this one has migrated: steps are numbered."""
        return self.at is not None and self.at > self.newest


def revision_of(engine: Engine, package: str) -> Revision:
    """What a service's database says of itself; nothing is changed."""
    table, newest = version_table(package), newest_migration(package)
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, table):
            return Revision(None, newest)
        row = connection.exec_driver_sql(f"SELECT * FROM {table}").mappings().first()  # noqa: S608  (ours)
    return Revision(None, newest) if row is None else Revision(row["version_num"], newest, row.get("release"))


def version_table(package: str) -> str:
    """Where a service's database says how far it is."""
    return f"{package.rpartition('.')[2]}_version"


def upgrade(connection: Connection, package: str, to: str = "head") -> None:
    """Take the steps up to this one, in the transaction of ``connection``, and write down which release did.

    Raises alembic's CommandError, DBAPIError.
    """
    from alembic import command
    from alembic.config import Config

    table, config = version_table(package), Config()
    with as_file(files("services.kit") / "alembic") as home, as_file(files(package) / "migrations") as own:
        config.set_main_option("script_location", str(home).replace("%", "%%"))
        config.set_main_option("version_locations", str(own / "versions").replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"version_table": table, "connection": connection}
        command.upgrade(config, to)
    if "release" not in {column["name"] for column in inspect(connection).get_columns(table)}:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN release VARCHAR(40)")
    connection.execute(text(f"UPDATE {table} SET release = :release"), {"release": version("spondyl")})  # noqa: S608  (ours)


def _refusal(engine: Engine, package: str, revision: Revision, when: Migrate) -> str | None:
    service = package.rpartition(".")[2]
    database = f"the database {_shown(engine.url)} of {service}"
    if revision.is_newer:
        least = (
            f"release {revision.release} or a newer one" if revision.release else "the release that wrote it"
        )
        return (
            f"{database} is of a newer release: it is at revision {revision.at}, this release "
            f"({version('spondyl')}) knows {revision.newest}; install {least}"
        )
    if when == "never" and revision.at != revision.newest:
        state = "has no tables yet" if revision.at is None else f"is at revision {revision.at}"
        return (
            f"{database} {state}, this release ({version('spondyl')}) needs {revision.newest}, and "
            f"SPONDYL_MIGRATE is never: run `spondyl migrate {service}`"
        )
    return None


def _not_brought(engine: Engine, why: str) -> str:
    return f"the database {_shown(engine.url)} cannot be brought up to date: {why}"


def _unhurried(connection: Connection) -> AbstractContextManager[None]:
    if connection.dialect.name == "sqlite":
        return nullcontext()
    from services.kit.postgres import unhurried

    return unhurried(connection)


def newest_migration(package: str) -> str:
    """The revision of the last step: steps are numbered, and a file's name begins with its revision."""
    steps = (files(package) / "migrations" / "versions").iterdir()
    return max(step.name.partition("_")[0] for step in steps if step.name[:1].isdigit())


def _wait_turn(connection: Connection, package: str) -> None:
    """One migration at a time; SQLite's BEGIN IMMEDIATE has seen to that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(package.encode())})


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that means to write: committed at the end, rolled back when anything is raised.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE), so that it waits its turn instead of failing
    when a read would have to become a write.
    """
    with engine.connect().execution_options(spondyl_begin="IMMEDIATE") as connection, connection.begin():
        yield connection


def writing_again(engine: Engine, work: Callable[[Connection], Made]) -> Made:
    """What ``work`` makes in a transaction; once more when another made the same at the same moment.

    Then it finds what the other made, as a request that comes again does. Raises IntegrityError then.
    """
    try:
        with writing(engine) as connection:
            return work(connection)
    except IntegrityError:
        with writing(engine) as connection:
            return work(connection)


def is_crossed(error: DBAPIError) -> bool:
    """Whether two transactions waited for each other and this one was ended: tried again it works."""
    return getattr(error.orig, "sqlstate", None) in CROSSED


@contextmanager
def impatient(engine: Engine) -> Iterator[Connection]:
    """Like ``writing``, but it waits 0.1 s and no longer for another writer, then raises DBAPIError."""
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect().execution_options(spondyl_begin="IMMEDIATE") as connection:
        driver: Any = connection.connection.driver_connection
        if is_sqlite:
            driver.execute(f"PRAGMA busy_timeout = {IMPATIENT_MS}")
        try:
            with connection.begin():
                if not is_sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = {IMPATIENT_MS}"))
                yield connection
        finally:
            if is_sqlite:
                driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the database."""
    with engine.connect() as connection, connection.begin():
        yield connection


class Prepared:
    """One SELECT, compiled once and handed to the driver: a fifth of the time of a transaction around it.

    It alone is a consistent view. For columns that the drivers give as they are: numbers, text, bytes.
    """

    def __init__(self, engine: Engine, query: Select[Any]) -> None:
        compiled = query.compile(dialect=engine.dialect)
        self._engine, self._sql = engine, str(compiled)
        self._order: Sequence[str] | None = getattr(compiled, "positiontup", None)
        self._names = [str(column.name) for column in query.selected_columns]

    def rows(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows by names of columns. Raises DBAPIError as SQLAlchemy does."""
        given = values if self._order is None else [values[name] for name in self._order]
        dbapi_error = self._engine.dialect.loaded_dbapi.Error
        try:
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(self._sql, given)
                return [dict(zip(self._names, row, strict=True)) for row in cursor.fetchall()]
            finally:
                connection.close()
        except dbapi_error as error:
            raise DBAPIError(self._sql, None, error) from None


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        cursor = connection.cursor()
        for name, value in _SQLITE_PRAGMAS.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("spondyl_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")


def _shown(url: str | URL) -> str:
    return make_url(url).render_as_string(hide_password=True)
