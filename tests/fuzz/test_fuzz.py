"""Whatever bytes come, a reader gives a value or its own refusal, soon and in little memory."""

import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from fuzz.targets import SEEDS, TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
MOST_MB = 400  # of address space beyond what the readers themselves take
LONGEST = 4096  # of an input that is changed: large seeds are tried as they are
INSERTED = (
    b"\0", b"\xff", b"\xfe\xff", b"\xc0\xaf", b"'", b'"', b"\\u0000", b"&#x0;", b"&a;", b"<!--", b"]]>",
    b"1e999", b"-1", b"NaN", b"9" * 400, b"[" * 400, b"<a>" * 300, b"../", b"\r\n",
    "٣💥".encode(), b"\xff\xff\xff\xff",
)  # fmt: skip


@cache
def contents(name):
    """What is changed at random: the seeds that are not large."""
    return [data for seed in TARGETS[name].seeds if len(data := seed.read_bytes()) <= LONGEST] or [b""]


def changed(data, other, chance):
    """A seed with a few changes: bytes flipped, cut out, doubled, put in from another or the table."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randint(0, len(data)) for _ in range(2))
        to = min(to, at + 64)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:to] = chance.choice(INSERTED)
            case 4:
                data[at:to] = other[at : at + chance.randint(1, 64)]
    return bytes(data)


def inputs(name):
    """Bytes of any kind, and seeds that were changed."""
    seeds = st.sampled_from(contents(name))
    return st.binary(max_size=300) | st.builds(
        lambda data, other, number: changed(data, other, random.Random(number)),  # noqa: S311  (no secret)
        seeds, seeds, st.integers(0, 2**32),
    )  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name, data):
    """Somebody else writes these bytes: a reader that raises what nobody awaits takes its service along."""
    TARGETS[name](data.draw(inputs(name)))


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20_000, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused_for_long(name, data):
    """The same with many more; `make fuzz` searches by coverage."""
    TARGETS[name](data.draw(inputs(name)))


def test_every_kept_input_is_read_or_refused_in_little_time_and_memory():
    """What once brought a reader down is tried forever; a kilobyte that says it is a gigabyte is refused."""
    program = Path(__file__).with_name("in_little_room.py")
    ran = subprocess.run(
        [sys.executable, str(program), str(MOST_MB)], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout.split()[-1]) == sum(len(target.seeds) for target in TARGETS.values())


def test_no_seeds_lie_where_no_reader_looks():
    """A seed of a target that was renamed is tried by nobody."""
    assert {folder.name for folder in SEEDS.iterdir()} == set(TARGETS)
