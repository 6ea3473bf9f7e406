"""Ports on this machine: the wanted one, the one of last time, or a free one."""

import json
import socket
from pathlib import Path

from services.kit.errors import SpondylError
from services.kit.runfile import read_json, write_private


def is_free(host: str, port: int) -> bool:
    """True when a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError):  # taken, not ours, or no address at all
            return False
    return True


def answers(host: str, port: int) -> bool:
    """True when something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


class Ports:
    """Gives every name a port, the same one at the next start when it is still free."""

    def __init__(self, path: Path, host: str) -> None:
        self._path = path
        self._host = host
        self._taken: dict[str, int] = {}
        self._before = {name: port for name, port in read_json(path).items() if isinstance(port, int)}

    def required(self, name: str, port: int, option: str) -> int:
        """The port a person asked for, refused when something else has it."""
        if not is_free(self._host, port):
            raise SpondylError(
                f"{option} {port} is taken on {self._host} by another program: "
                f"choose another, or leave {option} out and a free one is found"
            )
        self._taken[name] = port
        return port

    def choose(self, name: str, preferred: int | None = None) -> int:
        """Last time's port, the preferred one or one close above it, else any; only free ones."""
        near = [] if preferred is None else list(range(preferred, preferred + 20))
        for port in [*([self._before[name]] if name in self._before else []), *near]:
            if port not in self._taken.values() and is_free(self._host, port):
                break
        else:
            port = self._any()
        self._taken[name] = port
        return port

    def save(self) -> None:
        """Remember for the next start."""
        write_private(self._path, json.dumps(self._before | self._taken, indent=2))

    def _any(self) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind((self._host, 0))
                port = int(probe.getsockname()[1])
            if port not in self._taken.values():
                return port
