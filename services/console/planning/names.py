"""Who the patients are: asked of screening in the reader's own name, for the scheduler knows ids alone."""

from collections.abc import Iterable
from typing import Final

from services.console.context import Console
from services.console.errors import OfficeRefused, OfficeUnavailable
from services.kit.auth.principal import Principal

MOST_AT_ONCE: Final = 200


async def names_of(console: Console, who: Principal, patients: Iterable[str]) -> dict[str, str]:
    """Names by id. Whom screening does not know, or may not tell this reader, is left out.

    While screening is away there are no names at all, and the calendar works on with ids.
    """
    wanted = sorted({patient for patient in patients if patient})
    found: dict[str, str] = {}
    if not who.may("patients.name"):
        return found
    for first in range(0, len(wanted), MOST_AT_ONCE):
        part = {"ids": wanted[first : first + MOST_AT_ONCE]}
        try:
            answer = await console.screening.send(who, "POST", "/patients/names", part)
        except (OfficeRefused, OfficeUnavailable):
            return found
        found.update({patient: str(row["name"]) for patient, row in answer.items()})
    return found
