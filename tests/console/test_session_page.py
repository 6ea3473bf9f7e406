"""One past session at the console, on a real telemetry: its words, marks and curve."""

import re
from itertools import pairwise
from uuid import UUID

import orjson
import pytest
from console.past_rig import ALARM_SEQ, SPIKE_N, SPIKE_SEQ, shown
from history_rig import OFFSET
from simulated_session import CURE, PERIOD_NS, SESSION, STARTED_NS
from sqlalchemy import insert

from services.console.tables import TRAIL

pytestmark = pytest.mark.system


def test_a_session_page_tells_everything_without_a_script(rig):
    """Curve, limits, summary, phases, events and where the rest would be."""
    answer = rig.get("nora", f"/sessions/{SESSION}")
    text = shown(answer)
    assert answer.status_code == 200
    for words in (
        '<path class="drawn-line" data-trace="tension" d="M', "Limit 380", "Peak 320", "Traction time",
        "Hold RMS error", "Time in phases", "Session started", "Session completed",
        "bedside panel does not answer", "spondyl replay", str(CURE),
    ):  # fmt: skip
        assert words in text
    assert ("nora", "session.seen", str(SESSION), "north") in rig.trail()


@pytest.mark.parametrize(
    ("language", "raised", "cleared"),
    [
        ("en", "*** TENSION 512 > 380 N", "Alarm cleared"),
        ("de", "*** ZUG 512 > 380 N", "Alarm vorbei"),
    ],
)
def test_a_past_session_shows_its_alarms_in_the_list_and_on_the_curve(rig, language, raised, cleared):
    """Symbol, value and limit as they stood on the screen; who looks years later sees where it was."""
    answer = rig.get("nora", f"/sessions/{SESSION}", headers={"accept-language": language})
    text = shown(answer)
    (line,) = re.findall(r'<li data-type="alarm.raised" data-priority="high">.*?</li>', text)
    assert raised in line
    (end,) = re.findall(r'<li data-type="alarm.cleared">.*?</li>', text)
    assert cleared in end
    assert raised in end
    record = orjson.loads(re.search(r'id="record">(.*?)</script>', answer.text)[1])
    (mark,) = [mark for mark in record["marks"] if mark["type"] == "alarm.raised"]
    assert mark == {
        "at": round((ALARM_SEQ - OFFSET) * 0.02, 2), "until": None, "type": "alarm.raised", "text": raised,
        "priority": "high", "symbol": "***",
    }  # fmt: skip


def test_a_session_page_names_who_stopped_it_from_remote(rig):
    """The gateway's record says that it was the console; who sat there is in the trail."""
    row = {
        "seq": 10_000, "at_us": (STARTED_NS + PERIOD_NS * ALARM_SEQ) // 1000, "account": "t", "address": "",
        "name": "Tim Okafor", "action": "bed.stop", "site": "north", "record": "north/bed-01",
        "detail": '{"done":true}', "previous": "", "hash": "",
    }  # fmt: skip
    with rig.store.engine.begin() as connection:
        connection.execute(insert(TRAIL).values(row))
    for language, what, who in (
        ("en", "Stop from remote", "by Tim Okafor"), ("de", "Stopp aus der Ferne", "durch Tim Okafor"),
    ):  # fmt: skip
        text = shown(rig.get("nora", f"/sessions/{SESSION}", headers={"accept-language": language}))
        card = text[text.index('id="from-console"') :]
        assert f'<strong>{what}</strong> <span class="muted"><bdi>{who}</bdi></span>' in card
    south = UUID(int=0x5E55 << 112 | 9)
    assert 'id="from-console"' not in shown(rig.get("ada", f"/sessions/{south}"))


@pytest.mark.parametrize("width", [10, 100, 700, 4000])
@pytest.mark.parametrize("around", [40, 400, None], ids=["close", "nearer", "whole"])
def test_one_high_sample_is_seen_at_every_zoom(rig, width, around):
    """A curve that smooths a peak away would hide what a clinician must see."""
    low, high = (SPIKE_SEQ - around, SPIKE_SEQ + around) if around else (OFFSET, 10**6)
    curve = rig.get("nora", f"/api/sessions/{SESSION}/curve?from={low}&to={high}&width={width}").json()
    assert len(curve["seq"]) <= width
    assert max(curve["greatest"]) == SPIKE_N
    assert all(earlier < later for earlier, later in pairwise(curve["seq"]))
    at = max(range(len(curve["seq"])), key=lambda row: curve["greatest"][row])
    assert curve["seq"][at] <= SPIKE_SEQ < curve["seq"][at] + curve["stride"]
    assert curve["phases"][0][0] == curve["seq"][0]


@pytest.mark.parametrize(
    "query", ["from=500&to=400&width=100", "from=0&to=99&width=5", "from=0&to=99&width=99999", "from=-1&to=9",
              "from=500", "from=1e9&to=2", f"from=0&to={10**30}"],
)  # fmt: skip
def test_an_absurd_window_is_refused_in_words(rig, query):
    """Never an empty curve that looks like a session without tension."""
    answer = rig.get("nora", f"/api/sessions/{SESSION}/curve?{query}", headers={"accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]
