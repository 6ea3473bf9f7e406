"""May they be treated? What screening has told of each patient and region, before a cure is booked and after.

``refused`` blocks a booking. ``suspended`` and ``waiting`` (nothing is decided, signed or consented yet) are
said: a cure may be booked before its clearance, and the bed refuses to start without one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from services.kit.language import Text
from services.kit.moments import instant_of
from services.scheduler.booking import care
from services.scheduler.booking.models import CureAsked
from services.scheduler.booking.tables import STANDINGS
from services.scheduler.errors import Conflict, Invalid, said

Row = dict[str, Any]
State = Literal["cleared", "suspended", "refused", "waiting"]
Lack = Literal["decision", "signature", "consent", "clearance"]
MOST_RULES: Final = 20
WEIGHT_KG: Final = 0.5  # a prescription rounds
WORDS: Final[Mapping[str, tuple[Text, Text]]] = {  # how it stands, and what would change it
    "cleared": ({"de": "Freigegeben", "en": "Cleared"}, {"de": "", "en": ""}),
    "refused": (
        {
            "de": "Die Entscheidung lehnt die Behandlung ab{rules}",
            "en": "The decision refuses treatment{rules}",
        },
        {
            "de": "Erst eine neue Entscheidung ändert das, aus neuen Antworten oder einer berichtigten Akte",
            "en": "Only a new decision changes that, from new answers or a corrected file",
        },
    ),
    "suspended": (
        {"de": "Die Freigabe ist ausgesetzt", "en": "The clearance is suspended"},
        {
            "de": "Eine Ärztin oder ein Arzt stellt sie mit Begründung wieder her",
            "en": "A clinician restores it with a signed reason",
        },
    ),
    "waiting": (
        {"de": "Noch nicht freigegeben: es fehlt {lacks}", "en": "Not cleared yet, still missing: {lacks}"},
        {
            "de": "Gebucht werden darf; ohne Freigabe startet an der Liege keine Sitzung",
            "en": "It may be booked; without a clearance no session starts at the bed",
        },
    ),
}
LACKS: Final[Mapping[Lack, Text]] = {
    "decision": {"de": "die Entscheidung (Fragen sind offen)", "en": "the decision (questions are open)"},
    "signature": {
        "de": "die Unterschrift unter einer Bedingung", "en": "the signature under a condition",
    },
    "consent": {"de": "die Einwilligung (§ 630d BGB)", "en": "the consent (BGB 630d)"},
    "clearance": {"de": "die Freigabe selbst", "en": "the clearance itself"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one patient and one region."""

    state: State
    rules: tuple[str, ...] = ()  # ids of screening's rules that refuse, or that wait for a signature
    lacks: tuple[Lack, ...] = ()
    reason: str = ""  # of a suspension
    since: datetime | None = None

    def words(self) -> Text:
        """How it stands, in a sentence."""
        text = WORDS[self.state][0]
        german, english = ("", "")
        if self.rules:
            listed = ", ".join(self.rules)
            german, english = f" (Regel: {listed})", f" (rule: {listed})"
        return {
            "de": text["de"].format(rules=german, lacks=", ".join(LACKS[one]["de"] for one in self.lacks)),
            "en": text["en"].format(rules=english, lacks=", ".join(LACKS[one]["en"] for one in self.lacks)),
        }

    def row(self) -> Row:
        """As the API says it."""
        words, change = self.words(), WORDS[self.state][1]
        return {
            "state": self.state, "text_de": words["de"], "text_en": words["en"], "change_de": change["de"],
            "change_en": change["en"], "rules": list(self.rules), "lacks": list(self.lacks),
            "reason": self.reason, "since": self.since,
        }  # fmt: skip


def stand(connection: Connection, values: Row) -> None:
    """What screening says now; an older word that comes later changes nothing."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(STANDINGS).values(values)
    newer = {name: made.excluded[name] for name in values if name not in ("patient", "region")}
    connection.execute(
        made.on_conflict_do_update(
            index_elements=["patient", "region"],
            set_=newer,
            where=STANDINGS.c.at_us <= made.excluded.at_us,
        )
    )


def forget(connection: Connection, patient: UUID) -> None:
    """Whose file is erased stands nowhere any more."""
    connection.execute(delete(STANDINGS).where(STANDINGS.c.patient == str(patient)))


def of(connection: Connection, patient: UUID, region: str, at: datetime) -> Standing:
    """How it stands with one."""
    return every(connection, [(patient, region)], at)[patient, region]


def every(
    connection: Connection, asked: Iterable[tuple[UUID, str]], at: datetime
) -> dict[tuple[UUID, str], Standing]:
    """How it stands with many; whose files were merged is one person."""
    wanted = set(asked)
    people = care.same_people(connection, {patient for patient, _ in wanted})
    told = _told(connection, people)
    cleared = {(people[UUID(patient)], region) for patient, region in care.clearances(connection, people, at)}
    out = care.suspended(connection, patients=list(people))
    found = {}
    for patient, region in wanted:
        stopped = [one for one in out if people[one.patient] == patient and one.region in (None, region)]
        known = told.get((patient, region))
        found[patient, region] = _standing(known, stopped, is_cleared=(patient, region) in cleared)
    return found


def marked(connection: Connection, rows: Iterable[Row], at: datetime) -> list[Row]:
    """Appointments as the API shows them, each that is to come with how it stands with its patient."""
    every_row = list(rows)
    found = every(connection, {(row["patient"], row["region"]) for row in every_row}, at)
    return [
        row | {"care": found[row["patient"], row["region"]].row() if row["state"] == "booked" else None}
        for row in every_row
    ]


def _standing(known: Row | None, stopped: list[Any], *, is_cleared: bool) -> Standing:
    since = instant_of(known["at_us"]) if known else None
    if known and known["outcome"] == "refused":
        return Standing("refused", tuple(known["rules"][:MOST_RULES]), since=since)
    if stopped:
        return Standing("suspended", reason=stopped[0].reason, since=stopped[0].since)
    if is_cleared:
        return Standing("cleared")
    lacks: list[Lack] = []
    if known is None or known["outcome"] == "incomplete":
        lacks.append("decision")
    elif known["outcome"] == "conditions" and known["rules"]:
        lacks.append("signature")
    if known is not None and not known["consented"]:
        lacks.append("consent")
    return Standing("waiting", lacks=tuple(lacks) or ("clearance",), since=since)


def _told(connection: Connection, people: Mapping[UUID, UUID]) -> dict[tuple[UUID, str], Row]:
    """The newest word of each person and region."""
    query = select(STANDINGS).where(STANDINGS.c.patient.in_([str(patient) for patient in people]))
    return {
        (people[UUID(row["patient"])], row["region"]): dict(row)
        for row in connection.execute(query.order_by(STANDINGS.c.at_us)).mappings()
    }


def require(connection: Connection, asked: CureAsked, at: datetime) -> None:
    """What is to be booked is for somebody who is not refused, and for the body that they have.

    Raises Conflict, Invalid.
    """
    require_bookable(connection, asked.patient, asked.region, at)
    if asked.prescription is not None:
        require_of_file(connection, asked.patient, asked.region, asked.prescription, at)


def require_bookable(connection: Connection, patient: UUID, region: str, at: datetime) -> None:
    """Nobody whose treatment is refused is given appointments. Raises Conflict with the rule."""
    found = of(connection, patient, region, at)
    if found.state == "refused":
        row = found.row()
        words: Text = {
            "de": f"{row['text_de']}. {row['change_de']}.", "en": f"{row['text_en']}. {row['change_en']}.",
        }  # fmt: skip
        rule = {"id": "refused", "text_de": words["de"], "text_en": words["en"]}
        raise said(Conflict, words, rules=[rule], alternatives=[], care=row)


def against_file(
    connection: Connection, patient: UUID, region: str, prescription: Mapping[str, Any], at: datetime
) -> list[Row]:
    """Where a prescription contradicts the file, as far as screening has told of it: weight and age."""
    known = _told(connection, care.same_people(connection, [patient])).get((patient, region))
    if known is None:
        return []
    on = instant_of(known["at_us"])
    found = []
    weight, told = prescription.get("body_weight_kg"), known["body_weight_kg"]
    if told is not None and isinstance(weight, int | float) and not abs(weight - told) <= WEIGHT_KG:
        found.append(_contradiction("body_weight_kg", f"{weight:g} kg", f"{told:g} kg", on))
    age, was = prescription.get("age_years"), known["age_years"]
    grown = (at - on).days // 365 + 1
    if was is not None and isinstance(age, int) and not was <= age <= was + grown + 1:
        found.append(_contradiction("age_years", f"{age}", f"{was}", on))
    return found


def _contradiction(field: str, value: str, told: str, on: datetime) -> Row:
    name = f"prescription.{field}"
    return {
        "id": name, "field": name, "value": value, "limit": None, "unit": "", "source": "the patient's file",
        "text_de": f"{name} ist {value}: die Akte sagt {told} (Stand {on:%d.%m.%Y})",
        "text_en": f"{name} is {value}: the file says {told} (as of {on:%Y-%m-%d})",
    }  # fmt: skip


def require_of_file(
    connection: Connection, patient: UUID, region: str, prescription: Mapping[str, Any], at: datetime
) -> None:
    """Raises Invalid where the prescription is for a body that is not the file's."""
    if rows := against_file(connection, patient, region, prescription, at):
        words: Text = {
            "de": "; ".join(row["text_de"] for row in rows), "en": "; ".join(row["text_en"] for row in rows),
        }  # fmt: skip
        raise said(Invalid, words, rules=rows)
