"""What a business service's database tells whoever watches it: what was refused, what waits."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from services.kit.business.tables import BusinessTables
from services.kit.database import reading
from services.kit.metrics import Looked, Row

KEEP_S: Final = 10.0  # any number of scrapers ask the database so seldom
More = Callable[[Connection], Iterable[Row]]


def figures(engine: Engine, tables: BusinessTables, more: Iterable[More] = ()) -> Looked:
    """As metrics; ``more`` are a service's own, asked in the same transaction."""
    own = list(more)
    return Looked(lambda: _rows(engine, tables, own), KEEP_S)


def _rows(engine: Engine, tables: BusinessTables, more: list[More]) -> Iterator[Row]:
    yield from _pool(engine)
    rows: list[Row] = []
    try:
        with reading(engine) as connection:
            for look in (lambda one: _waiting(one, tables), *more):
                rows += look(connection)
    except SQLAlchemyError:
        yield "spondyl_database_up", (), 0.0
        return
    yield "spondyl_database_up", (), 1.0
    yield from rows


def _waiting(connection: Connection, tables: BusinessTables) -> Iterator[Row]:
    outbox, refused = tables.outbox, tables.refused
    count, oldest_us = connection.execute(select(func.count(), func.min(outbox.c.at_us))).one()
    age_s = 0.0 if oldest_us is None else max(0.0, time.time() - oldest_us / 1e6)
    yield "spondyl_outbox_waiting", (), count
    yield "spondyl_outbox_oldest_seconds", (), age_s
    refusals = connection.execute(select(func.count()).select_from(refused)).scalar_one()
    yield "spondyl_inbox_refused", (), refusals


def _pool(engine: Engine) -> Iterator[Row]:
    pool = engine.pool
    if isinstance(pool, QueuePool):
        yield "spondyl_database_connections", ("busy",), pool.checkedout()
        yield "spondyl_database_connections", ("idle",), pool.checkedin()
        yield "spondyl_database_connections_limit", (), pool.size() + pool._max_overflow  # noqa: SLF001  (no other way)
