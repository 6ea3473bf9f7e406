"""An entry of a bank's file is known by its account and its mark, whichever site gave the file in."""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ENTRIES = "billing_entries"
WHY = "Zweimal eingelesen: dieselbe Buchung des Kontos kam schon vom Standort {site}."


def upgrade() -> None:
    """What is there is kept; of two entries that are one, the later waits for nothing any more."""
    op.add_column(ENTRIES, sa.Column("account", sa.String(41), nullable=False, server_default=""))
    bind = op.get_bind()
    clinics = sa.text("SELECT site, content FROM billing_clinics ORDER BY seq").columns(content=sa.JSON())
    own = {row.site: row.content.get("iban") for row in bind.execute(clinics)}
    found = bind.execute(
        sa.text(
            "SELECT e.id, e.site, e.mark, e.state, s.iban, s.at_us, "
            "(SELECT count(*) FROM billing_payments p WHERE p.entry = e.id) AS payments "
            "FROM billing_entries e JOIN billing_statements s ON s.id = e.statement"
        )
    ).all()
    put = sa.text("UPDATE billing_entries SET account = :account WHERE id = :id")
    first: dict[tuple[str, str], Any] = {}
    for row in sorted(found, key=lambda row: (not row.payments, row.at_us, row.id)):  # what paid comes first
        account = row.iban or own.get(row.site) or f"@{row.site}"
        bind.execute(put, {"account": account, "id": row.id})
        same = first.setdefault((account, row.mark), row)
        if same is not row:
            _set_apart(row, same.site)
    op.create_index("billing_entries_account", ENTRIES, ["account", "mark"], unique=True)
    op.create_index("billing_entries_state", ENTRIES, ["account", "state", "booked_on"])


def _set_apart(row: Any, site: str) -> None:
    """A mark of its own; one that paid something stays as it is: a person takes back what is too much."""
    mark = hashlib.sha256(f"{row.mark}/{row.id}".encode()).hexdigest()
    bind = op.get_bind()
    bind.execute(
        sa.text("UPDATE billing_entries SET mark = :mark WHERE id = :id"), {"mark": mark, "id": row.id}
    )
    if row.state == "open" and not row.payments:
        bind.execute(
            sa.text("UPDATE billing_entries SET state = 'ignored', why = :why WHERE id = :id"),
            {"why": WHY.format(site=site), "id": row.id},
        )


def downgrade() -> None:
    """Without it."""
    op.drop_index("billing_entries_state", ENTRIES)
    op.drop_index("billing_entries_account", ENTRIES)
    op.drop_column(ENTRIES, "account")
