"""The questions that a reader asks of an audit trail: pages of rows, and all of them as a table."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Column, Select, Table, select

from services.kit.moments import instant_of
from services.kit.trail import Entry, Trail, canonical, legible

A_PAGE: Final = 50
A_BATCH: Final = 1000
DAYS: Final = (date(1970, 1, 1), date(2999, 12, 31))  # of rows; no midnight follows the calendar's own last
LONGEST: Final = 200  # of what somebody types into a filter; the rest is not looked at
CSV_COLUMNS: Final = ("seq", "at", "name", "account", "address", "action", "site", "record", "detail", "hash")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet must not run what somebody typed


def columns(table: Table) -> list[Column[Any]]:
    """What ``Trail.rows`` makes an Entry of."""
    return [column for column in table.c if column.name != "previous"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows a reader asks for. Empty texts ask for everything; days are of this machine's clock."""

    who: str = ""
    action: str = ""
    record: str = ""
    site: str = ""
    first_day: date | None = None
    last_day: date | None = None
    sites: frozenset[str] | None = None  # what the reader may see; None: everything

    def query(self, table: Table) -> Select[Any]:
        """The rows, in no order yet."""
        its = table.c
        found = select(*columns(table))
        for column, part in ((its.name, self.who), (its.record, self.record)):
            if part:
                found = found.where(column.icontains(legible(part[:LONGEST]), autoescape=True))
        for column, value in ((its.action, self.action), (its.site, self.site)):
            if value:
                found = found.where(column == legible(value[:LONGEST]))
        if self.sites is not None:
            found = found.where(its.site.in_(self.sites))
        if self.first_day is not None:
            found = found.where(its.at_us >= _midnight_us(self.first_day))
        if self.last_day is not None:
            found = found.where(its.at_us < _midnight_us(self.last_day, days=1))
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and where the neighbouring pages begin."""

    rows: list[Entry]
    older: int | None  # the page of rows before this number
    newer: int | None  # the page of rows after this number


def read(trail: Trail, wanted: Wanted, *, before: int | None = None, after: int | None = None) -> Page:
    """One page: the newest rows, those before a number, or those after one."""
    seq = trail.table.c.seq
    query = wanted.query(trail.table).limit(A_PAGE + 1)
    if after is not None:
        rows = trail.rows(query.where(seq > after).order_by(seq))
        more, rows = len(rows) > A_PAGE, rows[:A_PAGE][::-1]
        return Page(rows, rows[-1].seq if rows else None, rows[0].seq if more else None)
    if before is not None:
        query = query.where(seq < before)
    rows = trail.rows(query.order_by(seq.desc()))
    more, rows = len(rows) > A_PAGE, rows[:A_PAGE]
    return Page(rows, rows[-1].seq if more else None, rows[0].seq if before is not None and rows else None)


def as_csv(trail: Trail, wanted: Wanted) -> Iterator[str]:
    """All rows that were asked for, oldest first, a batch at a time; never the whole in memory."""
    yield "\ufeff" + _lines([CSV_COLUMNS])
    last, seq = 0, trail.table.c.seq
    while rows := trail.rows(wanted.query(trail.table).where(seq > last).order_by(seq).limit(A_BATCH)):
        last = rows[-1].seq
        yield _lines([_cells(row) for row in rows])


def _cells(row: Entry) -> list[str]:
    at = instant_of(row.at_us).isoformat(timespec="microseconds")
    values = {"at": at, "detail": canonical(row.detail)}
    texts = [str(values.get(name, getattr(row, name, None) or "")) for name in CSV_COLUMNS]
    return [f"'{text}" if text.startswith(_FORMULA) else text for text in texts]


def _lines(rows: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _midnight_us(day: date, days: int = 0) -> int:
    """When that day, or one so many later, begins on this machine."""
    earliest, latest = DAYS
    begin = datetime.combine(min(max(day, earliest), latest), time()) + timedelta(days=days)
    return int(begin.astimezone().timestamp() * 1e6)
