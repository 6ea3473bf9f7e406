"""AtriumDB on the sessions of `spondyl bench store`, run by an interpreter that has it; JSON on stdout.

Imports nothing of Spondyl: AtriumDB may be installed beside another interpreter. Its own defaults (delta of
the best order, zstd 19), one segment a column, SQLite for its metadata.
"""

import importlib
import importlib.metadata
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ("tension_n", "target_n", "position_mm", "residual_n", "phase")
SCALES = {"tension_n": 0.1, "target_n": 0.01, "position_mm": 0.01, "residual_n": 0.01, "phase": 1.0}
START_NS = 1_767_225_600_000_000_000
HOUR_NS = 3_600_000_000_000
PERIOD_NS = 20_000_000


class Peer:
    """The database and its measures."""

    def __init__(self, root: Path) -> None:
        sdk_type: Any = importlib.import_module("atriumdb").AtriumSDK
        self.root = root
        self.sdk = sdk_type.create_dataset(dataset_location=str(root))
        self.measures = {
            name: self.sdk.insert_measure(measure_tag=name, freq=50, units="1", freq_units="Hz")
            for name in COLUMNS
        }
        self.devices: dict[int, int] = {}
        self.empty = self.size()

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def write(self, number: int, table: Any) -> None:
        """A segment a column."""
        device = self.devices[number] = self.sdk.insert_device(f"bed-{number}")
        for name, column in zip(COLUMNS, table, strict=True):
            self.sdk.write_segment(
                self.measures[name], device, column.astype(np.int64), START_NS + number * HOUR_NS,
                freq=50, freq_units="Hz", scale_m=SCALES[name], scale_b=0.0,
            )  # fmt: skip

    def read(self, number: int, first: int, after: int, *, analog: bool = False) -> list[Any]:
        """The columns' counts, as they were given."""
        begin = START_NS + number * HOUR_NS
        return [
            self.sdk.get_data(
                measure, begin + first * PERIOD_NS, begin + after * PERIOD_NS,
                device_id=self.devices[number], analog=analog,
            )[2]
            for measure in self.measures.values()
        ]  # fmt: skip

    def fleet(self) -> float:
        """Mean tension over everything written."""
        total = count = 0
        for number, device in self.devices.items():
            begin = START_NS + number * HOUR_NS
            column = self.sdk.get_data(
                self.measures["tension_n"], begin, begin + HOUR_NS, device_id=device, analog=False
            )[2]
            total += int(column.sum())
            count += len(column)
        return total / count / 10


def timed_ms(call: Any, *given: object) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    call(*given)
    return (time.perf_counter() - begin) * 1000


def measure(directory: Path, sessions: int, reads: int) -> dict[str, Any]:
    """Write, read back, time."""
    chance = random.Random(7)  # noqa: S311  (which windows are read is no secret)
    with tempfile.TemporaryDirectory() as root:
        peer = Peer(Path(root, "atriumdb"))
        tables = {number: np.load(directory / f"{number:05d}.npy") for number in range(sessions)}
        values = sum(table.size for table in tables.values())
        seconds = sum(timed_ms(peer.write, number, table) for number, table in tables.items()) / 1000
        equal = all(
            np.array_equal(np.stack(peer.read(number, 0, table.shape[1])), table)
            for number, table in tables.items()
        )
        count = tables[0].shape[1]
        picks = [(chance.randrange(sessions), chance.randrange(count - 500)) for _ in range(reads)]
        return {
            "bytes_per_value": (peer.size() - peer.empty) / values,
            "values_per_s": values / seconds,
            "session_ms": statistics.median(timed_ms(peer.read, number, 0, count) for number, _ in picks),
            "window_ms": statistics.median(
                timed_ms(peer.read, number, first, first + 500) for number, first in picks
            ),
            "fleet_ms": statistics.median(timed_ms(peer.fleet) for _ in range(3)),
            "equal": equal,
            "sessions": sessions,
            "versions": {"atriumdb": importlib.metadata.version("atriumdb")},
            "durability": "none asked for: its files are not flushed",
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
