"""Where a system's parts are: the running one's addresses, else the settings', else the files under DATA."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.keeping import redis_keys
from services.kit import runfile
from services.kit.errors import SpondylError
from services.kit.settings import FROM_FILE

REDIS: Final = "SPONDYL_REDIS_URL"
BROKER_FILE: Final = "mosquitto/mosquitto.db"
SAVED_WITHIN_S: Final = 2.0


def is_running(data: Path) -> bool:
    """Whether `spondyl up` has this directory."""
    try:
        with (data / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def held(data: Path) -> Iterator[None]:
    """Have the directory as `spondyl up` has it: nobody starts a system in it. Raises SpondylError."""
    with (data / "lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpondylError(f"a system is running in {data}: end it, and restore then") from None
        yield


def given_redis(data: Path) -> str | None:
    """The address of a server that is there by itself; None: its files are under DATA, if anywhere."""
    if os.environ.get(REDIS) or os.environ.get(f"{REDIS}{FROM_FILE}"):
        from services.telemetry.settings import TelemetrySettings

        return TelemetrySettings.load().redis_url.get_secret_value()
    try:
        return runfile.load(data).redis
    except SpondylError:
        return None


@contextmanager
def redis_of(data: Path) -> Iterator[str | None]:
    """The address of the Redis that belongs to this system; None where there is none. Raises SpondylError."""
    if (url := given_redis(data)) is not None:
        yield url
    elif (data / "redis" / "appendonlydir").is_dir():
        with redis_keys.standing_in(data / "redis") as url:
            yield url
    else:
        yield None


def save_broker(data: Path) -> bytes | None:
    """What the broker keeps for those who are away, as it is now; None where it is not of this machine."""
    path = data / BROKER_FILE
    entry = runfile.read_json(data / "processes.json").get("mosquitto") or {}
    pid = int(entry.get("pid", 0))
    if pid and runfile.is_process(pid, float(entry.get("started_at") or 0.0)):
        before = path.stat().st_mtime_ns if path.exists() else 0
        os.kill(pid, signal.SIGUSR1)  # mosquitto(8): write the persistence file now
        deadline = time.monotonic() + SAVED_WITHIN_S
        while time.monotonic() < deadline and not (path.exists() and path.stat().st_mtime_ns > before):
            time.sleep(0.01)
    return path.read_bytes() if path.exists() else None
