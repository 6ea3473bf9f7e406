"""Messages and runs for the archive's tests."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zlib import crc32

import numpy as np

from services.telemetry.archive.models import PHASES, VALUES

BOOT = UUID("8e1c4f0e-5b7d-4f5e-9a44-51f0a4a8f001")
START = datetime(2026, 1, 1, tzinfo=UTC)


def block(seq, values, *, started_at=None, period_ms=20.0, phases=None, unmeasured=None):
    """A tension block (first, count, payload); ``values`` are rows of four floats."""
    columns = {name: [row[number] for row in values] for number, name in enumerate(VALUES)}
    at = started_at or START + timedelta(milliseconds=seq * period_ms)
    message = {
        "boot": str(BOOT),
        "seq": seq,
        "started_at": at.isoformat(),
        "period_ms": period_ms,
        **columns,
        "phase": phases or [PHASES[(seq + row) % len(PHASES)] for row in range(len(values))],
    }
    if unmeasured is not None:
        message["unmeasured"] = unmeasured
    return seq, len(values), json.dumps(message).encode()


def chunk(seq, columns, /, **more):
    """A black-box chunk (first, count, payload); ``columns`` are lists of counts."""
    arrays = {name: np.array(column, np.int64) for name, column in columns.items()}
    count = len(next(iter(arrays.values())))
    total = 0
    for name in sorted(arrays):
        total = crc32(arrays[name].astype("<i4").tobytes(), total)
    message = {
        "boot": str(BOOT),
        "seq": seq,
        "count": count,
        "started_at": (START + timedelta(milliseconds=20 * seq)).isoformat(),
        "period_ms": 20.0,
        "kernel_version": 3,
        "session_no": 1,
        "session": None,
        "columns": {name: np.diff(array, prepend=0).tolist() for name, array in arrays.items()},
        "actions": [{"seq": seq, "action": 1, "refusal": 0}],
        "parameters": None,
        "crc32": total,
        **more,
    }
    return seq, count, json.dumps(message).encode()


def event(index, **more):
    """An event (index, payload)."""
    message = {"id": str(BOOT), "type": "phase.changed", "at": START.isoformat(), "boot": str(BOOT)}
    return index, json.dumps({**message, "seq": index * 10, "index": index, "data": {}, **more}).encode()


def wave(count):
    """Rows of tension, target, position, residual as a bed would say them."""
    time = np.arange(count) / 50
    noise = np.random.default_rng(7).normal(0, 0.4, count)
    tension = np.round(200 + 100 * np.sin(time / 9) + noise, 1)
    target = np.round(200 + 100 * np.sin(time / 9), 2)
    position = np.round(40 + 8 * np.sin(time / 9 - 0.1), 2)
    residual = np.round(noise, 2)
    return np.stack([tension, target, position, residual], axis=1).tolist()
