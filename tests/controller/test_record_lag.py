"""How far the record is behind, by a clock that nobody sets."""

import contextlib
import time

import pytest
from sample_streams import treated
from writer_rig import Gateway

from services.controller.alarms.table import STORAGE_LAG_LIMIT_S, gateway_conditions
from services.controller.kernel import layout
from services.controller.recorder.health import measure

DAY_S = 86_400.0
LATER_TICKS = 3100  # of 20 ms: more than the limit
HOLD = treated(7, phase=layout.HOLD, force_dn=3124, target_mn=310_000, ceiling_mn=450_000, cycle=1)


@pytest.fixture
def gateway(tmp_path):
    with contextlib.closing(Gateway(tmp_path)) as made:
        yield made


@pytest.fixture(params=[-DAY_S, 0.0, DAY_S], ids=["back a day", "right", "on a day"])
def step(request, monkeypatch):
    """Lets the wall clock jump, when called."""
    real = time.time

    def jump():
        monkeypatch.setattr(time, "time", lambda: real() + request.param)

    return jump


def only_events_wait(gateway):
    """Everything but the events is stored at the centre."""
    memory = gateway.ring.memory
    for device in memory.devices:
        for stream in ("tension", "blackbox"):
            gateway.spool.trim(stream, device, memory.boot, memory.head() + 1)
    assert {row.stream for row in gateway.spool.pending()} == {"event"}


def behind_s(memory, spool):
    """The age of the oldest, and whether it is an alarm's condition."""
    measure(memory, spool)
    is_late = "storage_lag" in gateway_conditions(memory.health, memory.period_ns / 1e6)
    return memory.health["oldest_uncommitted_ms"] / 1000, is_late


@pytest.mark.requirement("order-without-clocks")
def test_events_that_wait_are_as_old_as_the_loop_says(gateway, step):
    """A clock that is set makes no alarm of them, and hides none."""
    gateway.ring.run((10, {}), (40, HOLD))
    gateway.writer.store()
    only_events_wait(gateway)
    step()
    assert behind_s(gateway.ring.memory, gateway.spool) == (0.8, False)
    gateway.ring.idle(LATER_TICKS)
    age_s, is_late = behind_s(gateway.ring.memory, gateway.spool)
    assert (age_s, is_late) == ((LATER_TICKS + 40) * 20 / 1000, True)
    assert age_s > STORAGE_LAG_LIMIT_S


@pytest.mark.requirement("order-without-clocks")
def test_what_an_earlier_loop_left_has_waited_since_this_one_began(gateway, step):
    """The time of day at which it was written tells nothing once somebody has set the clock."""
    gateway.ring.run((10, HOLD))
    gateway.writer.store()
    step()
    with contextlib.closing(Gateway(gateway.directory / "next")) as after:
        memory = after.ring.memory
        assert behind_s(memory, gateway.spool)[1] is False
        memory.created_ns -= round((STORAGE_LAG_LIMIT_S + 1) * 1e9)
        age_s, is_late = behind_s(memory, gateway.spool)
        assert is_late
        assert age_s < STORAGE_LAG_LIMIT_S + 60
