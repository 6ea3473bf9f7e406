"""Any question in SQL over the archive: DuckDB over views, read only, shut off from files and the network.

sessions    a row a session, as in the index, its id named session; summary and statistics are JSON
objects     a row an object, without its directory, its id named object
samples     a row a sample, decoded block by block while the query reads: site, device, boot, session, seq,
            time, tension_n, target_n, position_mm, residual_n (null where nobody measured), phase
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from sqlalchemy import select

from services.kit.errors import SpondylError
from services.telemetry.archive import objects
from services.telemetry.archive.models import PHASE, PHASES, VALUES, Run
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import ObjectRow
from services.telemetry.archive.tables import BOOTS, OBJECTS, SESSIONS
from services.telemetry.archive.verify import every_object
from services.telemetry.exports.models import times_us

MEMORY: Final = "1GB"
THREADS: Final = 2
PAGE: Final = 5000
MAX_LIMIT: Final = 100_000
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
_SAMPLES: Final = pa.schema(
    [
        *((name, _TEXT) for name in ("site", "device", "boot", "session")),
        ("seq", pa.int64()),
        ("time", pa.timestamp("us", tz="UTC")),
        *((name, pa.float64()) for name in VALUES),
        (PHASE, pa.dictionary(pa.int8(), pa.string())),
    ]
)
_SETTINGS: Final = (
    "SET TimeZone = 'UTC'", f"SET memory_limit = '{MEMORY}'", f"SET threads = {THREADS}",
    "SET python_enable_replacements = false", "SET enable_external_access = false",
    "SET lock_configuration = true",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of an answer; ``more`` when there are rows behind it."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


class _Table:
    """A table that is read anew, from its beginning, whenever a query scans it."""

    def __init__(self, schema: Any, batches: Callable[[], Iterator[Any]]) -> None:
        self._schema = schema
        self._batches = batches

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)


def ask(archive: Archive, sql: str, limit: int = 1000, offset: int = 0) -> Answer:
    """The rows of one SELECT. Raises SpondylError for anything else, and for what DuckDB refuses."""
    if not 1 <= limit <= MAX_LIMIT or offset < 0:
        raise SpondylError(f"limit is {limit}, offset {offset}: 1 to {MAX_LIMIT}, and 0 or more")
    with duckdb.connect(":memory:") as connection:
        for setting in _SETTINGS[:-2]:
            connection.execute(setting)
        for name, table in _tables(archive).items():
            connection.register(name, table)
        for setting in _SETTINGS[-2:]:
            connection.execute(setting)
        try:
            _require_select(connection, sql)
            page = connection.sql(sql).limit(limit + 1, offset)
            found = page.to_arrow_table()  # its own rows of time zones would need another package
        except duckdb.Error as error:
            raise SpondylError(f"the question cannot be answered: {str(error).splitlines()[0]}") from None
        rows = list(zip(*(column.to_pylist() for column in found.columns), strict=True))
        return Answer(list(page.columns), rows[:limit], len(rows) > limit)


def _require_select(connection: Any, sql: str) -> None:
    found = connection.extract_statements(sql)
    kinds = [statement.type for statement in found]
    if kinds != [duckdb.StatementType.SELECT]:
        named = ", ".join(kind.name for kind in kinds) or "nothing"
        raise SpondylError(f"one SELECT is asked for, this is {named}: the archive is never written by SQL")


def _tables(archive: Archive) -> dict[str, _Table]:
    sessions: list[Any] = [SESSIONS.c.id.label("session")]
    sessions += [column for column in SESSIONS.c if column.name not in {"id", "archived_at_us"}]
    plain = [column for column in OBJECTS.c if column.name not in {"id", "directory", "boot_id"}]
    of_objects = [OBJECTS.c.id.label("object"), BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot, *plain]
    joined = OBJECTS.join(BOOTS)
    return {
        "sessions": _sql_table(archive, sessions, SESSIONS, SESSIONS.c.id),
        "objects": _sql_table(archive, of_objects, joined, OBJECTS.c.id),
        "samples": _Table(_SAMPLES, lambda: _samples(archive)),
    }


def _sql_table(archive: Archive, columns: list[Any], source: Any, key: Any) -> _Table:
    """A table of the index, page by page in order of its key."""
    types = {int: pa.int64(), str: pa.string()}
    schema = pa.schema([(column.name, types[column.type.python_type]) for column in columns])

    def batches() -> Iterator[Any]:
        behind: Any = None
        while True:
            query = select(*columns, key.label("key")).select_from(source).order_by(key).limit(PAGE)
            with archive.index.read() as connection:
                rows = connection.execute(query if behind is None else query.where(key > behind)).all()
            if not rows:
                return
            behind = rows[-1].key
            yield pa.record_batch(list(zip(*(row[:-1] for row in rows), strict=True)), schema=schema)

    return _Table(schema, batches)


def _samples(archive: Archive) -> Iterator[Any]:
    for row in every_object(archive):
        for entry in archive.directory(row).of("tension"):
            block = archive.store.get_range(row.path, entry.offset, entry.length)
            yield _batch(row, objects.run_of(block, entry))


def _batch(row: ObjectRow, run: Run) -> Any:
    place = row.source.place
    session = None if row.session is None else str(row.session)
    phase = pa.DictionaryArray.from_arrays(pa.array(run.columns[PHASE].astype(np.int8)), pa.array(PHASES))
    same = np.zeros(run.count, np.int32)
    names = [place.site, place.device, str(row.source.boot), session]
    columns = [
        *(pa.DictionaryArray.from_arrays(pa.array(same), pa.array([name], pa.string())) for name in names),
        pa.array(np.arange(run.first, run.after, dtype=np.int64)),
        pa.array(times_us(run), pa.timestamp("us", tz="UTC")),
        *(pa.array(run.measured(name), from_pandas=True) for name in VALUES),  # (nan becomes null)
        phase,
    ]
    return pa.record_batch(columns, schema=_SAMPLES)
