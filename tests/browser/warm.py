"""Consoles forked from a process that has read the code already: each a process of its own, a second sooner.

python tests/browser/warm.py       # a console for each line on stdin, {"settings": {}, "log": PATH}: its pid
"""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__))], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(server.communicate)  # closes its stdin, which is its end
    return server


def console(settings: dict[str, str], log: Path) -> psutil.Process:
    """A console with this environment, which writes there."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"settings": settings, "log": str(log)}) + "\n")
    server.stdin.flush()
    return psutil.Process(int(server.stdout.readline()))


def serve() -> None:
    """Fork until stdin ends."""
    from services.console.__main__ import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here: the kernel buries them
    for line in sys.stdin:
        pid = os.fork()
        if pid:
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
            continue
        status = 1
        try:
            _begin(**json.loads(line))
            main()
            status = 0
        finally:
            os._exit(status)


def _begin(settings: dict[str, str], log: str) -> None:
    """What a process that was started anew would have."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    file, nothing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), os.open(os.devnull, os.O_RDONLY)
    for which, fd in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(which, fd)
    os.environ.clear()
    os.environ.update(settings)


if __name__ == "__main__":
    serve()
