"""How far the recorder has come, in the same SQLite file and the same transactions as its spool.

A row of the spool, the cursor behind it and the running sums of the sessions change together or not at all:
that is what makes a recorder killed at any moment go on without a gap and without a repetition.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recorder (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    boot         TEXT    NOT NULL,
    next         INTEGER NOT NULL,      -- first tick not stored yet
    clock_offset INTEGER                -- wall clock minus monotonic, ns
) STRICT;
CREATE TABLE IF NOT EXISTS recorder_beds (
    device TEXT PRIMARY KEY,
    body   TEXT NOT NULL                -- JSON: diary, black box's cursor, alarm board
) STRICT;
CREATE TABLE IF NOT EXISTS recorder_reports (
    report TEXT PRIMARY KEY             -- of an adverse event, told in an event
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The state of the last commit: of which boot, up to which tick, and what each bed's books say."""

    boot: UUID
    next: int
    clock_offset: int | None
    beds: Mapping[str, Mapping[str, Any]]


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables."""
    connection.executescript(_SCHEMA)


def load(connection: sqlite3.Connection) -> Position | None:
    """The last committed position; None before the first commit."""
    row = connection.execute("SELECT boot, next, clock_offset FROM recorder").fetchone()
    if row is None:
        return None
    beds = {device: json.loads(body) for device, body in connection.execute("SELECT * FROM recorder_beds")}
    return Position(UUID(row[0]), row[1], row[2], beds)


def save(connection: sqlite3.Connection, position: Position) -> None:
    """Replace the position within the caller's transaction; beds that are no longer served are forgotten."""
    connection.execute(
        "INSERT OR REPLACE INTO recorder (id, boot, next, clock_offset) VALUES (1, ?, ?, ?)",
        (str(position.boot), position.next, position.clock_offset),
    )
    connection.execute("DELETE FROM recorder_beds")
    rows = [(device, json.dumps(body)) for device, body in position.beds.items()]
    connection.executemany("INSERT INTO recorder_beds (device, body) VALUES (?, ?)", rows)


def told(connection: sqlite3.Connection) -> set[UUID]:
    """The reports of adverse events that are told."""
    return {UUID(report) for (report,) in connection.execute("SELECT report FROM recorder_reports")}


def tell(connection: sqlite3.Connection, reports: Iterable[UUID]) -> None:
    """These reports are told, within the caller's transaction."""
    rows = [(str(report),) for report in reports]
    connection.executemany("INSERT OR IGNORE INTO recorder_reports (report) VALUES (?)", rows)
