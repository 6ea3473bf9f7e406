"""Questions over all archived sessions of the chain, in SQL by DuckDB.

The sessions of the archive's index, SQLite or PostgreSQL, are copied into a columnar table in memory; before
every question those are added that were archived since. Column and measure names are looked up in the tables
below, values are parameters: no text of a request is ever part of a statement.
"""

import base64
import binascii
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import func, select

from services.kit.auth.principal import Sites
from services.telemetry.archive import census
from services.telemetry.archive.index import Index
from services.telemetry.archive.tables import SESSIONS
from services.telemetry.errors import BadCursor, BadQuestion

GROUPS: Final = {
    "site": "site",
    "device": "device",
    "region": "region",
    "segment": "segment",
    "state": "state",
    "cure": "cure",
    "day": "strftime(started_at, '%Y-%m-%d')",
    "week": "strftime(started_at, '%G-W%V')",
    "month": "strftime(started_at, '%Y-%m')",
    "year": "strftime(started_at, '%Y')",
}
MEASURES: Final = {
    "sessions": "count(*)",
    "completed": "count(*) FILTER (state = 'completed')",
    "aborted": "count(*) FILTER (state = 'aborted')",
    "patients": "count(DISTINCT patient)",
    "traction_h": "round(sum(traction_s) / 3600, 3)",
    "heat_h": "round(sum(heat_s) / 3600, 3)",
    "cycles": "sum(cycles)::BIGINT",
    "holds": "sum(holds)::BIGINT",
    "guardings": "sum(guardings)::BIGINT",
    "guardings_per_session": "round(avg(guardings), 3)",
    "peak_n_max": "max(peak_n)",
    "peak_n_mean": "round(avg(peak_n), 2)",
    "hold_mean_n": "round(avg(hold_mean_n), 2)",
    "hold_rms_n": "round(avg(hold_rms_n), 3)",
    "hold_rms_n_p95": "round(quantile_cont(hold_rms_n, 0.95), 3)",
    "creep_mm": "round(avg(creep_mm), 3)",
    "creep_mm_min": "round(avg(creep_mm_min), 4)",
    "pain_change": "round(avg(pain_after - pain_before), 2)",
    "samples": "sum(samples)::BIGINT",
    "missing_samples": "sum(missing)::BIGINT",
}
DEFAULT: Final = (
    "sessions",
    "completed",
    "traction_h",
    "peak_n_max",
    "hold_mean_n",
    "hold_rms_n",
    "guardings",
)
MOST_GROUPS: Final = 3
_COLUMNS: Final = (
    "id", "site", "device", "cure", "patient", "region", "segment", "started_at_us", "ended_by", "summary",
    "statistics",
)  # fmt: skip
_OVERLAP_US: Final = 600_000_000  # a commit that took so long is still seen
_MEMORY: Final = "512MB"

# The gateway's own figure where it gave one, else what was measured from the samples.
_NUMBERS: Final = {
    "peak_n": "both", "hold_mean_n": "both", "hold_rms_n": "both", "traction_s": "both", "guardings": "both",
    "cycles": "summary", "holds": "statistics", "heat_s": "summary", "pain_before": "summary",
    "pain_after": "summary",
    "creep_mm": "statistics", "creep_mm_min": "statistics", "samples": "statistics", "missing": "statistics",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: names out of GROUPS and MEASURES, times in us, the page."""

    group_by: Sequence[str]
    measures: Sequence[str] = DEFAULT
    since_us: int | None = None
    until_us: int | None = None
    site: str | None = None
    cursor: str | None = None
    limit: int = 100
    sites: Sites = None  # that may be looked at; None: all


def names(kind: str, text: str, known: Sequence[str], most: int) -> tuple[str, ...]:
    """Names out of a list with commas, each known and once. Raises BadQuestion."""
    given = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in given:
        if name not in known:
            raise BadQuestion(f"{kind} {name[:40]!r} is none: {', '.join(known)}")
    if not 1 <= len(given) <= most:
        raise BadQuestion(f"{kind} names {len(given)}: from 1 to {most} at once")
    return given


class Chain:
    """The copy of the index's sessions. For any number of threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._database: Any = None
        self._seen_us = 0
        self._lock = threading.Lock()

    def ask(self, question: Question) -> dict[str, Any]:
        """``rows``, one a group in order of the groups, and ``next_cursor``. Raises BadCursor."""
        after = _cursor(question)
        with self._lock:
            self._refresh()
            connection = self._database.cursor()
        statement, values = _statement(question, after)
        found = connection.execute(statement, values).fetchall()
        columns = (*question.group_by, *question.measures)
        rows = [dict(zip(columns, row, strict=True)) for row in found[: question.limit]]
        more = len(found) > question.limit
        return {
            "rows": rows,
            "next_cursor": _dump([rows[-1][name] for name in question.group_by]) if more else None,
        }

    def _refresh(self) -> None:
        """Add what was archived since; begin anew when some have expired, which alone makes them fewer."""
        if self._database is None:
            self._database = _open()
        self._add_new()
        with self._index.read() as connection:
            there = connection.execute(select(func.count()).select_from(SESSIONS)).scalar_one()
        ((kept,),) = self._database.execute("SELECT count(*) FROM sessions").fetchall()
        if kept > there:
            self._database.execute("DELETE FROM sessions")
            self._seen_us = 0
            self._add_new()

    def _add_new(self) -> None:
        newest = census.newest_session_us(self._index)
        if newest <= self._seen_us:
            return
        for page in census.session_texts(self._index, max(0, self._seen_us - _OVERLAP_US)):
            _insert(self._database, page)
        self._seen_us = newest


_INSERT: Final = """
INSERT OR IGNORE INTO sessions SELECT id, site, device, coalesce(cure, ''), patient, coalesce(region, ''),
 coalesce(segment, ''), coalesce(replace(ended_by, 'session.', ''), 'lost'), make_timestamp(started_at_us),
 {numbers} FROM page
"""


def _open() -> Any:
    import duckdb

    database = duckdb.connect(":memory:", config={"memory_limit": _MEMORY, "threads": "2"})
    numbers = ", ".join(f"{name} DOUBLE" for name in _NUMBERS)
    database.execute(
        "CREATE TABLE sessions (id VARCHAR PRIMARY KEY, site VARCHAR, device VARCHAR, cure VARCHAR, "
        f"patient VARCHAR, region VARCHAR, segment VARCHAR, state VARCHAR, started_at TIMESTAMP, {numbers})"
    )
    return database


def _insert(database: Any, page: Sequence[tuple[Any, ...]]) -> None:
    """Add those of a page that are not there; numbers are read out of the JSON texts by DuckDB."""
    import pyarrow as pa

    columns = list(zip(*page, strict=True))
    types = [pa.int64() if name == "started_at_us" else pa.string() for name in _COLUMNS]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    database.register("page", pa.table(arrays, names=list(_COLUMNS)))
    numbers = ", ".join(_number(name, where) for name, where in _NUMBERS.items())
    database.execute(_INSERT.format(numbers=numbers))
    database.unregister("page")


def _number(name: str, where: str) -> str:
    texts = ("summary", "statistics") if where == "both" else (where,)
    found = [f"TRY_CAST(json_extract_string({text}, '$.{name}') AS DOUBLE)" for text in texts]
    return f"coalesce({', '.join(found)})"


def _statement(question: Question, after: Sequence[str] | None) -> tuple[str, list[Any]]:
    """SQL out of our own tables, and the values of its parameters."""
    limits = {
        "started_at >= make_timestamp(?)": question.since_us,
        "started_at < make_timestamp(?)": question.until_us,
        "site = ?": question.site,
        "list_contains(?, site)": None if question.sites is None else sorted(question.sites),
    }
    given = {limit: value for limit, value in limits.items() if value is not None}
    where = f" WHERE {' AND '.join(given)}" if given else ""
    groups = [f"{GROUPS[name]} AS {name}_" for name in question.group_by]
    keys = ", ".join(f"{name}_" for name in question.group_by)
    measures = [MEASURES[name] for name in question.measures]
    columns = ", ".join([*groups, *measures])
    inner = f"SELECT {columns} FROM sessions{where} GROUP BY {keys}"  # noqa: S608  (names out of our tables)
    paging = f" WHERE ({keys}) > ({', '.join('?' * len(question.group_by))})" if after else ""
    statement = f"SELECT * FROM ({inner}){paging} ORDER BY {keys} LIMIT ?"  # noqa: S608  (the same)
    return statement, [*given.values(), *(after or ()), question.limit + 1]


def _dump(key: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def _cursor(question: Question) -> list[str] | None:
    """The groups that a page ended with. Raises BadCursor."""
    if question.cursor is None:
        return None
    try:
        text = question.cursor.encode("ascii")
        key = orjson.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if (
        isinstance(key, list)
        and len(key) == len(question.group_by)
        and all(isinstance(one, str) for one in key)
    ):
        return key
    raise BadCursor(
        f"cursor {question.cursor[:40]!r} is none of this question: use the next_cursor of the page before"
    )
