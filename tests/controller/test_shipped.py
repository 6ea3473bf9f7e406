"""Kernels of earlier versions: never edited, and what they recorded is replayed with them to the bit."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.controller.blackbox.replay import replay
from services.controller.kernel import cache, layout
from services.controller.recorder.blocks import checksum, column_from, differences
from services.controller.shipped import freeze, kernels
from services.kit.errors import SpondylError

ROOT = Path(__file__).parents[2]
RECORDINGS = Path(__file__).parent / "recordings"
CHECKSUMS = {3: "d6b4235e3e713a2b"}


@pytest.fixture
def of_kernel_3(tmp_path):
    """Lines that release 0.2.0 wrote: `simulate --minutes 1.5 --seed 11`, with a contraction of 40 N."""
    path = tmp_path / "session.jsonl"
    path.write_bytes(gzip.decompress((RECORDINGS / "kernel-3.jsonl.gz").read_bytes()))
    return path


def changed(path, line, change):
    """Change one chunk, and mend its checksum."""
    lines = path.read_bytes().splitlines()
    chunk = json.loads(lines[line])
    change(chunk)
    chunk["crc32"] = checksum({name: column_from(of).astype("i4") for name, of in chunk["columns"].items()})
    lines[line] = json.dumps(chunk).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize("version", CHECKSUMS)
def test_a_frozen_kernel_is_never_edited(version):
    """Mended once, it would no longer be what treated the patient."""
    package = ROOT / "services" / "controller" / "shipped" / f"kernel_{version}"
    assert cache.fingerprint(package.glob("*.py")) == CHECKSUMS[version]


def test_every_kernel_that_a_release_had_is_shipped_and_pinned():
    """A new version without its predecessor would leave recordings that nobody can show again."""
    released = {version for version, releases in kernels.RELEASES.items() if releases[0].isdigit()}
    assert released == set(CHECKSUMS) == set(kernels.versions()) - {layout.KERNEL_VERSION}
    assert kernels.RELEASES.keys() == set(range(1, layout.KERNEL_VERSION))


REPLAY = """
import json, pathlib, sys
from services.controller.blackbox.replay import replay
print(json.dumps([replay(pathlib.Path(path)).as_json() for path in sys.argv[1:]]))
"""


@pytest.mark.requirement("replay")
def test_what_an_earlier_release_recorded_is_replayed_by_its_kernel_to_the_bit(of_kernel_3, tmp_path):
    """Ten years later the question is what was done then, not what would be done now.

    Without the compiler, which would take longer than these few samples: the bits are the same.
    """
    other = tmp_path / "changed.jsonl"
    other.write_bytes(b"".join(of_kernel_3.read_bytes().splitlines(keepends=True)[:2]))
    changed(other, 1, one_command_faster)
    command = [sys.executable, "-c", REPLAY, str(of_kernel_3), str(other)]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told, found = json.loads(done.stdout)
    assert (told["equal"], told["complete"], told["first_difference"]) == (True, True, None)
    assert (told["kernel_recorded"], told["kernel_used"], told["samples"]) == (3, 3, 6993)
    assert layout.KERNEL_VERSION > 3
    assert (found["equal"], found["differing_samples"]) == (False, 1)
    assert found["first_difference"]["row"] == "velocity_ums"


def one_command_faster(chunk):
    """A micrometre a second, in one tick."""
    counts = column_from(chunk["columns"]["velocity_ums"]).astype("i4")
    counts[100] += 1
    chunk["columns"]["velocity_ums"] = differences(counts).tolist()


def test_what_the_present_kernel_recorded_once_is_replayed_to_the_bit(tmp_path):
    """A change of the kernel that gives other commands must raise its version: this recording stays.

    `spondyl simulate --scenario tests/scenarios/small-and-quick.json --record FILE`, and `gzip -9n FILE`.
    """
    path = tmp_path / "session.jsonl"
    path.write_bytes(gzip.decompress((RECORDINGS / f"kernel-{layout.KERNEL_VERSION}.jsonl.gz").read_bytes()))
    result = replay(path)
    assert (result.kernel_recorded, result.kernel_used) == (layout.KERNEL_VERSION, layout.KERNEL_VERSION)
    assert (result.equal, result.complete, result.samples) == (True, True, 14991)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (1, "kernel version 1 is not shipped with this program .3, 4 are.: no release of Spondyl had it"),
        (99, "kernel version 99 is not shipped with this program .3, 4 are.: a later release"),
    ],
)
def test_a_kernel_that_is_not_shipped_is_refused_with_where_to_find_it(of_kernel_3, version, words):
    """Not as a damaged recording, and not with another kernel in silence."""
    for line in range(len(of_kernel_3.read_bytes().splitlines())):
        changed(of_kernel_3, line, lambda chunk: chunk.update(kernel_version=version))
    with pytest.raises(kernels.NotShipped, match=words):
        replay(of_kernel_3)


def test_an_earlier_kernel_is_compiled_beside_the_present_one_and_leaves_its_place_alone(
    monkeypatch, tmp_path
):
    """Its code never changes: it must not be compiled anew whenever the present kernel does."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "numba-0000000000000000"))
    package = ROOT / "services" / "controller" / "shipped" / "kernel_3"
    with cache.kept_for(package) as directory:
        assert directory == tmp_path / f"numba-{CHECKSUMS[3]}"
    assert cache.os.environ[cache.VARIABLE] == str(tmp_path / "numba-0000000000000000")


TICK = """
import sys
sys.path.insert(0, sys.argv[1])
from frozen import layout, step
import numpy as np
params, state = step.new_parameters(1), step.new_state(1)
rows = lambda names: np.zeros((len(names), 1), np.int32)
sample, command = rows(layout.SAMPLES), rows(layout.COMMANDS)
step.step(params, params, state, rows(layout.READINGS), np.zeros(1, np.int32), sample, command)
print(layout.KERNEL_VERSION, sorted(name for name in sys.modules if name.startswith("services")))
"""


def test_the_present_kernel_can_be_frozen_and_stands_by_itself(tmp_path):
    """The next version begins with this: what it writes must need nothing of this one."""
    kernel = ROOT / "services" / "controller" / "kernel"

    def read(name):
        return (kernel / f"{name}.py").read_text()

    into = tmp_path / "frozen"
    freeze.freeze(layout.KERNEL_VERSION, read, into)
    with pytest.raises(SpondylError, match="never written again"):
        freeze.freeze(layout.KERNEL_VERSION, read, into)
    with pytest.raises(SpondylError, match="not 2"):
        freeze.freeze(2, read, tmp_path / "other")
    command = [sys.executable, "-c", TICK, str(tmp_path)]
    environment = {"NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split(" ", 1) == [str(layout.KERNEL_VERSION), "[]\n"], done.stderr
