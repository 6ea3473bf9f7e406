"""What the bed's page says of the way from the bed to the store."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from console.clinic import alarm
from console.samples import BOOT, NEXT_BOOT, NORTH, Clock, block, status

from broker.messages import AlarmState, Committed, DeviceState, Event
from services.console import detail, present
from services.console.live import Live
from services.console.models import STALE_S


@pytest.fixture
def live():
    return Live(Clock())


def committed(after, boot=BOOT):
    return Committed(boot=boot, next={"tension": after}, at=datetime.now(UTC))


def test_what_is_not_stored_yet_is_told_in_seconds(live):
    """A spool that fills must be seen before its disk is full."""
    live.tension(NORTH, block(490))
    live.committed(NORTH, committed(400))
    assert live.devices[NORTH].unstored_s() == pytest.approx(2.0)
    live.committed(NORTH, committed(600))
    assert live.devices[NORTH].unstored_s() == 0.0


def test_a_promise_of_another_boot_says_nothing_of_this_one(live):
    """Numbers of the boot before would be read as a huge backlog, or as none."""
    live.committed(NORTH, committed(400, NEXT_BOOT))
    live.tension(NORTH, block(490))
    assert live.devices[NORTH].unstored_s() is None


def state(phase, boot=BOOT, **more):
    values = {
        "cycle": 3, "target_n": 280.0, "peak_n": 280.0, "ceiling_n": 400.0, "session": UUID(int=7),
        "region": "lumbar", "remaining_s": 600.0, "traction_s": 1800.0, "guardings": 1,
    }  # fmt: skip
    return DeviceState(boot=boot, seq=9, at=datetime.now(UTC), phase=phase, **(values | more))


def shown(live, language="en"):
    return detail.shown(live, live.devices[NORTH], live.clock(), language)


def chain(live, language="en"):
    return {row["id"]: row for row in shown(live, language)["chain"]}


@pytest.fixture
def pulling(live):
    """A bed in the middle of a session, all of its samples stored."""
    live.broker(up=True)
    live.status("north", status("online"))
    live.state(NORTH, state("hold"))
    live.tension(NORTH, block(0))
    live.committed(NORTH, committed(10))
    return live


def test_progress_tells_what_is_gone_and_which_stage_it_is(pulling):
    """A therapist plans the next patient by it."""
    found = shown(pulling)["progress"]
    assert (found["gone"], found["total"]) == ("20:00", "30:00")
    assert {row["id"]: row["state"] for row in found["stages"]} == {
        "slack": "done", "precondition": "done", "cycles": "now", "cooldown": "next", "done": "next"
    }  # fmt: skip
    assert [row["id"] for row in found["cycle"] if row["state"] == "now"] == ["hold"]


def test_a_table_that_yields_stands_in_the_place_of_the_cycle(pulling):
    """Who sees four calm phases would not see the one that matters."""
    pulling.tension(NORTH, block(10, phase="guarded"))
    assert [row["text"] for row in shown(pulling, "de")["progress"]["cycle"]] == ["Abwehr"]


def test_progress_that_is_not_known_is_not_shown(pulling):
    """A stage from before the connection was lost would be read as the present one."""
    pulling.clock.now += STALE_S + 1
    found = shown(pulling)["progress"]
    assert found["gone"] == "--"
    assert {row["state"] for row in found["stages"]} == {""}
    assert {row["state"] for row in found["cycle"]} == {""}


@pytest.mark.parametrize("phase", ["stopped", "fault", "done"])
def test_what_a_session_has_reached_stays_until_it_is_closed(pulling, phase):
    """How far it came is what is written down, and asked for, after a stop."""
    pulling.state(NORTH, state(phase))
    pulling.tension(NORTH, block(10, phase=phase))
    pulling.tension(NORTH, block(20, phase=phase))
    found = shown(pulling)["progress"]
    tile = present.tile(pulling, pulling.devices[NORTH], pulling.clock(), "en")
    assert (found["gone"], found["total"]) == ("20:00", "30:00")
    assert (tile["cycle"], tile["guardings"], tile["progress"]) == ("3", "1", pytest.approx(2 / 3, abs=0.001))
    pulling.state(NORTH, state("idle", session=None, cycle=0, guardings=0))
    pulling.tension(NORTH, block(30, phase="idle"))
    assert shown(pulling)["progress"]["gone"] == "--"


def test_a_gateway_that_is_silent_is_not_said_to_be_there(pulling):
    """What it said of itself is old as soon as nothing comes from it."""
    pulling.clock.now += 4
    row = chain(pulling)["gateway"]
    assert (row["health"], row["text"]) == ("warn", "gw-north last said it was online; no data for 4 s")


def test_every_part_of_the_way_is_told_well_or_not(pulling):
    """Who has to look for a fault starts where the first part is not well."""
    assert {name: row["health"] for name, row in chain(pulling).items()} == {
        "gateway": "good", "loop": "good", "drive": "good", "link": "good", "spool": "good"
    }  # fmt: skip
    pulling.clock.now += 60
    pulling.status("north", status("lost"))
    found = chain(pulling)
    assert {name: row["health"] for name, row in found.items()} == {
        "gateway": "bad", "loop": "unknown", "drive": "unknown", "link": "bad", "spool": "good"
    }  # fmt: skip
    assert found["link"]["text"] == "no sample for 1 min"


def test_samples_that_wait_at_the_gateway_are_told_in_time(pulling):
    """Seconds are what a person can judge; sequence numbers are not."""
    pulling.tension(NORTH, block(1500))
    row = chain(pulling)["spool"]
    assert (row["health"], row["text"]) == ("warn", "30 s still wait at the gateway")
    pulling.tension(NORTH, block(15_000))
    assert chain(pulling, "de")["spool"]["text"] == "5 min liegen noch am Gateway"
    assert chain(pulling)["spool"]["health"] == "bad"


def test_an_alarm_of_a_part_marks_that_part(pulling):
    """The alarm list says what is wrong; here one sees where."""
    lost = alarm("load_cell_lost", "high", "KRAFTMESSUNG", "LOAD CELL")
    pulling.alarm(NORTH, AlarmState(boot=BOOT, seq=9, at=datetime.now(UTC), alarms=[lost]))
    assert chain(pulling)["drive"]["health"] == "bad"
    assert chain(pulling)["loop"]["health"] == "good"


def test_every_text_of_the_chain_is_there_in_both_languages(pulling):
    """A missing word would take the whole page down."""
    for language in ("de", "en"):
        for row in shown(pulling, language)["chain"]:
            assert row["label"]
            assert "{" not in row["text"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"action": "load", "accepted": True}, "Patient bestätigt"),
        ({"action": "remote_stop", "accepted": True}, "Stopp aus der Ferne"),
        ({"action": "start", "accepted": False, "refusal": "tilt_mismatch"}, "Start: abgelehnt"),
        ({"action": "levitate", "accepted": True}, "levitate"),
    ],
)
def test_what_a_person_asked_of_the_bed_is_told_in_the_readers_language(data, words):
    """A German ward must not have to read the machine's English."""
    event = Event(
        id=UUID(int=3), type="operator.action", at=datetime.now(UTC), boot=BOOT, seq=1, index=0, data=data
    )
    assert present.event_row(event, "de")["detail"] == words
    assert present.event_row(event, "de")["seq"] == 1
