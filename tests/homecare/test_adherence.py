"""What is due, what was done, and what nobody knows."""

from datetime import date, timedelta

import pytest

from services.homecare.reports.adherence import Closed, Past, adherence, pains, rise
from services.homecare.reports.rows import quartiles

MONDAY = date(2026, 11, 2)


def day(number):
    return MONDAY + timedelta(days=number)


def past(*, done=(), per_week=5, heard=28, closed=(), weeks=6, versions=None):
    """A programme from MONDAY on; days count from 0."""
    return Past(
        first=MONDAY, last=day(7 * weeks - 1), closed=tuple(closed), done_s={day(one): 600 for one in done},
        days_per_week=versions or ((MONDAY, per_week),), heard=None if heard is None else day(heard),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("done", "heard", "expected"),
    [
        ((0, 1, 2, 3, 4), 7, (100, 5, 5, 0)),
        ((0, 1), 7, (40, 2, 5, 0)),
        ((), 7, (0, 0, 5, 0)),
        ((), None, (None, 0, 0, 7)),
        ((0, 1), 2, (100, 2, 1, 5)),
        ((0, 1, 2, 3, 4, 5, 6), 7, (100, 7, 5, 0)),
    ],
    ids=["all", "some", "nothing", "never heard", "silent since", "more than asked"],
)
def test_a_week_counts_what_is_known_and_says_what_is_not(done, heard, expected):
    """Who did nothing and who was not heard of need different calls."""
    found = adherence(past(done=done, heard=heard), day(0), day(6))
    assert (found.percent, found.done, found.due, found.missing) == expected
    assert found.seconds == 600 * len(done)


def test_an_entry_that_came_later_makes_a_missing_day_a_known_one():
    """A telephone that was offline sends its days when it can."""
    before, after = past(done=(0,), heard=1), past(done=(0, 3), heard=8)
    assert (before.status(day(3)), after.status(day(3))) == ("missing", "done")
    assert (before.status(day(2)), after.status(day(2))) == ("missing", "nothing")


def test_days_on_which_nothing_was_open_are_not_due():
    """Whoever was told to pause has not failed; a day on which something was done was open."""
    paused = Closed("paused", day(2), day(6))
    found = adherence(past(done=(0, 1), closed=[paused]), day(0), day(6))
    assert (found.percent, found.due, found.closed) == (100, 1, 5)
    still = adherence(past(closed=[Closed("suspended", day(0), None)]), day(0), day(27))
    assert (still.percent, still.due, still.closed) == (None, 0, 28)
    assert past(done=(3,), closed=[paused]).status(day(3)) == "done"


def test_one_full_week_does_not_make_up_for_an_empty_one():
    """Twice as much in one week is what the caps are there to prevent."""
    found = adherence(past(done=range(7, 14)), day(0), day(13))
    assert (found.percent, found.done, found.due) == (50, 7, 10)


def test_days_outside_the_programme_are_neither_due_nor_missing():
    """A window may reach beyond a programme's first and last day."""
    found = adherence(past(done=(0, 1, 2), weeks=1, heard=7), day(-21), day(20))
    assert (found.due, found.missing, found.done) == (5, 0, 3)


def test_each_week_is_measured_by_the_version_that_was_in_force():
    """A clinician who lowers the days does not change the weeks before."""
    versions = ((MONDAY, 6), (day(7), 3))
    found = adherence(past(done=(0, 1, 2, 7, 8, 9), versions=versions), day(0), day(13))
    assert (found.due, found.percent) == (9, 67)


def entry(number, **data):
    return {"day": day(number), "data": data}


def test_a_days_pain_is_the_worst_that_was_said_and_silence_is_not_zero():
    """Nobody said anything is shown as that."""
    found = pains([
        entry(0, pain_before=2, pain_after=4, seconds=60), entry(0, pain_nrs=7), entry(1, seconds=60),
        entry(2, pain_before=0, pain_after=None),
    ])  # fmt: skip
    assert (found[day(0)].most, found[day(0)].before, found[day(0)].after) == (7, 2, 4)
    assert day(1) not in found
    assert (found[day(2)].most, found[day(2)].after) == (0, None)


def test_pain_rises_only_where_both_weeks_have_enough_days():
    """One bad day beside one good one is no week."""
    said = [entry(number, pain_nrs=nrs) for number, nrs in ((0, 1), (1, 3), (8, 4), (9, 6))]
    assert rise(pains(said), day(13), 2) == 3.0
    assert rise(pains(said), day(13), 3) is None
    assert rise({}, day(13), 1) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), (None, None, None)), ((40,), (40, 40, 40)), ((10, 20, 30, 40, 50), (20, 30, 40))],
)
def test_quartiles_of_nothing_are_nothing(values, expected):
    """No programme is not a median of zero."""
    assert tuple(quartiles(values).values()) == expected
