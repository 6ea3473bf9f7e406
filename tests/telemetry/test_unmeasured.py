"""What nobody measured is told as such, wherever it lies and in whatever form it is asked for."""

import csv
import io

import numpy as np
import orjson
import pyarrow as pa
import pytest
from history_rig import OFFSET, WHERE, HistoryRig
from servers import Valkey
from simulated_session import SESSION

from services.telemetry.archive import sql
from services.telemetry.archive.models import VALUES
from services.telemetry.archive.pyramid import stride_for

pytestmark = pytest.mark.system
LOST = (2000, 2600)  # the load cell
SILENT = (5003, 5209)  # the link, after 30 ms of a reading that is not quite fresh
HIDDEN = {
    "tension_n": [LOST, SILENT], "target_n": [], "position_mm": [SILENT], "residual_n": [LOST, SILENT],
}  # fmt: skip


@pytest.fixture(scope="module", params=WHERE)
def stored(request, tmp_path_factory):
    """A session that lost its load cell, and later the line to the bed, in each place."""
    directory = tmp_path_factory.mktemp(request.param)
    with Valkey(directory) as valkey:
        rig = HistoryRig(valkey.url, directory)
        lossy = rig.session.losing(*LOST)
        rig.session = lossy.losing(SILENT[0] - 1, SILENT[1], link=True)
        yield rig.store(request.param)
        rig.close()


@pytest.fixture(scope="module")
def expected(stored):
    """Every column of the device from seq 0 on, nan where nobody measured."""
    columns = {}
    for name in VALUES:
        values = [value for _, _, payload in stored.session.tension for value in orjson.loads(payload)[name]]
        columns[name] = np.array(values)
        for first, after in HIDDEN[name]:
            columns[name][first:after] = np.nan
    return columns


def assert_is(found, wanted):
    """Numbers of an answer, None where there is none."""
    assert [np.nan if number is None else number for number in found] == pytest.approx(
        wanted.tolist(), abs=1e-6, nan_ok=True
    )


def test_a_window_has_null_where_nobody_measured(stored, expected):
    """Zeros of a lost load cell and the last reading of a silent bed are no tension."""
    (segment,) = stored.get(f"/sessions/{SESSION}/blocks").json()["segments"]
    for name in VALUES:
        assert_is(segment[name], expected[name][OFFSET:])
    assert segment["phase"][LOST[0] - OFFSET]


@pytest.mark.parametrize("points", [40, 300, 2000])
def test_a_thinned_window_goes_by_measured_samples_and_counts_the_others(stored, expected, points):
    """Out of the pyramid, of Redis, or half and half: the least of a bucket is one that was measured."""
    (segment,) = stored.get(f"/sessions/{SESSION}/window?points={points}").json()["segments"]
    values = expected["tension_n"]
    stride = segment["stride"]
    assert stride == stride_for(len(values) - OFFSET, points)
    edges = [*range((OFFSET // stride + 1) * stride, len(values), stride)]
    buckets = np.split(values[OFFSET:], [edge - OFFSET for edge in edges])
    counts = [int(np.isnan(bucket).sum()) for bucket in buckets]
    assert segment["unmeasured"]["tension_n"] == counts
    assert "target_n" not in segment["unmeasured"]
    known = [bucket[~np.isnan(bucket)] for bucket in buckets]
    for part, of in (("min", np.min), ("max", np.max), ("mean", np.mean)):
        assert_is(segment["tension_n"][part], np.array([of(k) if k.size else np.nan for k in known]))


def test_arrow_and_csv_have_nothing_where_nobody_measured(stored, expected):
    """A null and an empty cell: whoever takes the mean takes it of what was measured."""
    path = "/devices/bed-01/window?from=1900&to=5300"
    table = pa.ipc.open_stream(stored.get(f"{path}&format=arrow").content).read_all()
    rows = list(csv.DictReader(io.StringIO(stored.get(f"{path}&format=csv").text)))
    for name in VALUES:
        assert_is(table[name].to_pylist(), expected[name][1900:5300])
        assert_is([float(row[name]) if row[name] else None for row in rows], expected[name][1900:5300])
    thin = pa.ipc.open_stream(stored.get(f"{path}&points=100&format=arrow").content).read_all()
    assert thin["tension_n.mean"].null_count > 0 == thin["target_n.mean"].null_count


def test_a_summary_counts_what_nobody_measured_and_nothing_of_it(stored, expected):
    """The peak and the holds are the patient's; time under traction went on."""
    measured = stored.get(f"/sessions/{SESSION}/summary").json()["measured"]
    assert measured["unmeasured"] == sum(after - first for first, after in HIDDEN["tension_n"])
    assert measured["samples"] == len(expected["tension_n"]) - OFFSET
    assert measured["columns"]["tension_n"]["count"] == measured["samples"] - measured["unmeasured"]
    phases = np.array(
        [phase for _, _, block in stored.session.tension for phase in orjson.loads(block)["phase"]]
    )
    held = expected["tension_n"][phases == "hold"]
    assert measured["hold_mean_n"] == pytest.approx(np.nanmean(held), abs=0.001)
    assert measured["peak_n"] == np.nanmax(expected["tension_n"][OFFSET:])


def test_sql_over_the_archive_has_null_where_nobody_measured(stored):
    """count(tension_n) counts, avg(tension_n) means, what was measured."""
    answer = sql.ask(
        stored.rig.archive,
        "SELECT count(*), count(tension_n), count(position_mm), count(target_n) FROM samples",
    )
    every, *counts = answer.rows[0]
    hidden = {
        name: sum(max(0, min(after, every) - first) for first, after in HIDDEN[name]) for name in HIDDEN
    }
    assert counts == [every - hidden[name] for name in ("tension_n", "position_mm", "target_n")]


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "edf", "fhir"])
def test_every_export_of_it_is_a_file(stored, form):
    """No format stumbles over what is not there."""
    answer = stored.get(f"/sessions/{SESSION}/export?format={form}")
    assert (answer.status_code, len(answer.content) > 10_000) == (200, True)
