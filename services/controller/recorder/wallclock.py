"""Wall-clock times of samples, and steps of the wall clock.

The loop stamps every tick with both clocks. Order and durations come from ticks and the monotonic clock; the
wall clock only dates what happened, and a step of it is an event of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from services.kit.moments import instant_of

STEP_NS: Final = 500_000_000  # NTP slews at 0.5 ms a second at most: half a second is a step


def instant(realtime_ns: int) -> datetime:
    """The moment of a CLOCK_REALTIME reading, exact to the microsecond."""
    return instant_of(realtime_ns // 1000)


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock moved against the monotonic one between two ticks."""

    row: int  # of the times it was found in
    step_s: float  # + is forward


@dataclass(slots=True)
class ClockWatch:
    """Finds steps in consecutive ticks' times; ``offset_ns`` is wall clock minus monotonic."""

    offset_ns: int | None = None

    def observe(self, times: npt.NDArray[np.int64]) -> list[ClockStep]:
        """The steps in these times (int64[n, 3]: tick, monotonic, realtime)."""
        offsets = times[:, 2] - times[:, 1]
        first = offsets[0] if self.offset_ns is None else self.offset_ns
        moved = np.diff(offsets, prepend=first)
        self.offset_ns = int(offsets[-1])
        return [
            ClockStep(row, float(moved[row]) / 1e9) for row in np.flatnonzero(abs(moved) > STEP_NS).tolist()
        ]
