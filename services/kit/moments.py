"""Times as tables keep them, whole microseconds since the epoch; the clock that a test may set."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Now = Callable[[], datetime]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def utc_now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def us_of(at: datetime) -> int:
    """A time with a zone as microseconds since the epoch."""
    return (at - EPOCH) // _MICROSECOND


def now_us() -> int:
    """Now, by this machine's clock."""
    return time.time_ns() // 1000


def instant_of(at_us: int) -> datetime:
    """The same as a time in UTC."""
    return EPOCH + timedelta(microseconds=at_us)
