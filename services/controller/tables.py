"""The tables of the gateway's ``session.db`` (``store.py``)."""

import sqlalchemy as sa

METADATA = sa.MetaData()
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("session_no", sa.Integer, primary_key=True),
    sa.Column("session", sa.Text, nullable=False, unique=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("boot", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("patient", sa.Text, nullable=False),
    sa.Column("cure", sa.Text),
    sa.Column("appointment", sa.Text),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("prescription", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text),
    sa.Column("clearance", sa.Text, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("account", sa.Text),  # the operator's, for what leaves the gateway
    sa.Column("cleared_until", sa.Text),
    sa.Column("correlation", sa.Text),  # of the tap that brought it onto the bed
    sa.Column("confirmed_at", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("pain_before", sa.Integer),
    sa.Column("pain_after", sa.Integer),
    sqlite_autoincrement=True,  # a number is never given twice
)
NOTES = sa.Table(
    "notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session", sa.Text, sa.ForeignKey("sessions.session"), nullable=False, index=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
ACTIONS = sa.Table(
    "actions",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session", sa.Text, index=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
REPORTS = sa.Table(  # of adverse events
    "reports",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("report", sa.Text, nullable=False, unique=True),
    sa.Column("session", sa.Text, sa.ForeignKey("sessions.session"), nullable=False, index=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("patient", sa.Text, nullable=False),
    sa.Column("cure", sa.Text),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("grade", sa.Integer, nullable=False),
    sa.Column("serial", sa.Integer, nullable=False),  # of the centre's last list before it (known.py)
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("account", sa.Text),
    sqlite_autoincrement=True,
)
ACKNOWLEDGEMENTS = sa.Table(  # of alarms, one occurrence each
    "acknowledgements",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("acknowledgement", sa.Text, nullable=False, unique=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("boot", sa.Text, nullable=False, index=True),
    sa.Column("occurrence", sa.Text, nullable=False),
    sa.Column("session", sa.Text),
    sa.Column("at_ns", sa.Integer, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("account", sa.Text),
    sqlite_autoincrement=True,
)
CLOCK = sa.Table(
    "clock",
    METADATA,
    sa.Column("machine_boot", sa.Text, primary_key=True),
    sa.Column("wall_s", sa.Float, nullable=False),
    sa.Column("steady_s", sa.Float, nullable=False),
)
# These are a record: the database itself refuses to change or forget a row.
APPEND_ONLY = tuple(
    sa.text(
        f"CREATE TRIGGER IF NOT EXISTS {table.name}_{verb} BEFORE {verb} ON {table.name} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} only grow'); END"
    )
    for table in (NOTES, ACTIONS, REPORTS, ACKNOWLEDGEMENTS)
    for verb in ("UPDATE", "DELETE")
)
