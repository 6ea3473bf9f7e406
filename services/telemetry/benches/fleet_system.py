"""A telemetry system for `spondyl bench fleet`: broker, Redis, ingest, archiver and API as processes.

Configured as `spondyl up` does it: the broker with its rendered access list and a user a gateway.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.mosquitto import User, render_local
from services.kit.auth import tokens
from services.kit.auth.principal import SYSTEM
from services.kit.benches import engines
from services.kit.benches.usage import Usage, disk_bytes, usage
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.kit.ports import free_port
from services.telemetry.benches.fleet import sites_of

HOST: Final = "127.0.0.1"
START_S: Final = 30.0
TOKEN_S: Final = 86_400.0  # longer than any bench
PROGRAMS: Final = {  # name -> module; every one answers /readyz
    "ingest": "services.telemetry.ingest",
    "archiver": "services.telemetry.archiver",
    "api": "services.telemetry",
}


@dataclass(slots=True)
class System:
    """Everything that runs, by name."""

    directory: Path
    mqtt: str
    redis: str
    api: str
    pids: dict[str, int]
    passwords: dict[str, str]

    def token(self) -> str:
        """Of the system's owner, for a day; what the probe asks is written down nowhere."""
        return tokens.mint(tokens.keys_of(self.directory).private, SYSTEM, TOKEN_S, via=tokens.VIA_CONSOLE)

    def usage(self) -> dict[str, Usage]:
        """Of every process now."""
        return {name: usage(pid) for name, pid in self.pids.items()}

    def disk(self) -> dict[str, int]:
        """Bytes of the hot store, of the archived objects and of their index with its write-ahead log."""
        telemetry = self.directory / "telemetry"
        archive = disk_bytes(telemetry / "archive")
        return {
            "hot": disk_bytes(self.directory / "redis"),
            "archive": archive,
            "index": disk_bytes(telemetry) - archive,
        }


@contextlib.contextmanager
def system_for(directory: Path, beds: int, ingest_workers: int = 1) -> Iterator[System]:
    """Started, with users for the gateways of so many beds. SpondylError when a part does not start.

    The second ingest worker and those behind it are `ingest-2`, ...
    """
    sites = sites_of(beds)
    users = [User("telemetry", "telemetry", secrets.token_urlsafe(12))] + [
        User("gateway", f"gw-{site}", secrets.token_urlsafe(12), site, f"gw-{site}", tuple(devices))
        for site, devices in sites.items()
    ]
    tokens.ensure_keys(directory)
    with contextlib.ExitStack() as stack:
        broker, mqtt = stack.enter_context(_broker(directory / "mosquitto", users))
        store, redis_port = stack.enter_context(engines.valkey(directory / "redis"))
        pids = {"broker": broker.pid, "redis": store.pid}
        redis = f"redis://{HOST}:{redis_port}/0"
        environment = {
            "SPONDYL_DATA": str(directory),
            "SPONDYL_MQTT_URL": mqtt,
            "SPONDYL_MQTT_USERNAME": "telemetry",
            "SPONDYL_MQTT_PASSWORD": users[0].password,
            "SPONDYL_REDIS_URL": redis,
            "SPONDYL_INGEST_SITES": ",".join(sites),
        }
        address = ""
        more = {f"ingest-{number}": PROGRAMS["ingest"] for number in range(2, ingest_workers + 1)}
        for name, module in (more | PROGRAMS).items():
            address, process = stack.enter_context(_service(directory, name, module, environment))
            pids[name] = process.pid
        yield System(directory, mqtt, redis, address, pids, {user.username: user.password for user in users})


@contextlib.contextmanager
def _broker(directory: Path, users: list[User]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    conf = render_local(directory, host=HOST, port=port, users=users)
    binary = engines.program("mosquitto", "/usr/sbin/mosquitto")
    with engines.running([binary, "-c", str(conf)], directory) as process:
        _await(process, directory, f"http://{HOST}:{port}", expect_http=False)
        yield process, f"mqtt://{HOST}:{port}"


@contextlib.contextmanager
def _service(
    directory: Path, name: str, module: str, environment: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    place = directory / "run" / name
    place.mkdir(parents=True)
    told = {**os.environ, **environment, "SPONDYL_HTTP_PORT": str(port)}
    address = f"http://{HOST}:{port}"
    with engines.running([sys.executable, "-m", module], place, told) as process:
        _await(process, place, f"{address}/readyz")
        yield address, process


def _await(process: subprocess.Popen[bytes], directory: Path, url: str, *, expect_http: bool = True) -> None:
    """Until it answers; a broker hangs up on HTTP, which is an answer too."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            fetch(url, timeout_s=1.0)
        except ConnectionRefusedError:
            answered = False
        except (OSError, ValueError) as error:
            refused = isinstance(getattr(error, "reason", None), ConnectionRefusedError)
            answered = not expect_http and not refused
        else:
            answered = True
        if answered:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            last = (directory / "log").read_text(errors="replace").strip().splitlines()[-3:]
            raise SpondylError(f"{directory.name} did not get ready: {' | '.join(last)}")
        time.sleep(0.05)
