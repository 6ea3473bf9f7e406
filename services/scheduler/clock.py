"""The clock that the scheduler goes by, and the pieces that it divides time into."""

from typing import Final

from services.kit.moments import Now, us_of, utc_now

__all__ = ["MINUTE_US", "SLOT_MIN", "SLOT_US", "Now", "us_of", "utc_now"]

SLOT_MIN: Final = 5  # what is taken is kept in pieces of this: every appointment begins and ends on one
SLOT_US: Final = SLOT_MIN * 60_000_000
MINUTE_US: Final = 60_000_000
