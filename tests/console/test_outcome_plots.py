"""What the plots of a cure show, as numbers: where things stand, and what is left out."""

from datetime import UTC, datetime, timedelta

import pytest

from services.console.errors import BadSearch
from services.console.outcomes import drawing
from services.console.outcomes.times import read
from services.console.outcomes.typed import number

SCALE = {"least": 0, "most": 10}
DAY = datetime(2026, 3, 2, 10, tzinfo=UTC)


def course(*before, numbers=None, matters=2.0):
    """A cure with these pains before each session."""
    rows = [
        {
            "at": DAY + timedelta(days=n),
            "before": value,
            "after": None,
            "number": n + 1 if numbers is None else numbers[n],
        }
        for n, value in enumerate(before)
    ]
    change = {"first": before[0], "last": before[-1], "matters": matters} if len(before) > 1 else None
    return {"pain": rows, "pain_change": change, "scores": [], "leg_raises": []}


def test_the_line_of_what_matters_stands_below_the_first_value_and_nowhere_out_of_reach():
    """Two points below the first; from a first pain of one nothing below zero is drawn."""
    assert [plot.limit for plot in drawing.pain(course(8, 7), SCALE)] == [6, 6]
    assert drawing.pain(course(1, 1), SCALE)[0].limit is None
    assert drawing.pain(course(8), SCALE)[0].limit is None


@pytest.mark.parametrize(("sessions", "is_shown"), [(5, False), (6, True), (8, True), (20, True)])
def test_the_sessions_between_which_improvement_is_asked_for_are_marked(sessions, is_shown):
    """From the sixth to the eighth, as far as the cure has come."""
    (plot, _phone) = drawing.pain(course(*[5] * sessions), SCALE)
    assert (plot.band is not None) is is_shown
    if plot.band:
        left, width = plot.band
        assert left >= drawing.LEFT
        assert left + width <= plot.right + 0.2


def test_what_nobody_said_leaves_a_gap_and_no_zero():
    """A missing pain drawn as none would look like a cure."""
    (plot, _phone) = drawing.pain(course(8, None, 6), SCALE)
    assert [value for _x, _y, value in plot.points(plot.series[0])] == [8, 6]
    assert plot.points(plot.series[1]) == []


def test_every_point_stands_inside_and_words_do_not_run_into_each_other():
    """At both widths, for the longest cure."""
    for plot in drawing.pain(course(*[n % 11 for n in range(40)]), SCALE):
        points = plot.points(plot.series[0])
        assert all(drawing.LEFT <= x <= plot.right for x, _y, _value in points)
        assert all(0 < y < drawing.HEIGHT for _x, y, _value in points)
        assert len(plot.labels) <= drawing.MOST_WORDS[plot.width]


def test_an_empty_cure_has_no_plots():
    """An empty frame would look like a measurement."""
    nothing = {"pain": [], "pain_change": None, "scores": [], "score_change": None, "leg_raises": []}
    assert (
        drawing.pain(nothing, SCALE)
        == drawing.scores(nothing, "de")
        == drawing.leg_raises(nothing, "en")
        == []
    )


def test_times_are_read_however_deep_they_lie_and_nothing_else():
    """What people wrote is no time, whatever it looks like."""
    found = read(
        {"rows": [{"at": DAY.isoformat(), "detail": DAY.isoformat(), "birth_date": "1970-01-01"}], "at": None}
    )
    (row,) = found["rows"]
    assert row["at"] == DAY
    assert row["detail"] == DAY.isoformat()
    assert row["birth_date"].year == 1970
    assert found["at"] is None


def test_a_number_below_zero_is_one_and_is_refused_with_its_limit():
    """Said to be no whole number, -5 had no limit named: whoever keeps it says from where to where."""
    assert number({"days": "-5"}, "days") == -5
    for text in ("--5", "-", "5-", "5.0", "²"):
        with pytest.raises(BadSearch):
            number({"days": text}, "days")
