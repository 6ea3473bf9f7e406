"""`spondyl doctor`: what is installed, permitted and reachable, and what to do about what is not."""

import os
import platform
import resource
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from deploy import engines
from deploy.local import BUSINESS, host_port, ingest_names
from deploy.ports import answers
from services.kit import pki, runfile
from services.kit.enrolment.machine import PORT, Joined, Machine
from services.kit.errors import SpondylError

if TYPE_CHECKING:
    from services.telemetry.settings import TelemetrySettings

ARCHIVE_GB = 1.0  # some weeks of six beds
JOINED_VARIABLE = "SPONDYL_CLINIC_DIRECTORY"
RING_MB = 64  # one gateway's ring at its largest
Verdict = Literal["ok", "limited", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``missing`` makes the command fail, ``limited`` only costs something."""

    what: str
    verdict: Verdict
    detail: str
    do: str = ""


def examine(data: Path) -> list[Finding]:
    """Every check in its order; reachability only for a system that runs under ``data``.

    On a machine that joined a chain, what a gateway needs: its broker and all stores are elsewhere.
    """
    machine = Machine(Path(os.environ.get(JOINED_VARIABLE) or data))
    joined = machine.joined
    if joined is not None:
        return [check() for check in GATEWAY_CHECKS] + _gateway(machine, joined)
    return [check() for check in CHECKS] + [_archive(data)] + _reachable(data)


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """As JSON: ``ok`` is false when anything needed is missing."""
    return {
        "ok": all(finding.verdict != "missing" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def lines(findings: Sequence[Finding]) -> str:
    """For a person: a mark and a word a line, and what to do below it."""
    marks = {"ok": "ok     ", "limited": "limited", "missing": "MISSING"}
    return "\n".join(
        f"{marks[finding.verdict]}  {finding.what}: {finding.detail}"
        + (f"\n         -> {finding.do}" if finding.do else "")
        for finding in findings
    )


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _program(what: str, command: str, flag: str, install: str, verdict: Verdict) -> Callable[[], Finding]:
    def check() -> Finding:
        path = next((found for name in command.split("|") if (found := engines.find(name))), None)
        if path is None:
            return Finding(what, verdict, "not installed", install)
        return Finding(what, "ok", f"{engines.version([path, flag]) or 'present'} ({path})")

    return check


def _redis() -> Finding:
    try:
        path, version = engines.redis_server()
    except SpondylError as error:
        return Finding("Redis-compatible server", "missing", error.message)
    return Finding("Redis-compatible server", "ok", f"{version} ({Path(path).name})")


def _realtime_class() -> Finding:
    do = (
        "run as root, or give the user `rtprio 80` in /etc/security/limits.conf, or --cap-add SYS_NICE;"
        " without it the loop runs in the normal class and is late more often"
    )
    if not hasattr(os, "sched_setscheduler"):
        return Finding("Real-time class", "limited", f"{platform.system()} has no SCHED_FIFO", do)
    child = os.fork()
    if child == 0:  # tried in a child: this process keeps its class
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            os._exit(1)
        os._exit(0)
    permitted = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return (
        Finding("Real-time class", "ok", "SCHED_FIFO is permitted")
        if permitted
        else Finding("Real-time class", "limited", "SCHED_FIFO is not permitted", do)
    )


def _locked_memory() -> Finding:
    wanted = 512 * 1024 * 1024
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if os.geteuid() == 0 or limit == resource.RLIM_INFINITY or limit >= wanted:
        return Finding("Locked memory", "ok", "the loop may lock its memory")
    return Finding(
        "Locked memory",
        "limited",
        f"limit is {limit // 1024} KiB, the loop wants {wanted // 1024} KiB",
        "give the user `memlock unlimited` in /etc/security/limits.conf, or --ulimit memlock=-1",
    )


def _cores() -> Finding:
    count = os.cpu_count() or 1
    if count > 1:
        return Finding("Processor", "ok", f"{count} cores")
    return Finding("Processor", "limited", "1 core", "the loop shares it with everything else")


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")  # noqa: S108  (the system's shared memory, not a temporary file)
    if folder.is_dir() and os.access(folder, os.W_OK):
        free_mb = shutil.disk_usage(folder).free // 1_000_000
        return Finding(
            "Shared memory",
            "ok" if free_mb > RING_MB else "limited",
            f"{free_mb} MB free",
            "" if free_mb > RING_MB else "give the container --shm-size 256m",
        )
    return Finding(
        "Shared memory", "limited", "no /dev/shm", "the ring is kept in the data directory instead"
    )


APT = "`apt-get install {0}` or `dnf install {1}` or `brew install {2}`"
CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _program("Mosquitto", "mosquitto", "-h", engines.INSTALL["mosquitto"], "missing"),
    _redis,
    _program(
        "MQTT command line",
        "mosquitto_sub",
        "--version",
        APT.format("mosquitto-clients", "mosquitto", "mosquitto"),
        "limited",
    ),
    _program("C compiler (benches)", "gcc|cc", "--version", APT.format("gcc", "gcc", "gcc"), "limited"),
    _program(
        "cyclictest (benches)",
        "cyclictest",
        "--help",
        APT.format("rt-tests", "realtime-tests", "rt-tests"),
        "limited",
    ),
    _program(
        "Chromium (browser tests)",
        "chromium-headless-shell|chromium|chromium-browser|google-chrome",
        "--version",
        APT.format("chromium", "chromium", "chromium"),
        "limited",
    ),
    _cores,
    _realtime_class,
    _locked_memory,
    _shared_memory,
)


GATEWAY_CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, _cores, _realtime_class, _locked_memory, _shared_memory,
)  # fmt: skip


def _gateway(machine: Machine, joined: Joined) -> list[Finding]:
    """Who this machine is, until when it is believed, and whether its broker answers."""
    held, where = machine.certificate("gateway"), os.environ.get("SPONDYL_MQTT_URL") or joined.mqtt
    who, address = f"{joined.gateway} of site {joined.site}", urlsplit(where)
    host, port = address.hostname or "", address.port or PORT
    if held is None or held.not_valid_after_utc <= pki.utc_now():
        renew = "`spondyl gateway renew`, or a new code from the centre and `spondyl gateway join`"
        found = [Finding("Gateway", "missing", f"{who}: its certificate holds no more", renew)]
    else:
        until = f"its certificate holds until {held.not_valid_after_utc:%Y-%m-%d}"
        found = [Finding("Gateway", "ok", f"{who}, with {', '.join(joined.devices)}; {until}")]
    if answers(host, port):
        return [*found, Finding("Clinic's broker", "ok", f"{host}:{port} answers")]
    do = "start it; beds are treated and recorded without it, its log says what is wrong"
    return [*found, Finding("Clinic's broker", "missing", f"{host}:{port} does not answer", do)]


def _archive(data: Path) -> Finding:
    """Whether the archive that the environment names could be written; nothing is made or changed."""
    from services.telemetry.settings import TelemetrySettings

    try:
        settings = TelemetrySettings.load().model_copy(update={"data": data})
        if settings.archive_location.startswith("s3:"):
            return _archive_in_s3(settings)
        return _archive_on_disk(Path(unquote(urlsplit(settings.archive_location).path)))
    except SpondylError as error:
        return Finding("Archive", "missing", error.message, "see SPONDYL_ARCHIVE_URL in docs/operations.md")


def _archive_in_s3(settings: "TelemetrySettings") -> Finding:
    from services.telemetry.archive.opening import open_settings_store

    store = open_settings_store(settings)
    store.check()
    return Finding("Archive", "ok", f"{store.url} answers")


def _archive_on_disk(directory: Path) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "Archive",
            "missing",
            f"{existing} cannot be written",
            "give the user that runs Spondyl the right to it, or set SPONDYL_ARCHIVE_URL",
        )
    free_gb = shutil.disk_usage(existing).free / 1e9
    return Finding(
        "Archive",
        "ok" if free_gb > ARCHIVE_GB else "limited",
        f"{directory}, {free_gb:.1f} GB free",
        ""
        if free_gb > ARCHIVE_GB
        else "make room: a full disk loses nothing, Redis grows until there is some",
    )


def _reachable(data: Path) -> list[Finding]:
    try:
        run = runfile.load(data)
    except SpondylError as error:
        return [Finding("Running system", "ok", f"none: {error.message}")]
    found = []
    targets = {
        "Console": run.console,
        "Telemetry": run.telemetry,
        "MQTT broker": run.mqtt,
        "Redis": run.redis,
    }
    targets |= dict(zip(map(str.capitalize, ingest_names(len(run.ingest))), run.ingest, strict=True))
    if run.archiver is not None:
        targets["Archiver"] = run.archiver
    targets |= {name.capitalize(): url for name in BUSINESS if (url := getattr(run, name))}
    targets |= {f"Panel {name}": site.panel for name, site in run.sites.items()}
    for what, url in targets.items():
        host, port = host_port(url)
        found.append(
            Finding(what, "ok", f"{host}:{port} answers")
            if answers(host, port)
            else Finding(
                what,
                "missing",
                f"{host}:{port} does not answer",
                f"see {run.data / 'log'}; it is started again by itself",
            )
        )
    return found
