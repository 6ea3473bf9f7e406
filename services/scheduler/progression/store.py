"""Prescriptions and results: all their SQL, and how the next one comes to be."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Connection, insert, select

from services.kit.language import Text
from services.kit.therapy.at_segment import with_pull
from services.kit.therapy.prescription import check_document
from services.kit.therapy.refusals import Refusal
from services.scheduler.booking import store as booking
from services.scheduler.booking.models import CureAsked
from services.scheduler.errors import Conflict, Invalid, said
from services.scheduler.progression.rules import Proposal, Result, propose
from services.scheduler.progression.tables import PRESCRIPTIONS, RESULTS

if TYPE_CHECKING:
    from services.scheduler.booking.desk import Desk

Row = dict[str, Any]
SIGNED: Final = "signed"
FIRST: Final[Text] = {"de": "Verordnung zu Beginn", "en": "Prescription at the beginning"}


def prescriptions(connection: Connection, cure: UUID) -> list[Row]:
    """Everything that was prescribed, oldest first; the last of a number counts."""
    query = select(PRESCRIPTIONS).where(PRESCRIPTIONS.c.cure == str(cure)).order_by(PRESCRIPTIONS.c.row)
    return [dict(row) for row in connection.execute(query).mappings()]


def in_force(connection: Connection, cure: UUID) -> dict[int, Row]:
    """By number what counts."""
    return {row["number"]: row for row in prescriptions(connection, cure)}


def results(connection: Connection, cure: UUID) -> list[Row]:
    """What its sessions came to, oldest first."""
    query = select(RESULTS).where(RESULTS.c.cure == str(cure)).order_by(RESULTS.c.ended_us)
    return [dict(row) for row in connection.execute(query).mappings()]


def add_result(connection: Connection, values: Row) -> bool:
    """Keep what a session came to, once; whether it was new."""
    known = select(RESULTS.c.session).where(RESULTS.c.session == values["session"])
    if connection.execute(known).first():
        return False
    connection.execute(insert(RESULTS).values(values))
    return True


def prescribe(
    desk: "Desk", connection: Connection, cure: Row, number: int, prescription: Mapping[str, Any], *,
    rule: str, reason: Text, automatic: bool, by: str, request: UUID | None = None,
) -> None:  # fmt: skip
    """Write it down and tell it. Raises Invalid with every limit that it breaks."""
    require_sound(cure, prescription)
    prescription = with_pull(prescription)
    connection.execute(
        insert(PRESCRIPTIONS).values(
            cure=cure["cure"], number=number, prescription=dict(prescription), rule=rule,
            reason=dict(reason), automatic=automatic, by=by, at_us=desk.at_us,
            request=str(request) if request else None,
        )
    )  # fmt: skip
    desk.tell(
        connection, "cure.prescribed", cure["site"], cure=cure["cure"], patient=cure["patient"],
        number=number, peak_n=float(prescription["peak_n"]),
    )  # fmt: skip


def is_given(
    connection: Connection, cure: UUID, number: int, prescription: Mapping[str, Any], by: str, request: UUID
) -> bool:
    """Whether this was asked before, or this person has signed the very same. Raises Conflict.

    With the cure held: two who ask at once are one behind the other.
    """
    known = prescriptions(connection, cure)
    wanted = (number, with_pull(prescription))
    query = select(PRESCRIPTIONS).where(PRESCRIPTIONS.c.request == str(request))
    row = connection.execute(query).mappings().first()
    if row is not None:
        if (row["cure"], row["number"], row["prescription"]) != (str(cure), *wanted):
            raise said(
                Conflict,
                {
                    "de": f"Die Anfrage {request} hat schon etwas anderes verordnet",
                    "en": f"the request {request} has prescribed something else already",
                },
            )
        return True
    last = next((one for one in reversed(known) if one["number"] == number), None)
    return last is not None and (last["rule"], last["by"], last["prescription"]) == (SIGNED, by, wanted[1])


def require_sound(cure: Mapping[str, Any], prescription: Mapping[str, Any]) -> None:
    """A prescription of the cure's region within every limit of the dosing table. Raises Invalid."""
    if rows := faults_of(cure["region"], prescription):
        raise said(
            Invalid,
            {
                "de": "; ".join(row["text_de"] for row in rows),
                "en": "; ".join(row["text_en"] for row in rows),
            },
            rules=rows,
        )


def faults_of(cure_region: str, prescription: Mapping[str, Any]) -> list[Row]:
    """Every rule that a prescription breaks, as the API says them."""
    region = prescription.get("region")
    if region == cure_region:
        return shown_refusals(check_document(prescription))
    row = {
        "id": "prescription.region", "field": "prescription.region", "value": str(region)[:20],
        "limit": None, "unit": "", "source": "the cure",
        "text_de": f"Die Verordnung ist für {str(region)[:20]!r}, die Kur für {cure_region!r}",
        "text_en": f"the prescription is for {str(region)[:20]!r}, the cure for {cure_region!r}",
    }  # fmt: skip
    return [row]


def shown_refusals(refusals: Sequence[Refusal]) -> list[Row]:
    """As the API says them."""
    return [
        {"id": row.field, "text_de": row.text_de, "text_en": row.text, **row.as_json()} for row in refusals
    ]


def prescribe_first(desk: "Desk", connection: Connection, cure: UUID, asked: CureAsked, by: str) -> None:
    """What the clinician set for the first session."""
    row = {"cure": str(cure), "site": asked.site, "patient": str(asked.patient), "region": asked.region}
    prescribe(
        desk, connection, row, 1, asked.prescription or {}, rule=SIGNED, reason=FIRST, automatic=False, by=by
    )


def history(connection: Connection, cure: UUID) -> list[Result]:
    """The results as the rules read them, with the peak that was prescribed for each."""
    given = in_force(connection, cure)
    found = []
    for row in results(connection, cure):
        document = given.get(row["number"])
        peak_n = float(document["prescription"]["peak_n"]) if document else float(row["peak_n"])
        found.append(
            Result(
                row["number"], row["completed"], peak_n, row["guardings"], row["pain_before"],
                row["pain_after"],
            )
        )  # fmt: skip
    return found


def next_number(connection: Connection, cure: UUID) -> int | None:
    """The next appointment that is still booked; none: nothing is to come."""
    every = booking.of_cure(connection, cure)
    return min((one.number for one in every if one.state == "booked"), default=None)


def proposal_of(connection: Connection, cure: UUID) -> tuple[int, Proposal]:
    """What the next session should be. Raises Conflict when there is none, or nothing to go by."""
    number = next_number(connection, cure)
    if number is None:
        raise said(
            Conflict,
            {"de": "Von dieser Kur steht kein Termin mehr aus", "en": "nothing of this cure is to come"},
        )
    known = history(connection, cure)
    given = in_force(connection, cure)
    before = [given[row.number] for row in known if row.number in given]
    if not known or not before:
        raise said(
            Conflict,
            {
                "de": "Vor der ersten Sitzung gibt es keinen Vorschlag: die erste Verordnung ist ärztlich",
                "en": "no proposal before the first session: the first prescription is a clinician's",
            },
        )
    return number, propose(before[-1]["prescription"], known)


def continue_automatically(desk: "Desk", connection: Connection, cure: Row) -> bool:
    """Prescribe the next session within the limits that a clinician set; whether it was."""
    limits = cure["automatic"]
    if not limits:
        return False
    try:
        number, found = proposal_of(connection, UUID(cure["cure"]))
    except Conflict:
        return False
    if number in in_force(connection, UUID(cure["cure"])) or not is_within(found, limits):
        return False
    prescribe(
        desk, connection, cure, number, found.prescription or {}, rule=found.rule, reason=found.reason,
        automatic=True, by=str(limits["by"]),
    )  # fmt: skip
    return True


def is_within(found: Proposal, limits: Mapping[str, Any]) -> bool:
    """Whether the proposal keeps to what a clinician allowed to go by itself."""
    if found.prescription is None or found.needs_signature:
        return False
    peak_n = float(found.prescription["peak_n"])
    step_n = peak_n - found.previous_peak_n
    return peak_n <= float(limits["most_peak_n"]) and step_n <= float(limits["most_step_n"])
