"""Errors of homecare: those of every business service.

SpondylError
├── NotFound        no such record, or none that this caller may see (404)
├── Conflict        somebody was quicker, or the record is not in a state for this (409)
└── Invalid         what was sent breaks a rule (422)
"""

from services.kit.business.errors import Conflict, Invalid, NotFound, said

__all__ = ["Conflict", "Invalid", "NotFound", "said"]
