"""Start child processes, keep them alive, end them in order: for a gateway and for a whole machine."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from services.kit.runfile import process_start, write_private

log = structlog.get_logger(__name__)

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
SETTLED_S = 20.0  # a child that lived this long starts again without delay
LOG_BYTES = 10_000_000  # a log larger than this is moved aside when its process starts
REFUSAL = "spondyl: "  # as services.kit.errors prints one
_REFUSAL_BYTES = 4096
POLL_S = 0.05
STAGE_RESERVE_S = 0.5  # what every later stage of an orderly end can count on
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Program:
    """One child: how to start it, when it may start and how it ends.

    ``needs`` is asked before every start (another child's answer, usually); ``stage`` orders the end: the
    highest stage ends first, members of a stage together. ``detached`` children outlive a killed supervisor.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Callable[[], bool] = lambda: True
    stage: int = 0
    stop_s: float = 1.5
    detached: bool = False


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    starts: int = 0
    delay_s: float = 0.0
    not_before: float = 0.0


class Supervisor:
    """Runs programs until told to stop; a child that ends is started again with back-off."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        log_directory: Path | None = None,
        state_path: Path | None = None,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._log_directory = log_directory
        self._state_path = state_path
        self._stopping = threading.Event()

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Start and watch until ``request_stop``; ``tick`` is called at every round (about 20 a second)."""
        while not self._stopping.is_set():
            self.poll()
            tick()
            self._stopping.wait(POLL_S)

    def request_stop(self, *_: object) -> None:
        """End ``run`` soon; safe in a signal handler."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """True once a stop was requested."""
        return self._stopping.is_set()

    def poll(self) -> None:
        """Start what should run and does not; returns at once."""
        changed = False
        for child in self._children:
            changed |= self._keep(child)
        if changed:
            self._save_state()

    def pid(self, name: str) -> int | None:
        """The process id of a living child."""
        for child in self._children:
            if child.program.name == name and child.process and child.process.poll() is None:
                return child.process.pid
        return None

    def lived_s(self, name: str) -> float:
        """For how long a child has run; 0 for one that does not."""
        alive = self.pid(name) is not None
        started = [child.started_at for child in self._children if child.program.name == name]
        return time.monotonic() - started[0] if alive and started else 0.0

    def stop(self, within_s: float = 5.0) -> None:
        """End every child, highest stage first, by SIGTERM, at last by SIGKILL; returns within the time."""
        self._stopping.set()
        deadline = time.monotonic() + within_s
        stages = sorted({child.program.stage for child in self._children}, reverse=True)
        for below, stage in zip(range(len(stages) - 1, -1, -1), stages, strict=True):
            members = [child for child in self._children if child.program.stage == stage]
            _end(members, deadline - below * STAGE_RESERVE_S)
        if self._state_path:
            with contextlib.suppress(OSError):
                self._state_path.unlink()

    def _keep(self, child: _Child) -> bool:
        now = time.monotonic()
        if child.process is not None:
            status = child.process.poll()
            if status is None:
                return False
            self._note_end(child, status, now)
        if now < child.not_before or not child.program.needs():
            return False
        child.started_at = now
        try:
            child.process = self._spawn(child.program)
        except OSError as error:  # a full disk, a program that is being replaced: tried again like any end
            self._note_end(child, str(error), now)
            return False
        child.starts += 1
        return True

    def _note_end(self, child: _Child, status: int | str, now: float) -> None:
        lived_s = now - child.started_at
        child.process = None
        child.delay_s = (
            0.0 if lived_s > SETTLED_S else min(max(child.delay_s * 2, FIRST_DELAY_S), LONGEST_DELAY_S)
        )
        child.not_before = now + child.delay_s
        log.warning(
            "process ended",
            name=child.program.name,
            status=status,
            lived_s=round(lived_s, 1),
            again_in_s=child.delay_s,
            **self._refusal(child.program.name, status),
        )

    def _refusal(self, name: str, status: int | str) -> dict[str, str]:
        """Why a child would not start, when the last line of its log is such a refusal."""
        if self._log_directory is None or status == 0:
            return {}
        with contextlib.suppress(OSError), (self._log_directory / f"{name}.log").open("rb") as log_file:
            log_file.seek(max(0, log_file.seek(0, os.SEEK_END) - _REFUSAL_BYTES))
            last = log_file.read().decode(errors="replace").rstrip().rpartition("\n")[2]
            if last.startswith(REFUSAL):
                return {"why": last.removeprefix(REFUSAL)}
        return {}

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        output = self._open_log(program.name)
        try:
            return subprocess.Popen(
                list(program.argv),
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                start_new_session=True,
                preexec_fn=None if program.detached else partial(die_with, os.getpid()),  # noqa: PLW1509  (no locks)
            )
        finally:
            if output is not None:
                os.close(output)

    def _open_log(self, name: str) -> int | None:
        if self._log_directory is None:
            return None
        self._log_directory.mkdir(parents=True, exist_ok=True)
        path = self._log_directory / f"{name}.log"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _save_state(self) -> None:
        if self._state_path is None:
            return
        state = {
            child.program.name: {
                "pid": child.process.pid,
                "started_at": process_start(child.process.pid),
                "restarts": child.starts - 1,
            }
            for child in self._children
            if child.process is not None
        }
        try:
            write_private(self._state_path, json.dumps(state, indent=2))
        except OSError as error:  # only `spondyl status` misses it: no reason to end anybody
            log.warning("processes not written down", path=str(self._state_path), why=error.strerror)


def die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent is killed, so that no orphan stays; end when it is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _end(children: Sequence[_Child], deadline: float) -> None:
    alive = [child for child in children if child.process is not None and child.process.poll() is None]
    for child in alive:
        child.process.terminate()  # type: ignore[union-attr]  # filtered above
    for child in alive:
        patience_s = max(0.05, min(child.program.stop_s, deadline - time.monotonic()))
        try:
            child.process.wait(patience_s)  # type: ignore[union-attr]
        except subprocess.TimeoutExpired:
            log.warning("process killed: it did not end in time", name=child.program.name, after_s=patience_s)
            child.process.kill()  # type: ignore[union-attr]
            child.process.wait()  # type: ignore[union-attr]
