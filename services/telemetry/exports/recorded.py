"""A session with everything that an export holds."""

from services.telemetry.archive.rows import SessionRow
from services.telemetry.errors import NotExportable
from services.telemetry.exports.models import Recorded
from services.telemetry.query import History


def recorded_session(history: History, row: SessionRow) -> Recorded:
    """A session with all its samples and events, to be exported. Raises NotExportable."""
    if row.boot is None:
        raise NotExportable(f"session {row.id}: its start was never heard of, nobody knows where it lies")
    return Recorded(
        row.place.site, row.place.device, row.boot, history.session_runs(row), row.id, row.patient,
        row.region, row.segment, history.session_events(row),
    )  # fmt: skip
