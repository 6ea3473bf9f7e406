import json
import os
import sys

from services.controller.kernel import cache
from services.controller.loop import __main__ as loop_process
from services.controller.loop import preparing
from services.kit.runfile import process_start


def starts_again(monkeypatch, cache_directory, compiled_before):
    """What the process is replaced by after compiling, if by anything."""
    calls = []
    monkeypatch.setattr(os, "execv", lambda path, argv: calls.append((path, argv)))
    monkeypatch.setenv(cache.VARIABLE, str(cache_directory))
    monkeypatch.setenv(loop_process.COMPILED, "1")
    if not compiled_before:
        monkeypatch.delenv(loop_process.COMPILED)
    loop_process.begin_anew()
    return calls


def test_a_loop_that_compiled_gives_the_compilers_memory_back(monkeypatch, tmp_path):
    """300 MB, locked, for a minute's work at the first start; the process id stays."""
    calls = starts_again(monkeypatch, tmp_path / "numba-1", compiled_before=False)
    assert calls == [(sys.executable, [sys.executable, "-m", "services.controller.loop"])]
    assert os.environ[loop_process.COMPILED] == "1"


def test_a_loop_begins_anew_once_at_most(monkeypatch, tmp_path):
    """A cache that keeps nothing after all must not make a bed's loop start for ever."""
    assert starts_again(monkeypatch, tmp_path / "numba-1", compiled_before=True) == []


def test_a_loop_whose_code_cannot_be_kept_goes_on(monkeypatch, tmp_path):
    """It would compile again."""
    directory = tmp_path / f"{cache.TEMPORARY}x" / "numba-1"
    assert starts_again(monkeypatch, directory, compiled_before=False) == []


def test_a_gateway_that_waits_for_anothers_compiler_says_nothing_of_its_own(tmp_path):
    """Two gateways of one data directory keep their code in one place: 60 % must not turn into 3."""
    other, file = os.getppid(), tmp_path / preparing.PROGRESS
    row = {"pid": other, "started_at": process_start(other), "percent": 60}
    file.write_text(json.dumps(row))
    preparing.tell(tmp_path, 3)
    preparing.told(tmp_path)
    assert json.loads(file.read_text()) == row
    file.write_text(json.dumps(row | {"started_at": 1.0}))  # it was killed: ours is the one that counts
    preparing.tell(tmp_path, 3)
    assert json.loads(file.read_text())["percent"] == 3
    preparing.told(tmp_path)
    assert not file.exists()
