"""Services forked from a process that has read their code already: each its own process, a second sooner.

process = warm.start("services.console", environment, log)  # then as a Popen
python tests/warm.py       # one for each line on stdin that asks so; see `serve`
"""

import atexit
import contextlib
import functools
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
POLL_S = 0.02
_ONE_AT_A_TIME = threading.Lock()


class Process:
    """What was started, with what a Popen has and tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status (a signal's number below zero), None while it runs."""
        if self.returncode is None:
            self.returncode = _ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send it, unless it is over."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(module: str, environment: dict[str, str], log: Path) -> Process:
    """`python -m module` with this environment, which adds what it says to the log."""
    return Process(_ask(module=module, environment=environment, log=str(log)))


def _ask(**question: Any) -> Any:
    with _ONE_AT_A_TIME:
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(question) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__))], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(server.communicate)  # closes its stdin, which is its end
    return server


def serve() -> None:
    """Answer until stdin ends: whether a process has ended, or with the id of a new one."""
    for line in sys.stdin:
        question = json.loads(line)
        answer = _ended(question["ended"]) if "ended" in question else _fork(**question)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _fork(module: str, environment: dict[str, str], log: str) -> int:
    main = _main(module)
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _begin(environment, log)
        status = _run(main)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


@functools.cache
def _main(module: str) -> Any:
    """What `python -m module` runs."""
    spec = importlib.util.find_spec(module)
    package = spec is not None and spec.submodule_search_locations is not None
    return importlib.import_module(f"{module}.__main__" if package else module).main


def _run(main: Any) -> int:
    """Its exit status."""
    try:
        main()
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except BaseException:  # noqa: BLE001  (what an interpreter does with what nobody caught)
        traceback.print_exc()
        return 1
    return 0


def _begin(environment: dict[str, str], log: str) -> None:
    """What a process that was started anew would have."""
    file, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.open(os.devnull, os.O_RDONLY)
    for which, fd in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(which, fd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


if __name__ == "__main__":
    serve()
