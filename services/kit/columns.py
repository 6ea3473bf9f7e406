"""Types and columns that tables of several services share: the same on SQLite and PostgreSQL.

Migrations spell their columns out: what they once made stays what it was.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, String, Text

SLUG: Final = String(40)
UUID_TEXT: Final = String(36)
NAME: Final = String(80)
SHA256: Final = String(64)
KEY: Final = BigInteger().with_variant(Integer, "sqlite")  # counts up by itself on both


def trail_columns() -> list[Column[Any]]:
    """Of an audit trail's table (``trail.py``)."""
    return [
        Column("seq", KEY, primary_key=True, autoincrement=False),  # from 1, no gap
        Column("at_us", BigInteger, nullable=False),
        Column("account", UUID_TEXT, nullable=False),
        Column("name", NAME, nullable=False),
        Column("address", NAME, nullable=False),
        Column("action", NAME, nullable=False),
        Column("site", SLUG),
        Column("record", String(200)),
        Column("detail", Text, nullable=False),  # JSON
        Column("previous", SHA256, nullable=False),  # hash of the row before
        Column("hash", SHA256, nullable=False),
    ]
