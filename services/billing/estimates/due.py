"""Cures whose patient was told of no costs in text form: § 630c Abs. 3 BGB wants it before treatment."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from services.billing.charges import cases, patients
from services.billing.charges.tables import CURES, PATIENTS, SESSIONS
from services.billing.estimates import menu, store
from services.billing.estimates.models import Kept
from services.billing.estimates.tables import PLANNED
from services.kit.moments import instant_of

MOST: Final = 2000  # cures of a site that are looked at, the newest
PAYERS: Final = {"self-payer": "self"}  # of cases; the others are called alike


@dataclass(frozen=True, slots=True)
class Due:
    """A cure for which an estimate is to be handed over."""

    cure: UUID
    patient: UUID
    region: str
    sessions: int
    planned_on: date
    payer: str | None  # None: nobody asked yet
    made: Kept | None  # it is made, and was not handed over
    treated: bool  # it began without

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "cure": str(self.cure), "patient": str(self.patient), "region": self.region,
            "sessions": self.sessions, "planned_on": self.planned_on.isoformat(), "payer": self.payer,
            "estimate": self.made and str(self.made.id), "treated": self.treated,
            "rule": "§ 630c Abs. 3 BGB",
        }  # fmt: skip


def of_site(connection: Connection, site: str, zone: ZoneInfo) -> list[Due]:
    """Running cures without an estimate handed over, those that began already first, then the oldest."""
    rows = _cures(connection, site)
    by_person: dict[UUID, list[Any]] = {}
    for row in rows:
        by_person.setdefault(patients.current(connection, UUID(row["patient"])), []).append(row)
    found = [
        due
        for person, own in by_person.items()
        if any(row["ended_us"] is None for row in own) and not _is_erased(connection, person)
        for due in _of_person(connection, site, person, own, zone)
    ]
    return sorted(found, key=lambda one: (not one.treated, one.planned_on, str(one.cure)))


def _of_person(
    connection: Connection, site: str, person: UUID, rows: list[Any], zone: ZoneInfo
) -> Iterator[Due]:
    """Each estimate is for one cure: the one that it names, else the first that it can be for."""
    papers = list(reversed(store.listed(connection, "estimate", site, person)))
    left = [one for one in papers if one.withdrawn is None]
    payers = {case.illness: case.payer for case in cases.listed(connection, site, person)}
    treated = _treated(connection, [row["cure"] for row in rows])
    for row in rows:
        planned_on = instant_of(row["planned_us"]).astimezone(zone).date()
        handed = _first(left, row, planned_on, is_handed=True)
        if handed is not None:
            left.remove(handed)
            continue
        payer = payers.get(row["region"])
        if row["ended_us"] is None and not _is_assured(payer):
            yield Due(
                UUID(row["cure"]), person, row["region"], row["sessions"], planned_on, payer,
                _first(left, row, planned_on, is_handed=False), row["cure"] in treated,
            )  # fmt: skip


def _first(papers: Iterable[Kept], row: Any, planned_on: date, *, is_handed: bool) -> Kept | None:
    return next((one for one in papers if _covers(one, row, planned_on, is_handed=is_handed)), None)


def _covers(paper: Kept, row: Any, planned_on: date, *, is_handed: bool) -> bool:
    """Whether a paper speaks of this cure: its region, no fewer sessions, still valid when it was planned."""
    plan = paper.content.plan
    if plan is None or bool(paper.handings) is not is_handed or plan.region != row["region"]:
        return False
    if paper.cure is not None and str(paper.cure) != row["cure"]:
        return False
    return plan.sessions >= row["sessions"] and plan.valid_until >= planned_on


def _is_assured(payer: str | None) -> bool:
    """Whether a third party is sure to pay it all; of whom nobody knows how they pay, it is not."""
    known = menu.payers().get(PAYERS.get(payer or "", payer or ""))
    return known is not None and known.assured


def _cures(connection: Connection, site: str) -> list[Any]:
    wanted = (
        select(PLANNED, CURES.c.ended_us)
        .join(CURES, CURES.c.cure == PLANNED.c.cure, isouter=True)
        .where(PLANNED.c.site == site)
        .order_by(PLANNED.c.planned_us.desc(), PLANNED.c.cure)
        .limit(MOST)
    )
    return list(reversed(connection.execute(wanted).mappings().all()))


def _treated(connection: Connection, cures: list[str]) -> set[str]:
    wanted = select(SESSIONS.c.cure).distinct().where(SESSIONS.c.cure.in_(cures))
    return set(connection.execute(wanted).scalars())


def _is_erased(connection: Connection, patient: UUID) -> bool:
    wanted = select(PATIENTS.c.erased).where(PATIENTS.c.patient == str(patient))
    return bool(connection.execute(wanted).scalar())
