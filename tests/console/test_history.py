"""History from telemetry: thinned, with its gaps."""

import asyncio

import pytest

from services.console.archive import Archive
from services.console.errors import HistoryUnavailable
from services.console.history import columns, read
from services.console.models import Key
from services.kit.auth.principal import SYSTEM


def segment(started_at, least, greatest, stride=5):
    column = {"min": least, "max": greatest}
    return {
        "seq": 0, "count": len(least) * stride, "started_at": started_at, "period_ms": 20.0, "stride": stride,
        "offset_ms": [20.0 * stride * number for number in range(len(least))],
        "tension_n": column, "target_n": column, "residual_n": column, "phase": ["hold"] * len(least),
    }  # fmt: skip


def test_a_gap_between_segments_is_a_gap_in_the_curve():
    """A straight line over lost samples would claim a tension nobody measured."""
    found = columns(
        [
            segment("2026-11-22T10:00:00+00:00", [1.0, 2.0], [3.0, 4.0]),
            segment("2026-11-22T10:01:00+00:00", [5.0], [6.0]),
        ]
    )
    assert found["tension"] == [3.0, 4.0, None, 6.0]
    assert found["least"] == [1.0, 2.0, None, 5.0]
    assert found["time"][1] - found["time"][0] == pytest.approx(0.1)
    assert found["time"] == sorted(found["time"])


def test_no_samples_are_empty_columns():
    """A new bed has a history of nothing, not an error."""
    assert columns([]) == {"time": [], "least": [], "tension": [], "target": [], "counter": []}


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9"])
def test_telemetry_away_is_said_so(address):
    """The bed's page goes on without its history and says why."""
    with pytest.raises(HistoryUnavailable):
        asyncio.run(read(Archive(address, lambda _: "token"), SYSTEM, Key("north", "bed-01"), 5))
