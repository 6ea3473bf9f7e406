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


def append_only_until(op: Any, table: str, why: str, is_over: str) -> None:
    """The same of an append-only table, but a row may be deleted where ``is_over`` holds.

    ``is_over`` is SQL about the row as OLD: that its patient was erased.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {table}_no_delete")
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT ({is_over}) "
            f"BEGIN SELECT RAISE(ABORT, '{why}'); END"
        )
        return
    op.execute(f"DROP TRIGGER {table}_no_change ON {table}")
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )
    op.execute(
        f"CREATE FUNCTION {table}_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'DELETE' THEN IF {is_over} THEN RETURN OLD; END IF; END IF; "
        f"RAISE EXCEPTION '{why}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_keep()"
    )


def append_only_again(op: Any, table: str, why: str) -> None:
    """Take ``append_only_until`` back: every row stays."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{change}")
    else:
        for trigger in ("no_truncate", "kept"):
            op.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")
        for function in ("keep", "refuse"):
            op.execute(f"DROP FUNCTION {table}_{function}()")
    append_only(op, table, why)


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
