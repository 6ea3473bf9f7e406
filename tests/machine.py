"""A whole running system for tests: `spondyl up` as a person starts it, and the command beside it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from access import system_header
from servers import eventually

from services.kit.runfile import read_json

SPONDYL = str(Path(sys.executable).with_name("spondyl"))


class Machine:
    """`spondyl up` on free ports with its own data directory.

    ``within`` is put before every command (a namespace to enter, say), ``environment`` is added for `up`.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        within: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.options = options
        self.within = within
        self.environment = environment or {}
        self.addresses: dict[str, Any] = {}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Machine":
        """Start and wait for the first line on stdout."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.data.with_suffix(".stderr").open("w") as stderr:
            self.process = subprocess.Popen(
                [*self.within, "env", *(f"{name}={value}" for name, value in self.environment.items()),
                 SPONDYL, "up", "--data", str(self.data), "--json", *self.options],
                stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.process.stdout.close()
        assert line, f"`spondyl up` ended: {self.data.with_suffix('.stderr').read_text()}"
        self.addresses = json.loads(line)
        return self

    def stop(self, within_s: float = 5.0) -> list[psutil.Process]:
        """Ctrl-C; the processes that are still there afterwards (there must be none)."""
        family = self.family()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(within_s)
        further = self.process.stdout.read()
        self.process.stdout.close()
        assert further == "", "stdout has one JSON object and nothing else"
        return [process for process in psutil.wait_procs(family, timeout=0.2)[1] if not _has_ended(process)]

    def kill_everything(self) -> None:
        """After a failed test: nothing of ours stays."""
        for process in self.family():
            process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def family(self) -> list[psutil.Process]:
        """Every process whose environment or parents make it ours."""
        ours = set()
        if self.running:
            with contextlib.suppress(AssertionError):  # beginning or ending: `up` takes its children along
                ours = {process["pid"] for process in self.processes().values()}
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid in ours or process.environ().get("SPONDYL_DATA") == str(self.data):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    @property
    def running(self) -> bool:
        """Whether `spondyl up` has not ended."""
        return self.process is not None and self.process.poll() is None

    def spondyl(
        self, *arguments: str, data: bool = True, within_s: float = 60.0, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Another `spondyl` command against this system; ``typed`` is its stdin."""
        where = ["--data", str(self.data)] if data else []
        command = [*self.within, SPONDYL, *arguments, *where]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, check=False, input=typed
        )

    def processes(self) -> dict[str, dict[str, Any]]:
        """`spondyl status --json`: the processes by name."""
        answer = self.spondyl("status", "--json")
        assert answer.returncode == 0, answer.stderr
        return {row["name"]: row for row in json.loads(answer.stdout)["processes"]}

    def audit(self) -> dict[str, Any]:
        """`spondyl audit --json`."""
        answer = self.spondyl("audit", "--json")
        assert answer.stdout, answer.stderr
        return json.loads(answer.stdout) | {"status": answer.returncode}

    def kill(self, name: str) -> int:
        """SIGKILL one process by its name in `status`, wait until it is there again with another pid."""
        pid = eventually(lambda: self._pid(name), 20.0, f"{name} to run")  # a recorder: once its loop ticks
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self._pid(name) not in (None, pid), 20.0, f"{name} again")
        return pid

    def _pid(self, name: str) -> int | None:
        """What `status` reads, without the half second that its start takes."""
        site, _, process = name.rpartition("/")
        folder = self.data / "gateways" / site if site else self.data
        return read_json(folder / "processes.json").get(process, {}).get("pid")

    def get(self, url: str) -> Any:
        """One JSON answer of one of our addresses, asked in the name of the machine's owner."""
        request = urllib.request.Request(url, headers=system_header(self.data))  # noqa: S310  (our own address)
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310  (the same)
            return json.load(response)

    def subscribe(self, topic: str, count: int, timeout_s: float = 15.0) -> list[tuple[str, dict[str, Any]]]:
        """(topic, message) pairs as mosquitto_sub prints them."""
        host, _, port = self.addresses["mqtt"].rpartition("/")[2].rpartition(":")
        answer = subprocess.run(
            [*self.within, "mosquitto_sub", "-V", "5", "-h", host, "-p", port,
             "-u", self.addresses["mqtt_user"],
             "-P", self.addresses["mqtt_password"], "-t", topic, "-q", "1", "-C", str(count),
             "-W", str(int(timeout_s)), "-F", "%t %p"],
            capture_output=True, text=True, timeout=timeout_s + 5, check=False)  # fmt: skip
        pairs = [line.split(" ", 1) for line in answer.stdout.splitlines()]
        return [(name, json.loads(text)) for name, text in pairs]


def _has_ended(process: psutil.Process) -> bool:
    """Also when nobody has asked how: an orphan's new parent may never."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
