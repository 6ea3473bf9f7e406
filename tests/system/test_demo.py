"""`make demo` as a newcomer types it: a fresh clone, the runtime's packages and nothing else."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from servers import eventually

ROOT = Path(__file__).parents[2]
START_S = 900.0  # packages, then a minute of compiling
NOT_AT_RUN_TIME = ("pytest", "scipy", "playwright", "mypy")

pytestmark = pytest.mark.soak


@pytest.fixture
def clone(tmp_path):
    """What is committed, and no more."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "spondyl")], check=True)
    return tmp_path / "spondyl"


@pytest.fixture
def demo(clone):
    """`make demo` in a process group of its own, as a terminal would have it."""
    strange = ("VIRTUAL_ENV", "PYTHONPATH", "SPONDYL_DATA")
    environment = {name: value for name, value in os.environ.items() if name not in strange}
    environment["SPONDYL_PYTHON"] = sys._base_executable
    with (clone.parent / "words").open("wb") as words:
        process = subprocess.Popen(["make", "demo"], cwd=clone, env=environment, stdout=words, stderr=words,
                                   start_new_session=True)  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def test_a_fresh_clone_shows_beds_that_lose_nothing_with_the_runtime_s_packages_alone(clone, demo):
    """A package that only the tests bring would be missing at everybody else's."""
    words = clone.parent / "words"
    found = eventually(
        lambda: demo.poll() is not None or re.search(r"open (http://\S+)", words.read_text()),
        START_S,
        "a start",
    )
    assert found is not True, words.read_text()[-2000:]
    spondyl = clone / ".venv" / "bin" / "spondyl"

    def audited():
        command = [str(spondyl), "audit", "--data", str(clone / "var"), "--json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=clone)
        return answer.returncode == 0 and '"samples": 0' not in answer.stdout

    assert eventually(audited, 60.0, "an audit without loss")
    for name in NOT_AT_RUN_TIME:
        there = subprocess.run([str(clone / ".venv/bin/python"), "-c", f"import {name}"],
                               capture_output=True, check=False)  # fmt: skip
        assert there.returncode, f"{name} is installed: the runtime's lock is not alone"

    os.killpg(demo.pid, signal.SIGINT)
    demo.wait(10)
    assert not (clone / "var" / "run.json").exists()
