"""`spondyl bench store` compares like with like, and says plainly when a goal is missed."""

import pytest

from services.kit.errors import SpondylError
from services.telemetry.benches import bench_store
from services.telemetry.benches.sessions import load, prepare

FIGURES = ("bytes_per_value", "values_per_s", "session_ms", "window_ms", "fleet_ms")


@pytest.fixture(scope="module")
def result():
    """Three short sessions in every store that is here."""
    return bench_store.measure(sessions=3, minutes=1.0, atriumdb_sessions=0, atriumdb_python="")


def test_every_store_is_measured_on_the_same_sessions(result):
    """Every sample was read back and compared before a figure is given."""
    rows = {"ours": result["ours"], **result["peers"]}
    assert set(rows) == {"ours", "parquet", "duckdb", "duckdb_on_parquet", "sqlite_blocks"}
    assert all(row[figure] > 0 for row in rows.values() for figure in FIGURES)
    assert all(row["equal"] and row["versions"] and row["durability"] for row in rows.values())
    assert max(row["fleet_mean_n"] for row in rows.values()) == pytest.approx(
        min(row["fleet_mean_n"] for row in rows.values())
    )
    assert result["values"] == 3 * 3000 * 5


def test_what_the_pyramid_costs_is_told_beside_the_samples(result):
    """It is part of what a ten-year archive takes."""
    ours = result["ours"]
    both = ours["bytes_per_value"] + ours["pyramid_bytes_per_value"]
    assert ours["bytes_with_pyramid_per_value"] == pytest.approx(both)


def test_a_goal_is_met_missed_or_not_measured():
    """A peer that is not there must not count as beaten."""
    ours = dict.fromkeys(FIGURES, 10.0) | {"bytes_with_pyramid_per_value": 10.0}
    peers = {"parquet": dict.fromkeys(FIGURES, 10.0), "duckdb_on_parquet": {"fleet_ms": 9.0}}
    met = {(row["figure"], row["peer"]): row["met"] for row in bench_store.judge(ours, peers)}
    assert met == {
        ("bytes_per_value", "atriumdb"): None,
        ("bytes_with_pyramid_per_value", "atriumdb"): None,
        ("values_per_s", "parquet"): True,
        ("values_per_s", "atriumdb"): None,
        ("session_ms", "parquet"): True,
        ("window_ms", "parquet"): False,
        ("fleet_ms", "duckdb_on_parquet"): False,
    }


def test_a_store_that_gives_back_another_number_is_refused(result):
    """Its speed would be worth nothing."""
    session = load(prepare(3, result["minutes"]), 1)
    altered = session.columns["target_n"].copy()
    altered[-1] += 1
    with pytest.raises(SpondylError, match="parquet gives back other numbers in target_n of session 1"):
        bench_store._require_equal("parquet", session, session.columns | {"target_n": altered})


def test_a_session_is_simulated_once():
    """The second run takes the files of the first."""
    directory = prepare(3, 1.0)
    before = [path.stat().st_mtime_ns for path in sorted(directory.glob("*.npy"))]
    assert prepare(3, 1.0) == directory
    assert [path.stat().st_mtime_ns for path in sorted(directory.glob("*.npy"))] == before
    assert load(directory, 0).count == 3000


def test_another_interpreter_without_the_peer_is_told():
    """A wrong path must not look like a missing peer."""
    with pytest.raises(SpondylError, match="AtriumDB failed under"):
        bench_store.measure(sessions=2, minutes=1.0, atriumdb_sessions=1, atriumdb_python="false")
