"""A chain that runs in containers, and the hands that do things to it.

`make chaos-stack` has started it (deploy/compose*.yaml, compose.chaos.yaml); nothing here starts or ends it.
Root and podman are needed: faults reach into the containers' processes, networks and disks.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.watch import Watch
from servers import eventually

from deploy.containers.authority import Authority
from deploy.containers.engine import PROJECT, engine
from deploy.containers.stack import STATE, health
from services.controller.kernel.memory import W_CLOCK_OFFSET

GATEWAYS = {"north": "gateway", "south": "gateway-south"}  # which service is whose
BROKERS = {"north": "site-mqtt", "south": "site-mqtt-south"}
SMALL_SITE = "south"  # whose gateway has a small disk
DESK = "spondyl-chaos-desk"  # the container that audits, and that is the desks' load
ASKED = ("telemetry", "screening", "scheduler", "billing")  # by the audit and the desks
UP_AGAIN_S = 180.0
SETTLE_S = 120.0  # what `spondyl audit` gives gateways to send what they owe
HERE = Path(__file__).parent
DATA = Path("/var/lib/spondyl")


class Stack:
    """Containers by the names of their services, the lines between them, what is counted after each fault."""

    def __init__(self, directory: Path) -> None:
        self.engine = engine()
        self.clock = Path(os.environ["SPONDYL_STEP"]) / "clock"
        self.notes: dict[str, Any] = {}
        self.report: dict[str, Any] = {}
        self._counts = directory / "counts.json"
        self._links: list[subprocess.Popen[str]] = []
        self._open_desk(directory)
        self.watch = self._watch()

    def close(self) -> None:
        """Take back what was done; the chain goes on."""
        self.restore_lines()
        self.step_clocks(0)
        self.watch.close()
        self.engine("rm", "-f", "-t", "3", DESK, check=False)

    # --- containers ----------------------------------------------------------------------------------------
    def containers(self, service: str) -> list[str]:
        """Names of a service's containers; AssertionError when there is none."""
        found = [name for name, owner in self.engine.containers().items() if owner == service]
        assert found, f"no container of {service}: `make chaos-stack` starts the chain"
        return found

    def pid(self, service: str) -> int:
        """Process id of a service's first container, 0 when it does not run."""
        answer = self.engine(
            "inspect", "--format", "{{.State.Pid}}", self.containers(service)[0], check=False
        )
        return int(answer.stdout.strip() or 0)

    def kill(self, *services: str) -> None:
        """SIGKILL to a container's first process: its restart policy brings it back."""
        self.notes = {"pids": {service: self.pid(service) for service in services}}
        for pid in self.notes["pids"].values():
            os.kill(pid, signal.SIGKILL)

    def await_again(self) -> None:
        """What was killed runs as another process, and its health check says that it is well."""
        for service, before in self.notes["pids"].items():
            eventually(lambda s=service, b=before: self.pid(s) not in (0, b), UP_AGAIN_S, f"{service} again")
            self.await_health(service)
        self.look_anew()

    def await_health(self, service: str) -> None:
        """Its own health check, asked by us: without systemd podman asks none."""
        names = self.containers(service)
        well = lambda: all(health(self.engine, name)[0] for name in names)
        eventually(well, UP_AGAIN_S, f"{service} healthy")

    def restart(self, services: Sequence[str]) -> None:
        """One after another, as a release is rolled out; each is well before the next ends."""
        for service in services:
            for name in self.containers(service):
                self.engine("restart", "-t", "10", name)
            self.await_health(service)
        self.look_anew()

    def is_treating(self, site: str) -> bool:
        """Whether the site's panel answers and each of its loops still samples."""
        memory = self.watch.memories()[list(GATEWAYS).index(site)]
        before = memory.head()
        eventually(lambda: memory.head() > before, 5, f"the loop of {site} samples")
        name = self.containers(GATEWAYS[site])[0]
        script = (
            "import json, ssl, urllib.request as u; c = ssl._create_unverified_context()\n"
            "print(u.urlopen('https://127.0.0.1:8080/livez', context=c, timeout=5).status)"
        )
        return self.engine("exec", name, "python", "-c", script, check=False).stdout.strip() == "200"

    # --- lines, disks, certificates, clocks ----------------------------------------------------------------
    def cut(self, site: str) -> None:
        """Pull the site's line to the centre."""
        self.notes = {"cut": BROKERS[site]}
        self.engine("network", "disconnect", f"{PROJECT}_edge", self.containers(BROKERS[site])[0])

    def join(self) -> None:
        """Put the line back; the broker has another address then, as after any outage."""
        service = self.notes["cut"]
        self.engine("network", "connect", "--alias", service, f"{PROJECT}_edge", self.containers(service)[0])

    def spoil(self, site: str, *options: str) -> None:
        """Make the site's line slow, lossy or narrow."""
        name = self.containers(BROKERS[site])[0]
        link = [sys.executable, str(HERE / "link.py"), name, "--device", self._edge_device(name), *options]
        process = subprocess.Popen(link, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", f"the line could not be spoiled: {link}"
        self._links.append(process)

    def restore_lines(self) -> None:
        """Every line as it was."""
        while self._links:
            process = self._links.pop()
            process.terminate()
            process.communicate(timeout=20)

    def fill_site(self) -> None:
        """Not a byte is free any more on the small disk of a site's gateway."""
        ballast = Path(os.environ["SPONDYL_SMALL_DISK"]) / "ballast"
        self.notes = {"ballast": ballast}
        with ballast.open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 1):  # ever smaller pieces, until not even a byte fits
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def make_room(self) -> None:
        """Somebody tidied up."""
        self.notes["ballast"].unlink()

    def expire_bridge(self, site: str) -> None:
        """The certificate by which a clinic is known at the centre is of yesterday."""
        own = STATE / "clinics" / site / "secrets"
        self.notes = {kind: (own / f"bridge.{kind}").read_bytes() for kind in ("crt", "key")}
        Authority(STATE / "authority").issue(own, "expired", f"bridge-{site}", days=-1)
        for kind in ("crt", "key"):
            old = own / f"expired.{kind}"
            _write_in_place(own / f"bridge.{kind}", old.read_bytes())
            old.unlink()
        self.restart([BROKERS[site]])

    def renew_bridge(self, site: str) -> None:
        """The good one is back."""
        own = STATE / "clinics" / site / "secrets"
        for kind in ("crt", "key"):
            _write_in_place(own / f"bridge.{kind}", self.notes[kind])
        self.restart([BROKERS[site]])

    def step_clocks(self, seconds: int) -> None:
        """Set the wall clock of every process of ours: the loops' by a word of their own."""
        for memory in self.watch.memories():
            memory.set_word(W_CLOCK_OFFSET, seconds * 10**9)
        with self.clock.open("r+b") as file:  # in place: every process has it mapped
            file.write((seconds * 10**9).to_bytes(8, sys.byteorder, signed=True))

    # --- what came of it -----------------------------------------------------------------------------------
    def audit(self) -> dict[str, Any]:
        """`spondyl audit --json` in the centre's network, with its exit status, once all answer."""
        command = ("exec", DESK, "spondyl", "audit", "--json", "--settle-s", f"{SETTLE_S:g}")

        def asked() -> dict[str, Any] | None:
            answer = self.engine(*command, check=False)
            self.notes["audit"] = answer.stderr[-500:]
            return json.loads(answer.stdout) | {"status": answer.returncode} if answer.stdout else None

        return eventually(asked, UP_AGAIN_S, "an audit")

    def desks(self) -> dict[str, int]:
        """What the desks have done so far."""
        try:
            return dict(json.loads(self._counts.read_text()))
        except (OSError, ValueError):
            return {}

    def look_anew(self) -> None:
        """At gateways that may be other processes now; the figures go on."""
        before = self.watch
        before.close()
        self.watch = self._watch()
        self.watch.go_on(before)

    def _watch(self) -> Watch:
        running = {
            site: eventually(lambda s=service: self.pid(s), UP_AGAIN_S, f"{service} runs")
            for site, service in GATEWAYS.items()
        }
        roots = {site: Path(f"/proc/{pid}/root") for site, pid in running.items()}
        directories = {site: root / DATA.relative_to("/") / "gateways" / site for site, root in roots.items()}
        for site, directory in directories.items():
            eventually((directory / "loop.json").exists, UP_AGAIN_S, f"the loop of {site}")
        return Watch(directories, lambda site, path: roots[site] / path.relative_to("/"))

    def _edge_device(self, container: str) -> str:
        """The container's interface that has its address of the network `edge`."""
        [shown] = self.engine.inspect("container", container)
        networks = shown["NetworkSettings"]["Networks"]
        address = next(one["IPAddress"] for name, one in networks.items() if name.endswith("_edge"))
        within = ["nsenter", "-t", str(shown["State"]["Pid"]), "-n", "ip", "-j", "addr"]
        rows = json.loads(subprocess.run(within, capture_output=True, text=True, check=True).stdout)
        return next(row["ifname"] for row in rows for one in row["addr_info"] if one["local"] == address)

    def _open_desk(self, directory: Path) -> None:
        """A container that stays: a fresh one for each audit would take longer than the audit."""
        self.engine("rm", "-f", "-t", "0", DESK, check=False)
        directory.chmod(0o777)
        key = STATE / "centre" / "secrets" / "access.key"
        urls = [part for name in ASKED for part in ("-e", f"SPONDYL_{name.upper()}_URL=http://{name}:8080")]
        self.engine(
            "run", "-d", "--name", DESK, "--network", f"{PROJECT}_centre", *urls,
            "-v", f"{key}:{DATA}/secrets/access.key:ro", "-v", f"{HERE / 'desk.py'}:/desk.py:ro",
            "-v", f"{directory}:/counts", "spondyl/tools:latest", "python", "/desk.py", "/counts/counts.json",
        )  # fmt: skip


def _write_in_place(path: Path, content: bytes) -> None:
    """The same file: containers have it mounted by its inode."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)
