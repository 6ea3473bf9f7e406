"""The fleet as metrics: what the console hears of gateways, beds and alarms, by site."""

from datetime import UTC, datetime

import pytest
from console.samples import BOOT, NORTH, Clock, block, status
from kit.test_metrics import exposed

from broker.messages import ActiveAlarm, AlarmState, Committed
from services.console.fleet import fleet
from services.console.live import Live

AT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def live():
    """A console that hears one gateway with one bed."""
    made = Live(Clock())
    made.broker(up=True)
    made.status("north", status("online").model_copy(update={"versions": {"spondyl": "1.2.3"}}))
    made.tension(NORTH, block(0))
    return made


def test_gateways_beds_and_versions_are_counted_by_site(live):
    """Which clinics are there, on which release, and what their beds do."""
    now = exposed(fleet(live))
    assert now["spondyl_fleet_connected",] == 1
    assert now["spondyl_fleet_gateways", "north", "online"] == 1
    assert now["spondyl_fleet_gateway_info", "north", "gw-north", "1.2.3"] == 1
    assert now["spondyl_fleet_beds", "north", "hold"] == 1
    assert now["spondyl_fleet_beds_silent", "north"] == 0


def test_a_lost_gateway_and_a_silent_bed_are_told_apart(live):
    """One is a machine or its line, the other a loop or a recorder."""
    live.clock.now += 10
    assert exposed(fleet(live))["spondyl_fleet_beds_silent", "north"] == 1
    live.status("north", status("lost"))
    now = exposed(fleet(live))
    assert (now["spondyl_fleet_gateways", "north", "lost"], now["spondyl_fleet_beds_silent", "north"]) == (
        1,
        0,
    )


def test_alarms_are_counted_by_priority_and_gone_when_they_are(live):
    """A count that stayed would be looked at once."""
    alarm = ActiveAlarm(
        condition="tension_high", priority="high", since=AT, latched=False, text={}, hazard="H1"
    )
    said = AlarmState(boot=BOOT, seq=1, at=AT, alarms=[alarm])
    live.alarm(NORTH, said)
    assert exposed(fleet(live))["spondyl_fleet_alarms", "north", "high"] == 1
    live.alarm(NORTH, said.model_copy(update={"alarms": []}))
    assert exposed(fleet(live))["spondyl_fleet_alarms", "north", "high"] == 0


def test_what_no_commit_has_covered_is_told_in_seconds_of_samples(live):
    """It is the spool's depth as the centre sees it, however the clinic's clock stands."""
    live.committed(NORTH, Committed(boot=BOOT, next={"tension": 0}, at=AT))
    assert exposed(fleet(live))["spondyl_fleet_unstored_seconds", "north"] == pytest.approx(0.2)
    live.committed(NORTH, Committed(boot=BOOT, next={"tension": 10}, at=AT))
    assert exposed(fleet(live))["spondyl_fleet_unstored_seconds", "north"] == 0
