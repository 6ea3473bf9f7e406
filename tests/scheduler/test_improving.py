"""Better series by itself: only what nobody was told of, never what is near, told like any other move."""

import signal
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from business_process import PATIENT_S, Process
from scheduler.booking_times import BERLIN, on
from scheduler.scheduler_rig import NOW, SHIFT, SchedulerRig
from servers import Mosquitto, eventually

from services.kit.database import reading
from services.scheduler.booking import store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.improving import REASON, Improving, better_series

MOST_S = 15.0  # three on a machine that has the time
NIGHT = NOW.replace(hour=21)  # 22:00 in Berlin: the site is closed
DAYS = ("2026-11-30", "2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04")


def desk(rig):
    """What the background has."""
    return Desk(rig.office, lambda: rig.now)


def scattered(rig, earliest=DAYS[0]):
    """A cure whose first week a hand has put at five times of day, so that a better series is there."""
    cure = rig.cure(sessions=15, cadence="daily", earliest=earliest, times=[["08:00", "18:00"]])
    for n, one in reversed(list(enumerate(cure["appointments"][:5]))):
        body = {"starts_at": on(one, 9 + n).isoformat(), "reason": "as wished"}
        rig.ask("POST", f"/appointments/{one['appointment']}/move", json=body)
    return rig.shown(cure)


def starts(cure):
    """The clock times of a cure."""
    found = [datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN) for one in cure["appointments"]]
    return [(str(at.date()), at.hour) for at in found]


def test_a_scattered_series_is_put_right_while_the_site_is_closed(either_rig):
    """Each move is an event with its reason, a line of history, and atomic; a second round finds nothing."""
    rig = either_rig
    rig.clinic()
    cure = scattered(rig)
    before = len(rig.told("appointment"))
    rig.now = NIGHT
    improving = Improving(desk(rig))
    moved = improving.round("north")
    after = rig.shown(cure)
    told = rig.told("appointment")[before:]
    assert len({hour for _, hour in starts(after)}) == 1
    assert [day for day, _ in starts(after)][:5] == list(DAYS)
    assert {(event.type, event.data["reason"]) for event in told} == {("appointment.moved", REASON)}
    assert len(told) == moved == 5
    with reading(rig.engine) as connection:
        last = store.history_of(connection, UUID(told[0].data["appointment"]))[-1]
    assert (last["action"], last["reason"], last["by"]) == ("moved", REASON, "scheduler")
    assert improving.round("north") == 0


def test_what_the_patient_knows_stays_where_it_is(rig):
    """Confirmed is promised: the others gather around it."""
    rig.clinic()
    cure = scattered(rig)
    known = cure["appointments"][3]
    rig.ask("POST", f"/appointments/{known['appointment']}/confirm", json={"reason": "telephone"})
    assert better_series(desk(rig), UUID(cure["cure"]))
    after = rig.shown(cure)["appointments"]
    assert [one["starts_at"] for one in after if one["appointment"] == known["appointment"]] == [
        known["starts_at"]
    ]
    assert {hour for _, hour in starts({"appointments": after})} == {12}


def test_a_cure_that_is_confirmed_whole_is_never_touched(rig):
    """However bad its times are: the patient was told of them."""
    rig.clinic()
    cure = scattered(rig)
    first = cure["appointments"][0]["appointment"]
    rig.ask("POST", f"/appointments/{first}/confirm", json={"scope": "following", "reason": "told"})
    assert better_series(desk(rig), UUID(cure["cure"])) == []
    assert starts(rig.shown(cure)) == starts(cure)


@pytest.mark.parametrize(
    "settings", [{"improve_stays_days": 3.0}, {"improve_stays_days": 0, "reminder_hours": 72}]
)
def test_nothing_that_is_near_is_moved_and_nothing_is_moved_near(tmp_path, settings):
    """Who looks at next week's appointment does not find that it was today; who was reminded comes."""
    rig = SchedulerRig(tmp_path, **settings)
    rig.clinic()
    cure = scattered(rig)
    rig.now = datetime(2026, 11, 29, 12, tzinfo=UTC)  # a day before the first: three are within three days
    better_series(desk(rig), UUID(cure["cure"]))
    after = starts(rig.shown(cure))
    assert after[:3] == starts(cure)[:3]
    assert all(day > "2026-12-02" for day, _ in after[3:])
    rig.close()


def test_a_start_comes_earlier_but_not_from_today_to_tomorrow(rig):
    """The beds were out, and are not: the cure begins sooner, yet its patient has days to hear of it."""
    rig.clinic()
    out = [
        outage(rig, bed, "2026-11-23T06:00:00Z", "2026-11-30T00:00:00+01:00") for bed in ("bed-01", "bed-02")
    ]
    cure = rig.cure(sessions=15, cadence="daily", earliest="2026-11-24", times=[])
    assert starts(cure)[0][0] == "2026-11-30"
    for one in out:
        rig.ask("DELETE", f"/outages/{one}", role="administrator")
    better_series(desk(rig), UUID(cure["cure"]))
    assert starts(rig.shown(cure))[0][0] == "2026-11-27", "three days from Monday is Thursday: Friday is free"


def outage(rig, device, begins, ends):
    """The id of a bed's failure."""
    body = {"site": "north", "device": device, "from": begins, "to": ends, "reason": "pump"}
    return rig.ask("POST", "/outages", role="administrator", json=body)["outage"]


def test_while_people_work_nothing_is_moved_by_itself(rig):
    """The desk sees the calendar it saw a minute ago; in a house that never closes any hour is as good."""
    rig.clinic()
    cure = scattered(rig)
    assert Improving(desk(rig)).round("north") == 0
    assert starts(rig.shown(cure)) == starts(cure)
    round_the_clock = {day: [["00:00", "24:00"]] for day in (*SHIFT, "sat", "sun")}
    rig.clinic(hours=round_the_clock, therapists=0)
    assert Improving(desk(rig)).round("north") > 0


@pytest.mark.system
def test_the_process_moves_by_itself_and_ends_at_once(tmp_path):
    """In a process of its own: it finds the cure, tells of it, and SIGTERM is not kept waiting."""
    rig = SchedulerRig(tmp_path)
    rig.now = datetime.now(UTC)
    every = {day: [["00:00", "24:00"]] for day in (*SHIFT, "sat", "sun")}
    rig.clinic(hours=every)
    cure = scattered(rig, earliest=str((rig.now + timedelta(days=21)).date()))
    with Mosquitto(tmp_path) as broker:
        process = Process("scheduler", tmp_path, broker, SPONDYL_IMPROVE_EVERY_H=str(1 / 3600)).start()
        eventually(
            lambda: len({hour for _, hour in starts(rig.shown(cure))}) == 1, PATIENT_S, "one time of day"
        )
        began = time.monotonic()
        process.running.send_signal(signal.SIGTERM)
        assert process.running.wait(PATIENT_S) == 0
        assert time.monotonic() - began < MOST_S
    rig.close()
