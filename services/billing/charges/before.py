"""What rules look at beside the lines that they judge: what this patient was charged before.

Frequencies are the patient's, whichever site billed (GOÄ Abschnitt B, Allgemeine Bestimmungen Nr. 1: the same
illness within a month). Of two cases of one illness, which a merge of files left, each counts the other's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from services.billing.charges import cases, store
from services.billing.charges.models import Case, Charge, folded
from services.billing.charges.tables import CASES
from services.billing.goae.findings import Finding
from services.billing.goae.lines import Line

Sees = Callable[[str], bool]  # whether the reader may see bills of a site


@dataclass(frozen=True, slots=True)
class Before:
    """Charges in the order in which a finding counts what came earlier."""

    charges: tuple[Charge, ...]
    illnesses: dict[UUID, str]  # of cases

    @property
    def lines(self) -> tuple[Line, ...]:
        """As rules look at them."""
        return self.told(self.charges)

    def told(self, charges: Iterable[Charge]) -> tuple[Line, ...]:
        """The lines of these charges, each of its case's illness."""
        return tuple(
            one.line.model_copy(update={"illness": self.illnesses.get(one.case, one.line.illness)})
            for one in charges
        )

    def elsewhere(self, finding: Finding, site: str, sees: Sees) -> list[dict[str, Any]]:
        """What a finding counts of other sites: number and day; the site's name for who may see its bills."""
        counted = [self.charges[at] for at in finding.earlier if self.charges[at].site != site]
        return [
            {
                "number": one.line.number, "date": one.line.date.isoformat(),
                "site": one.site if sees(one.site) else None,
            }
            for one in counted
        ]  # fmt: skip


def of_case(connection: Connection, case: Case, own: Iterable[UUID], left_out: Iterable[UUID]) -> Before:
    """What counts beside these charges of the case; what a person left out of a draft does not."""
    apart = {*own, *left_out}
    twins = {one.id for one in cases.alike(connection, case)} - {case.id}
    every = store.of_patient(connection, None, case.patient)
    counted = tuple(
        one
        for one in every
        if one.id not in apart and (one.invoice is not None or (one.is_open and one.case in twins))
    )
    return Before(counted, _illnesses(connection, {case.id, *(one.case for one in every)}))


def of_patient(connection: Connection, patient: UUID) -> Before:
    """What was invoiced to somebody, at whatever site."""
    counted = tuple(one for one in store.of_patient(connection, None, patient) if one.invoice is not None)
    return Before(counted, _illnesses(connection, {one.case for one in counted}))


def _illnesses(connection: Connection, wanted: Iterable[UUID]) -> dict[UUID, str]:
    keys = [str(case) for case in wanted]
    rows = connection.execute(select(CASES.c.id, CASES.c.illness).where(CASES.c.id.in_(keys)))
    return {UUID(row.id): folded(row.illness) for row in rows}
