"""The same answers wherever the samples lie: in Redis, in the archive, or half and half."""

import io
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pyarrow as pa
import pyarrow.csv
import pytest
from history_rig import OFFSET, WHERE, HistoryRig
from servers import Valkey, eventually
from simulated_session import BOOT, CURE, PATIENT, SESSION, STARTED_NS

from services.telemetry.archive.models import VALUES

pytestmark = pytest.mark.system
STARTED = datetime.fromtimestamp(STARTED_NS / 1e9, UTC)


@pytest.fixture(scope="module", params=WHERE)
def stored(request, tmp_path_factory):
    """A session, in each place."""
    directory = tmp_path_factory.mktemp(request.param)
    with Valkey(directory) as valkey:
        rig = HistoryRig(valkey.url, directory)
        yield rig.store(request.param)
        rig.close()


def published(rig, name):
    """A column of all that was published, from seq 0 on."""
    return [value for _, _, payload in rig.session.tension for value in orjson.loads(payload)[name]]


def at(seq):
    """When a sample was taken, as a query says it."""
    return (STARTED + timedelta(milliseconds=seq * 20)).isoformat()


def test_a_session_is_one_piece_and_the_very_samples(stored):
    """A seam, a double or a rounding would show here."""
    (segment,) = stored.get(f"/sessions/{SESSION}/blocks").json()["segments"]
    assert (segment["seq"], segment["count"]) == (OFFSET, len(stored.session.samples) - OFFSET)
    for name in (*VALUES, "phase"):
        assert segment[name] == published(stored, name)[OFFSET:], name
    assert segment["started_at"] == at(OFFSET)


@pytest.mark.parametrize("points", [50, 800])
def test_a_thinned_curve_has_no_seam_and_keeps_every_peak(stored, points):
    """A bucket that lies half in Redis and half in the archive is one bucket."""
    (segment,) = stored.get(f"/sessions/{SESSION}/blocks?points={points}").json()["segments"]
    stride = segment["stride"]
    values = published(stored, "tension_n")
    edges = [OFFSET, *range((OFFSET // stride + 1) * stride, len(values), stride), len(values)]
    buckets = [values[low:high] for low, high in pairwise(edges)]
    assert points / 2 - 1 < len(buckets) <= points
    assert segment["tension_n"]["min"] == [min(bucket) for bucket in buckets]
    assert segment["tension_n"]["max"] == [max(bucket) for bucket in buckets]
    means = [sum(bucket) / len(bucket) for bucket in buckets]
    assert segment["tension_n"]["mean"] == pytest.approx(means, abs=1e-6)
    assert segment["offset_ms"] == pytest.approx([(edge - OFFSET) * 20 for edge in edges[:-1]], abs=1)
    assert segment["phase"] == [published(stored, "phase")[edge] for edge in edges[:-1]]


@pytest.mark.parametrize(("first", "after"), [(0, 10), (4321, 4821), (5990, 6012), (900, 901)])
def test_a_window_by_seq_or_by_time_is_the_same_samples(stored, first, after):
    """Half open: two neighbouring windows share no sample and lose none."""
    by_seq = stored.get(f"/devices/bed-01/window?from={first}&to={after}").json()
    by_time = stored.get("/devices/bed-01/window", params={"from": at(first), "to": at(after)}).json()
    assert by_seq == by_time
    (segment,) = by_seq["segments"]
    assert (segment["seq"], segment["count"], by_seq["boot"]) == (first, after - first, str(BOOT))
    assert segment["tension_n"] == published(stored, "tension_n")[first:after]


def test_a_window_is_had_as_arrow_and_csv_by_name_or_by_accept(stored):
    """Notebooks take Arrow, spreadsheets CSV."""
    path = "/devices/bed-01/window?from=4000&to=4500"
    arrow = stored.get(f"{path}&format=arrow")
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table["seq"].to_pylist() == list(range(4000, 4500))
    assert table["target_n"].to_pylist() == published(stored, "target_n")[4000:4500]
    accepted = stored.get(path, headers={"Accept": "text/html, text/csv;q=0.9"})
    read = pyarrow.csv.read_csv(io.BytesIO(accepted.content))
    assert read["position_mm"].to_pylist() == published(stored, "position_mm")[4000:4500]
    thin = pa.ipc.open_stream(stored.get(f"{path}&points=10&format=arrow").content).read_all()
    assert max(thin["tension_n.max"].to_pylist()) == max(published(stored, "tension_n")[4000:4500])


def test_a_part_of_a_session_is_cut_to_the_session(stored):
    """A question for a session never answers with what was before or behind it."""
    path = f"/sessions/{SESSION}/window"
    (segment,) = stored.get(f"{path}?from=0&to=700").json()["segments"]
    assert (segment["seq"], segment["count"]) == (OFFSET, 200)
    (late,) = stored.get(path, params={"from": at(stored.session.last - 9)}).json()["segments"]
    assert (late["seq"], late["count"]) == (stored.session.last - 9, 10)
    assert stored.get(f"{path}?from=0&to=10").json()["segments"] == []


def test_a_sessions_summary_is_the_gateways_beside_what_was_measured(stored):
    """Who doubts the one has the other."""
    told = stored.get(f"/sessions/{SESSION}/summary").json()
    assert told["summary"]["peak_n"] == told["measured"]["peak_n"] > 100
    assert told["measured"]["samples"] == len(stored.session.samples) - OFFSET
    assert told["measured"]["phase_s"] == told["summary"]["phase_s"]
    assert told["measured"]["missing"] == 0
    assert told["state"] == "completed"


def test_a_sessions_page_has_its_events(stored):
    """In order, each once."""
    row = stored.get(f"/sessions/{SESSION}").json()
    kinds = [event["type"] for event in row["events"]]
    assert (kinds[0], kinds[-1]) == ("session.started", "session.completed")
    assert (row["state"], row["first_seq"], row["last_seq"]) == ("completed", OFFSET, stored.session.last)
    assert row["cure"] == str(CURE)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1), ("site=north", 1), ("site=south", 0), ("device=bed-01", 1), ("device=bed-02", 0),
        (f"cure={CURE}", 1), (f"cure={SESSION}", 0), ("state=completed", 1), ("state=running", 0),
        ("state=lost", 0), ("since=2026-11-22T00:00:00Z", 1), ("since=2026-11-23", 422),
        ("since=2026-11-23T00:00:00Z", 0), ("until=2026-11-22T00:00:00%2B00:00", 0),
        ("region=lumbar", 1), ("region=cervical", 0), ("region=knee", 422), (f"patient={PATIENT}", 1),
        (f"patient={SESSION}", 0), (f"appointment={SESSION}", 0), ("appointment=nonsense", 422),
    ],
)  # fmt: skip
def test_sessions_are_found_by_place_time_state_region_and_the_ids_of_their_cure(stored, query, found):
    """A clinic looks for one of ten thousand."""
    answer = stored.get(f"/sessions?{query}")
    assert (
        (answer.status_code, len(answer.json())) == (200, found) if found < 400 else answer.status_code == 422
    )


def test_the_recording_is_the_very_chunks_of_the_session(stored):
    """From its load to its end, as the gateway sent them."""
    answer = stored.get(f"/sessions/{SESSION}/recording")
    chunks = [orjson.loads(line) for line in answer.content.splitlines()]
    sent = [orjson.loads(payload) for _, _, payload in stored.session.blackbox]
    assert chunks == [chunk for chunk in sent if chunk["session"] == str(SESSION)]
    assert f'filename="spondyl-{SESSION}.jsonl"' in answer.headers["content-disposition"]


def test_what_the_bed_was_told_comes_out_of_the_black_box(stored):
    """A past curve without its limits does not tell whether it was close to them."""
    (row,) = stored.get(f"/sessions/{SESSION}/prescribed").json()
    told = next(orjson.loads(payload)["parameters"] for first, _, payload in stored.session.blackbox
                if first == OFFSET)  # fmt: skip
    assert row == {"seq": OFFSET} | {
        name: told[name] for name in ("base_n", "first_peak_n", "peak_n", "ceiling_n", "traction_s")
    }
    assert row["ceiling_n"] > row["peak_n"] > row["base_n"] > 0


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "edf", "fhir"])
def test_every_export_is_a_file_with_a_name(stored, form):
    """What a browser saves."""
    answer = stored.get(f"/sessions/{SESSION}/export?format={form}")
    assert answer.status_code == 200
    assert f'filename="spondyl-{SESSION}.' in answer.headers["content-disposition"]
    assert len(answer.content) > 10_000


def test_the_last_seconds_of_a_device_need_no_redis_either(stored):
    """The console's history goes on after the samples have moved."""
    (segment,) = stored.get("/devices/bed-01/blocks?seconds=10").json()["segments"]
    total = len(stored.session.samples)
    assert (segment["seq"], segment["seq"] + segment["count"]) == (total - 500, total)


def test_a_window_that_names_no_time_is_the_last_minute(stored):
    """Who looks at a bed for the first time knows none of its numbers."""
    (segment,) = stored.get("/devices/bed-01/window").json()["segments"]
    total = len(stored.session.samples)
    assert (segment["seq"], segment["seq"] + segment["count"]) == (total - 3000, total)


def test_the_audit_is_clean_and_counts_everything_once(stored):
    """Wherever it lies."""
    report = stored.get("/audit").json()
    total = len(stored.session.samples)
    assert (report["samples"], report["lost_samples"], report["duplicate_samples"]) == (total, 0, 0)
    (row,) = report["streams"]
    assert (row["first_seq"], row["last_seq"], row["blackbox"]["last_seq"]) == (0, total - 1, total - 1)
    assert row["event"]["lost"] == row["event"]["duplicates"] == 0


def test_pages_of_sessions_follow_each_other_without_a_double(stored):
    """By key, so that a session that starts meanwhile moves nothing."""
    answer = stored.get("/sessions?limit=1")
    assert "link" not in answer.headers
    assert stored.get(f"/sessions?cursor=0.{SESSION}").json() == []
    assert stored.get("/sessions?cursor=nonsense").status_code == 422


def test_a_device_is_told_alike_wherever_its_samples_lie(stored):
    """The list, one device and its state; the last seq is known when Redis has none of it left."""
    (row,) = stored.get("/devices").json()
    assert row == stored.get("/devices/bed-01").json()
    assert (row["boot"], row["last_seq"]) == (str(BOOT), len(stored.session.samples) - 1)
    assert stored.get("/devices/bed-01/state").json()["boot"] == str(BOOT)


def test_whoever_asks_while_samples_move_gets_all_of_them_once(valkey, tmp_path):
    """Redis is read before the archive: what leaves the one is in the other already."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.store("hot")
        total = len(rig.session.samples)
        answers, moved = [], threading.Event()

        def ask():
            while not moved.is_set():
                answers.append((
                    rig.get(f"/sessions/{SESSION}/blocks").json()["segments"],
                    rig.get(f"/sessions/{SESSION}/blocks?points=100").json()["segments"],
                    len(rig.get("/sessions").json()),
                    rig.get("/audit").json(),
                ))  # fmt: skip

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: answers, 10, "a first answer")
        rig.rig.turn()
        rig.rig.turn(after_s=3601)
        rig.rig.turn(after_s=3601)
        seen = len(answers)
        eventually(lambda: len(answers) > seen + 1, 10, "an answer behind the last move")
        moved.set()
        asking.join()
    for whole, thin, sessions, report in answers:
        assert [(one["seq"], one["count"]) for one in whole] == [(OFFSET, total - OFFSET)]
        assert [(one["seq"], one["count"]) for one in thin] == [(OFFSET, total - OFFSET)]
        assert sessions == 1
        assert (report["samples"], report["lost_samples"], report["duplicate_samples"]) == (total, 0, 0)
