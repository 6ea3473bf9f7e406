"""What screening said of a patient and a region. All SQL of it; an older word never overtakes a newer one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Connection, Table, delete, insert, select, update

from services.homecare.gates.models import Outcome, Standing
from services.homecare.programmes.people import people
from services.homecare.programmes.tables import STANDING, SUSPENSIONS
from services.kit.moments import instant_of

Row = dict[str, Any]
# Screening asks about lumbar and cervical spine; between them the stricter of both holds.
HEARD_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "lumbar": ("lumbar",), "cervical": ("cervical",), "thoracic": ("lumbar", "cervical", "thoracic"),
}  # fmt: skip
OUTCOMES: Final[Mapping[str | None, Outcome]] = {
    "cleared": "allowed", "conditions": "conditions", "incomplete": "incomplete", "refused": "refused",
    None: "unheard",
}  # fmt: skip
STRICT: Final[tuple[Outcome, ...]] = ("unheard", "allowed", "incomplete", "conditions", "refused")


@dataclass(frozen=True, slots=True)
class Suspended:
    """A suspension that is open."""

    suspension: UUID
    region: str | None
    reason: str
    adverse: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """How it stands with one patient and one region."""

    outcome: Outcome = "unheard"
    rules: tuple[str, ...] = ()
    conditions: frozenset[str] = frozenset()  # that refuse, wait for a signature, or were signed
    body_weight_kg: float | None = None
    said_at: datetime | None = None
    suspended: tuple[Suspended, ...] = ()

    @property
    def is_closing(self) -> bool:
        """Whether nothing may be done at home until screening says otherwise."""
        return bool(self.suspended) or self.outcome == "refused"

    def standing(self) -> Standing:
        """As the gates want it."""
        if self.suspended:
            return Standing(outcome="suspended", rules=tuple(one.reason for one in self.suspended))
        return Standing(outcome=self.outcome, rules=self.rules)


def decided(
    connection: Connection, patient: UUID, region: str, outcome: str, rules: Iterable[str],
    body_weight_kg: float | None, at_us: int,
) -> None:  # fmt: skip
    """What a decision came to."""
    known = _held(connection, patient, region)
    if at_us < known["said_us"]:
        return
    weight = known["body_weight_kg"] if body_weight_kg is None else body_weight_kg
    _change(
        connection, known, outcome=outcome, rules=list(rules), body_weight_kg=weight, said_us=at_us
    )  # fmt: skip


def given(connection: Connection, patient: UUID, region: str, conditions: Iterable[str], at_us: int) -> None:
    """A clearance, with the conditions that a clinician signed."""
    known = _held(connection, patient, region)
    if at_us >= known["given_us"]:
        _change(connection, known, conditions=list(conditions), given_us=at_us)


def suspended(connection: Connection, row: Row) -> None:
    """Taken away; what was restored before this came stays restored."""
    if _suspension(connection, row["suspension"]) is None:
        connection.execute(insert(SUSPENSIONS).values(row | {"restored_us": None}))


def restored(connection: Connection, row: Row, at_us: int) -> None:
    """Given back; the suspension itself may come later."""
    if _suspension(connection, row["suspension"]) is None:
        connection.execute(insert(SUSPENSIONS).values(row | {"restored_us": at_us}))
        return
    at = SUSPENSIONS.c.suspension == row["suspension"]
    connection.execute(update(SUSPENSIONS).where(at).values(restored_us=at_us))


def forget(connection: Connection, patient: UUID) -> None:
    """Whose file is erased stands nowhere any more."""
    for table in (STANDING, SUSPENSIONS):
        connection.execute(delete(table).where(table.c.patient == str(patient)))


def of(connection: Connection, patient: UUID | str, region: str) -> Said:
    """How it stands with one."""
    return every(connection, [(str(patient), region)])[str(patient), region]


def every(connection: Connection, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Said]:
    """How it stands with many; whose files were merged is one person."""
    wanted = set(asked)
    known = people(connection, {patient for patient, _ in wanted})
    files = {file for person in known.values() for file in person.files}
    standings = _by_patient(connection, STANDING, files)
    open_ones = _by_patient(connection, SUSPENSIONS, files)
    found = {}
    for patient, region in wanted:
        mine = known[patient].files
        rows = [row for file in mine for row in standings.get(file, ())]
        closed = [row for file in mine for row in open_ones.get(file, ()) if row["restored_us"] is None]
        found[patient, region] = _said(region, rows, closed)
    return found


def _said(region: str, rows: list[Row], closed: list[Row]) -> Said:
    regions = HEARD_OF[region]
    each = [_newest([row for row in rows if row["region"] == one]) for one in regions]
    heard = [_outcome(row) for row in each if row is not None]
    outcome, rules = max(heard, key=lambda one: STRICT.index(one[0]), default=("unheard", ()))
    told = [row for row in each if row is not None]
    latest = max(told, key=lambda row: int(row["said_us"]), default=None)
    return Said(
        outcome=outcome,
        rules=rules,
        conditions=frozenset(code for row in told for code in (*row["rules"], *_signed(row))),
        body_weight_kg=latest["body_weight_kg"] if latest else None,
        said_at=instant_of(latest["said_us"]) if latest and latest["said_us"] else None,
        suspended=tuple(_suspended(row) for row in closed if row["region"] in (None, *regions)),
    )


def _outcome(row: Row) -> tuple[Outcome, tuple[str, ...]]:
    """A clearance that is newer than the last decision says that it clears."""
    if row["given_us"] > row["said_us"]:
        return "allowed", ()
    outcome = OUTCOMES[row["outcome"]]
    if outcome == "conditions" and not row["rules"]:  # every one of them is signed
        return "allowed", ()
    return outcome, tuple(row["rules"])


def _signed(row: Row) -> list[str]:
    """Conditions of the clearance, until a newer decision finds none any more."""
    is_over = row["outcome"] == "cleared" and row["said_us"] > row["given_us"]
    return [] if is_over else list(row["conditions"])


def _newest(rows: list[Row]) -> Row | None:
    return max(rows, key=lambda row: max(row["said_us"], row["given_us"]), default=None)


def _suspended(row: Row) -> Suspended:
    return Suspended(
        UUID(row["suspension"]), row["region"], row["reason"], row["adverse"], instant_of(row["since_us"])
    )


def _by_patient(connection: Connection, table: Table, files: Iterable[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in connection.execute(select(table).where(table.c.patient.in_(list(files)))).mappings():
        found.setdefault(row["patient"], []).append(dict(row))
    return found


def _held(connection: Connection, patient: UUID, region: str) -> Row:
    """The row of a patient and a region, locked; a new one where there is none."""
    at = (STANDING.c.patient == str(patient)) & (STANDING.c.region == region)
    row = connection.execute(select(STANDING).where(at).with_for_update()).mappings().first()
    if row is not None:
        return dict(row)
    made: Row = {
        "patient": str(patient), "region": region, "outcome": None, "rules": [], "body_weight_kg": None,
        "said_us": 0, "conditions": [], "given_us": 0,
    }  # fmt: skip
    connection.execute(insert(STANDING).values(made))
    return made


def _change(connection: Connection, known: Row, **values: Any) -> None:
    at = (STANDING.c.patient == known["patient"]) & (STANDING.c.region == known["region"])
    connection.execute(update(STANDING).where(at).values(values))


def _suspension(connection: Connection, suspension: str) -> Row | None:
    query = select(SUSPENSIONS).where(SUSPENSIONS.c.suspension == suspension).with_for_update()
    row = connection.execute(query).mappings().first()
    return cast("Row | None", row and dict(row))
