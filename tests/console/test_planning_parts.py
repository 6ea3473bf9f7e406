"""What the scheduler's pages reckon themselves: who lies on which bed, what stands beside what."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.console.errors import BadSearch
from services.console.planning import board, grid
from services.console.planning.board import Bed
from services.console.planning.models import Appointment
from services.console.planning.places import Site

SITE = Site("north", ZoneInfo("Europe/Berlin"), {})
DAY = date(2026, 11, 24)


def appointment(number, begin, *, device="bed-01", state="booked", cleared=True, region="lumbar"):
    """One of 45 minutes on DAY, by the wall clock."""
    starts_at = SITE.moment(datetime.combine(DAY, datetime.strptime(begin, "%H:%M").time()))  # noqa: DTZ007  (a wall clock's)
    row = {
        "appointment": f"a{number}", "cure": "c", "patient": f"p{number}", "number": number, "region": region,
        "starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(minutes=45)).isoformat(),
        "device": device, "therapist": "t", "state": state, "confirmed": False, "cleared": cleared,
        "prescription": {},
    }  # fmt: skip
    return Appointment.of(row, SITE, {}, {})


def rows_at(appointments, now, *, in_session=("bed-01",), suspended=(), region=None):
    """The board at that time."""
    beds = {
        name: Bed(name, "", "", "hold", "pull", in_session=True, remaining="12:00", region=region)
        for name in in_session
    }
    at = datetime.combine(DAY, datetime.strptime(now, "%H:%M").time())  # noqa: DTZ007  (a wall clock's)
    return board.rows(appointments, beds, board.suspended_of(suspended), at, "en")


def stages(*asked, **more):
    """Appointment to how far it is."""
    return {row.appointment.id: (row.stage, list(row.warnings)) for row in rows_at(*asked, **more)}


def test_whoever_is_nearest_in_time_lies_on_a_bed_that_pulls():
    """A bed tells no patient: of two that are still to come the nearer one is meant."""
    rows = [appointment(1, "09:00"), appointment(2, "10:00"), appointment(3, "09:00", device="bed-02")]
    found = {name: stage for name, (stage, _) in stages(rows, "09:10").items()}
    assert found == {"a1": "on_bed", "a2": "expected", "a3": "expected"}


def test_what_a_bed_says_of_its_session_stands_beside_nobody_elses_name():
    """The desk would read the next patient's remaining minutes off the one who lies there now."""
    rows = [appointment(1, "09:00"), appointment(2, "10:00"), appointment(3, "08:00", state="completed")]
    found = {row.appointment.id: (row.shows_bed, row.is_other) for row in rows_at(rows, "09:10")}
    assert found == {"a1": (True, False), "a2": (False, True), "a3": (False, False)}
    free = {row.appointment.id: row.is_other for row in rows_at(rows, "09:10", in_session=())}
    assert not any(free.values())
    neck = [(row.stage, row.is_other) for row in rows_at(rows, "09:10", region="cervical")]
    assert neck[1:] == [("expected", True), ("expected", True)]


def test_who_is_done_does_not_lie_on_the_bed_and_who_is_late_is_seen():
    """The next patient lies there when the one before has finished; somebody may never come."""
    rows = [
        appointment(1, "09:00", state="completed"),
        appointment(2, "10:00"),
        appointment(3, "08:00", device="bed-02"),
    ]
    found = {name: stage for name, (stage, _) in stages(rows, "09:50").items()}
    assert found == {"a1": "completed", "a2": "on_bed", "a3": "overdue"}


def test_a_suspension_is_seen_for_its_region_alone():
    """Whose neck is suspended may still come for the back."""
    rows = [
        appointment(1, "09:00"),
        appointment(2, "10:00", region="cervical"),
        appointment(3, "11:00", cleared=False),
    ]
    out = [{"patient": "p1", "region": "cervical"}, {"patient": "p2", "region": None}]
    found = {name: words for name, (_, words) in stages(rows, "08:00", in_session=(), suspended=out).items()}
    assert found == {"a1": [], "a2": ["Clearance suspended"], "a3": ["No clearance"]}


def test_what_is_at_the_same_time_stands_beside_each_other():
    """Nothing hides what is below it; a lane is used again once it is free."""
    rows = [
        appointment(1, "09:00"),
        appointment(2, "09:15"),
        appointment(3, "09:45"),
        appointment(4, "11:00"),
    ]
    hours = grid.Hours(8, 18)
    found = [
        (it.appointment.id, it.first, it.rows, it.lane, it.lanes) for it in grid.blocks_of(rows, DAY, hours)
    ]
    assert found == [("a1", 12, 9, 0, 2), ("a2", 15, 9, 1, 2), ("a3", 21, 9, 0, 2), ("a4", 36, 9, 0, 1)]


def test_the_hours_that_are_shown_have_room_for_what_is_early_late_or_open_to_midnight():
    """An appointment outside of the picture would be forgotten."""
    late = datetime.combine(DAY, datetime.min.time().replace(hour=20, minute=30))
    assert grid.hours_of([(late, late + timedelta(minutes=45))], [("06:30", "12:00")]) == grid.Hours(6, 22)
    assert grid.hours_of([], [("08:00", "24:00")]) == grid.Hours(8, 24)
    shut = grid.closed_of(DAY, [("08:00", "12:00"), ("13:00", "24:00")], "closed")
    assert [(it.starts_at.hour, it.ends_at.hour) for it in shut] == [(0, 8), (12, 13)]


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("2027-03-28T01:55", "2027-03-28T00:55"),
        ("2027-03-28T03:00", "2027-03-28T01:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30"),  # the first of two
    ],
)
def test_a_wall_clocks_time_is_one_moment_on_the_days_on_which_clocks_change(wall, utc):
    """An hour too early is an empty bed and a patient before a closed door."""
    moment = SITE.moment(datetime.fromisoformat(wall))
    assert moment.astimezone(ZoneInfo("UTC")).isoformat(timespec="minutes")[:16] == utc
    assert SITE.local(moment.isoformat()) == datetime.fromisoformat(wall)


def test_a_time_that_the_clocks_leave_out_is_refused():
    """There is no half past two in the night to summer time."""
    with pytest.raises(BadSearch, match="no 02:30 on 2027-03-28"):
        SITE.moment(datetime.fromisoformat("2027-03-28T02:30"))
