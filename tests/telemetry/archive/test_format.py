"""The format is what its page says, and stays so: ten years of files depend on it."""

import json
import re
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from telemetry.archive.make_runs import BOOT, block, chunk, event, wave

from services.telemetry.archive import objects
from services.telemetry.archive.models import BIT, VALUES, join
from services.telemetry.archive.runs import blackbox_runs, chunks_of, tension_runs

PAGE = Path(__file__).parents[3] / "docs" / "archive-format.md"
GOLDEN = Path(__file__).parent / "golden.spa"
NUMBERS = Path(__file__).parent / "golden.json"
SESSION = UUID("8e1c4f0e-5b7d-4f5e-9a44-51f0a4a8f002")


@pytest.fixture(scope="module")
def page():
    """The decoder of the page, as a stranger would copy it."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"__name__": "stranger"}
    exec(compile(text, str(PAGE), "exec"), names)  # noqa: S102  (our own page)
    return names


def sections():
    """A session with a hole, a clock step, odd floats, a black box and events."""
    rows = wave(600)
    odd = [(1 / 3, -2000.0, 1e-9, 1e300)] * 5
    entries = [block(seq, rows[seq : seq + 10]) for seq in range(0, 400, 10)]
    entries += [block(seq, rows[seq : seq + 10], period_ms=20.5) for seq in range(450, 600, 10)]
    chunks = [
        chunk(seq, {"force_dn": list(range(seq, seq + 50)), "status": [29] * 50}) for seq in range(0, 200, 50)
    ]
    return objects.Sections(
        "nord", "bed-1", BOOT, tension_runs([*entries, block(700, odd)]), blackbox_runs(chunks),
        [event(0), event(1), event(4)], SESSION,
    )  # fmt: skip


def _everything(data):
    """An object as plain JSON values."""
    directory = objects.verify(data)
    found = {"tension": [], "blackbox": [], "event": [], "pyramid": []}
    for entry in directory.blocks:
        piece = objects.block_of(data, entry)
        if entry.kind == "event":
            found["event"] += [json.loads(payload) for payload in objects.events_of(piece, entry)]
        elif entry.kind == "blackbox":
            found["blackbox"] += chunks_of(objects.run_of(piece, entry))
        elif entry.kind == "pyramid":
            buckets = objects.buckets_of(piece, entry)
            found["pyramid"].append(
                [entry.first, entry.stride, *(buckets.mean(name).tolist() for name in VALUES)]
            )
        else:
            run = objects.run_of(piece, entry)
            columns = {name: run.values(name).tolist() for name in run.columns}
            found["tension"].append([run.first, run.period_ms, [list(time) for time in run.times], columns])
    return found


def test_the_object_of_the_first_day_is_read_to_the_same_numbers():
    """What is written today must be read in ten years."""
    assert _everything(GOLDEN.read_bytes()) == json.loads(NUMBERS.read_text(encoding="utf-8"))


def test_what_is_written_today_holds_the_same_numbers():
    """The writer may learn to write smaller, never otherwise."""
    data, directory = objects.build(sections())
    assert objects.read_directory(data) == directory
    assert _everything(data) == json.loads(NUMBERS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["golden", "large", "blind"])
def test_the_decoder_of_the_page_reads_the_same_numbers(page, name):
    """A stranger with the page alone has everything."""
    data = {"golden": GOLDEN.read_bytes, "large": _large, "blind": _blind}[name]()
    ours = [
        objects.run_of(objects.block_of(data, entry), entry)
        for entry in objects.read_directory(data).of("tension")
    ]
    theirs = [piece for _, piece in page["read"](data)]
    assert len(ours) == len(theirs) > (name != "blind")
    for run, (first, period_ms, times, columns) in zip(ours, theirs, strict=True):
        assert (run.first, run.period_ms, run.times) == (first, period_ms, tuple(times))
        assert columns.keys() == run.columns.keys()
        assert all(np.array_equal(columns[name], run.values(name)) for name in columns)


def _large():
    """Blocks of whole size, with steps of the clock inside."""
    runs = tension_runs([block(seq, wave(1000)) for seq in range(0, 40_000, 1000)])
    stepped = join(runs)[0]
    times = tuple(
        (seq, us + (seq // 7000) * 3_000_000)
        for seq, us in ((n, stepped.started_at_us(n)) for n in range(0, 40_000, 500))
    )
    run = type(stepped)(0, stepped.period_ms, times, stepped.columns, stepped.decimals)
    return objects.build(objects.Sections("nord", "bed-1", BOOT, [run]))[0]


def _blind():
    """The load cell and the line to the bed are lost for a while."""
    hidden = {"tension_n": [[20, 80]], "residual_n": [[20, 80]], "position_mm": [[70, 80]]}
    rows = wave(300)
    blocks = [
        block(seq, rows[seq : seq + 100], unmeasured=hidden if seq == 100 else None) for seq in (0, 100, 200)
    ]
    return objects.build(objects.Sections("nord", "bed-1", BOOT, tension_runs(blocks)))[0]


def test_what_nobody_measured_is_a_column_of_bits_beside_the_numbers_as_they_came(page):
    """The page says which bit is whose; its decoder, written before there was such a column, reads it."""
    ((_, (first, _, _, columns)),) = page["read"](_blind())
    bits = columns["unmeasured"].astype(int).tolist()
    assert (first, bits) == (0, [0] * 120 + [1 + 8] * 50 + [1 + 8 + 4] * 10 + [0] * 120)
    assert columns["tension_n"].tolist() == [row[0] for row in wave(300)]
    said = PAGE.read_text(encoding="utf-8")
    assert all(f"{bit} for `{name}`" in said for name, bit in BIT.items())


def test_the_numbers_of_the_first_day_are_those_that_were_published():
    """The golden file was not made of its own reading alone."""
    (first, *_), rows = json.loads(NUMBERS.read_text(encoding="utf-8"))["tension"], wave(400)
    assert first[0] == 0
    assert [list(row) for row in zip(*(first[3][name] for name in VALUES), strict=True)] == rows[:400]
