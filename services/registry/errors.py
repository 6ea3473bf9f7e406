"""Errors of the registry.

SpondylError
├── NotFound        no such gateway, or none that this caller may see (404)
├── Conflict        the name is taken, or the gateway is not in a state for this (409)
├── Invalid         what was sent breaks a rule (422)
├── CodeRefused     an enrolment code that opens nothing: unknown, expired or used (403)
├── Unproven        a renewal that is not signed by a certificate that holds (403)
└── TooMany         more tries than one address has (429)
"""

from services.kit.business.errors import Conflict, Invalid, NotFound, said
from services.kit.errors import SpondylError

__all__ = ["CodeRefused", "Conflict", "Invalid", "NotFound", "TooMany", "Unproven", "said"]


class CodeRefused(SpondylError):  # noqa: N818  (the name is what a reader meets)
    """Nothing was issued."""

    status = 403


class Unproven(SpondylError):  # noqa: N818  (the same)
    """Nothing was issued; the gateway enrols anew."""

    status = 403


class TooMany(SpondylError):  # noqa: N818  (the same)
    """Later it works."""

    status = 429
