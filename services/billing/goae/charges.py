"""What a session is charged with: by its region, by what was really done, and by who pays."""

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.billing.errors import Invalid, said
from services.billing.goae import catalogue, pricing
from services.billing.goae.catalogue import DATA
from services.billing.goae.lines import Clock, Day, Line, Words
from services.billing.goae.tariffs import Tariff
from services.kit.language import Language, Text

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


_NO_LAMP: Final[Text] = {
    "de": "keine Infrarotbehandlung: die Lampe war nicht oder kaum an",
    "en": "no infrared: the lamp was not on, or hardly",
}


class SessionFacts(BaseModel):
    """What a session's own record says, as far as its charges depend on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    date: Day
    time: Clock = None
    region: Literal["lumbar", "cervical"]
    completed: bool
    traction_s: Seconds
    planned_traction_s: Seconds | None = None  # None: the plan is not known; then traction_s alone counts
    heat_s: Seconds = 0.0  # the infrared lamp on
    reason: Words | None = None  # `completed`, or the code of what ended it
    illness: Words | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done of a session, by rule."""

    id: Literal["full", "shortened", "aborted"]
    least_share: Decimal
    least_traction_s: float
    factor: Decimal | None  # in place of the tariff's, never above it
    charged: bool
    paragraph: str
    text: Text


@dataclass(frozen=True, slots=True)
class Charge:
    """One row of what a session may be charged with."""

    regions: frozenset[str]
    number: str
    when: Literal["traction", "infrared"]
    takes_the_session: bool  # its factor falls with the time taken
    analogue: Text | None


@dataclass(frozen=True, slots=True)
class Version:
    """The rows that hold from a day on."""

    valid_from: dt.date
    least_infrared_s: float
    charges: tuple[Charge, ...]
    outcomes: tuple[Outcome, ...]
    parts: dict[str, Text]


@dataclass(frozen=True, slots=True)
class SessionCharges:
    """The lines of a session, and why they are these."""

    lines: tuple[Line, ...]
    outcome: Outcome
    reasons: tuple[Text, ...]  # each with its paragraph: what is not as in a session that was completed
    total: Decimal


def of_session(facts: SessionFacts, tariff: Tariff, language: Language = "de") -> SessionCharges:
    """The lines of a session, each with its amount. Raises Invalid for a day without a catalogue."""
    version = at(facts.date)
    outcome = outcome_of(facts, version)
    due = [charge for charge in version.charges if _is_due(charge, facts, outcome, version)]
    lines = tuple(
        _line(charge, facts, tariff, outcome, version.parts[facts.region], language) for charge in due
    )
    total = pricing.added(line.amount for line in lines if line.amount is not None)
    return SessionCharges(lines, outcome, _reasons(outcome, facts, version), total)


def _reasons(outcome: Outcome, facts: SessionFacts, version: Version) -> tuple[Text, ...]:
    """Why a session was charged as it was, beyond what a completed one with everything is."""
    told = [] if outcome is version.outcomes[0] else [_sourced(outcome.text, outcome.paragraph)]
    lamp = any(row.when == "infrared" and facts.region in row.regions for row in version.charges)
    if lamp and facts.heat_s < version.least_infrared_s:
        told.append(_sourced(_NO_LAMP, "§ 4 Abs. 2 Satz 1 GOÄ"))
    return tuple(told)


def _sourced(text: Text, paragraph: str) -> Text:
    return {"de": f"{text['de']} ({paragraph})", "en": f"{text['en']} ({paragraph})"}


def outcome_of(facts: SessionFacts, version: Version) -> Outcome:
    """The first outcome that what was done reaches."""
    if facts.completed and facts.traction_s > 0:
        return version.outcomes[0]
    for outcome in version.outcomes:
        if facts.planned_traction_s:
            reached = facts.traction_s >= float(outcome.least_share) * facts.planned_traction_s
        else:
            reached = facts.traction_s >= outcome.least_traction_s
        if reached and (outcome.charged is False or facts.traction_s > 0):
            return outcome
    return version.outcomes[-1]


def _is_due(charge: Charge, facts: SessionFacts, outcome: Outcome, version: Version) -> bool:
    if facts.region not in charge.regions:
        return False
    if charge.when == "infrared":
        return facts.heat_s >= version.least_infrared_s
    return outcome.charged


def _line(
    charge: Charge, facts: SessionFacts, tariff: Tariff, outcome: Outcome, part: Text, language: Language
) -> Line:
    schedule = catalogue.at(facts.date)
    item = schedule.item(charge.number)
    factor = tariff.factor(item)
    lowered = charge.takes_the_session and outcome.factor is not None
    if lowered and outcome.factor is not None:
        factor = min(factor, outcome.factor)
    priced = pricing.price(schedule, item, factor, tariff.kind)
    words = charge.analogue and _words(charge.analogue[language], part)
    return Line(
        date=facts.date, time=facts.time, number=item.number, analogue=words, factor=factor,
        justification=outcome.text[language] if lowered else None,
        body_part=part[language], illness=facts.illness, amount=priced.amount,
    )  # fmt: skip


def at(day: dt.date) -> Version:
    """The rows that hold on this day. Raises Invalid before the first."""
    found = [version for version in load() if version.valid_from <= day]
    if not found:
        first = load()[0].valid_from
        words: Text = {
            "de": f"Behandlung vom {day:%d.%m.%Y}: Sitzungen werden ab {first:%d.%m.%Y} berechnet.",
            "en": f"session of {day}: sessions are charged from {first} on",
        }
        raise said(Invalid, words, date=day.isoformat())
    return found[-1]


def in_english(words: str) -> str:
    """A sentence of these rows in English; what somebody wrote stays as it is."""
    return _english().get(words, words)


@cache
def _english() -> dict[str, str]:
    found: dict[str, str] = {}
    for version in load():
        found |= {outcome.text["de"]: outcome.text["en"] for outcome in version.outcomes}
        for part in version.parts.values():
            found[part["de"]] = part["en"]
            for charge in version.charges:
                if charge.analogue:
                    german, english = (_words(charge.analogue[language], part) for language in ("de", "en"))
                    found[german] = english
    return found


def _words(told: str, part: Text) -> str:
    return told.format(part_de=part["de"], part_en=part["en"])


@cache
def load() -> tuple[Version, ...]:
    """Every version, earliest first."""
    told = tomllib.loads((DATA / "charges.toml").read_text(encoding="utf-8"))
    return tuple(sorted((_version(row) for row in told["version"]), key=lambda one: one.valid_from))


def _version(row: dict[str, Any]) -> Version:
    return Version(
        row["valid_from"], row["least_infrared_s"], tuple(_charge(one) for one in row["charge"]),
        tuple(_outcome(one) for one in row["outcome"]),
        {one["region"]: {"de": one["de"], "en": one["en"]} for one in row["part"]},
    )  # fmt: skip


def _charge(row: dict[str, Any]) -> Charge:
    words: Text | None = None
    if "analogue_de" in row:
        words = {"de": row["analogue_de"], "en": row["analogue_en"]}
    return Charge(frozenset(row["regions"]), row["number"], row["when"], row["takes_the_session"], words)


def _outcome(row: dict[str, Any]) -> Outcome:
    factor = row.get("factor")
    return Outcome(
        row["id"], Decimal(row["least_share"]), row["least_traction_s"],
        None if factor is None else Decimal(factor), row.get("charged", True), row["paragraph"],
        {"de": row["de"], "en": row["en"]},
    )  # fmt: skip
