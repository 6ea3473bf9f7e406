"""What the console knows of a bed, and when it admits not to know."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from console.samples import BOOT, NEXT_BOOT, NORTH, Clock, block, status

from broker.messages import ClinicEvent, DeviceState, Event
from services.console import handlers
from services.console.errors import UnknownDevice
from services.console.live import Live
from services.console.models import BACKLOG_S, STALE_S, STEADY_S, Key


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def live(clock):
    return Live(clock)


def link(live):
    return live.link(live.devices[NORTH], live.clock())


def test_a_bed_is_live_until_its_newest_sample_is_two_seconds_old(live, clock):
    """A number that is no longer true must not look as if it were."""
    live.tension(NORTH, block(0))
    clock.now += STALE_S
    assert link(live) == "live"
    clock.now += 0.1
    assert link(live) == "stale"


def test_a_lost_gateway_loses_its_beds_at_once(live):
    """The will speaks for every bed of the gateway; nobody waits two seconds for it."""
    live.status("north", status("online"))
    live.tension(NORTH, block(0))
    live.status("north", status("lost"))
    assert link(live) == "lost"


def test_the_will_of_an_old_boot_does_not_end_a_new_one(live):
    """A gateway that came back quickly must not be shown as lost by its own ghost."""
    live.status("north", status("online", NEXT_BOOT))
    live.tension(NORTH, block(0, NEXT_BOOT))
    live.status("north", status("lost", BOOT))
    assert link(live) == "live"


def test_late_samples_do_not_take_the_place_of_newer_ones(live):
    """After an outage the spool's old blocks come in between; the wall shows now, not then."""
    live.tension(NORTH, block(1000, tension=300.0))
    live.drain()
    live.tension(NORTH, block(0, tension=100.0))
    assert live.devices[NORTH].tension_n == 300.0
    assert live.drain() == []


def test_samples_that_waited_on_the_way_are_seen_to_be_old(live, clock):
    """Blocks that arrive steadily but ten seconds late are not live, whatever the wall clocks say."""
    live.tension(NORTH, block(0))
    clock.now += 12.0
    live.tension(NORTH, block(10))
    assert live.devices[NORTH].age_s(clock.now) == pytest.approx(11.8, abs=0.1)
    assert link(live) == "stale"


def test_a_loop_that_stood_still_is_live_again_after_a_while(live, clock):
    """A gateway that was asleep counts no ticks meanwhile: its delay must not be held against it for ever."""
    live.tension(NORTH, block(0))
    clock.now += 60.0
    links = {}
    for seq in range(10, 1500, 10):
        live.tension(NORTH, block(seq))
        links[seq * 0.02] = link(live)
        clock.now += 0.2
    assert {found for at_s, found in links.items() if at_s < STEADY_S - 1} == {"stale"}
    assert {found for at_s, found in links.items() if at_s > STEADY_S + 1} == {"live"}


def test_a_stepped_wall_clock_changes_nothing(live, clock):
    """Somebody sets the gateway's clock back an hour; the bed stays live."""
    live.tension(NORTH, block(0))
    clock.now += 0.2
    live.tension(NORTH, block(10, at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert link(live) == "live"


def test_a_new_boot_begins_anew(live):
    """Seq starts again at 0 with a new boot: its first sample is newer than the old boot's last."""
    live.tension(NORTH, block(5000))
    live.tension(NORTH, block(0, NEXT_BOOT, tension=12.0))
    device = live.devices[NORTH]
    assert (device.seq, device.tension_n, len(device.backlog)) == (9, 12.0, 1)


def test_memory_of_a_bed_is_bounded(live, clock):
    """The console runs for months; a bed must cost the same on its last day as on its first."""
    for seq in range(0, 10_000, 10):
        clock.now += 0.2
        live.tension(NORTH, block(seq))
    backlog = live.devices[NORTH].backlog
    assert sum(one.count * one.period_s for one in backlog) <= BACKLOG_S + 1


def test_an_event_delivered_twice_is_shown_once(live):
    """At-least-once delivery must not become a second guarding on the screen."""
    event = Event(
        id=uuid4(), type="guarding.detected", at=datetime.now(UTC), boot=BOOT, seq=1, index=0, session=None
    )
    live.event(NORTH, event)
    live.event(NORTH, event)
    assert len(live.devices[NORTH].events) == 1


def test_beds_of_the_same_name_at_two_sites_stay_apart(live):
    """Two patients' tension must never meet on one tile."""
    live.tension(NORTH, block(0, tension=100.0))
    live.tension(Key("south", "bed-01"), block(0, NEXT_BOOT, tension=300.0))
    assert live.find("bed-01", "north").tension_n == 100.0
    with pytest.raises(UnknownDevice, match="north, south"):
        live.find("bed-01")


def test_an_unknown_bed_is_said_to_be_unknown(live):
    """A wrong link deserves a sentence, not an empty page."""
    with pytest.raises(UnknownDevice, match="bed-99"):
        live.find("bed-99")


def test_the_phase_of_a_bed_without_samples_is_its_retained_state(live):
    """A console that has just started knows the last state before the first block comes."""
    state = DeviceState(
        boot=BOOT, seq=5, at=datetime.now(UTC), phase="paused", cycle=2, target_n=90, peak_n=200,
        ceiling_n=300, session=uuid4(), remaining_s=600, traction_s=1800,
    )  # fmt: skip
    live.state(NORTH, state)
    assert live.devices[NORTH].current_phase(live.clock()) == "paused"
    assert link(live) == "waiting"


def test_the_clock_of_a_site_is_the_one_that_was_told_last():
    """What the broker kept is heard at the start; a zone that this machine does not know changes nothing."""
    live = Live(Clock())
    for name in ("Europe/Berlin", "Atlantic/Canary", "Moon/Tranquility", ""):
        event = ClinicEvent(id=uuid4(), type="site.settings", time=datetime.now(UTC), data={"zone": name})
        handlers.HANDLERS["site"](live, None, SimpleNamespace(site="island", message=event))
    assert str(live.zones.of("island")) == "Atlantic/Canary"
    assert live.zones.of("north") is None
