"""Ports on this machine: the wanted one, the one of last time, or a free one."""

import json
import socket
from pathlib import Path

from services.kit.errors import SpondylError
from services.kit.ports import free_port, is_free, reserve
from services.kit.runfile import read_json, write_private


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
        if not (is_free(self._host, port) and reserve(port)):
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
            if port not in self._taken.values() and is_free(self._host, port) and reserve(port):
                break
        else:
            port = free_port(self._host)
        self._taken[name] = port
        return port

    def save(self) -> None:
        """Remember for the next start."""
        write_private(self._path, json.dumps(self._before | self._taken, indent=2))
