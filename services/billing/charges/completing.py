"""Asks screening, in the background, what a bus does not carry: how somebody is insured, and whether the
patient of a session that nobody told us of has a file at all.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.billing.charges import cases, charging, waiting
from services.billing.charges.models import USUAL, Case, Payer, Terms
from services.billing.people import People, Person
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of, utc_now

MOST_A_TURN: Final = 50
ASK_AGAIN: Final = timedelta(minutes=10)  # for somebody without a file
NOBODY_FOR: Final = timedelta(days=2)  # a session of somebody without a file is given up after so long
PAYERS: Final[dict[str, tuple[Payer, str]]] = {  # insurance of the file: who pays, by which tariff
    "private": ("private", USUAL),
    "beihilfe": ("beihilfe", USUAL),
    "self-payer": ("self-payer", "self"),
}


class Completing:
    """Who pays, and who exists; ``turn`` is called again and again."""

    def __init__(self, office: Office, people: People, now: Now = utc_now) -> None:
        self._office, self._people, self._now = office, people, now
        self._nobodies: dict[UUID, datetime] = {}  # and when each is asked for again

    def turn(self) -> int:
        """Ask for everybody of whom something is missing; how many were answered. Raises Unreachable."""
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
