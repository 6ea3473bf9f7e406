"""Times as tables keep them: whole microseconds since the epoch."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Now, by this machine's clock."""
    return time.time_ns() // 1000


def instant_of(at_us: int) -> datetime:
    """The same as a time in UTC."""
    return EPOCH + timedelta(microseconds=at_us)
