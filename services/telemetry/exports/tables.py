"""Tables: Parquet, an Arrow IPC stream, CSV. One row a sample, physical units, the very numbers.

``seq``, ``time`` (UTC, microseconds), ``tension_n``, ``target_n``, ``position_mm``, ``residual_n`` (float64)
and ``phase``. Where a value is a decimal of ``decimals`` places (metadata of its field), then
``round(value * 10**decimals)`` is the integer that the archive holds.
"""

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from services.telemetry.archive.models import BITS, PHASE, PHASES, VALUES, Run
from services.telemetry.exports.models import UNITS, Recorded, pieces, times_us

COMPRESSION: Final = "zstd"
_PHASES: Final = pa.array(PHASES)
_CSV_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


def schema(recorded: Recorded) -> Any:
    """Fields with unit and decimals; the table's metadata says whose samples these are."""
    fields = [pa.field("seq", pa.int64()), pa.field("time", pa.timestamp("us", tz="UTC"))]
    for name in VALUES:
        decimals = {run.decimals.get(name, 0) for run in recorded.runs}
        words = {"unit": UNITS[name]} | (
            {} if BITS in decimals else {"decimals": str(max(decimals, default=0))}
        )
        fields.append(pa.field(name, pa.float64(), metadata=words))
    fields.append(pa.field(PHASE, pa.dictionary(pa.int8(), pa.string())))
    return pa.schema(fields, metadata=_about(recorded))


def _about(recorded: Recorded) -> dict[str, str]:
    told = {
        "site": recorded.site, "device": recorded.device, "boot": recorded.boot, "session": recorded.session,
        "patient": recorded.patient, "region": recorded.region, "segment": recorded.segment,
        "missing_samples": sum(after - first for first, after in recorded.gaps),
    }  # fmt: skip
    return {f"spondyl.{name}": str(value) for name, value in told.items() if value is not None}


def batches(recorded: Recorded) -> Iterator[Any]:
    """Record batches of the schema."""
    form = schema(recorded)
    for run in pieces(recorded.runs):
        yield pa.record_batch(_columns(run), schema=form)


def _columns(run: Run) -> list[Any]:
    phase = pa.DictionaryArray.from_arrays(pa.array(run.columns[PHASE].astype(np.int8)), _PHASES)
    return [
        pa.array(np.arange(run.first, run.after, dtype=np.int64)),
        pa.array(times_us(run), pa.timestamp("us", tz="UTC")),
        *(pa.array(run.values(name)) for name in VALUES),
        phase,
    ]


class _Pipe(io.RawIOBase):
    """A sink that gives back what was written to it since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._written += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def parquet(recorded: Recorded) -> Iterator[bytes]:
    """One row group a piece, so that a reader of a part reads a part."""
    pipe = _Pipe()
    with pyarrow.parquet.ParquetWriter(pipe, schema(recorded), compression=COMPRESSION) as writer:
        for batch in batches(recorded):
            writer.write_batch(batch)
            yield pipe.taken()
    yield pipe.taken()


def arrow(recorded: Recorded) -> Iterator[bytes]:
    """An IPC stream: the first bytes can be drawn before the last are read."""
    pipe = _Pipe()
    with pa.ipc.new_stream(pipe, schema(recorded)) as writer:
        for batch in batches(recorded):
            writer.write_batch(batch)
            yield pipe.taken()
    yield pipe.taken()


def csv(recorded: Recorded) -> Iterator[bytes]:
    """RFC 4180 with a head; times as ISO 8601."""
    head = True
    for batch in batches(recorded):
        table = pa.table({
            "seq": batch["seq"],
            "time": pc.strftime(batch["time"], format=_CSV_TIME),
            **{name: batch[name] for name in VALUES},
            PHASE: batch[PHASE].dictionary_decode(),
        })  # fmt: skip
        sink = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=head, quoting_style="none")
        pyarrow.csv.write_csv(table, sink, options)
        head = False
        yield sink.getvalue()
    if head:
        yield (",".join(("seq", "time", *VALUES, PHASE)) + "\n").encode()
