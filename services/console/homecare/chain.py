"""Figures of home programmes by site: what was done, what hurt, what is missing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from services.console.billing.csv_files import Cell

Row = Mapping[str, Any]
# Of the table and the file: text's id, and where a site's figure stands.
COLUMNS: Final = (
    ("home_programmes", ("programmes",)),
    ("home_state_running", ("states", "running")),
    ("home_completed_in", ("completed",)),
    ("home_median", ("adherence", "median")),
    ("home_lower_quartile", ("adherence", "lower_quartile")),
    ("home_upper_quartile", ("adherence", "upper_quartile")),
    ("home_adherence_unknown", ("adherence", "unknown")),
    ("home_days_done", ("days", "done")),
    ("home_days_due", ("days", "due")),
    ("home_days_missing", ("days", "missing")),
    ("home_days_closed", ("days", "closed")),
    ("home_with_pain", ("with_pain_reports",)),
    ("home_with_pain_percent", ("with_pain_reports_percent",)),
)  # fmt: skip


def at(row: Row, path: Sequence[str]) -> Any:
    """A figure; none where it is not known."""
    value: Any = row
    for name in path:
        value = value[name]
    return value


def lines(found: Row, everywhere: str) -> list[list[Cell]]:
    """A line a site, all of them together last: as a spreadsheet gets it, what is not known empty."""
    rows = [(str(row["site"]), row) for row in found["sites"]] + [(everywhere, found["total"])]
    return [[name, *(_cell(at(row, path)) for _, path in COLUMNS)] for name, row in rows]


def _cell(value: Any) -> Cell:
    return Decimal(str(value)) if isinstance(value, float) else value
