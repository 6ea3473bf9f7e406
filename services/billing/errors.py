"""Errors of billing: those of every business service.

SpondylError
├── NotFound        no such record, or none that this caller may see (404)
├── Conflict        somebody was quicker, or the record is not in a state for this (409)
└── Invalid         what was sent breaks a rule (422)
"""

from uuid import UUID

from services.kit.business.errors import Conflict, Invalid, NotFound, said

__all__ = ["Conflict", "Invalid", "NotFound", "other_work", "said"]


def other_work(request: UUID) -> Conflict:
    """A request's id that stands for other work already: it is never answered with another record."""
    return said(
        Conflict,
        {
            "de": f"Die Anfrage {request} hat schon etwas anderes bewirkt: bitte neu laden.",
            "en": f"request {request} did something else already: please load again",
        },
    )
