"""The archive beside Parquet, DuckDB, SQLite and AtriumDB: the same sessions, in the same run."""

import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.kit.errors import SpondylError
from services.telemetry.archive.group import GROUP
from services.telemetry.benches import atriumdb_peer
from services.telemetry.benches.sessions import COLUMNS, Session, load, prepare
from services.telemetry.benches.stores import DuckDB, DuckDBOnParquet, Ours, Parquet, SqliteBlocks, Store

WINDOW: Final = 500  # samples: 10 s
READS: Final = 40  # sessions and windows timed in each round
ROUNDS: Final = 3  # the stores take turns
FLEET_ROUNDS: Final = 5
SEED: Final = 7
# our figure, the peer, its share that we may reach at most (at least, for speed of writing)
GOALS: Final = (
    ("bytes_per_value", "atriumdb", 1.1),
    ("bytes_with_pyramid_per_value", "atriumdb", 1.1),
    ("values_per_s", "parquet", 0.9),
    ("values_per_s", "atriumdb", 100.0),
    ("session_ms", "parquet", 1.1),
    ("window_ms", "parquet", 0.5),
    ("fleet_ms", "duckdb_on_parquet", 1.0),
)
HIGHER: Final = ("values_per_s",)


def measure(sessions: int, minutes: float, atriumdb_sessions: int, atriumdb_python: str) -> dict[str, Any]:
    """All stores on so many sessions. Raises SpondylError when one gives back other numbers than given."""
    directory = prepare(sessions, minutes)
    with tempfile.TemporaryDirectory(prefix="spondyl-bench-store-") as root:
        stores = _open(Path(root))
        try:
            results = _measure(stores, directory, sessions)
        finally:
            for store in stores.values():
                store.close()
    ours = results.pop("ours")
    interpreter = atriumdb_python or (sys.executable if importlib.util.find_spec("atriumdb") else "")
    if interpreter and atriumdb_sessions:
        results["atriumdb"] = _atriumdb(interpreter, directory, min(sessions, atriumdb_sessions))
    goals = judge(ours, results)
    return {
        "sessions": sessions,
        "minutes": minutes,
        "written_together": min(GROUP, sessions),
        "values": sessions * load(directory, 0).count * len(COLUMNS),
        "ours": ours,
        "peers": results,
        "goals": goals,
        "ok": all(goal["met"] is not False for goal in goals),
    }


def _open(root: Path) -> dict[str, Store]:
    folders = {name: root / name for name in ("ours", "parquet", "duckdb", "sqlite_blocks")}
    for folder in folders.values():
        folder.mkdir()
    parquet = Parquet(folders["parquet"])
    return {
        "ours": Ours(folders["ours"]),
        "parquet": parquet,
        "duckdb": DuckDB(folders["duckdb"]),
        "duckdb_on_parquet": DuckDBOnParquet(parquet),
        "sqlite_blocks": SqliteBlocks(folders["sqlite_blocks"]),
    }


def _measure(stores: Mapping[str, Store], directory: Path, sessions: int) -> dict[str, dict[str, Any]]:
    seconds = _write(stores, directory, sessions)
    fleet = _verify(stores, directory, sessions)
    times = _read(stores, sessions, load(directory, 0).count)
    values = sessions * load(directory, 0).count * len(COLUMNS)
    results: dict[str, dict[str, Any]] = {}
    for name, store in stores.items():
        parts = store.bytes()
        results[name] = {
            "bytes_per_value": (sum(parts.values()) - parts.get("pyramid", 0)) / values,
            "values_per_s": values / sessions / seconds[name],
            **{figure: statistics.median(taken[name]) for figure, taken in times.items()},
            "fleet_mean_n": fleet[name],
            "equal": True,
            "versions": store.versions,
            "durability": store.durability,
        }
        if "pyramid" in parts:
            results[name]["pyramid_bytes_per_value"] = parts["pyramid"] / values
            results[name]["bytes_with_pyramid_per_value"] = sum(parts.values()) / values
    results["duckdb_on_parquet"]["values_per_s"] = results["parquet"]["values_per_s"]
    return results


def _write(stores: Mapping[str, Store], directory: Path, sessions: int) -> dict[str, float]:
    """Seconds a session, median of the groups, the stores taking turns; each one's share of its end."""
    taken: dict[str, list[float]] = {name: [] for name in stores}
    for turn, first in enumerate(range(0, sessions, GROUP)):
        group = [load(directory, number) for number in range(first, min(first + GROUP, sessions))]
        for name in _turn(stores, turn):
            taken[name].append(_timed_ms(stores[name].write, group) / 1000 / len(group))
    ends = {name: _timed_ms(store.finish) / 1000 / sessions for name, store in stores.items()}
    return {name: statistics.median(times) + ends[name] for name, times in taken.items()}


def _turn(stores: Mapping[str, Store], number: int) -> list[str]:
    """Another one first each time."""
    names = list(stores)
    return names[number % len(names) :] + names[: number % len(names)]


def _verify(stores: Mapping[str, Store], directory: Path, sessions: int) -> dict[str, float]:
    """Every sample of every store is what it was given; the fleet's means agree."""
    for number in range(sessions):
        session = load(directory, number)
        for name, store in stores.items():
            _require_equal(name, session, store.read(number, 0, session.count))
    fleet = {name: store.fleet() for name, store in stores.items()}
    if max(fleet.values()) - min(fleet.values()) > 1e-9:  # noqa: PLR2004  (floats added in another order)
        raise SpondylError(f"the stores' means over the fleet differ: {fleet}")
    return fleet


def _require_equal(name: str, session: Session, table: Mapping[str, Any]) -> None:
    for column in COLUMNS:
        if not np.array_equal(table[column], session.columns[column]):
            raise SpondylError(f"{name} gives back other numbers in {column} of session {session.number}")


def _read(stores: Mapping[str, Store], sessions: int, count: int) -> dict[str, dict[str, list[float]]]:
    chance = random.Random(SEED)  # noqa: S311  (which windows are read is no secret)
    times: dict[str, dict[str, list[float]]] = {
        figure: {name: [] for name in stores} for figure in ("session_ms", "window_ms", "fleet_ms")
    }
    for turn in range(ROUNDS):
        picks = [(chance.randrange(sessions), chance.randrange(count - WINDOW)) for _ in range(READS)]
        for name in _turn(stores, turn):
            store = stores[name]
            for number, first in picks:
                whole = _timed_ms(store.read, number, 0, count)
                window = _timed_ms(store.read, number, first, first + WINDOW)
                times["session_ms"][name].append(whole)
                times["window_ms"][name].append(window)
    for turn in range(FLEET_ROUNDS):
        for name in _turn(stores, turn):
            times["fleet_ms"][name].append(_timed_ms(stores[name].fleet))
    return times


def _timed_ms(call: Callable[..., object], *given: object) -> float:
    begin = time.perf_counter()
    call(*given)
    return (time.perf_counter() - begin) * 1000


def _atriumdb(interpreter: str, directory: Path, sessions: int) -> dict[str, Any]:
    command = [interpreter, atriumdb_peer.__file__, str(directory), str(sessions), str(READS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SpondylError(f"AtriumDB failed under {interpreter}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not found["equal"]:
        raise SpondylError("atriumdb gives back other numbers than it was given")
    return found


def judge(ours: Mapping[str, Any], peers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every goal: our figure, the peer's, the limit; ``met`` is None where the peer is not there."""
    rows = []
    for figure, peer, share in GOALS:
        theirs = peers.get(peer, {}).get(figure.replace("_with_pyramid", ""))
        limit = None if theirs is None else theirs * share
        met = None
        if limit is not None:
            met = ours[figure] >= limit if figure in HIGHER else ours[figure] <= limit
        rows.append(
            {"figure": figure, "peer": peer, "share": share, "ours": ours[figure], "limit": limit, "met": met}
        )
    return rows


def tell(result: dict[str, Any]) -> str:
    """A table for a person."""
    figures = ("bytes_per_value", "values_per_s", "session_ms", "window_ms", "fleet_ms")
    lines = [f"{'store':18}" + "".join(f"{figure:>17}" for figure in figures)]
    for name, row in {"ours": result["ours"], **result["peers"]}.items():
        lines.append(f"{name:18}" + "".join(f"{row[figure] or 0:17.4g}" for figure in figures))
    words = {True: "met", False: "MISSED", None: "not measured"}
    for goal in result["goals"]:
        limit = "-" if goal["limit"] is None else f"{goal['limit']:.4g}"
        share = f"{goal['share']:g} x {goal['peer']} is {limit}"
        lines.append(f"{goal['figure']} {goal['ours']:.4g}, {share}: {words[goal['met']]}")
    return "\n".join(lines)
