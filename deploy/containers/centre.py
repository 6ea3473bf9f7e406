"""`python -m deploy.containers.centre DIR --host NAME`: what a centre needs before its first start.

Keys, passwords, and `centre.env` for its compose file, each made once and kept. Nothing of a demo: authority
and certificates are made by the registry, the first account by the console.
"""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.containers.authority import write
from deploy.containers.prepare import HERE, give_away, keys, passwords
from services.kit.errors import SpondylError, refusals_in_one_line

ENVIRONMENT: Final = "centre.env"
EDITABLE: Final = 0o600
DIRECTORIES: Final = ("centre/mosquitto", "authority", "backups")
HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
ASKS: Final = {
    "COMPOSE_PROFILES": "registry",
    "SPONDYL_CENTRE": "{directory}/centre",
    "SPONDYL_REGISTRY_DIRECTORY": "{directory}/centre",
    "SPONDYL_AUTHORITY": "{directory}/authority",
    "SPONDYL_BACKUPS": "{directory}/backups",
    "SPONDYL_BIND": "0.0.0.0",  # noqa: S104  (the centre's door: TLS alone)
    "SPONDYL_CONSOLE_PORT": "8443",
    "SPONDYL_TELEMETRY_PORT": "8444",
    "SPONDYL_HOME_PORT": "8445",
    "SPONDYL_REGISTRY_PORT": "8446",
    "SPONDYL_MQTT_PORT": "8883",
    "SPONDYL_PUBLIC_URL": "https://{host}:${{SPONDYL_CONSOLE_PORT}}",
    "SPONDYL_HOME_URL": "https://{host}:${{SPONDYL_HOME_PORT}}",
    "SPONDYL_REGISTRY_BROKER_URL": "mqtts://{host}:${{SPONDYL_MQTT_PORT}}",
    "SPONDYL_REGISTRY_HOSTS": "{hosts}",
    "SPONDYL_PANELS": "'{{}}'",
}


def main() -> None:
    """Make what is missing below the directory that is named, and say what comes next."""
    parser = argparse.ArgumentParser(prog="deploy.containers.centre", description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR", help="the centre's own, such as /srv/spondyl")
    parser.add_argument(
        "--host", action="append", required=True, metavar="NAME",
        help="the name under which clinics and browsers reach the centre; repeat it, the first is shown",
    )  # fmt: skip
    options = parser.parse_args()
    with refusals_in_one_line():
        made = centre(options.directory.absolute(), options.host)
    path = options.directory.absolute() / ENVIRONMENT
    print(f"{path} {'is made' if made else 'was there and is kept: another name is changed there'}")


def centre(directory: Path, hosts: Sequence[str]) -> bool:
    """Make the directory, owned by user 10001 where we may give it away; whether `centre.env` is new.

    Raises SpondylError for what is no host name, and for a directory of a demo.
    """
    for host in hosts:
        if not HOST.fullmatch(host):
            raise SpondylError(
                f"--host {host[:80]!r} is no host name: letters, digits, dots and hyphens, without https:// "
                "and port, such as centre.example"
            )
    if (directory / "clinics").exists():
        raise SpondylError(f"{directory} is a demo's (it has `clinics`): a centre needs another directory")
    os.umask(0o077)
    for name in DIRECTORIES:
        (directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    keys(directory / "centre")
    passwords(directory / "centre" / "secrets")
    is_new = not (directory / ENVIRONMENT).exists()
    if is_new:
        write(directory / ENVIRONMENT, environment(directory, hosts).encode(), EDITABLE)
    give_away(directory)
    return is_new


def environment(directory: Path, hosts: Sequence[str]) -> str:
    """`centre.env`: what `deploy/compose.central.yaml` is told, and no secret."""
    every = ",".join(dict.fromkeys((*hosts, *HERE)))
    lines = [
        f"{name}={value.format(directory=directory, host=hosts[0], hosts=every)}"
        for name, value in ASKS.items()
    ]
    return "\n".join(
        ("# What this centre is: docs/containers.md. Kept when it is prepared again.", *lines, "")
    )


if __name__ == "__main__":
    main()
