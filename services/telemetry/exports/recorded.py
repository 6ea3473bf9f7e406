"""A session with everything that an export holds, and its black box as a file."""

from collections.abc import Iterator
from functools import partial

import orjson

from services.telemetry.archive.rows import SessionRow
from services.telemetry.errors import NotExportable
from services.telemetry.exports.models import Recorded
from services.telemetry.query import History
from services.telemetry.recording import session_chunks


def recorded_session(history: History, row: SessionRow) -> Recorded:
    """A session with all its samples and events, to be exported. Raises NotExportable."""
    if row.boot is None:
        raise NotExportable(f"session {row.id}: its start was never heard of, nobody knows where it lies")
    return Recorded(
        row.place.site, row.place.device, row.boot, history.session_runs(row), row.id, row.patient,
        row.region, row.segment, history.session_events(row), partial(session_chunks, history, row),
    )  # fmt: skip


def recording(recorded: Recorded) -> Iterator[bytes]:
    """What the kernel was given and what it made of it, a chunk a line: `spondyl replay FILE` recomputes it.

    Raises NotExportable for a window of a device: a replay begins with a session's load.
    """
    chunks = recorded.blackbox() if recorded.blackbox is not None else ()
    if not chunks:
        raise NotExportable(f"{recorded.name} has no black box: nothing of it was stored")
    for chunk in chunks:
        yield orjson.dumps(chunk) + b"\n"
