"""Sample streams written by hand, for what reads samples: pieces of (ticks, {column: value})."""

import numpy as np

from services.controller.kernel import layout

PERIOD_NS = 20_000_000
START_NS = 1_760_000_000_000_000_000  # wall clock of tick 0
MONOTONIC_NS = 5_000_000_000


def rows(*pieces, first=0):
    """Times int64[n, 3] and samples int32[n, SAMPLES] of one bed, from tick ``first`` on; it is measured."""
    blocks = []
    for ticks, columns in pieces:
        block = np.zeros((ticks, len(layout.SAMPLES)), np.int32)
        block[:, layout.S_STATUS] = layout.STATUS_FORCE_VALID
        for name, value in columns.items():
            block[:, layout.SAMPLES.index(name)] = value
        blocks.append(block)
    samples = np.concatenate(blocks)
    ticks = np.arange(first, first + len(samples), dtype=np.int64)
    times = np.column_stack((ticks, MONOTONIC_NS + ticks * PERIOD_NS, START_NS + ticks * PERIOD_NS))
    return times, samples


def treated(number=1, **columns):
    """Columns of a running session's sample."""
    return {"session_no": number, **columns}


def whole_session(number=1, reason=layout.REASON_COMPLETED, ended=layout.DONE):
    """Confirmed, started, one cycle with a guarding and a pause, ended, closed: pieces for ``rows``."""
    n = treated(number)
    return (
        (5, {}),
        (1, n | {"phase": layout.READY, "action": layout.ACTION_LOAD}),
        (9, n | {"phase": layout.READY}),
        (1, n | {"phase": layout.SLACK, "action": layout.ACTION_START}),
        (9, n | {"phase": layout.SLACK, "force_dn": 100}),
        (20, n | {"phase": layout.RAMP, "force_dn": 2000, "outputs": layout.OUTPUT_HEAT, "cycle": 1}),
        (100, n | {"phase": layout.HOLD, "force_dn": 3010, "target_mn": 300_000, "cycle": 1}),
        (
            1,
            n
            | {
                "phase": layout.GUARDED,
                "force_dn": 3400,
                "events": layout.EVENT_GUARDING_DETECTED,
                "cycle": 1,
            },
        ),
        (49, n | {"phase": layout.GUARDED, "force_dn": 2500, "guardings": 1, "cycle": 1}),
        (1, n | {"phase": layout.REBUILD, "events": layout.EVENT_GUARDING_RELEASED, "cycle": 1}),
        (
            1,
            n
            | {"phase": layout.RELEASE, "force_dn": 900, "events": layout.EVENT_CYCLE_COMPLETED, "cycle": 1},
        ),
        (
            1,
            n
            | {
                "phase": layout.PAUSED,
                "action": layout.ACTION_REMOTE_PAUSE,
                "reason": layout.REASON_REMOTE_PAUSE,
            },
        ),
        (49, n | {"phase": layout.PAUSED, "reason": layout.REASON_REMOTE_PAUSE}),
        (1, n | {"phase": layout.REST, "action": layout.ACTION_RESUME}),
        (20, n | {"phase": layout.COOLDOWN}),
        (20, n | {"phase": ended, "reason": reason}),
        (1, {"phase": layout.IDLE, "action": layout.ACTION_CLOSE}),
        (10, {}),
    )
