import json
import os
import stat
import subprocess
import sys

import psutil
import pytest
from servers import eventually

from services.kit import runfile
from services.kit.errors import NotRunning, SpondylError


@pytest.fixture
def run(tmp_path):
    return runfile.Run.model_validate(
        {
            "pid": os.getpid(), "pid_started_at": runfile.process_start(os.getpid()),
            "started_at": "2026-01-01T00:00:00Z", "version": "1", "data": str(tmp_path),
            "console": "http://127.0.0.1:1", "telemetry": "http://127.0.0.1:2", "panels": {},
            "mqtt": "mqtt://127.0.0.1:3", "mqtt_user": "integrator", "mqtt_password": "p",
            "redis": "redis://127.0.0.1:4/0", "users": {}, "sites": {},
        }
    )  # fmt: skip


def test_a_living_system_is_found_again(run, tmp_path):
    """Every command that talks to a running system starts here."""
    runfile.save(run)
    assert runfile.load(tmp_path) == run


def test_only_the_owner_may_read_the_passwords(run, tmp_path):
    """run.json holds credentials."""
    runfile.save(run)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600


def test_no_system_is_one_clear_line_and_exit_2(tmp_path):
    """Not running is a state, not a fault."""
    with pytest.raises(NotRunning, match=r"no running system in .*spondyl up") as caught:
        runfile.load(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message


def test_an_ended_system_is_not_running_even_if_its_pid_was_given_again(run, tmp_path):
    """A number of a process is reused; its start time is not."""
    runfile.save(run.model_copy(update={"pid_started_at": 1.0}))
    with pytest.raises(NotRunning, match="has ended"):
        runfile.load(tmp_path)


def test_a_clock_set_by_an_hour_ends_nobody(monkeypatch):
    """The kernel tells starts in wall-clock time; a loop found "dead" after a step would get a rival."""
    ours = runfile.process_start(os.getpid())
    before = psutil.Process().create_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: before + 3600.0)
    assert psutil.Process().create_time() > before + 3500  # what a step does to psutil's own answer
    assert runfile.is_process(os.getpid(), ours)


def test_a_process_is_told_from_one_before_it_and_from_one_of_the_machine_s_last_start(monkeypatch):
    """A pid comes back; after a reboot even at the same second."""
    ours = runfile.process_start(os.getpid())
    assert not runfile.is_process(os.getpid(), ours - 1.0)
    monkeypatch.setattr(runfile, "_machine_start", lambda: int(ours // 1e8) + 1)
    assert not runfile.is_process(os.getpid(), ours)


def test_a_process_that_is_gone_or_only_waits_to_be_reaped_does_not_run():
    """A zombie serves nobody."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, 10, "zombie")
    assert runfile.process_start(child.pid) is None
    child.wait()
    assert runfile.process_start(child.pid) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\x00\xff"])
def test_a_damaged_run_file_is_one_clear_line(tmp_path, text):
    """A half-written file must not end in a trace back."""
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SpondylError, match=r"not readable as run\.json") as caught:
        runfile.load(tmp_path)
    assert caught.value.exit_code == 2


def test_the_data_directory_is_the_option_then_the_variable_then_var(monkeypatch, tmp_path):
    """The order every command documents."""
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path / "variable"))
    assert runfile.data_directory(tmp_path / "option") == tmp_path / "option"
    assert runfile.data_directory() == tmp_path / "variable"
    monkeypatch.delenv("SPONDYL_DATA")
    assert runfile.data_directory().name == "var"


def test_read_json_of_anything_but_an_object_is_empty(tmp_path):
    """Small state files may be missing or half written at any time."""
    (tmp_path / "list").write_text(json.dumps([1]))
    assert runfile.read_json(tmp_path / "list") == {}
    assert runfile.read_json(tmp_path / "missing") == {}
