"""A bed's stored curve: thinned, with its gaps, asked for once and then only for what came since."""

import asyncio
from uuid import UUID

import httpx
import orjson
import pytest
from console.samples import BOOT, NEXT_BOOT, NORTH, block

from services.console.archive import Archive
from services.console.curve import Curves, Since, answer, columns
from services.console.errors import HistoryRefused, HistoryUnavailable
from services.console.models import Device
from services.kit.auth.principal import SYSTEM
from services.kit.words import PHASES

SESSION = UUID(int=7)
HOLD = list(PHASES).index("hold")


def segment(started_at, least, greatest, stride=5, seq=0):
    column = {"min": least, "max": greatest}
    return {
        "seq": seq, "count": len(least) * stride, "started_at": started_at, "period_ms": 20.0,
        "stride": stride, "offset_ms": [20.0 * stride * number for number in range(len(least))],
        "tension_n": column, "target_n": column, "residual_n": column, "phase": ["hold"] * len(least),
    }  # fmt: skip


class Stored:
    """Telemetry's answers, and what it was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, request):
        """One answer; 404 for what it does not have."""
        self.asked.append((request.url.path, dict(request.url.params)))
        body = self.answers.get(request.url.path.rpartition("/")[2])
        if body is None:
            return httpx.Response(404, json={"detail": "nothing of that name"})
        return httpx.Response(200, content=orjson.dumps(body))


@pytest.fixture
def device():
    found = Device(NORTH)
    found.take(block(990), 100.0)
    return found


def curves(stored, device):
    archive = Archive("http://telemetry", lambda _: "token", transport=httpx.MockTransport(stored))
    return Curves(archive, SYSTEM, device)


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
    assert found["phase"] == [HOLD, HOLD, None, HOLD]
    assert found["time"][1] - found["time"][0] == pytest.approx(0.1)
    assert found["time"] == sorted(found["time"])


def test_what_was_not_measured_is_a_gap_that_the_curve_can_name():
    """To the width of a bucket; one of which a part was measured keeps its line."""
    whole = segment("2026-11-22T10:00:00+00:00", [1.0, None, 2.0, 3.0], [4.0, None, 5.0, 6.0])
    whole |= {"unmeasured": {"tension_n": [0, 5, 2, 0], "residual_n": [0, 5, 2, 0]}}
    plain = segment("2026-11-22T10:01:00+00:00", [1.0], [2.0])
    found = answer([whole, plain, plain | {"unmeasured": {"tension_n": [1]}}], str(BOOT))
    assert found["tension"][:4] == [4.0, None, 5.0, 6.0]
    first, second = found["unmeasured"]
    assert first == pytest.approx((found["time"][1], found["time"][3]))
    assert second == pytest.approx((found["time"][-1], found["time"][-1] + 0.1))


def test_no_samples_are_empty_columns():
    """A new bed has a history of nothing, not an error."""
    assert set(columns([])) == {"time", "least", "tension", "target", "counter", "phase"}
    assert not any(columns([]).values())


def test_a_running_session_is_asked_for_from_its_first_sample_to_the_newest(device):
    """The whole treatment so far, as few points as the screen has, whatever its length."""
    event = {"id": "e", "type": "guarding.detected", "at": "2026-11-22T10:00:01+00:00"}
    phase = event | {"id": "p", "type": "phase.changed"}
    alarm = event | {"id": "a", "type": "alarm.raised", "data": {"priority": "medium"}}
    gone = alarm | {"id": "g", "type": "alarm.cleared"}
    stored = Stored(
        **{
            str(SESSION): {"first_seq": 100, "boot": str(BOOT), "events": [event, phase, alarm, gone]},
            "window": {
                "boot": str(BOOT),
                "segments": [segment("2026-11-22T10:00:00+00:00", [1.0], [3.0], stride=900, seq=100)],
            },
        }
    )
    found = asyncio.run(curves(stored, device).session(SESSION))
    assert stored.asked[1] == (
        "/devices/bed-01/window",
        {"site": "north", "boot": str(BOOT), "from": "100", "to": "1000", "points": "700"},
    )
    assert (found["next"], found["stride"], found["session"]) == (1000, 900, str(SESSION))
    assert [(mark["id"], mark["priority"], mark["symbol"]) for mark in found["marks"]] == [
        ("e", None, ""),
        ("a", "medium", "**"),
    ]


def test_only_what_came_since_is_asked_for_and_about_as_finely(device):
    """A page that is open for an hour must not fetch the hour every few seconds."""
    stored = Stored(window={"boot": str(BOOT), "segments": []})
    asyncio.run(curves(stored, device).since(Since(BOOT, 400, 20)))
    assert stored.asked[0][1]["from"] == "400"
    assert stored.asked[0][1]["points"] == "30"


def test_nothing_new_asks_nothing_and_another_boot_says_so(device):
    """A gateway that began anew counts from 0: the page has to begin anew, too."""
    stored = Stored()
    asked = curves(stored, device)
    assert asyncio.run(asked.since(Since(BOOT, 1000, 20)))["next"] is None
    assert asyncio.run(asked.since(Since(NEXT_BOOT, 400, 20)))["boot"] == str(BOOT)
    assert stored.asked == []


def test_a_session_that_is_not_stored_yet_is_an_empty_curve(device):
    """A patient is confirmed before the first sample is stored: that is no fault."""
    assert asyncio.run(curves(Stored(), device).session(SESSION))["time"] == []


def test_a_session_whose_samples_are_of_another_boot_is_an_empty_curve(device):
    """A gateway that began anew counts from 0: the old boot's numbers would ask for one old sample."""
    row = {"first_seq": 100, "boot": str(NEXT_BOOT), "events": []}
    stored = Stored(**{str(SESSION): row})
    found = asyncio.run(curves(stored, device).session(SESSION))
    assert (found["time"], found["next"], found["boot"]) == ([], None, None)
    assert [path for path, _ in stored.asked] == [f"/sessions/{SESSION}"]


def test_another_refusal_is_passed_on(device):
    """Who may not see samples must be told so, not be shown an empty curve."""

    def refuse(_request):
        return httpx.Response(403, json={"detail": "samples.see is not permitted"})

    with pytest.raises(HistoryRefused, match="not permitted"):
        asyncio.run(curves(refuse, device).minutes(5))


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9"])
def test_telemetry_away_is_said_so(address, device):
    """The bed's page goes on without its curve and says why."""
    archive = Archive(address, lambda _: "token")
    with pytest.raises(HistoryUnavailable):
        asyncio.run(Curves(archive, SYSTEM, device).minutes(5))
