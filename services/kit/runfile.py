"""What a running system says of itself: ``DIR/run.json``, readable by its owner only."""

import functools
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from services.kit import files
from services.kit.errors import NotRunning, SpondylError

DATA_VARIABLE = "SPONDYL_DATA"
DEFAULT_DATA = "var"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TICKS = 19  # proc(5): starttime is field 22, the third behind the command's name being the first here
_MACHINE_STARTS_APART_S = 1e8  # three years of uptime


class Credential(BaseModel):
    """One broker user."""

    user: str
    password: str


class Site(BaseModel):
    """One clinic: its gateway, its panel's address and its devices."""

    gateway: str
    panel: str
    devices: list[str]


class Run(BaseModel):
    """Addresses and credentials of a running system."""

    model_config = ConfigDict(frozen=True)

    pid: int
    pid_started_at: float  # see process_start: a reused pid is another process
    started_at: AwareDatetime
    version: str
    data: Path
    console: str
    telemetry: str
    ingest: list[str] = []  # health and metrics of each worker
    archiver: str | None = None  # the archiver's
    screening: str = ""
    scheduler: str = ""
    billing: str = ""
    homecare: str = ""
    panels: dict[str, str]
    mqtt: str
    mqtt_user: str
    mqtt_password: str
    redis: str
    users: dict[str, Credential]
    sites: dict[str, Site]


def data_directory(option: Path | str | None = None) -> Path:
    """The data directory: the option, else ``SPONDYL_DATA``, else ``./var``; absolute."""
    return Path(option or os.environ.get(DATA_VARIABLE) or DEFAULT_DATA).absolute()


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    files.replace(path, text.encode())


def process_start(pid: int) -> float | None:
    """What tells this process from every other that had or will have its number; None when there is none.

    Seconds from the machine's start to the process's, above a number of that start. The wall clock has no
    part in it (psutil's ``create_time`` follows it): set by an hour, it must not turn a living loop dead.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except psutil.Error:
        return None
    except OSError:  # a system without /proc, or the process has just ended
        return None if Path("/proc/self/stat").exists() else float(process.create_time())
    ticks = int(stat.rpartition(")")[2].split()[_START_TICKS])
    return _machine_start() * _MACHINE_STARTS_APART_S + ticks / os.sysconf("SC_CLK_TCK")


@functools.cache
def _machine_start() -> int:
    """A number of four digits that changes when the machine starts anew."""
    try:
        return zlib.crc32(_BOOT_ID.read_bytes()) % 10_000
    except OSError:
        return 0


def is_process(pid: int, started_at: float) -> bool:
    """True when pid is still the process that started then, not a later one with its number."""
    actual = process_start(pid)
    return actual is not None and abs(actual - started_at) < 0.1  # noqa: PLR2004  (stored in ms; a jiffy is 10)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a system's services answer, and the data whose keys open them; empty: there is none."""

    data: Path
    telemetry: str
    screening: str
    scheduler: str
    billing: str


def addresses(option: Path | str | None = None) -> Addresses:
    """Of the running system of this machine; where SPONDYL_TELEMETRY_URL is set, of the environment.

    ``option`` is a data directory that somebody named: where a system runs there, it is meant. Raises as
    ``load``.
    """
    names = ("telemetry", "screening", "scheduler", "billing")
    given = {name: os.environ.get(f"SPONDYL_{name.upper()}_URL", "").rstrip("/") for name in names}
    data = data_directory(option)
    if given["telemetry"] and (option is None or not (data / "run.json").exists()):
        return Addresses(data, **given)
    run = load(option)
    return Addresses(run.data, **{name: getattr(run, name) for name in names})


def save(run: Run) -> None:
    """Write ``run.json`` (mode 0600)."""
    write_private(run.data / "run.json", run.model_dump_json(indent=2))


def load(option: Path | str | None = None) -> Run:
    """Read ``run.json`` of a living system.

    Raises NotRunning when there is none or its process has ended, SpondylError when the file is not readable.
    """
    data = data_directory(option)
    path = data / "run.json"
    where = "" if data == Path(DEFAULT_DATA).absolute() else f" --data {data}"
    start = f"start it with `spondyl up{where}`"
    try:
        run = Run.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise NotRunning(f"no running system in {data} (no run.json): {start}") from None
    except PermissionError:
        raise SpondylError(
            f"{path} belongs to another user: it holds passwords and only its owner may read it", exit_code=2
        ) from None
    except (ValidationError, ValueError, OSError) as error:
        raise SpondylError(
            f"{path} is not readable as run.json: {error.__class__.__name__}; {start}", exit_code=2
        ) from None
    if not is_process(run.pid, run.pid_started_at):
        raise NotRunning(f"the system in {data} has ended (process {run.pid} is gone): {start}")
    return run


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file of our own, empty when it is not there or half written."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
