"""Who needs a call today, and why: a row of calls.toml each, and what it looks for."""

import tomllib
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict, Field

from services.homecare.diary.marks import WORDS
from services.homecare.diary.signs import sign_words
from services.homecare.exercises.library import library
from services.homecare.programmes.states import OPEN
from services.homecare.reports.adherence import rise
from services.homecare.reports.models import Case, Row
from services.kit.language import LANGUAGES, Language, Text

FILE: Final = Path(__file__).parent / "calls.toml"
LEAST_URGENT: Final = 9  # nobody needs to call
NOT_OPEN: Final = frozenset({"locked", "supervision", "suspended", "not_set"})  # of an entry's marks
Limits = Mapping[str, float]
Shown = Callable[[Language], dict[str, Any]]
# What is found: the day since when, and the values of the words in a language; None: the row does not speak.
Found = tuple[date, Shown] | None


class Rule(BaseModel):
    """A row of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    urgency: int = Field(ge=1, lt=LEAST_URGENT)
    limits: dict[str, float] = {}
    de: str
    en: str
    source: str


class Call(BaseModel):
    """A reason for a call."""

    model_config = ConfigDict(frozen=True)

    id: str
    urgency: int
    since: date
    words: Text
    source: str


@cache
def rules() -> tuple[Rule, ...]:
    """Every row, in its order."""
    table = tomllib.loads(FILE.read_text("utf-8"))
    return tuple(map(Rule.model_validate, table["call"]))


def calls(case: Case) -> list[Call]:
    """Why somebody should call, the most urgent first."""
    spoken = [call for rule in rules() if (call := _call(rule, case)) is not None]
    return sorted(spoken, key=lambda call: call.urgency)


def _call(rule: Rule, case: Case) -> Call | None:
    found = LOOKING[rule.id](case, rule.limits)
    if found is None:
        return None
    since, shown = found
    words = {}
    for language in LANGUAGES:
        limits = {name: _number(value, language) for name, value in rule.limits.items()}
        words[language] = {"de": rule.de, "en": rule.en}[language].format(**limits, **shown(language))
    return Call(
        id=rule.id, urgency=rule.urgency, since=since, words=cast("Text", words), source=rule.source
    )  # fmt: skip


def _sign(case: Case, _limits: Limits) -> Found:
    told = [row for row in case.open_reports if row["signs"]]
    if not told:
        return None
    row, named = told[0], sorted({sign for row in told for sign in row["signs"]})
    return _day(row), lambda language: {
        "day": _shown(_day(row), language),
        "signs": "; ".join(sign_words(sign)[language] for sign in named),
    }


def _pain(case: Case, _limits: Limits) -> Found:
    told = case.open_reports
    if not told:
        return None
    worst = max(told, key=lambda row: row["pain_nrs"])
    return _day(told[0]), lambda language: {
        "nrs": worst["pain_nrs"], "day": _shown(_day(worst), language), "count": len(told),
    }  # fmt: skip


def _locked(case: Case, limits: Limits) -> Found:
    """Something was done at home that was not open there."""
    since = case.today - timedelta(days=int(limits["days"]))
    told = [
        row for row in case.entries
        if row["kind"] == "exercise" and NOT_OPEN & set(row["marks"]) and since < row["day"] <= case.today
    ]  # fmt: skip
    if not told:
        return None
    row = max(told, key=lambda row: row["day"])
    why = next(mark for mark in WORDS if mark in NOT_OPEN & set(row["marks"]))
    return row["day"], lambda language: {
        "day": _shown(row["day"], language), "exercise": _name(row["exercise"], language),
        "why": WORDS[why][language],
    }  # fmt: skip


def _rising(case: Case, limits: Limits) -> Found:
    rose = rise(case.pains, case.today, int(limits["least_days"]))
    if case.programme.state not in OPEN or rose is None or rose < limits["rise_nrs"]:
        return None
    return case.today, lambda language: {"rise": _number(round(rose, 1), language)}


def _silent(case: Case, limits: Limits) -> Found:
    """Nothing came from the telephone, on days on which something was open; paused, nothing is waited for."""
    yesterday = case.today - timedelta(days=1)
    if case.programme.state != "running" or case.past.status(yesterday) != "missing":
        return None
    started = [one.last for one in case.past.closed if one.why == "supervised" and one.last]
    since = case.past.heard or max([case.past.first, *started])
    count = (case.today - since).days
    return (since, lambda _: {"count": count}) if count >= limits["days"] else None


def _low(case: Case, limits: Limits) -> Found:
    first = case.today - timedelta(days=int(limits["days"]))
    found = case.between(first, case.today - timedelta(days=1))
    if case.programme.state != "running" or found.percent is None or found.due < limits["least_due"]:
        return None
    if found.percent >= limits["percent"]:
        return None
    return first, lambda _: {"done": found.done, "due": found.due, "found": found.percent}


def _waiting(case: Case, _limits: Limits) -> Found:
    left = case.waiting()
    if not left or case.programme.state not in ("supervised", "running"):
        return None
    return case.past.first, lambda language: {
        "count": sum(left.values()), "exercises": ", ".join(_name(one, language) for one in left),
    }  # fmt: skip


def _ending(case: Case, limits: Limits) -> Found:
    left = (case.past.last - case.today).days
    if case.programme.state not in OPEN or not 0 <= left <= limits["days"]:
        return None
    return case.today, lambda language: {"day": _shown(case.past.last, language), "count": left}


LOOKING: Final[Mapping[str, Callable[[Case, Limits], Found]]] = {
    "warning-sign": _sign,
    "pain-open": _pain,
    "locked-entry": _locked,
    "pain-rising": _rising,
    "nothing-heard": _silent,
    "adherence-low": _low,
    "sessions-waiting": _waiting,
    "ends-soon": _ending,
}


def _day(report: Row) -> date:
    day: date = report["day"]
    return day


def _shown(day: date, language: Language) -> str:
    return day.strftime("%d.%m.%Y") if language == "de" else f"{day.day} {day:%b %Y}"


def _number(value: float, language: Language) -> str:
    written = f"{value:g}"
    return written.replace(".", ",") if language == "de" else written


def _name(exercise: str, language: Language) -> str:
    known = library().exercises.get(exercise)
    return known.name[language] if known else exercise
