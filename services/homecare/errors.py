"""Errors of homecare: those of every business service, and two that only a telephone meets.

SpondylError
├── NotFound        no such record, or none that this caller may see (404)
│   └── Gone        a link that was revoked (410)
├── Conflict        somebody was quicker, or the record is not in a state for this (409)
│   └── TooMany     more than one link may ask in this time (429)
└── Invalid         what was sent breaks a rule (422)
"""

from services.kit.business.errors import Conflict, Invalid, NotFound, said

__all__ = ["Conflict", "Gone", "Invalid", "NotFound", "TooMany", "said"]


class Gone(NotFound):
    """It was here, and somebody took it back."""

    status = 410


class TooMany(Conflict):
    """Later it works."""

    status = 429
