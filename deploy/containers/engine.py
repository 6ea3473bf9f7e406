"""Which program runs the containers here: docker with its compose, or podman with podman-compose."""

import functools
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.kit.errors import SpondylError

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "spondyl"
LOOP_PRIORITY, LOOP_MEMORY = 80, 512 * 1024 * 1024  # what the gateway's compose file asks for


@dataclass(frozen=True, slots=True)
class Engine:
    """``run`` and ``compose`` are the beginnings of a command line."""

    run: tuple[str, ...]
    compose: tuple[str, ...]

    @property
    def is_podman(self) -> bool:
        """Without a daemon: what a container may have is what we may have."""
        return self.run[-1] == "podman"

    def __call__(self, *arguments: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run it and keep what it prints. Raises SpondylError with its last words."""
        return _run((*self.run, *arguments), check=check, **more)

    def composed(self, files: Sequence[str], *arguments: str) -> None:
        """Run compose over these files of ``deploy``, printing as it does. Raises SpondylError."""
        named = [part for file in files for part in ("-f", str(ROOT / "deploy" / file))]
        command = (*self.compose, "-p", PROJECT, *named, *arguments)
        environment = {**os.environ, **limits(self)}
        _run(command, check=True, environment=environment)

    def inspect(self, kind: str, *names: str) -> list[dict[str, Any]]:
        """What the engine knows of containers or images."""
        found: list[dict[str, Any]] = json.loads(self("inspect", "--type", kind, *names).stdout)
        return found

    def containers(self) -> dict[str, str]:
        """Every container of the project, stopped ones too: {name: service}."""
        label = "com.docker.compose"
        shown = self(
            "ps", "-a", "--filter", f"label={label}.project={PROJECT}",
            "--format", f'{{{{.Names}}}} {{{{index .Labels "{label}.service"}}}}' if self.is_podman
            else f'{{{{.Names}}}} {{{{.Label "{label}.service"}}}}',
        )  # fmt: skip
        return dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)


@functools.cache
def engine() -> Engine:
    """The one that works here. Raises SpondylError that says what to install."""
    if shutil.which("docker") and _works("docker", "info") and _works("docker", "compose", "version"):
        return Engine(("docker",), ("docker", "compose"))
    own = Path(sys.executable).with_name("podman-compose")
    compose = str(own) if own.exists() else shutil.which("podman-compose")
    if shutil.which("podman") and compose:
        return Engine(("podman",), (compose, "--no-ansi"))
    raise SpondylError(
        "containers need docker with `docker compose`, or podman with podman-compose "
        "(`pip install podman-compose`): neither works here"
    )


def limits(one: Engine) -> Mapping[str, str]:
    """What the gateway may be given here: podman cannot grant more than this process has itself."""
    if not one.is_podman:
        return {}
    priority, memory = (
        resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK)
    )
    granted = {
        "SPONDYL_RTPRIO": LOOP_PRIORITY if priority < 0 else min(priority, LOOP_PRIORITY),
        "SPONDYL_MEMLOCK": LOOP_MEMORY if memory < 0 else min(memory, LOOP_MEMORY),
    }
    return {name: os.environ.get(name, str(value)) for name, value in granted.items()}


def say(text: str) -> None:
    """A line of progress for a person, beside what is printed for programs."""
    print(f"stack: {text}", file=sys.stderr, flush=True)


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


def _run(
    command: Sequence[str], *, check: bool, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if check and done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-8:]
        raise SpondylError(f"`{' '.join(command)}` ended with {done.returncode}: " + "\n  ".join(words))
    return done
