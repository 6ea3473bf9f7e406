import json

import numpy as np
import pytest

from services.controller.alarms.board import AlarmBoard, Moment, Seen
from services.controller.alarms.table import (
    ALARMS,
    BY_CONDITION,
    GATEWAY_CONDITIONS,
    LATCHED,
    MARKS,
    SECOND_CHANNEL_LOST,
    SEEN,
    Condition,
    Parameter,
    gateway_conditions,
    text,
)
from services.controller.kernel import deciding, layout

PERIOD_NS = 20_000_000
START_NS = 1_700_000_000_000_000_000


def rows(count, first=0, **columns):
    """Sample rows of one bed and their times; columns by name hold for every row."""
    samples = np.zeros((count, len(layout.SAMPLES)), np.int32)
    samples[:, layout.S_EFFORT] = layout.NO_EFFORT
    for name, value in columns.items():
        samples[:, layout.SAMPLES.index(name)] = value
    ticks = np.arange(first, first + count, dtype=np.int64)
    return np.column_stack((ticks, 5_000 + ticks * PERIOD_NS, START_NS + ticks * PERIOD_NS)), samples


def conditions(board):
    return [alarm.condition for alarm in board.active()]


@pytest.mark.requirement("tell-the-operator")
def test_every_kernel_condition_has_exactly_one_alarm():
    """A condition without a row would be silent; two rows would disagree about priority."""
    bits = [alarm.bit for alarm in ALARMS if 0 < alarm.bit < SECOND_CHANNEL_LOST]
    assert sorted(bits) == [1 << n for n in range(len(layout.CONDITIONS))]
    assert [
        alarm.condition for alarm in sorted((a for a in ALARMS if a.bit in bits), key=lambda a: a.bit)
    ] == list(layout.CONDITIONS)
    assert len(BY_CONDITION) == len(ALARMS)


@pytest.mark.requirement("tell-the-operator")
@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.condition)
def test_every_row_speaks_both_languages_with_the_same_numbers(alarm):
    """Staff read either language: neither may leave out the value or the limit."""
    for number in ("{value", "{limit"):
        assert (number in alarm.en) == (number in alarm.de)
    assert ("{limit" in alarm.en) <= ("{value" in alarm.en)
    assert ("{value" in alarm.en) == (alarm.value is not None) or alarm.condition in GATEWAY_CONDITIONS
    assert ("{limit" in alarm.en) == (alarm.limit is not None) or alarm.condition in GATEWAY_CONDITIONS
    assert text(alarm, "de", None, None).startswith(MARKS[alarm.priority] + " ")
    assert alarm.reaction.endswith(".")


@pytest.mark.requirement("tell-the-operator")
@pytest.mark.parametrize(
    "alarm", [a for a in ALARMS if 0 < a.bit < SECOND_CHANNEL_LOST], ids=lambda alarm: alarm.condition
)
def test_every_kernel_bit_raises_its_alarm_after_its_delay_and_not_before(alarm):
    """Walks every row: the bit comes on, the delay passes, the alarm is there; it goes with its bit."""
    board = AlarmBoard([0.0] * len(layout.PARAMETERS))
    delay_ticks = round(alarm.delay_s * 1e9 / PERIOD_NS)
    if delay_ticks:
        assert not board.observe(*rows(delay_ticks, conditions=alarm.bit))
    assert board.observe(*rows(1, delay_ticks, conditions=alarm.bit))
    assert conditions(board) == [alarm.condition]
    assert board.active()[0].priority == alarm.priority
    held_ticks = round(alarm.hold_s * 1e9 / PERIOD_NS)  # flapping is one alarm
    if held_ticks:
        assert not board.observe(*rows(held_ticks, delay_ticks + 1))
    assert board.observe(*rows(1, delay_ticks + 1 + held_ticks))
    assert board.active() == ()


def test_latching_is_the_kernels():
    """The page says `until reset` of exactly what the kernel keeps until a reset."""
    by_the_loop = layout.MISSED_DEADLINE  # set after the step, in one tick's sample; held by its row
    assert deciding.LATCHING & ~by_the_loop == sum(alarm.bit for alarm in ALARMS if alarm.latching == LATCHED)


@pytest.mark.requirement("record-lateness")
def test_an_alarm_of_a_single_tick_is_held_for_people_and_repeats_are_one():
    """20 ms on a screen is nothing; every tick of a storm is not an occurrence of its own."""
    board = AlarmBoard()
    times, samples = rows(30)
    samples[[3, 7], layout.S_CONDITIONS] = layout.MISSED_DEADLINE
    assert board.observe(times, samples)
    assert conditions(board) == ["missed_deadline"]
    assert not board.observe(*rows(470, 30))
    assert board.observe(*rows(9, 500))


@pytest.mark.parametrize("cut", [2, 3, 4])
def test_a_missed_deadline_names_how_long_nothing_was_controlled(cut):
    """The tick after it woke in time: its own lateness, a tenth of a millisecond, says nothing."""
    board = AlarmBoard()
    times, samples = rows(6)
    times[3:, 1:] += 2 * PERIOD_NS  # the third tick took so long that two were left out
    samples[3, layout.S_CONDITIONS] = layout.MISSED_DEADLINE
    board.observe(times[:cut], samples[:cut])
    board.observe(times[cut:], samples[cut:])
    (alarm,) = board.active()
    assert alarm.text["en"] == "*** NO CONTROL FOR 60 ms"
    assert alarm.text["de"] == "*** KEINE REGELUNG FÜR 60 ms"


def test_a_german_line_has_a_decimal_comma():
    """Like every other number on the page around it."""
    tilt = BY_CONDITION["tilt_mismatch"]
    assert text(tilt, "de", 0.1, 15.0) == "** NEIGUNG 0,1° (VERORDNET 15,0°)"
    assert text(tilt, "en", 0.1, None) == "** TILT 0.1° (PRESCRIBED --°)"


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_tick_that_woke_late_counts_from_the_one_before_it(cut):
    """The marked sample comes soon after the late one, back on the grid: its own 6 ms say nothing."""
    board = AlarmBoard()
    times, samples = rows(6)
    times[2, 1:] += 34_000_000
    times[3:, 1:] += PERIOD_NS
    samples[3, layout.S_CONDITIONS] = layout.MISSED_DEADLINE
    board.observe(times[:cut], samples[:cut])
    board = AlarmBoard.restore(json.loads(json.dumps(board.dump(whole=True))))
    board.observe(times[cut:], samples[cut:])
    assert [alarm.text["en"] for alarm in board.active()] == ["*** NO CONTROL FOR 54 ms"]


@pytest.mark.requirement("stop-over-force")
def test_the_text_names_the_value_and_the_limit_that_was_in_force():
    """`over limit` helps nobody: the line says 512 > 450 N, even when the ceiling falls in the same tick."""
    board = AlarmBoard()
    board.observe(*rows(1, force_dn=4400, ceiling_mn=450_000))
    board.observe(*rows(1, 1, force_dn=5120, ceiling_mn=0, conditions=layout.OVER_FORCE))
    (alarm,) = board.active()
    assert alarm.text == {"en": "*** TENSION 512 > 450 N", "de": "*** ZUG 512 > 450 N"}
    assert (alarm.value, alarm.limit) == (512.0, 450.0)


def test_a_limit_of_the_prescription_is_named_when_known_and_dashed_when_not():
    """A board that has not seen the parameters still shows its alarm."""
    parameters = [0.0] * len(layout.PARAMETERS)
    parameters[layout.P_HEAT_CEILING] = 42.0
    hot = rows(1, heat_dc=445, conditions=layout.HEAT_OVER_TEMPERATURE)
    informed, uninformed = AlarmBoard(parameters), AlarmBoard()
    informed.observe(*hot)
    uninformed.observe(*hot)
    assert informed.active()[0].text["en"] == "** HEAT PAD 44.5 > 42.0 °C"
    assert uninformed.active()[0].text["en"] == "** HEAT PAD 44.5 > -- °C"
    assert isinstance(BY_CONDITION["heat_over_temperature"].limit, Parameter)


def test_a_limit_that_becomes_known_later_is_named_from_then_on():
    """The alarm came before the session's prescription was read: TILT 0.1 (PRESCRIBED --) for good."""
    board = AlarmBoard()
    assert board.observe(*rows(60, conditions=layout.TILT_MISMATCH))
    assert board.active()[0].limit is None
    board.parameters = [0.0] * len(layout.PARAMETERS)
    board.parameters[layout.P_TILT] = 15.0
    assert board.observe(*rows(1, 60, conditions=layout.TILT_MISMATCH))
    assert board.active()[0].limit == 15.0
    assert "PRESCRIBED 15.0" in board.active()[0].text["en"]
    assert not board.observe(*rows(1, 61, conditions=layout.TILT_MISMATCH))


def test_the_most_urgent_comes_first_and_of_those_the_newest():
    """Panel, console and wall show this order and never compute a priority of their own."""
    board = AlarmBoard()
    board.observe(*rows(60, conditions=layout.MAINS_LOST))
    board.observe(*rows(1, 60, conditions=layout.MAINS_LOST | layout.SUDDEN_DROP))
    both = layout.MAINS_LOST | layout.SUDDEN_DROP | layout.OVER_FORCE
    board.observe(*rows(1, 61, conditions=both))
    assert conditions(board) == ["over_force", "sudden_drop", "mains_lost"]
    urgent, *_ = board.active()
    assert board.acknowledge(urgent.occurrence, Seen("Jo", None, START_NS))
    assert conditions(board) == ["sudden_drop", "over_force", "mains_lost"]


def test_a_condition_that_goes_and_comes_back_is_a_new_occurrence():
    """Acknowledging silences one occurrence only, so the second must have its own `since`."""
    board = AlarmBoard()
    board.observe(*rows(1, conditions=layout.OVER_FORCE))
    first = board.active()[0].since
    times, samples = rows(3, 1)
    samples[2, layout.S_CONDITIONS] = layout.OVER_FORCE
    assert board.observe(times, samples)
    assert board.active()[0].since > first


def test_nothing_changes_while_conditions_stay():
    """The alarm stream is published on change: a standing alarm must not publish with every block."""
    board = AlarmBoard()
    assert board.observe(*rows(10, conditions=layout.OVER_FORCE))
    assert not board.observe(*rows(10, 10, conditions=layout.OVER_FORCE))


@pytest.mark.requirement("order-without-clocks")
def test_a_delay_is_measured_on_the_monotonic_clock():
    """A wall clock stepped by an hour must not raise a delayed alarm early."""
    board = AlarmBoard()
    board.observe(*rows(1, conditions=layout.MAINS_LOST))
    times, samples = rows(1, 1, conditions=layout.MAINS_LOST)
    times[:, 2] += 3_600_000_000_000
    assert not board.observe(times, samples)


def test_a_restored_board_goes_on_with_the_same_occurrences():
    """A recorder that was killed must not make an old alarm new."""
    board = AlarmBoard()
    board.observe(*rows(1, conditions=layout.OVER_FORCE | layout.MAINS_LOST))
    again = AlarmBoard.restore(json.loads(json.dumps(board.dump())))
    assert again.active() == board.active()
    following = rows(60, 1, conditions=layout.OVER_FORCE | layout.MAINS_LOST)
    board.observe(*following)
    again.observe(*following)
    assert again.active() == board.active()
    assert conditions(again) == ["over_force", "mains_lost"]


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ({}, {}),
        ({"mqtt_connected": 1, "late_us": 9_000}, {}),
        ({"mqtt_connected": 0}, {"network_lost": Condition()}),
        ({"disk_full": 1}, {"spool_full": Condition()}),
        ({"disk_full": 2}, {"recording_incomplete": Condition()}),
        ({"oldest_uncommitted_ms": 90_000}, {"storage_lag": Condition(90.0, 60.0)}),
        ({"clock_step_ms": -3_600_000}, {"clock_stepped": Condition(-3600.0)}),
        ({"late_us": 12_000}, {"loop_degraded": Condition(12.0, 10.0)}),
    ],
)
def test_health_words_become_gateway_conditions(health, expected):
    """Recorder and panel read the same words and must come to the same alarms."""
    assert gateway_conditions(health, 20.0) == expected


@pytest.mark.parametrize("name", GATEWAY_CONDITIONS)
def test_every_gateway_condition_raises_its_alarm(name):
    """A gateway condition has its delay too, and its text takes the numbers of the moment it is over."""
    board = AlarmBoard()
    alarm = BY_CONDITION[name]
    ticks = round(alarm.delay_s * 1e9 / PERIOD_NS)
    held = round(alarm.hold_s * 1e9 / PERIOD_NS)
    board.observe(*rows(1), {name: Condition(1.0, 2.0)})
    board.observe(*rows(1, ticks), {name: Condition(3.0, 2.0)})
    assert conditions(board) == [name]
    assert board.active()[0].value == (3.0 if ticks else 1.0)
    board.observe(*rows(1, ticks + 1), {})
    board.observe(*rows(1, ticks + 1 + held), {})
    assert conditions(board) == ([name] if alarm.latching == SEEN else [])
    assert [shown.state for shown in board.active()] == ["gone_unacknowledged"] * len(board.active())


# --- occurrences and who has seen them ----------------------------------------------------------------------
SEEN_BY = Seen("Jo", "account-7", START_NS + 7)
OVER = {"conditions": layout.OVER_FORCE}


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_acknowledging_silences_one_occurrence_and_what_comes_back_is_another():
    """Whoever silenced the first must hear the second."""
    board = AlarmBoard()
    board.observe(*rows(2, **OVER | {"conditions": layout.OVER_FORCE | layout.LOAD_CELL_LOST}))
    first, other = board.active()
    assert board.acknowledge(first.occurrence, SEEN_BY)
    shown = {alarm.condition: alarm for alarm in board.active()}
    assert shown[first.condition].state == "active_acknowledged"
    assert shown[first.condition].acknowledged_by == "account-7"
    assert shown[other.condition].state == "active_unacknowledged"
    board.observe(*rows(1, 2))
    assert not board.acknowledge(first.occurrence, SEEN_BY)
    board.observe(*rows(1, 3, **OVER))
    (again,) = board.active()
    assert (again.condition, again.state) == ("over_force", "active_unacknowledged")
    assert again.occurrence != shown["over_force"].occurrence
    assert not board.acknowledge(shown["over_force"].occurrence, SEEN_BY)


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_who_acknowledged_first_stays_and_is_known_after_a_restart():
    """The record says who silenced it; a recorder or panel that was killed must not let it sound again."""
    board = AlarmBoard()
    board.observe(*rows(2, **OVER))
    (alarm,) = board.active()
    assert board.acknowledge(alarm.occurrence, SEEN_BY)
    assert board.acknowledge(alarm.occurrence, Seen("Al", "account-8", START_NS + 9))
    kept = AlarmBoard.restore(json.loads(json.dumps(board.dump())))
    anew = AlarmBoard(known={alarm.occurrence: SEEN_BY}, since=board.since_when())
    for restarted in (kept, anew):
        restarted.observe(*rows(2, 50, **OVER))
        (shown,) = restarted.active()
        assert (shown.state, shown.acknowledged_by, shown.occurrence) == (
            "active_acknowledged", "account-7", alarm.occurrence,
        )  # fmt: skip
        assert restarted.seen("over_force") == SEEN_BY


def test_what_flaps_is_one_alarm_and_one_acknowledgement():
    """A network that comes and goes every second must not sound every second."""
    board, found = AlarmBoard(), {"network_lost": Condition()}
    board.observe(*rows(1), found)
    board.observe(*rows(1, 500), found)
    (alarm,) = board.active()
    board.acknowledge(alarm.occurrence, SEEN_BY)
    for at in range(550, 1000, 50):
        board.observe(*rows(1, at), found if at % 100 else {})
        assert [one.occurrence for one in board.active()] == [alarm.occurrence]
        assert board.active()[0].state == "active_acknowledged"


def test_a_gateways_condition_is_called_as_the_recorder_calls_it():
    """Panel and console must speak of the same occurrence, whoever saw it a round sooner."""
    board, found = AlarmBoard(), {"spool_full": Condition()}
    board.observe(*rows(1, 40), found)
    board.since = {"spool_full": 5_000 + 38 * PERIOD_NS}
    board.observe(*rows(1, 41), found)
    assert board.active()[0].occurrence == f"spool_full-{5_000 + 38 * PERIOD_NS}"


@pytest.mark.requirement("say-interruptions")
def test_an_interruption_is_shown_until_somebody_has_seen_it():
    """It is over before anybody can look: what happened, when, and at which tension must wait for them."""
    board = AlarmBoard()
    found = {"control_interrupted": Condition(312.4, at_ns=START_NS, since_ns=4_000)}
    board.observe(*rows(1), found)
    (alarm,) = board.active()
    assert alarm.text["en"] == (
        "*** CONTROL WAS INTERRUPTED AT 312 N (2023-11-14 22:13 UTC): SESSION ENDED, LOOK AFTER THE PATIENT"
    )
    assert "312 N (2023-11-14 22:13 UTC): SITZUNG BEENDET" in alarm.text["de"]
    board.observe(*rows(1, 1), {})
    assert board.active()[0].state == "gone_unacknowledged"
    assert board.acknowledge(alarm.occurrence, SEEN_BY)
    assert board.active() == ()


@pytest.mark.requirement("tell-the-operator")
def test_a_loop_that_brings_no_samples_is_an_alarm_all_the_same():
    """Exactly when nothing controls, no sample comes that could bring an alarm on."""
    board = AlarmBoard()
    board.observe(*rows(1))
    assert board.look(Moment(0, 3_000_000_000, START_NS), {"control_lost": Condition()})
    assert conditions(board) == ["control_lost"]
    assert board.active()[0].priority == "high"
    assert board.look(Moment(0, 4_000_000_000, START_NS), {})
    assert board.active() == ()


@pytest.mark.requirement("say-lost-channel")
def test_a_second_channel_that_falls_silent_is_an_alarm_and_one_that_never_was_is_none():
    """A loose electrode must be known; most beds have none."""
    board = AlarmBoard()
    board.observe(*rows(200))
    assert conditions(board) == []
    board.observe(*rows(10, 200, effort_duv=35))
    board.observe(*rows(50, 210))
    restored = AlarmBoard.restore(json.loads(json.dumps(board.dump(whole=True))))
    for one in (board, restored):
        one.observe(*rows(60, 260))
        assert conditions(one) == ["second_channel_lost"]
    board.observe(*rows(10, 320, effort_duv=40))
    board.observe(*rows(1, 330 + 250, effort_duv=40))
    assert conditions(board) == []
