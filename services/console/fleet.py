"""The whole fleet as metrics, as this console hears it: gateways, beds, alarms by site."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, get_args

from broker.fields import Priority
from services.console.live import Live
from services.kit.metrics import Looked, Row

STATES: Final = ("online", "stopped", "lost")
KEEP_S: Final = 1.0
Counts = Counter[tuple[str, str]]


def fleet(live: Live) -> Looked:
    """Rows of every site; a site's series are there from the first word of one of its gateways."""
    return Looked(lambda: list(_rows(live)), KEEP_S)


def _rows(live: Live) -> Iterator[Row]:
    with live.lock:
        yield "spondyl_fleet_connected", (), float(live.broker_up)
        yield from _gateways(live)
        yield from _beds(live)


def _gateways(live: Live) -> Iterator[Row]:
    counts: Counts = Counter()
    for (site, gateway), known in live.gateways.items():
        counts[site, known.state] += 1
        release = known.said.versions.get("spondyl", "unknown")
        yield "spondyl_fleet_gateway_info", (site, gateway, release), 1.0
    for site in {site for site, _ in live.gateways}:
        for state in STATES:
            yield "spondyl_fleet_gateways", (site, state), counts[site, state]


def _beds(live: Live) -> Iterator[Row]:
    phases: Counts = Counter()
    alarms: Counts = Counter()
    silent: Counter[str] = Counter()
    unstored: dict[str, float] = {}
    now = live.clock()
    for key, device in live.devices.items():
        phases[key.site, device.current_phase(now)] += 1
        silent[key.site] += live.link(device, now) in ("stale", "waiting")
        unstored[key.site] = max(unstored.get(key.site, 0.0), device.unstored_s() or 0.0)
        for alarm in device.alarms.alarms if device.alarms else ():
            alarms[key.site, alarm.priority] += 1
    for (site, phase), count in phases.items():
        yield "spondyl_fleet_beds", (site, phase), count
    for site, worst_s in unstored.items():
        yield "spondyl_fleet_beds_silent", (site,), silent[site]
        yield "spondyl_fleet_unstored_seconds", (site,), worst_s
        for priority in get_args(Priority):
            yield "spondyl_fleet_alarms", (site, priority), alarms[site, priority]
