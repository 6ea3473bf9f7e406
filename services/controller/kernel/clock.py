"""The system's clocks, read from compiled code by way of the C library."""

import numpy as np
from numba import types

from services.controller.kernel.compiled import scalar

CLOCK_REALTIME, CLOCK_MONOTONIC = 0, 1
SECOND_NS = 1_000_000_000

_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))


@scalar
def clock_ns(clock, timespec):
    """Read a clock of the system (ns) by way of a scratch timespec int64[2]."""
    _clock_gettime(np.int32(clock), timespec.ctypes.data)
    return timespec[0] * SECOND_NS + timespec[1]
