"""Places and people, cures and appointments, prescriptions, who may be treated."""

import sqlalchemy as sa
from alembic import op

from services.kit.business.tables import append_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SLUG, UUID, NAME = sa.String(40), sa.String(36), sa.String(80)


def upgrade() -> None:
    """Every table of cures and appointments."""
    _places_and_people()
    _who_may_be_treated()
    _bookings()
    _plans()
    _prescriptions()
    append_only(op, "scheduler_history", "what became of an appointment is append-only")
    append_only(op, "scheduler_prescriptions", "prescriptions are append-only")


def _places_and_people() -> None:
    """Sites, beds, therapists, outages."""
    op.create_table(
        "scheduler_sites",
        sa.Column("site", SLUG, primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("zone", sa.String(60), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("closed", sa.JSON(), nullable=False),
        sa.Column("appointment_min", sa.Integer(), nullable=False),
        sa.Column("clean_up_min", sa.Integer(), nullable=False),
        sa.Column("rest_h", sa.Integer(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "scheduler_devices",
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("gateway", SLUG, nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("heat", sa.Boolean(), nullable=False),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.Column("is_there", sa.Boolean(), nullable=False),
        sa.Column("sealing_key", sa.Text()),
        sa.Column("heard_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "device"),
    )
    op.create_table(
        "scheduler_therapists",
        sa.Column("therapist", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("shifts", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_scheduler_therapists_site", "scheduler_therapists", ["site"])
    op.create_table(
        "scheduler_outages",
        sa.Column("outage", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG),
        sa.Column("therapist", UUID),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("to_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger()),
    )
    op.create_index("ix_scheduler_outages_site", "scheduler_outages", ["site"])


def _who_may_be_treated() -> None:
    """What screening told."""
    op.create_table(
        "scheduler_patients",
        sa.Column("patient", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("into", UUID),
        sa.Column("erased", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_scheduler_patients_into", "scheduler_patients", ["into"])
    op.create_table(
        "scheduler_clearances",
        sa.Column("clearance", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=False),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=False),
        sa.Column("given_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger()),
    )
    op.create_index("ix_scheduler_clearances_patient", "scheduler_clearances", ["patient"])
    op.create_table(
        "scheduler_suspensions",
        sa.Column("suspension", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("adverse", sa.Boolean(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("restored_us", sa.BigInteger()),
    )
    op.create_index("ix_scheduler_suspensions_patient", "scheduler_suspensions", ["patient"])
    op.create_index("ix_scheduler_suspensions_site", "scheduler_suspensions", ["site"])


def _bookings() -> None:
    """Cures, appointments, what is taken."""
    op.create_table(
        "scheduler_cures",
        sa.Column("cure", UUID, primary_key=True),
        sa.Column("request", UUID, nullable=False, unique=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("cadence", SLUG, nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("automatic", sa.JSON()),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("planned_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger()),
        sa.Column("end_reason", sa.Text()),
    )
    op.create_index("ix_scheduler_cures_patient", "scheduler_cures", ["patient"])
    op.create_index("scheduler_cures_site", "scheduler_cures", ["site", "ended_us"])
    op.create_table(
        "scheduler_appointments",
        sa.Column("appointment", UUID, primary_key=True),
        sa.Column("cure", UUID, nullable=False),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("therapist", UUID, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("free_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("session", UUID),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_scheduler_appointments_cure", "scheduler_appointments", ["cure"])
    op.create_index("ix_scheduler_appointments_patient", "scheduler_appointments", ["patient"])
    op.create_index("scheduler_appointments_day", "scheduler_appointments", ["site", "starts_us"])
    op.create_table(
        "scheduler_history",
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("appointment", UUID, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("starts_us", sa.BigInteger(), nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("therapist", UUID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_scheduler_history_appointment", "scheduler_history", ["appointment"])
    op.create_table(
        "scheduler_occupancy",
        sa.Column("resource", sa.String(90), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("appointment", UUID, nullable=False),
        sa.PrimaryKeyConstraint("resource", "slot"),
    )
    op.create_index("ix_scheduler_occupancy_appointment", "scheduler_occupancy", ["appointment"])


def _plans() -> None:
    """The waiting list, plans after a failure."""
    op.create_table(
        "scheduler_waiting",
        sa.Column("waiting", UUID, primary_key=True),
        sa.Column("patient", UUID, nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("region", sa.String(8), nullable=False),
        sa.Column("appointment", UUID),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("offer", sa.JSON()),
        sa.Column("offered_us", sa.BigInteger()),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_scheduler_waiting_site", "scheduler_waiting", ["site"])
    op.create_table(
        "scheduler_replans",
        sa.Column("replan", UUID, primary_key=True),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("applied_us", sa.BigInteger()),
    )
    op.create_index("ix_scheduler_replans_site", "scheduler_replans", ["site"])


def _prescriptions() -> None:
    """Prescriptions and results."""
    op.create_table(
        "scheduler_prescriptions",
        sa.Column("row", KEY, primary_key=True, autoincrement=True),
        sa.Column("cure", UUID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("prescription", sa.JSON(), nullable=False),
        sa.Column("rule", SLUG, nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("by", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
    )
    op.create_index("scheduler_prescriptions_of", "scheduler_prescriptions", ["cure", "number"])
    op.create_table(
        "scheduler_results",
        sa.Column("session", UUID, primary_key=True),
        sa.Column("cure", UUID, nullable=False),
        sa.Column("appointment", UUID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site", SLUG, nullable=False),
        sa.Column("device", SLUG, nullable=False),
        sa.Column("completed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.Column("peak_n", sa.Float(), nullable=False),
        sa.Column("traction_s", sa.Float(), nullable=False),
        sa.Column("guardings", sa.Integer(), nullable=False),
        sa.Column("pain_before", sa.Integer()),
        sa.Column("pain_after", sa.Integer()),
    )
    op.create_index("ix_scheduler_results_cure", "scheduler_results", ["cure"])


def downgrade() -> None:
    """Without them."""
    for name in (
        "scheduler_results",
        "scheduler_prescriptions",
        "scheduler_replans",
        "scheduler_waiting",
        "scheduler_occupancy",
        "scheduler_history",
        "scheduler_appointments",
        "scheduler_cures",
        "scheduler_suspensions",
        "scheduler_clearances",
        "scheduler_patients",
        "scheduler_outages",
        "scheduler_therapists",
        "scheduler_devices",
        "scheduler_sites",
    ):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION scheduler_history_refuse()")
        op.execute("DROP FUNCTION scheduler_prescriptions_refuse()")
