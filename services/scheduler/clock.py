"""The clock that the scheduler goes by, so that a test may set it; times as the tables keep them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from services.kit.moments import EPOCH

Now = Callable[[], datetime]
SLOT_MIN: Final = 5  # what is taken is kept in pieces of this: every appointment begins and ends on one
SLOT_US: Final = SLOT_MIN * 60_000_000
MINUTE_US: Final = 60_000_000
_MICROSECOND: Final = timedelta(microseconds=1)


def utc_now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def us_of(at: datetime) -> int:
    """A time with a zone as microseconds since the epoch."""
    return (at - EPOCH) // _MICROSECOND
