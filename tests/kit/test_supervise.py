import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from servers import eventually

from services.kit.runfile import is_process
from services.kit.supervise import Program, Supervisor, die_with

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
IGNORE_THE_REQUEST = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
STUBBORN = [sys.executable, "-c", IGNORE_THE_REQUEST]


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(*programs):
        supervisor = Supervisor(programs, log_directory=tmp_path / "log", state_path=tmp_path / "state.json")
        started.append(supervisor)
        supervisor.poll()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()


def test_a_killed_child_is_started_again(supervise):
    """A crash of one service must not need a person."""
    supervisor = supervise(Program("sleeper", SLEEPER))
    first = supervisor.pid("sleeper")
    os.kill(first, signal.SIGKILL)

    def again():
        supervisor.poll()
        pid = supervisor.pid("sleeper")
        return pid is not None and pid != first

    assert eventually(again)


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(supervise, tmp_path):
    """A service that cannot start must not burn the processor its neighbours need."""
    count = tmp_path / "count"
    supervisor = supervise(Program("dier", [sys.executable, "-c", f"open({str(count)!r}, 'a').write('x')"]))
    ends = time.monotonic() + 2.0
    while time.monotonic() < ends:
        supervisor.poll()
        time.sleep(0.02)
    assert 2 <= len(count.read_text()) <= 4


def test_why_a_child_refuses_to_start_is_said(supervise, capsys):
    """A wrong setting of one service must not be looked for in its log."""
    refuses = "import sys; print('spondyl: the key is wrong', file=sys.stderr); sys.exit(1)"
    supervisor = supervise(Program("refuser", [sys.executable, "-c", refuses]))
    said = []

    def told():
        supervisor.poll()
        said.append("".join(capsys.readouterr()))
        return "the key is wrong" in "".join(said)

    assert eventually(told)


def test_a_child_waits_for_what_it_needs(supervise):
    """Telemetry is not started before its broker answers."""
    ready = []
    supervisor = supervise(Program("sleeper", SLEEPER, needs=lambda: bool(ready)))
    assert supervisor.pid("sleeper") is None
    ready.append(True)
    supervisor.poll()
    assert supervisor.pid("sleeper") is not None


def test_a_child_that_ignores_the_request_is_killed_within_the_time(supervise, tmp_path):
    """Ctrl-C ends every child within 5 s, also a deaf one."""
    supervisor = supervise(Program("deaf", STUBBORN), Program("sleeper", SLEEPER, stage=1))
    eventually(lambda: "deaf" in (tmp_path / "log" / "deaf.log").read_text())
    pids = [supervisor.pid("deaf"), supervisor.pid("sleeper")]
    began = time.monotonic()
    supervisor.stop(within_s=2.0)
    assert time.monotonic() - began < 5.0
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_children_end_with_a_killed_supervisor_and_detached_ones_stay(tmp_path):
    """No orphan after a crash, but the loop goes on with the therapy."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from services.kit.supervise import Program, Supervisor\n"
        f"argv = {SLEEPER!r}\n"
        "s = Supervisor([Program('bound', argv), Program('free', argv, detached=True)],\n"
        f"               state_path=Path({str(tmp_path / 'state.json')!r}))\n"
        "s.run()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    state = eventually(
        lambda: (tmp_path / "state.json").exists() and json.loads((tmp_path / "state.json").read_text())
    )
    bound, free = psutil.Process(state["bound"]["pid"]), psutil.Process(state["free"]["pid"])
    try:
        parent.kill()
        parent.wait()
        eventually(lambda: not bound.is_running() or bound.status() == psutil.STATUS_ZOMBIE)
        assert free.is_running()
    finally:
        free.kill()


def test_a_child_whose_supervisor_died_before_it_could_ask_ends_at_once(tmp_path):
    """Between fork and request there is a moment; a supervisor killed in it left an orphan for ever."""
    mark = tmp_path / "ran"
    late = subprocess.Popen(
        ["touch", str(mark)],
        preexec_fn=lambda: die_with(os.getpid()),  # noqa: PLW1509  (what is tested)
    )
    assert late.wait(10) == 1
    assert not mark.exists()


def test_the_state_file_names_pids_and_restarts(supervise, tmp_path):
    """`spondyl status` reads it."""
    supervisor = supervise(Program("sleeper", SLEEPER))
    entry = json.loads((tmp_path / "state.json").read_text())["sleeper"]
    assert entry["pid"] == supervisor.pid("sleeper")
    assert entry["restarts"] == 0
    assert is_process(entry["pid"], entry["started_at"])


def test_a_program_that_cannot_be_started_is_tried_again_and_ends_nobody_else(supervise, tmp_path):
    """An upgrade replaces programs while others run."""
    late = tmp_path / "late"
    supervisor = supervise(Program("late", [str(late)]), Program("sleeper", SLEEPER))
    assert supervisor.pid("late") is None
    sleeper = supervisor.pid("sleeper")
    late.write_text("#!/bin/sh\nexec sleep 600\n")
    late.chmod(0o755)
    eventually(lambda: supervisor.poll() or supervisor.pid("late"), 10, "the late program")
    assert supervisor.pid("sleeper") == sleeper


def test_a_disk_that_takes_nothing_ends_nobody(tmp_path):
    """Of all moments, a full disk is the wrong one to lose the bedside panel."""
    no_directory = tmp_path / "file"
    no_directory.write_text("")
    supervisor = Supervisor([Program("sleeper", SLEEPER)], state_path=no_directory / "state.json")
    try:
        supervisor.poll()
        assert psutil.pid_exists(supervisor.pid("sleeper"))
    finally:
        supervisor.stop(2.0)
    assert supervisor.pid("sleeper") is None
