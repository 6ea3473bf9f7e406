"""The tables that every business service has, each under the service's own prefix."""

from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Column, MetaData, Table

from services.kit.columns import trail_columns

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up by itself in INTEGER alone
REFUSAL = "the audit trail is append-only"


@dataclass(frozen=True, slots=True)
class BusinessTables:
    """Inbox, outbox, refused messages and the audit trail of one service."""

    inbox: Table
    outbox: Table
    refused: Table
    trail: Table

    @classmethod
    def of(cls, metadata: MetaData, prefix: str) -> Self:
        """The tables ``{prefix}_inbox`` and so on."""
        return cls(
            Table(f"{prefix}_inbox", metadata, *_inbox()),
            Table(f"{prefix}_outbox", metadata, *_outbox()),
            Table(f"{prefix}_refused", metadata, *_refused()),
            Table(f"{prefix}_trail", metadata, *trail_columns()),
        )


def create(op: Any, prefix: str) -> None:
    """The tables, for a service's first migration; the trail refuses every change of what it has."""
    tables = BusinessTables.of(MetaData(), prefix)
    for table in (tables.inbox, tables.outbox, tables.refused, tables.trail):
        table.create(op.get_bind())
    for column in ("at_us", "name", "action", "record", "site"):
        op.create_index(f"{prefix}_trail_{column}", f"{prefix}_trail", [column, "seq"])
    append_only(op, f"{prefix}_trail", REFUSAL)


def append_only(op: Any, table: str, why: str) -> None:
    """Let the database refuse to change or delete a row of this table, saying why."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{why}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )


def drop(op: Any, prefix: str) -> None:
    """Without them."""
    for name in ("trail", "refused", "outbox", "inbox"):
        op.drop_table(f"{prefix}_{name}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {prefix}_trail_refuse()")


def _inbox() -> list[Column[Any]]:
    return [
        Column("message", sa.String(36), primary_key=True),  # its id
        Column("stream", sa.String(40), nullable=False),
        Column("at_us", sa.BigInteger(), nullable=False),
    ]


def _outbox() -> list[Column[Any]]:
    return [
        Column("number", KEY, primary_key=True, autoincrement=True),  # the order of publication
        Column("stream", sa.String(40), nullable=False),
        Column("site", sa.String(40), nullable=False),
        Column("device", sa.String(40)),
        Column("payload", sa.LargeBinary(), nullable=False),
        Column("at_us", sa.BigInteger(), nullable=False),
    ]


def _refused() -> list[Column[Any]]:
    return [
        Column("number", KEY, primary_key=True, autoincrement=True),
        Column("topic", sa.String(200), nullable=False),
        Column("payload", sa.LargeBinary(), nullable=False),
        Column("why", sa.Text(), nullable=False),
        Column("at_us", sa.BigInteger(), nullable=False),
    ]
