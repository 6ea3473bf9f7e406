"""A PostgreSQL by URL, table by table through COPY of one snapshot; its tables are made by our migrations.

COPY through psycopg and not pg_dump: the client is in every image that runs us, whatever the server's
version, nothing is put into a process list, and rows alone go into tables that the recorded migrations made:
a backup is restored by a newer release, and migrated on. For a moment in between there is
``deploy/postgres``: base backup and write-ahead log.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deploy.databases import Database
from services.kit.errors import SpondylError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Lines = Iterator[bytes]


@contextmanager
def snapshot(engine: "Engine") -> "Iterator[Connection]":
    """One view of everything, for as long as it takes."""
    from services.kit.postgres import unhurried

    view = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with view as connection, connection.begin(), unhurried(connection):
        yield connection


def tables(connection: "Connection") -> list[str]:
    """The tables of the schema in the order in which rows can be put in: whom others refer to comes first."""
    from sqlalchemy import inspect

    ordered = inspect(connection).get_sorted_table_and_fkc_names()
    return [name for name, _ in ordered if name is not None]


def columns(connection: "Connection", table: str) -> list[str]:
    """The columns that hold what was put in; computed ones compute themselves."""
    from sqlalchemy import inspect

    return [str(one["name"]) for one in inspect(connection).get_columns(table) if "computed" not in one]


def copy_out(connection: "Connection", table: str, names: Sequence[str]) -> Lines:
    """Every row of these columns, as COPY's text."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {_sql(table, names)} TO STDOUT") as rows:
        for piece in rows:
            yield bytes(piece)


def copy_in(connection: "Connection", table: str, names: Sequence[str], rows: Iterable[bytes]) -> None:
    """Put these rows into an empty table, and let its numbers go on behind them."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        with cursor.copy(f"COPY {_sql(table, names)} FROM STDIN") as copy:
            for piece in rows:
                copy.write(piece)
        for name in names:
            row = cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", (_quoted(table), name)).fetchone()
            if row and row[0]:
                highest = f"SELECT setval(%s, max({_quoted(name)})) FROM {_quoted(table)}"  # noqa: S608  (ours)
                cursor.execute(highest, (row[0],))


def put_back(
    connection: "Connection",
    services: Sequence[Database],
    revisions: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, Sequence[str]],
    rows: Callable[[str], Iterable[bytes]],
) -> None:
    """Make the tables as they were then and fill them, in the transaction of ``connection``.

    ``kept``: table -> columns. Raises SpondylError.
    """
    from sqlalchemy import text

    from services.kit.database import upgrade, version_table

    versions = {version_table(one.package) for one in services}
    for one in services:
        upgrade(connection, one.package, str(revisions[one.service]["revision"]))
        release = {"release": revisions[one.service]["release"]}
        connection.execute(text(f"UPDATE {version_table(one.package)} SET release = :release"), release)  # noqa: S608  (ours)
    made = tables(connection)
    if strangers := set(kept) - set(made):
        raise SpondylError(f"no migration makes the tables {', '.join(sorted(strangers))} of the backup")
    for table in made:
        if table in kept and table not in versions:
            copy_in(connection, table, kept[table], rows(table))


def _sql(table: str, names: Sequence[str]) -> str:
    return f"{_quoted(table)} ({', '.join(_quoted(name) for name in names)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
