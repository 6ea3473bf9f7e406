"""Names and birth dates for worklists, asked of screening with the identity token; every asking is in its
trail.
"""

import time
from collections.abc import Callable
from datetime import date
from typing import Final
from uuid import UUID

import structlog

from services.kit.business.identity import Unreachable, identity
from services.kit.sealed import Person
from services.scheduler.settings import SchedulerSettings

log = structlog.get_logger(__name__)

NOBODY_S: Final = 600.0  # somebody without a file (simulated patients) is asked for again so much later
MOST_NOBODIES: Final = 5000


class Names:
    """Asks; one thread."""

    def __init__(self, settings: SchedulerSettings, steady: Callable[[], float] = time.monotonic) -> None:
        self._url = settings.screening_url.rstrip("/")
        self._token = settings.identity_token
        self._steady = steady
        self._nobody: dict[UUID, float] = {}
        self._failing = False

    def of(self, patient: UUID) -> Person | None:
        """Name and birth date; None for somebody without a file. Raises Unreachable."""
        if not self._url or self._token is None:
            return None
        if self._steady() < self._nobody.get(patient, 0.0):
            return None
        try:
            person = self._ask(patient)
        except (Unreachable, ValueError, KeyError, TypeError) as error:
            if not self._failing:  # told once an outage; never what was answered
                log.warning("screening does not tell names: worklists go without", why=type(error).__name__)
            self._failing = True
            raise Unreachable from None
        self._failing = False
        if person is None:
            self._remember(patient)
        return person

    def _ask(self, patient: UUID) -> Person | None:
        said = identity(self._url, self._token, patient)
        if said is None:
            return None
        name = f"{said['given_name']} {said['family_name']}"
        return Person(name, date.fromisoformat(said["birth_date"]))

    def _remember(self, patient: UUID) -> None:
        while len(self._nobody) >= MOST_NOBODIES:
            self._nobody.pop(next(iter(self._nobody)))
        self._nobody[patient] = self._steady() + NOBODY_S
