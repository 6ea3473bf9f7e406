"""`python -m deploy.containers.people`: the demo's made-up people, in a chain that runs in containers."""

import os
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx

from deploy.containers.prepare import BEDS, SITES
from deploy.demo_clinic import settle
from deploy.local import BUSINESS, site_devices
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.runfile import Run, Site
from services.kit.settings import Settings

PORT: Final = 8080
WITHIN_S: Final = 300.0


def main() -> None:
    """Until everybody is there; what does not answer yet is asked again."""
    with refusals_in_one_line():
        count = _settle(chain(Settings.load().data), time.monotonic() + WITHIN_S)
        print(f"{count} people came to the demo's clinics")


def _settle(run: Run, deadline: float) -> int:
    while True:
        try:
            return settle(run)
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise SpondylError(f"a service did not answer for {WITHIN_S:.0f} s: {error}") from None
            time.sleep(2.0)


def chain(data: Path) -> Run:
    """The demo's chain as its containers reach each other; ``data`` holds the key of its tokens."""
    unknown = "unknown"  # of a broker or store: only the services are asked
    services = {name: f"http://{name}:{PORT}" for name in ("console", "telemetry", *BUSINESS)}
    dealt = site_devices(BEDS, SITES)
    return Run(
        pid=os.getpid(),
        pid_started_at=0.0,
        started_at=datetime.now(UTC),
        version=version("spondyl"),
        data=data,
        panels={},
        mqtt=unknown,
        mqtt_user="",
        mqtt_password="",
        redis=unknown,
        users={},
        sites={site: Site(gateway=f"gw-{site}", panel="", devices=beds) for site, beds in dealt.items()},
        **services,
    )


if __name__ == "__main__":
    main()
