"""`python -m deploy.containers.stack up|down|status`: a demo chain of two clinics and a centre in containers.

`up` prepares secrets, builds what images are missing, starts everything in steps and waits until all are
healthy: compose alone does not wait everywhere, and health checks run by themselves only where systemd or
docker sees to it.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.containers import images
from deploy.containers.engine import ROOT, Engine, engine, say
from services.kit.errors import SpondylError, refusals_in_one_line

FILES: Final = (
    "compose.central.yaml", "compose.yaml", "compose.demo.yaml",
    *os.environ.get("SPONDYL_STACK_FILES", "").split(),  # relative to deploy/: what a test lays on top
)  # fmt: skip
STATE: Final = ROOT / "var" / "stack"
REPLICAS: Final = STATE.with_name("stack-replicas.yaml")  # JSON is YAML
REPEATABLE: Final = (
    "telemetry", "ingest", "archiver", "console", "screening", "scheduler", "billing", "homecare",
)  # fmt: skip
COUNTS: Final = tuple(map(str, range(1, 9)))
STORES: Final = ("db", "redis", "mqtt", "store")
HEALTHY_WITHIN_S: Final = 600.0
LOOK_S: Final = 1.0
SCRATCH: Final = "/tmp"  # noqa: S108  (the container's own)
AT_ONCE: Final = 3  # health checks: each is a process of its own
ADDRESSES: Final = {
    "console": "https://localhost:8443",
    "telemetry": "https://localhost:8444",
    "patients at home": "https://localhost:8445/h/",
    "panels north": "https://localhost:8081",
    "panels south": "https://localhost:8082",
    "MQTT (with a certificate)": "mqtts://localhost:8883",
}


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="deploy.containers.stack", description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--no-people", action="store_true", help="up: without made-up people")
    parser.add_argument("--purge", action="store_true", help="down: with every volume and secret")
    parser.add_argument("--scale", action="append", default=[], metavar="SERVICE=N", help="up: replicas")
    options = parser.parse_args()
    with refusals_in_one_line():
        if options.what == "up":
            started = up(scale=options.scale, people=not options.no_people)
            _print(started, as_json=options.json)
        elif options.what == "down":
            down(purge=options.purge)
        else:
            _print_status(status(engine()), as_json=options.json)


def up(*, scale: Sequence[str] = (), people: bool = True) -> dict[str, float]:
    """Everything started and healthy: seconds from each container's start to that. Raises SpondylError."""
    one, _ = engine(), replicas(scale)
    images.build(images.TARGETS, only_missing=True)
    prepare(one)
    say("starting stores and the central broker")
    one.composed(FILES, "up", "-d", *STORES)
    stores = wait(one, lambda service: service in STORES)
    say("bringing the databases up to date")
    one.composed(FILES, "--profile", "jobs", "run", "--rm", "migrate")
    say("starting everything else")
    one.composed((*FILES, *replicas(scale)), "up", "-d")
    took = wait(one, lambda _service: True) | stores
    if people:
        say("letting made-up people come")
        one.composed(FILES, "--profile", "jobs", "run", "--rm", "people")
    return took


def replicas(scale: Sequence[str], file: Path = REPLICAS) -> tuple[str, ...]:
    """A compose file with so many of each service; none where nothing is asked for. Raises SpondylError.

    podman-compose takes but one `--scale`.
    """
    asked = dict(words.partition("=")[::2] for words in scale)
    for service, number in asked.items():
        if service not in REPEATABLE or number not in COUNTS:
            raise SpondylError(
                f"--scale {service}={number}: there may be {COUNTS[0]} to {COUNTS[-1]} of "
                f"{', '.join(REPEATABLE)}"
            )
    if not asked:
        return ()
    file.parent.mkdir(exist_ok=True)
    services = {service: {"scale": int(number)} for service, number in asked.items()}
    file.write_text(json.dumps({"services": services}), encoding="utf-8")
    return (str(file),)


def down(*, purge: bool = False) -> None:
    """Every container ended in order and removed; volumes and secrets stay unless told."""
    one = engine()
    words = ("--profile", "jobs", "down", *(("-v",) if purge else ()))
    with contextlib.suppress(SpondylError):  # one that is starting again and again is passed over by podman
        one.composed(FILES, *words)
    left = list(one.containers())
    if left:
        one("rm", "-f", *left)
        one.composed(FILES, *words)
    if purge and STATE.exists():
        one("run", "--rm", "--user", "0", "-v", f"{STATE.parent}:/state", "spondyl/tools:latest",
            "rm", "-rf", f"/state/{STATE.name}")  # fmt: skip


def prepare(one: Engine) -> None:
    """The demo's secrets, by the tools image: its user 10001 owns them afterwards."""
    STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    one(
        "run", "--rm", "--user", "0", "--network", "none", "--read-only", f"--tmpfs={SCRATCH}",
        "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "DAC_OVERRIDE", "--cap-add", "FOWNER",
        "-v", f"{STATE}:/chain", "spondyl/tools:latest",
        "python", "-m", "deploy.containers.prepare", "/chain",
    )  # fmt: skip


def wait(one: Engine, counts: Callable[[str], bool], within_s: float = HEALTHY_WITHIN_S) -> dict[str, float]:
    """Until those services' containers are healthy: seconds from start to healthy. Raises SpondylError."""
    took: dict[str, float] = {}
    deadline = time.monotonic() + within_s
    while True:
        waiting = [name for name, service in one.containers().items() if counts(service) and name not in took]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            found = dict(zip(waiting, threads.map(lambda name: health(one, name), waiting), strict=True))
        for name in (name for name, (well, _) in found.items() if well):
            took[name] = round((datetime.now(UTC) - _started(one, name)).total_seconds(), 1)
        unwell = {name: said for name, (well, said) in found.items() if not well}
        if not unwell:
            break
        if time.monotonic() > deadline:
            why = "; ".join(f"{name}: {said}" for name, said in unwell.items())
            raise SpondylError(f"not healthy within {within_s:.0f} s: {why}")
        time.sleep(LOOK_S)
    return took


def health(one: Engine, name: str) -> tuple[bool, str]:
    """Whether a container is healthy now, and what its check or its end says."""
    try:
        found = one.inspect("container", name)[0]
    except SpondylError as error:  # it is being made anew
        return False, error.message
    state = found["State"]
    if not state.get("Running"):
        return state.get("ExitCode") == 0 and state[
            "Status"
        ] == "exited", f"{state['Status']} {state['ExitCode']}"
    test = (found["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "NONE":
        return True, "runs"
    if not one.is_podman:
        return state.get("Health", {}).get("Status") == "healthy", str(state.get("Health", {}).get("Status"))
    asked = one("exec", name, *(("sh", "-c", test[1]) if test[0] == "CMD-SHELL" else test[1:]), check=False)
    return asked.returncode == 0, (asked.stdout or asked.stderr).strip()[-300:] or f"exit {asked.returncode}"


def status(one: Engine) -> list[dict[str, Any]]:
    """A row a container: service, state, health, seconds since its start, restarts."""
    rows = []
    for name, service in sorted(one.containers().items(), key=lambda pair: pair[1]):
        well, said = health(one, name)
        up_s = (datetime.now(UTC) - _started(one, name)).total_seconds()
        rows.append(
            {"service": service, "container": name, "healthy": well, "says": said, "up_s": round(up_s)}
        )
    return rows


def _started(one: Engine, name: str) -> datetime:
    text = str(one.inspect("container", name)[0]["State"]["StartedAt"])
    text = text.replace("Z", "+00:00")
    head, _, rest = text.partition(".")  # nanoseconds: more than datetime reads
    digits = len(rest) - len(rest.lstrip("0123456789"))
    moment = datetime.fromisoformat(f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}" if rest else text)
    return moment.astimezone(UTC)


def _print(took: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"addresses": ADDRESSES, "authority": str(_ca()), "healthy_after_s": took}))
        return
    for name, seconds in sorted(took.items()):
        print(f"  {name:<32} healthy after {seconds:6.1f} s")
    print()
    for what, address in ADDRESSES.items():
        print(f"  {what:<28} {address}")
    print(f"\n  Certificates are the demo's own: {_ca()}. The sign-in page shows a name and its password.")
    print("  Simulated beds. Not a certified medical device. `make stack-down` ends everything.")


def _print_status(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
    for row in () if as_json else rows:
        mark = "healthy" if row["healthy"] else "UNWELL "
        print(f"  {row['container']:<32} {mark} {row['up_s']:>7} s  {row['says']}")
    sys.exit(0 if rows and all(row["healthy"] for row in rows) else 1)


def _ca() -> Path:
    return STATE / "centre" / "secrets" / "ca.crt"


if __name__ == "__main__":
    main()
