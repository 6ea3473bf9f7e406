import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.controller.kernel import envelope, layout

FORMS = ["compiled", "interpreted"]


def limited(
    which, velocity, force=100.0, ceiling=300.0, slope=0.0, age=0, blind=0.0, home=0.0, x=20.0, armed=1.0
):
    row = np.array([velocity])
    stage = envelope.limit_velocity if which == "compiled" else envelope.limit_velocity.py_func
    values = [np.array([float(value)]) for value in (armed, ceiling, force, slope, blind, home, x)]
    stage(np.array([age], dtype=np.int32), *values, row)
    return row[0]


@pytest.mark.parametrize("which", FORMS)
@settings(deadline=None)  # the first call may compile
@given(
    velocity=st.floats(-40, 40), force=st.floats(-50, 2500), ceiling=st.floats(0, 800),
    slope=st.floats(-900, 900), age=st.integers(0, 5000), x=st.floats(-10, 300),
    blind=st.sampled_from([0.0, 8.0, 256.0]), armed=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_the_envelope_never_raises(which, velocity, force, ceiling, slope, age, blind, x, armed):
    """Whatever the law wants, behind the envelope it is at most that: the one property safety rests on."""
    out = limited(which, velocity, force, ceiling, slope, age, blind, 0.0, x, armed)
    assert out <= velocity or (armed == 0.0 and out <= 0.0)
    assert not (armed == 1.0 and force > ceiling and out > 0.0)
    assert not (age > envelope.STALE_MS and out > 0.0)
    assert not (armed == 0.0 and out > 0.0)


@pytest.mark.parametrize("which", FORMS)
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"velocity": 5.0}, 5.0),
        ({"velocity": 15.0, "force": 270.0}, 2.0),  # 2 (300 - 270) / 30
        ({"velocity": 5.0, "force": 315.0}, -4.0),  # 8 (300 - 315) / 30
        ({"velocity": -6.0, "force": 315.0}, -6.0),
        ({"velocity": 5.0, "slope": 81.0}, 0.0),
        ({"velocity": 5.0, "age": 31}, 0.0),
        ({"velocity": -5.0, "age": 31}, -5.0),
        ({"velocity": 5.0, "blind": float(layout.LINK_LOST)}, -3.0),
        ({"velocity": 5.0, "blind": float(layout.LOAD_CELL_FROZEN), "x": 0.0}, 0.0),
        ({"velocity": 5.0, "armed": 0.0}, 0.0),
    ],
)
def test_each_limit_by_hand(which, case, expected):
    """Every row of the envelope, worked out on paper."""
    assert limited(which, **case) == pytest.approx(expected)


def watch(which, forces_dn, ages=None, status=layout.STATUS_FORCE_VALID, armed=1.0, ceiling=300.0):
    """Condition bits after each of a row of load cell readings."""
    stage = envelope.watch_load_cell if which == "compiled" else envelope.watch_load_cell.py_func
    own_force, own_slope, same, over, blind, live = (np.zeros(1) for _ in range(6))
    own_force[0] = forces_dn[0] * 0.1
    told = []
    for index, force in enumerate(forces_dn):
        age = 0 if ages is None else ages[index]
        counts = [np.array([value], dtype=np.int32) for value in (force, age, status)]
        given_ = [np.array([float(value)]) for value in (0.02, armed, 8.0, 0.2, ceiling)]
        stage(*counts, *given_, own_force, own_slope, same, over, blind, live)
        told.append(int(live[0]))
    return told


@pytest.mark.parametrize("which", FORMS)
def test_eight_identical_readings_are_a_frozen_load_cell(which):
    """Noise never repeats that often; a cell that does has died with its last value."""
    told = watch(which, [1000, 1003, *[1001] * 9])
    assert [bool(bits & layout.LOAD_CELL_FROZEN) for bits in told] == [False] * 9 + [True] * 2


@pytest.mark.parametrize("which", FORMS)
def test_a_slack_harness_at_rest_is_no_frozen_load_cell(which):
    """An idle bed reads zero all night and must not alarm."""
    assert not any(watch(which, [0] * 500, armed=0.0))


@pytest.mark.parametrize("which", FORMS)
def test_a_repeated_old_reading_is_lateness_not_freezing(which):
    """While the link is late the same reading comes again; that is the link's fault, told by its age."""
    told = watch(which, [1000] * 20, ages=[0] + [20 * n for n in range(1, 20)])
    assert not any(bits & layout.LOAD_CELL_FROZEN for bits in told)


@pytest.mark.parametrize("which", FORMS)
@pytest.mark.parametrize(
    ("forces", "condition"),
    [
        ([1000, 1004, 9000], layout.LOAD_CELL_IMPLAUSIBLE),  # 800 N between two readings
        ([1000, 21000], layout.LOAD_CELL_IMPLAUSIBLE),  # beyond the cell's range
        ([3590, 3610], layout.OVER_FORCE),  # 61 N over
        ([3050 + index % 3 + 10 for index in range(40)], layout.OVER_FORCE),  # 6 N over for longer than 0.5 s
    ],
)
def test_force_conditions(which, forces, condition):
    """What no patient does is the cell's doing; what lasts above the ceiling is over-force."""
    assert watch(which, forces)[-1] & condition


@pytest.mark.parametrize("which", FORMS)
def test_a_load_cell_that_does_not_answer_is_lost_and_nothing_else(which):
    """A lost cell reads zero: neither a drop nor a jump may hide which fault it is."""
    assert watch(which, [1000, *[0] * 20], status=0)[-1] == layout.LOAD_CELL_LOST
