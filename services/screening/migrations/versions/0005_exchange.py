"""Exchange: numbers elsewhere, what files said, results to write, appointments, what others did."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(36)
SLUG = sa.String(40)
FOREIGN = sa.String(200)
STATE = sa.String(12)


def upgrade() -> None:
    """The tables of this room."""
    op.create_table(
        "exchange_identifier",
        sa.Column("site", SLUG, primary_key=True),
        sa.Column("system", FOREIGN, primary_key=True),
        sa.Column("value", FOREIGN, primary_key=True),
        sa.Column("patient", ID, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
    )
    op.create_index("exchange_identifier_patient", "exchange_identifier", ["patient"])
    op.create_table(
        "exchange_taken",
        sa.Column("file", ID, primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("filename", FOREIGN, nullable=False),
        sa.Column("record", sa.String(8), nullable=False),
        sa.Column("number", FOREIGN),
        sa.Column("state", STATE, nullable=False),
        sa.Column("effect", STATE),
        sa.Column("patient", ID),
        sa.Column("request", FOREIGN),
        sa.Column("why_de", sa.Text()),
        sa.Column("why_en", sa.Text()),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text()),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("settled_us", sa.BigInteger()),
    )
    op.create_index("exchange_taken_site", "exchange_taken", ["site", "at_us"])
    op.create_index("exchange_taken_patient", "exchange_taken", ["patient"])
    op.create_table(
        "exchange_result",
        sa.Column("session", ID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG),
        sa.Column("patient", ID, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("filename", FOREIGN),
        sa.Column("why_de", sa.Text()),
        sa.Column("why_en", sa.Text()),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("written_us", sa.BigInteger()),
    )
    op.create_index("exchange_result_patient", "exchange_result", ["patient", "at_us"])
    op.create_index("exchange_result_state", "exchange_result", ["site", "state"])
    op.create_table(
        "exchange_appointment",
        sa.Column("appointment", ID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", ID, nullable=False),
        sa.Column("cure", ID),
        sa.Column("device", SLUG),
        sa.Column("number", sa.Integer()),
        sa.Column("state", STATE, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("starts_us", sa.BigInteger()),
        sa.Column("ends_us", sa.BigInteger()),
        sa.Column("said_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("exchange_appointment_patient", "exchange_appointment", ["patient", "starts_us"])
    op.create_table(
        "exchange_procedure",
        sa.Column("id", ID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("patient", ID, nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("account", ID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
    )
    op.create_index("exchange_procedure_patient", "exchange_procedure", ["patient", "at_us"])


def downgrade() -> None:
    """Without them."""
    for name in ("procedure", "appointment", "result", "taken", "identifier"):
        op.drop_table(f"exchange_{name}")
