"""The data that release 0.1.0 left behind, and what can be said of any such data."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import MetaData, inspect, select

from deploy.databases import SERVICES as ALL
from deploy.databases import databases
from deploy.keeping import places
from deploy.keeping.objects import of_settings
from deploy.trails import SERVICES, _is_there, _opened, _place
from services.kit.database import open_database, reading, writing
from services.telemetry.archive.opening import open_archive
from services.telemetry.audit import audit
from services.telemetry.hot import Hot
from services.telemetry.query import History

RELEASE = Path(__file__).parent / "deploy" / "releases" / "0.1.0"
VERSIONS = {f"{name}_version" for name in ALL}
LEFT = {"telemetry": "archive.db"}  # else SERVICE.db


def left_behind(directory):
    """The data directory of release 0.1.0, as its last process left it."""
    with tarfile.open(RELEASE / "data.tar.gz") as tar:
        tar.extractall(directory, filter="data")
    return directory


def rows(data):
    """How many rows every table of every service has; versions are of the release."""
    counted = {}
    for database in databases(data):
        with database.opened() as engine, reading(engine) as connection:
            for table in sorted(inspect(connection).get_table_names()):
                if table not in VERSIONS:
                    query = f"SELECT count(*) FROM {table}"  # noqa: S608  (its own tables)
                    counted[table] = connection.exec_driver_sql(query).scalar()
    return counted


def old_rows(data):
    """The same of the files of a release, before any of our code opened them."""
    counted = {}
    for path in sorted(data.glob("*/*.db")):
        with closing(sqlite3.connect(path)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in names:
                if table not in VERSIONS and not table.startswith("sqlite_"):
                    query = f"SELECT count(*) FROM {table}"  # noqa: S608  (its own tables)
                    counted[table] = database.execute(query).fetchone()[0]
    return counted


def broken_trails(data):
    """Which audit trails are not whole, of those that are there; and how many are."""
    places_ = [place for place in (_place(name, data) for name in ("console", *SERVICES)) if _is_there(place)]
    found = {}
    for place in places_:
        with _opened(place) as trail:
            found[place.service] = trail.verify()
    return {name: one.what for name, one in found.items() if not one.ok}, len(found)


def audited(data):
    """What `spondyl audit` counts, out of Redis and archive."""
    archive = open_archive(of_settings(data))
    try:
        with places.redis_of(data) as url, closing(Hot(url)) as hot:
            return audit(History(hot, archive))
    finally:
        archive.index.close()


def into_postgres(data, url_of):
    """Move every service's rows from its SQLite file into the migrated PostgreSQL at ``url_of(service)``."""
    for name in ("console", "telemetry", "screening", "scheduler", "billing", "homecare"):
        path = data / name / LEFT.get(name, f"{name}.db")
        source, target = open_database(f"sqlite:///{path}"), open_database(url_of(name))
        metadata = MetaData()
        metadata.reflect(target, only=inspect(source).get_table_names())
        with reading(source) as old, writing(target) as new:
            for table in metadata.sorted_tables:
                if table.name in VERSIONS:
                    continue
                taken = [dict(row) for row in old.execute(select(table)).mappings()]
                if taken:
                    new.execute(table.insert(), taken)
        for engine in (source, target):
            engine.dispose()
        path.unlink()
