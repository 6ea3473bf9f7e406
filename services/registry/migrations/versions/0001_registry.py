"""Members, codes, certificates and revocations; the tables that every business service has."""

import sqlalchemy as sa
from alembic import op

from services.kit.business import tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME, US = sa.String(64), sa.BigInteger
APPEND_ONLY = ("registry_certificates", "registry_revocations")


def upgrade() -> None:
    """What was issued and what was revoked is append-only: the database refuses every change of it."""
    tables.create(op, "registry")
    op.create_table(
        "registry_members",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("site", sa.String(40)),
        sa.Column("devices", sa.Text, nullable=False),
        sa.Column("hosts", sa.Text, nullable=False),
        sa.Column("made_us", US, nullable=False),
        sa.Column("ended_us", US),
        sa.Column("version", sa.String(40), nullable=False),
    )
    op.create_table(
        "registry_codes",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("member", NAME, nullable=False, index=True),
        sa.Column("made_us", US, nullable=False),
        sa.Column("ends_us", US, nullable=False),
        sa.Column("used_us", US),
    )
    op.create_table(
        "registry_certificates",
        sa.Column("number", tables.KEY, primary_key=True, autoincrement=True),
        sa.Column("serial", sa.String(40), nullable=False, unique=True),
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("name", NAME, nullable=False, index=True),
        sa.Column("member", NAME, index=True),
        sa.Column("part", sa.String(20), nullable=False),
        sa.Column("issued_us", US, nullable=False),
        sa.Column("ends_us", US, nullable=False),
        sa.Column("pem", sa.Text, nullable=False),
    )
    op.create_table(
        "registry_revocations",
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("at_us", US, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
    )
    for table in APPEND_ONLY:
        tables.append_only(op, table, "what was issued or revoked stays written")


def downgrade() -> None:
    """Without them."""
    for table in ("registry_revocations", "registry_certificates", "registry_codes", "registry_members"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse()")
    tables.drop(op, "registry")
