"""What a reader sees, without a browser."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from console.samples import BOOT, NORTH, Clock, block, status

from broker.messages import ActiveAlarm, AlarmState, DeviceState
from services.console import alarms, present
from services.console.alarms import CONNECTION_ALARM_S
from services.console.live import Live
from services.console.present import CALM_S, Order
from services.kit.words import PHASES


@pytest.fixture
def live():
    live = Live(Clock())
    live.broker(up=True)
    live.status("north", status("online"))
    return live


def state(phase="hold", **changes):
    values = {
        "boot": BOOT, "seq": 9, "at": datetime.now(UTC), "phase": phase, "cycle": 3, "target_n": 200.0,
        "peak_n": 200.0, "ceiling_n": 400.0, "session": UUID(int=7), "region": "lumbar", "remaining_s": 900.0,
        "traction_s": 1800.0, "guardings": 1,
    }  # fmt: skip
    return DeviceState(**{**values, **changes})


def alarm(priority="high"):
    return ActiveAlarm(
        condition="over_force", priority=priority, since=datetime.now(UTC), latched=True, hazard="H-1",
        text={"de": "ZUG 512 > 450 N", "en": "TENSION 512 > 450 N"},
    )  # fmt: skip


def tile(live, language="en"):
    return present.tile(live, live.devices[NORTH], live.clock(), language)


def test_a_live_tile_says_what_goes_on(live):
    """Number, phase, plain words, progress: what a look from the door must tell."""
    live.state(NORTH, state())
    live.tension(NORTH, block(0, tension=199.6))
    shown = tile(live, "de")
    assert shown["tension"] == "200"
    assert shown["phase_name"] == "Halten"
    assert shown["words"] == "Der Zug wird bei 200 N gehalten."
    assert shown["remaining"] == "15:00"
    assert shown["progress"] == pytest.approx(0.5, abs=0.001)


def test_a_stale_tile_blanks_its_numbers_and_shows_their_age(live):
    """An old number in large type is a lie in large type."""
    live.state(NORTH, state())
    live.tension(NORTH, block(0))
    live.clock.now += 7
    shown = tile(live)
    assert [shown[name] for name in ("tension", "target", "counter", "remaining")] == ["--"] * 4
    assert shown["link_text"] == "no data for 7 s"
    assert shown["words"].startswith("What happens here now is not known")


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_every_phase_can_be_said_in_both_languages(live, phase):
    """No phase may leave a placeholder on the wall."""
    live.state(NORTH, state(phase, reason="operator_pause"))
    live.tension(NORTH, block(0, phase=phase))
    for language in ("de", "en"):
        assert "{" not in tile(live, language)["words"]


def test_connection_lost_during_a_session_is_an_alarm(live):
    """A grey icon is no alarm; a patient nobody sees is one."""
    live.state(NORTH, state())
    live.tension(NORTH, block(0))
    assert tile(live)["alarms"] == []
    live.clock.now += CONNECTION_ALARM_S + 0.1
    assert [row["condition"] for row in tile(live)["alarms"]] == ["connection_lost"]


def test_connection_lost_without_a_session_is_no_alarm(live):
    """A clinic that switches its beds off at night must not ring."""
    live.state(NORTH, state("idle", session=None))
    live.tension(NORTH, block(0, phase="idle"))
    live.clock.now += 3600
    assert tile(live)["alarms"] == []
    assert tile(live)["link"] == "stale"


def test_priority_and_text_of_an_alarm_are_the_gateways(live):
    """The console never judges an alarm anew."""
    live.alarm(
        NORTH, AlarmState(boot=BOOT, seq=1, at=datetime.now(UTC), alarms=[alarm("low"), alarm("high")])
    )
    rows = tile(live)["alarms"]
    assert [(row["priority"], row["symbol"], row["text"]) for row in rows] == [
        ("high", "***", "TENSION 512 > 450 N"),
        ("low", "*", "TENSION 512 > 450 N"),
    ]


def test_one_alarm_stands_for_a_broker_that_is_gone(live):
    """Sixty alarms for one cause hide the cause."""
    live.state(NORTH, state())
    live.tension(NORTH, block(0))
    live.broker(up=False)
    live.clock.now += 30
    header = alarms.header(live, [tile(live)], live.clock(), "en")
    assert [row["condition"] for row in header["alarms"]] == ["broker_lost"]
    assert "30\N{NO-BREAK SPACE}s" in header["broker_text"]
    assert header["beds"] == "1 bed · 1 in session · 1 not connected"


def test_the_worst_alarm_comes_first_and_goes_back_only_after_a_calm():
    """A tile that jumps to and fro cannot be read or clicked."""
    order = Order({})
    calm = {"north/bed-01": 0, "north/bed-02": 0, "south/bed-03": 0}
    assert order.arrange(calm, 0.0) == ["north/bed-01", "north/bed-02", "south/bed-03"]
    assert order.arrange({**calm, "south/bed-03": 3}, 1.0)[0] == "south/bed-03"
    assert order.arrange(calm, 2.0)[0] == "south/bed-03"
    assert order.arrange(calm, 1.0 + CALM_S + 0.1)[0] == "north/bed-01"


def test_a_worse_alarm_overtakes_a_lesser_one_at_once():
    """Hysteresis holds tiles down, never back."""
    order = Order({})
    order.arrange({"a": 1, "b": 0}, 0.0)
    assert order.arrange({"a": 1, "b": 3}, 0.1) == ["b", "a"]


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7300, "2 h")])
def test_an_age_reads_as_a_person_says_it(seconds, said):
    """`7300 s` is arithmetic homework."""
    assert present.duration(seconds, "en") == said


def test_a_summary_of_an_ended_session_stands_in_the_events(live):
    """The list of events ends with what the session came to, and why it ended."""
    from broker.messages import Event, SessionSummary

    now = datetime.now(UTC)
    summary = SessionSummary(
        session=uuid4(), patient=uuid4(), cure=None, appointment=None, region="lumbar", segment="L4/5",
        started_at=now, ended_at=now, reason="patient_switch", traction_s=605, heat_s=0, peak_n=212.4,
        hold_mean_n=None, hold_rms_n=None, cycles=3, guardings=1, phase_s={}, pain_before=5, pain_after=None,
    )  # fmt: skip
    event = Event(id=uuid4(), type="session.aborted", at=now, boot=BOOT, seq=1, index=0, summary=summary)
    row = present.event_row(event, "en")
    assert (row["text"], row["detail"]) == ("Session aborted", "patient switch pressed, 10:05, 212 N")


@pytest.mark.parametrize(
    ("kind", "data", "detail", "priority"),
    [
        ("alarm.raised", {"priority": "high", "text": {"en": "*** TENSION 5"}}, "*** TENSION 5", "high"),
        ("alarm.raised", {"priority": "grave", "condition": "tilted"}, "tilted", None),
        ("alarm.cleared", {"priority": "low", "text": {"de": "* NETZ", "en": "* NET"}}, "* NETZ", None),
        (
            "alarm.cleared",
            {"text": {"de": "* NETZ"}, "raised_at": "0001-01-01T00:00:00+14:00"},
            "* NETZ",
            None,
        ),
        ("alarm.raised", {"text": "odd"}, "", None),
    ],
)
def test_an_alarm_of_another_release_is_told_as_far_as_it_can_be(kind, data, detail, priority):
    """The archive keeps ten years of them: no page may break on one."""
    from broker.messages import Event

    event = Event(id=uuid4(), type=kind, at=datetime.now(UTC), boot=BOOT, seq=1, index=0, data=data)
    row = present.event_row(event, "de")
    assert (row["detail"], row["priority"], row["symbol"]) == (detail, priority, "***" if priority else "")


LOST = {"tension_n": [[4, 10]], "residual_n": [[4, 10]]}


@pytest.mark.parametrize(
    ("unmeasured", "said"),
    [
        (LOST, "Tension is not known: the load cell gives no valid value. "),
        (LOST | {"position_mm": [[3, 10]]}, "Tension is not known: the bed does not answer. "),
        (LOST | {"position_mm": [[3, 6]]}, "Tension is not known: the load cell gives no valid value. "),
    ],
    ids=["load cell", "link", "link came back without the load cell"],
)
def test_a_tension_that_nobody_measures_is_no_number_and_its_cause_is_said(live, unmeasured, said):
    """Zero newtons in large type would be believed, and a cable is not looked for at the load cell."""
    live.tension(NORTH, block(0, tension=0.0, unmeasured=unmeasured))
    shown = tile(live)
    assert [shown[name] for name in ("tension", "counter", "target")] == ["--", "--", "200"]
    assert shown["words"].startswith(said)


def test_a_number_that_is_measured_again_is_shown_beside_its_latched_alarm(live):
    """The alarm waits for the operator; the tension at the patient is known and must be seen."""
    lost = alarm().model_copy(update={"condition": "load_cell_lost"})
    live.tension(NORTH, block(0, tension=0.0, unmeasured={"tension_n": [[0, 9]], "residual_n": [[0, 9]]}))
    live.alarm(NORTH, AlarmState(boot=BOOT, seq=1, at=datetime.now(UTC), alarms=[lost]))
    live.tension(NORTH, block(10, tension=87.0))
    shown = tile(live)
    assert (shown["tension"], shown["counter"]) == ("87", "0")
    assert "not known" not in shown["words"]
    assert [row["condition"] for row in shown["alarms"]] == ["load_cell_lost"]


@pytest.mark.parametrize(("measured", "shown"), [(-1.2, "0"), (0.4, "0"), (-30.0, "-30"), (None, "--")])
def test_noise_around_zero_is_zero_and_nothing_more_is_hidden(measured, shown):
    """A minus sign that flickers draws the eye from where it is needed; a real pull backwards is shown."""
    assert present.tension(measured) == shown
