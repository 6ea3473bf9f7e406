"""How far a loop is that does not tick yet: at a version's first start its code is compiled, for a minute.

``starting.json`` in the gateway's directory names the process that starts, and where its compiled code is
kept; ``progress.json`` there says how far whoever compiles has come, to every gateway that waits for it. No
compiler is needed to read them; a file of a process that is gone says nothing.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from services.kit import files
from services.kit.runfile import is_process, process_start, read_json

STARTING: Final = "starting.json"
PROGRESS: Final = "progress.json"


@dataclass(frozen=True, slots=True)
class Preparing:
    """A loop that is not there yet: its code compiled to so many percent; None while nothing is compiled."""

    percent: int | None

    @property
    def english(self) -> str:
        """For a person."""
        if self.percent is None:
            return "the control loop is starting"
        return f"the control loop is being compiled for this machine, once: {self.percent} %"

    @property
    def german(self) -> str:
        """For a person."""
        if self.percent is None:
            return "der Regler startet"
        return f"der Regler wird für diesen Rechner übersetzt, einmalig: {self.percent} %"


def begin(directory: Path, compiled: Path) -> None:
    """This process starts a loop; its compiled code is kept in ``compiled``."""
    _write(directory / STARTING, {"compiled": str(compiled)})


def end(directory: Path) -> None:
    """The loop ticks."""
    (directory / STARTING).unlink(missing_ok=True)


def tell(compiled: Path, percent: int) -> None:
    """This process compiles, and has come so far; nothing where another one is at it.

    Several gateways keep their compiled code in one place: one of them compiles, the others wait for it, and
    the few functions that they compile before they do would be told as the beginning.
    """
    if _is_mine(compiled / PROGRESS):
        _write(compiled / PROGRESS, {"percent": percent})


def told(compiled: Path) -> None:
    """This process has compiled everything."""
    if _is_mine(compiled / PROGRESS):
        (compiled / PROGRESS).unlink(missing_ok=True)


def look(directory: Path) -> Preparing | None:
    """What the loop of this gateway is waited for; None when none starts."""
    starting = _of_living(directory / STARTING)
    if starting is None:
        return None
    progress = _of_living(Path(str(starting.get("compiled"))) / PROGRESS) or {}
    percent = progress.get("percent")
    return Preparing(max(0, min(100, percent)) if isinstance(percent, int) else None)


def _write(path: Path, row: dict[str, object]) -> None:
    """A full disk must keep no loop from its beds: then nothing is told."""
    pid = os.getpid()
    with contextlib.suppress(OSError):
        files.replace(path, orjson.dumps({"pid": pid, "started_at": process_start(pid), **row}), named=False)


def _is_mine(path: Path) -> bool:
    """Whether no other living process has written there."""
    other = _of_living(path)
    return other is None or other["pid"] == os.getpid()


def _of_living(path: Path) -> dict[str, object] | None:
    row = read_json(path)
    try:
        return row if is_process(int(row["pid"]), float(row["started_at"])) else None
    except (KeyError, TypeError, ValueError):
        return None
