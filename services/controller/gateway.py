"""Start and watch the loop and everything else of a gateway: `python -m services.controller`.

The loop is no ordinary child: it goes on when this process dies, and is found again, not started twice.
"""

import contextlib
import os
import signal
import sys
import time

import structlog

from services.controller.kernel import memory as m
from services.controller.loop import interruption
from services.controller.loop.shared import ForeignMemory, GatewayMemory, LoopFile
from services.controller.settings import ControllerSettings
from services.kit.enrolment.staying import stay
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.logging import configure
from services.kit.runfile import is_process, process_start, read_json, write_private
from services.kit.supervise import Program, Supervisor

log = structlog.get_logger(__name__)

LOOK_S = 0.5
STALLED_S = 5.0  # a loop whose last tick ended so long ago hangs: end it, start another
BEATS = {"recorder": "recorder_ns", "panel": "panel_ns"}  # the health word in which each says that it lives
START_S = 30.0  # so long a half may take to say so for the first time
DOUBLINGS = 4  # 8 min: a machine that is so busy starts it some time
LOOP_STOP_S = 2.6  # its controlled release, see loop/__main__.py, RELEASE_S
END_S = 3.4  # everything of the gateway: no child's own patience counts beyond it


class Patience:
    """How long a half may say nothing: twice as long, once it was ended before its first word.

    Else a machine that is too busy to start it within START_S ends each of its starts, and stays too busy.
    """

    def __init__(self, hanging_s: float) -> None:
        """``hanging_s`` is that of a half that has spoken."""
        self._hanging_s = hanging_s
        self._cut_short: dict[str, int] = {}

    def ends(self, name: str, silent_s: float, *, has_spoken: bool) -> bool:
        """Whether this half must end now."""
        if has_spoken:
            self._cut_short.pop(name, None)
            return silent_s > self._hanging_s
        doublings = self._cut_short.get(name, 0)
        if silent_s <= START_S * 2**doublings:
            return False
        self._cut_short[name] = min(doublings + 1, DOUBLINGS)
        return True


class Gateway:
    """One site's gateway: the loop found or started, recorder and panel kept running."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self._directory = settings.directory
        self._memory: GatewayMemory | None = None
        self._looked_at = 0.0
        self._patience = Patience(settings.hanging_s)
        self._supervisor = Supervisor(self._programs(), state_path=self._directory / "processes.json")

    def run(self) -> None:
        """Keep it all running until SIGTERM or SIGINT, then end it in order."""
        signal.signal(signal.SIGTERM, self._supervisor.request_stop)
        signal.signal(signal.SIGINT, self._supervisor.request_stop)
        self._directory.mkdir(parents=True, exist_ok=True)
        with only_one(self._settings):
            self._meet_running_loop()
            staying = stay(self._settings.clinic)
            self._supervisor.run(self._look)
            if staying is not None:
                staying.set()
            self._end()

    def _programs(self) -> list[Program]:
        python = [sys.executable, "-m"]
        return [
            Program(
                "loop",
                [*python, "services.controller.loop"],
                needs=self._no_loop,
                stage=1,
                stop_s=LOOP_STOP_S,
                detached=True,
            ),
            Program("recorder", [*python, "services.controller.recorder"], needs=self._ticking, stop_s=2.5),
            # The panel before the loop: it says that the loop is being compiled, and how far.
            Program("panel", [*python, "services.controller.panel"], stage=1, stop_s=1.5),
        ]

    # --- the loop ----------------------------------------------------------------------------------------

    def _meet_running_loop(self) -> None:
        """Take over a loop that an earlier supervisor left, unless it serves other beds or another period."""
        file = LoopFile.load(self._directory)
        if file is None or not file.alive():
            return
        different = difference(file, self._settings)
        if different:
            log.warning("the running loop is ended first", pid=file.pid, because=different)
            end_process(file.pid, file.started_at, LOOP_STOP_S)
            return
        log.info("the running loop goes on under this supervisor", pid=file.pid, boot=file.boot)

    def _no_loop(self) -> bool:
        file = LoopFile.load(self._directory)
        return file is None or not file.alive()

    def _ticking(self) -> bool:
        return self._memory is not None and self._memory.head() > 0

    def _look(self) -> None:
        """Tell the loop that somebody is there, follow it across restarts, end it when it hangs."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        self._follow()
        if self._memory is None:
            return
        self._memory.set_word(m.W_GATEWAY, time.monotonic_ns())
        age_s = self._memory.heartbeat_age_s()
        if age_s > STALLED_S and self._memory.alive():
            log.error("the loop hangs and is killed", last_tick_s_ago=round(age_s, 1))
            _signal(self._memory.word(m.W_PID), signal.SIGKILL)
        for name in BEATS:
            self._end_hanging(name, self._memory)

    def _end_hanging(self, name: str, memory: GatewayMemory) -> None:
        """Kill a half that lives and says nothing: stopped, or waiting for what never comes; it starts again.

        Either may be killed at any moment: the therapy does not notice, and the record goes on where it was.
        """
        pid, now = self._supervisor.pid(name), time.monotonic_ns()
        at_this_loop_s = min(self._supervisor.lived_s(name), (now - memory.created_ns) / 1e9)
        silent_s = min((now - memory.health[BEATS[name]]) / 1e9, at_this_loop_s)
        has_spoken = silent_s < at_this_loop_s
        if pid is not None and self._patience.ends(name, silent_s, has_spoken=has_spoken):
            log.error("hangs and is killed", process=name, silent_s=round(silent_s, 1))
            _signal(pid, signal.SIGKILL)

    def _follow(self) -> None:
        file = LoopFile.load(self._directory)
        if file is None or (self._memory is not None and str(self._memory.boot) == file.boot):
            return
        try:
            found = GatewayMemory.attach(file.path)
        except ForeignMemory:
            return  # its loop is gone: the next one writes loop.json anew
        if self._memory is not None:
            self._memory.close()
        self._memory = found

    # --- the end -------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Let the loop release what is under way, then end recorder and panel; all within END_S."""
        began = time.monotonic()
        log.info("the gateway ends")
        file = LoopFile.load(self._directory)
        if file is not None and self._supervisor.pid("loop") != file.pid:
            end_process(file.pid, file.started_at, LOOP_STOP_S)
        self._supervisor.stop(max(0.3, END_S - (time.monotonic() - began)))
        self._forget_stored_samples()

    def _forget_stored_samples(self) -> None:
        """Give the shared memory back when the recorder has stored all of it."""
        self._follow()  # the loop may be a new one since the last look
        memory = self._memory
        if memory is None or memory.alive() or memory.health["recorder_tick"] < memory.head():
            return
        interruption.write_down(self._directory)  # of a loop that died and has no other after it yet
        memory.unlink()
        file = LoopFile.load(self._directory)
        if file is not None and file.previous is not None:
            file.previous.unlink(missing_ok=True)  # the recorder stored it before it began with this one
        (self._directory / "loop.json").unlink(missing_ok=True)


def difference(file: LoopFile, settings: ControllerSettings) -> str:
    """Why a running loop does not serve these settings; empty when it does."""
    try:
        memory = GatewayMemory.attach(file.path)
    except ForeignMemory as error:
        return error.message
    rows = (
        ("site", memory.site, settings.site),
        ("devices", memory.devices, settings.devices),
        ("beds", memory.addresses, settings.addresses),
        ("period_ns", memory.period_ns, settings.period_ns),
        ("seed", memory.seed, settings.seed),
    )
    memory.close()
    return "; ".join(f"{name} is {has}, wanted {wants}" for name, has, wants in rows if has != wants)


def end_process(pid: int, started_at: float, within_s: float) -> None:
    """SIGTERM, then SIGKILL; returns when the process is gone."""
    deadline = time.monotonic() + within_s
    number = signal.SIGTERM
    while is_process(pid, started_at):
        _signal(pid, number)
        while is_process(pid, started_at) and time.monotonic() < deadline:
            time.sleep(0.02)
        number = signal.SIGKILL
        deadline = time.monotonic() + 1.0


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(pid, number)


class only_one:  # noqa: N801  (reads as what it does)
    """Refuse a second supervisor over the same data."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._path = settings.directory / "gateway.json"
        self._gateway = settings.gateway

    def __enter__(self) -> None:
        other = read_json(self._path)
        if other.get("pid") and is_process(int(other["pid"]), float(other.get("started_at", 0))):
            raise SpondylError(f"{self._gateway} already runs on this data: process {other['pid']}")
        try:
            write_private(self._path, f'{{"pid": {os.getpid()}, "started_at": {process_start(os.getpid())}}}')
        except OSError as error:  # on a full disk, too, a bed needs its panel
            log.warning("gateway not written down", path=str(self._path), why=error.strerror)

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def main() -> None:
    """Run the gateway that the environment describes."""
    with refusals_in_one_line():
        settings = ControllerSettings.load()
        configure("gateway", settings.log_level, settings.log_format, settings.site)
        os.umask(0o077)  # sessions, notes and recordings are nobody else's on this machine
        Gateway(settings).run()
