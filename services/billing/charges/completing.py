"""Asks screening, in the background, what a bus does not carry: how somebody is insured, and whether the
patient of a session that nobody told us of has a file at all.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.billing.charges import cases, charging, waiting
from services.billing.charges.models import USUAL, Case, Payer, Terms
from services.billing.people import People, Person
from services.kit.business.identity import Unreachable
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.health import Check
from services.kit.moments import Now, us_of, utc_now

log = structlog.get_logger(__name__)

END_S: Final = 10.0
MOST_A_TURN: Final = 50
ASK_AGAIN: Final = timedelta(minutes=10)  # for somebody without a file
NOBODY_FOR: Final = timedelta(days=2)  # a session of somebody without a file is given up after so long
PAYERS: Final[dict[str, tuple[Payer, str]]] = {  # insurance of the file: who pays, by which tariff
    "private": ("private", USUAL),
    "beihilfe": ("beihilfe", USUAL),
    "self-payer": ("self-payer", "self"),
}


class Completing:
    """One thread; one turn every few seconds."""

    def __init__(self, office: Office, people: People, now: Now = utc_now, every_s: float = 10.0) -> None:
        self._office, self._people, self._now, self._every_s = office, people, now, every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="completing", daemon=True)
        self._nobodies: dict[UUID, datetime] = {}  # and when each is asked for again
        self.last_error: str | None = None

    def start(self) -> Callable[[], None]:
        """Begin; gives the end."""
        self._thread.start()
        return self.stop

    def stop(self) -> None:
        """End behind the question that is just being asked."""
        self._ending.set()
        self._thread.join(END_S)

    def check(self) -> Check:
        """What somebody has to look at."""
        return Check("identities", lambda: self.last_error, essential=False)

    def turn(self) -> int:
        """Ask for everybody of whom something is missing; how many were answered."""
        with reading(self._office.engine) as connection:
            unpaid = self._worth_asking({case.patient for case in cases.unpaid(connection)})
            unknown = self._worth_asking(set(waiting.patients(connection)))
            open_cases = [case for case in cases.unpaid(connection) if case.patient in unpaid]
        known = {patient: person for patient in unpaid | unknown if (person := self._people.of(patient))}
        self._nobodies |= dict.fromkeys((unpaid | unknown) - known.keys(), self._now() + ASK_AGAIN)
        for case in open_cases:
            if case.patient in known:
                self._agree(case, known[case.patient])
        for patient in unknown:
            self._charge(patient, is_known=patient in known)
        return len(known)

    def _worth_asking(self, patients: set[UUID]) -> set[UUID]:
        now = self._now()
        self._nobodies = {patient: again for patient, again in self._nobodies.items() if again > now}
        return set(sorted(patients - self._nobodies.keys())[:MOST_A_TURN])

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            try:
                self.turn()
                self.last_error = None
            except (Unreachable, SQLAlchemyError) as error:
                self._failed(str(getattr(error, "orig", None) or error)[:300])
            except Exception as error:
                log.exception("who pays could not be asked; it is tried again")
                self._failed(repr(error)[:300])

    def _failed(self, why: str) -> None:
        if self.last_error is None:
            log.warning("screening does not tell who pays: it is asked again", why=why)
        self.last_error = why

    def _agree(self, case: Case, person: Person) -> None:
        payer, tariff = PAYERS.get(person.insurance, ("private", USUAL))
        terms = Terms(
            payer=payer, tariff=tariff, mode=case.mode, diagnosis=case.diagnosis or person.diagnosis
        )
        with writing(self._office.engine) as connection:
            held = cases.one(connection, case.id, lock=True)
            if held.payer is None:  # nobody set it while we asked
                charging.agree(connection, held, terms, "screening", self._now())

    def _charge(self, patient: UUID, *, is_known: bool) -> None:
        with writing(self._office.engine) as connection:
            if is_known:
                charging.known_at_last(connection, patient)
            else:
                waiting.give_up(connection, patient, self._before())

    def _before(self) -> int:
        at: datetime = self._now() - NOBODY_FOR
        return us_of(at)
