"""Samples of one bed -> payloads of the `tension` and `blackbox` streams.

Written straight from the arrays, column by column, because a gateway builds hundreds of thousands of samples
a second at 1 ms and 64 beds; tests hold every payload against the message models and their JSON Schemas.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import numpy as np
import numpy.typing as npt
import orjson

from services.controller.kernel import layout
from services.controller.kernel.tuning import PARAMETER_NAMES
from services.controller.recorder.wallclock import instant

Samples = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]

# What a replay feeds in and compares, in the order of their names: the checksum runs in that order.
BLACKBOX_COLUMNS: Final = tuple(sorted((*layout.READINGS, *layout.COMMANDS, "phase")))
PARAMETER_ACTIONS: Final = (layout.ACTION_LOAD, layout.ACTION_CHANGE)  # they take the staged parameters
CONTRACT_RANGE: Final = 2000.0  # N and mm, broker.messages
STALE_MS: Final = 30  # envelope.STALE_MS: the kernel itself does not pull on an older reading
_PHASE_NAMES: Final = np.array(layout.PHASES, dtype=object)
_JSON: Final = orjson.OPT_SERIALIZE_NUMPY


def tension_payload(boot: UUID, period_ms: float, times: Times, samples: Samples) -> bytes:
    """A TensionBlock of consecutive samples (int64[n, 3], int32[n, SAMPLES], n >= 1) as JSON.

    Tension is the load cell's count, exact to its 0.1 N; target and residual are rounded to 0.01 N. What a
    broken sensor says beyond the contract's range is cut to it: the black box has the count itself. What the
    lists hold without having measured it is named.
    """
    block: dict[str, Any] = {
        "boot": str(boot),
        "seq": int(times[0, 0]),
        "started_at": instant(int(times[0, 2])).isoformat(),
        "period_ms": period_ms,
        "tension_n": _within(samples[:, layout.S_FORCE] / 10),
        "target_n": _within(np.rint(samples[:, layout.S_TARGET] / 10) / 100),
        "position_mm": _within(samples[:, layout.S_POSITION] / 100),
        "residual_n": _within(np.rint(samples[:, layout.S_RESIDUAL] / 10) / 100),
        "phase": _PHASE_NAMES[samples[:, layout.S_PHASE]].tolist(),
    }
    if unmeasured := _unmeasured(samples):
        block["unmeasured"] = unmeasured
    return orjson.dumps(block, option=_JSON)


def is_silent(samples: Samples) -> npt.NDArray[np.bool_]:
    """Samples whose reading is an old one repeated: the link is lost, or about to be; nothing is known."""
    age = samples[:, layout.S_AGE]
    return (age < 0) | (age > STALE_MS)


def is_blind(samples: Samples) -> npt.NDArray[np.bool_]:
    """Samples whose tension was not measured: no reading, or one without the load cell."""
    without_cell: npt.NDArray[np.bool_] = samples[:, layout.S_STATUS] & layout.STATUS_FORCE_VALID == 0
    return is_silent(samples) | without_cell


def _unmeasured(samples: Samples) -> dict[str, list[list[int]]]:
    """Of each list that holds something unmeasured: its stretches, [first row, row behind]."""
    blind = is_blind(samples)
    if not blind.any():
        return {}
    tension, position = _stretches(blind), _stretches(is_silent(samples))
    told = {"tension_n": tension, "position_mm": position, "residual_n": tension}
    return {name: stretches for name, stretches in told.items() if stretches}


def _stretches(mask: npt.NDArray[np.bool_]) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    stretches: list[list[int]] = edges.reshape(-1, 2).tolist()
    return stretches


def _within(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values.clip(-CONTRACT_RANGE, CONTRACT_RANGE)


def chunk_edges(samples: Samples, previous_session: int, previous_phase: int) -> list[int]:
    """Rows at which a black-box chunk must begin: parameters were taken, or a session began or ended.

    ``previous_*`` are of the row before the first; samples int32[n, SAMPLES].
    """
    action, refusal = samples[:, layout.S_ACTION], samples[:, layout.S_REFUSAL]
    taken = np.isin(action, PARAMETER_ACTIONS) & (refusal == layout.REFUSAL_NONE)
    session = np.diff(samples[:, layout.S_SESSION], prepend=np.int32(previous_session)) != 0
    idle = samples[:, layout.S_PHASE] == layout.IDLE
    was_idle = np.concatenate(([previous_phase == layout.IDLE], idle[:-1]))
    rows: list[int] = np.flatnonzero(taken | session | (idle & ~was_idle)).tolist()
    return rows


def checksum(columns: Mapping[str, npt.NDArray[np.int32]]) -> int:
    """CRC-32 over the columns' int32 little-endian bytes, in the order of their names."""
    total = 0
    for name in sorted(columns):
        total = crc32(np.ascontiguousarray(columns[name], dtype="<i4").tobytes(), total)
    return total


def actions_of(times: Times, samples: Samples) -> list[dict[str, int]]:
    """The operator actions in these samples: {seq, action, refusal}."""
    rows = np.flatnonzero(samples[:, layout.S_ACTION])
    return [
        {
            "seq": int(times[row, 0]),
            "action": int(samples[row, layout.S_ACTION]),
            "refusal": int(samples[row, layout.S_REFUSAL]),
        }
        for row in rows.tolist()
    ]


def blackbox_payload(
    boot: UUID,
    period_ms: float,
    times: Times,
    samples: Samples,
    session: UUID | None,
    parameters: Iterable[float] | None = None,
) -> bytes:
    """A BlackboxChunk of consecutive samples (int64[n, 3], int32[n, SAMPLES], n >= 1) as JSON.

    ``parameters`` are those that the first tick took, in the order of the kernel's rows.
    """
    columns = {name: samples[:, layout.SAMPLES.index(name)] for name in BLACKBOX_COLUMNS}
    chunk: dict[str, Any] = {
        "boot": str(boot),
        "seq": int(times[0, 0]),
        "count": len(samples),
        "started_at": instant(int(times[0, 2])).isoformat(),
        "period_ms": period_ms,
        "kernel_version": layout.KERNEL_VERSION,
        "session_no": max(0, int(samples[0, layout.S_SESSION])),
        "session": None if session is None else str(session),
        "columns": {name: differences(column) for name, column in columns.items()},
        "actions": actions_of(times, samples),
        "parameters": None if parameters is None else named_parameters(parameters),
        "crc32": checksum(columns),
    }
    return orjson.dumps(chunk, option=_JSON)


def differences(column: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """First value, then differences: small numbers, exact (int64, so that no difference overflows)."""
    counts: npt.NDArray[np.int64] = column.astype(np.int64)
    counts[1:] -= column[:-1]
    return counts


def column_from(values: Sequence[int]) -> npt.NDArray[np.int64]:
    """The counts that ``differences`` was made from; ValueError when a number is beyond int64."""
    try:
        return np.cumsum(np.array(values, dtype=np.int64))
    except OverflowError as error:
        raise ValueError(str(error)) from None


def named_parameters(parameters: Iterable[float]) -> dict[str, float]:
    """The kernel's parameters by name, in the order of their rows; rows beyond the kernel's are left out."""
    return {name: float(value) for name, value in zip(PARAMETER_NAMES, parameters, strict=False)}
