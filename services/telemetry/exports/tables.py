"""Tables: Parquet, an Arrow IPC stream, CSV. One row a sample, physical units, the very numbers.

``seq``, ``time`` (UTC, microseconds), ``tension_n``, ``target_n``, ``position_mm``, ``residual_n`` (float64)
and ``phase``. What nobody measured is null, in CSV an empty cell. Where a value is a decimal of ``decimals``
places (metadata of its field), then ``round(value * 10**decimals)`` is the integer that the archive holds.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from services.telemetry.archive.models import BITS, PHASE, PHASES, VALUES, Run
from services.telemetry.exports.models import UNITS, Recorded, pieces, times_us
from services.telemetry.traces import Trace

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
        "unmeasured_samples": recorded.unmeasured or None,
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
        *(pa.array(run.measured(name), from_pandas=True) for name in VALUES),  # (nan becomes null)
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
    return arrow_stream(schema(recorded), batches(recorded))


def csv(recorded: Recorded) -> Iterator[bytes]:
    """RFC 4180 with a head; times as ISO 8601."""
    return csv_lines(schema(recorded), batches(recorded))


def arrow_stream(form: Any, rows: Iterable[Any]) -> Iterator[bytes]:
    """Record batches of one schema as an IPC stream."""
    pipe = _Pipe()
    with pa.ipc.new_stream(pipe, form) as writer:
        for batch in rows:
            writer.write_batch(batch)
            yield pipe.taken()
    yield pipe.taken()


def csv_lines(form: Any, rows: Iterable[Any]) -> Iterator[bytes]:
    """Record batches of one schema as CSV."""
    yield (",".join(form.names) + "\n").encode()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    for batch in rows:
        columns = [_as_text(batch[name]) for name in form.names]
        sink = io.BytesIO()
        pyarrow.csv.write_csv(pa.table(columns, names=form.names), sink, options)
        yield sink.getvalue()


def _as_text(column: Any) -> Any:
    """What a CSV cannot tell by itself: times and words."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format=_CSV_TIME)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def of_traces(traces: Sequence[Trace]) -> tuple[Any, list[Any]]:
    """(schema, record batches) of traces that are all whole or all thinned; a bucket is one row."""
    names = list(traces[0].columns) if traces else list(VALUES)
    fields = [
        pa.field("seq", pa.int64()),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        *(pa.field(name, pa.float64(), metadata={"unit": UNITS[name.partition(".")[0]]}) for name in names),
        pa.field(PHASE, pa.dictionary(pa.int8(), pa.string())),
    ]
    form = pa.schema(fields)
    return form, [pa.record_batch(_trace_columns(trace, names), schema=form) for trace in traces]


def _trace_columns(trace: Trace, names: Sequence[str]) -> list[Any]:
    phase = pa.DictionaryArray.from_arrays(pa.array(trace.phase.astype(np.int8)), _PHASES)
    times = pa.array(trace.times, pa.timestamp("us", tz="UTC"))
    values = (pa.array(trace.columns[name], from_pandas=True) for name in names)  # (nan becomes null)
    return [pa.array(trace.seqs), times, *values, phase]
