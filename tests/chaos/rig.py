"""A whole system in a world of its own, and the hands that do things to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from chaos.watch import Watch
from chaos.world import CENTRE, World
from machine import Machine
from servers import eventually

from services.controller.kernel.memory import W_CLOCK_OFFSET

SITES = ("north", "south")
CUT_SITE = "south"  # its line can be pulled
INSIDE = Path(__file__).parent / "inside"
SMALL_DISKS_MB = {"gateways/north": 24, "redis": 192, "telemetry": 64}
HOUR_S = 3600
UP_AGAIN_S = 30.0
SETTLE_S = 60.0  # what `spondyl audit` gives gateways to send what they owe


@dataclass
class Rig:
    """One system under chaos: processes by name, disks, the line of a site, the clock."""

    directory: Path
    seed: int
    beds: int = 6
    world: World = field(default_factory=World)
    ballast: Path | None = None
    notes: dict[str, Any] = field(default_factory=dict)  # what one fault's begin tells its end
    filled: set[str] = field(default_factory=set)  # disks that were full for a while

    def __post_init__(self) -> None:
        self.data = self.directory / "data"
        self.clock = self.directory / "clock"
        self.clock.write_bytes(bytes(8))
        self.machine = Machine(
            self.data, "--beds", str(self.beds), "--sites", "2", "--host", CENTRE, "--seed", str(self.seed),
            within=self.world.within, environment=self._environment(),
        )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            for directory, megabytes in SMALL_DISKS_MB.items():
                self.world.mount_small_disk(self.data / directory, megabytes)
            self.machine.start()
            self.watch = Watch({site: self.gateway(site) for site in SITES}, self._outside)
            self.loops = self.watch.loops()
            self.report = self.audit()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "watch"):
            self.watch.close()
        if self.machine.process is not None and not self.machine.process.stdout.closed:
            for process in self.machine.family():
                process.send_signal(signal.SIGCONT)
            self.machine.kill_everything()
        self.world.close()

    def _outside(self, _site: str, path: Path) -> Path:
        return self.world.path(path)

    def gateway(self, site: str) -> Path:
        """A gateway's directory as the test reaches it."""
        return self.world.path(self.data / "gateways" / site)

    def audit(self, settle_s: float = SETTLE_S) -> dict[str, Any]:
        """`spondyl audit --json` with its exit status, as soon as telemetry answers."""
        options = ("audit", "--json", "--settle-s", f"{settle_s:g}")
        answer = eventually(
            lambda: (found := self.machine.spondyl(*options, within_s=settle_s + 120)).stdout and found,
            UP_AGAIN_S, "an audit",
        )  # fmt: skip
        return json.loads(answer.stdout) | {"status": answer.returncode}

    # --- processes ---------------------------------------------------------------------------------------
    def pids(self, wanted: str) -> dict[str, int]:
        """Process ids of everything whose name begins or ends so."""
        processes = self.machine.processes()
        return {
            name: row["pid"]
            for name, row in processes.items()
            if name.startswith(wanted) or name.endswith(wanted)
        }

    def pid(self, *names: str) -> int:
        """The process of the first of these names that runs: some are called otherwise in older systems."""
        for name in names:
            if found := self.pids(name):
                return min(found.items())[1]
        raise AssertionError(f"none of {names} runs: {sorted(self.machine.processes())}")

    def kill(self, *names: str) -> None:
        """SIGKILL; ``await_again`` sees it come back."""
        self.notes = {"names": names, "pid": self.pid(*names)}
        os.kill(self.notes["pid"], signal.SIGKILL)

    def await_again(self) -> None:
        """What was killed runs again as another process."""
        names, before = self.notes["names"], self.notes["pid"]
        running = lambda: any(self.pids(name) for name in names) and self.pid(*names) != before
        eventually(running, UP_AGAIN_S, f"{names[0]} again")

    def freeze(self, *names: str) -> None:
        """SIGSTOP: its connections stay open and nothing answers."""
        self.notes = {"pid": self.pid(*names)}
        os.kill(self.notes["pid"], signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT, to the very process, unless it was taken for one that hangs and was replaced."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.notes["pid"], signal.SIGCONT)

    # --- disks, line and clock ---------------------------------------------------------------------------
    def fill(self, directory: str) -> None:
        """Not a byte is free any more where this part of the data lies."""
        self.ballast = self.world.fill_disk(self.data / directory)
        self.filled.add(Path(directory).name)

    def make_room(self) -> None:
        """Somebody tidied up."""
        self.ballast.unlink()

    def set_line(self, *, up: bool) -> None:
        """Pull the site's line or put it back."""
        self.world.set_line(up=up)

    def step_clocks(self, seconds: int) -> None:
        """Set the wall clock of every process: the library's for all, the loops' by their own word."""
        for memory in self.watch.memories():
            memory.set_word(W_CLOCK_OFFSET, seconds * 10**9)
        with self.clock.open("r+b") as file:  # in place: every process has it mapped
            file.write((seconds * 10**9).to_bytes(8, sys.byteorder, signed=True))

    def see_clocks(self, seconds: int) -> None:
        """Telemetry itself dates what it says by the stepped clock."""

        def dated() -> bool:
            [(_, message)] = self.machine.subscribe("spondyl/v1/north/bed-01/committed", 1) or [("", {})]
            said = datetime.fromisoformat(message["at"]).timestamp() if message else 0.0
            return abs(said - time.time() - seconds) < HOUR_S / 2

        eventually(dated, UP_AGAIN_S, f"`committed` dated {seconds} s off")

    def replay_badly(self, seconds: float) -> None:
        """A bridge with a gateway's rights delivers twice and out of order; see bad_bridge.py."""
        script = [*self.world.within, sys.executable, str(Path(__file__).parent / "bad_bridge.py")]
        options = [str(self.data), "south", str(self.seed), f"{seconds:g}"]
        answer = subprocess.run([*script, *options], capture_output=True, text=True, timeout=seconds + 60,
                                check=False)  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        self.notes = {"boot": answer.stdout.strip()}

    def see_it_once(self) -> None:
        """What the bridge delivered as a boot of its own is stored once, from its first sample on."""
        of_the_bridge = lambda: [
            row for row in self.audit(0.0)["streams"] if row["boot"] == self.notes["boot"]
        ]
        [row] = eventually(of_the_bridge, UP_AGAIN_S, "the bridge's own boot in the audit")
        assert (row["first_seq"], row["lost"], row["duplicates"]) == (0, 0, 0)

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(INSIDE), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {
            "PYTHONPATH": path,
            "CHAOS_NETWORK": str(self.world.site_network),
            "CHAOS_SITE": CUT_SITE,
            "SPONDYL_INGEST_WORKERS": "2",
            "SPONDYL_ARCHIVE_SPAN_MIN": "1",
        }
        return environment | stepped_clock(self.directory, self.clock)


def stepped_clock(directory: Path, clock: Path) -> dict[str, str]:
    """What makes a program read a wall clock as far off as the file says; see step_clock.c."""
    library = directory / "step_clock.so"
    source = Path(__file__).with_name("step_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "STEP_CLOCK": str(clock)}
