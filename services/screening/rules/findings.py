"""How an answer becomes a rule that applies: one function a kind of test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

from services.kit.language import Text
from services.screening.rules.answers import Answer, Answers
from services.screening.rules.days import after_months, age_years, is_within
from services.screening.rules.models import Region, Rule, Sex, Test

State = Literal["applies", "not", "open"]
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Case:
    """Who is to be treated, where and when."""

    birth_date: date
    on: date  # the day of treatment
    region: Region
    sex: Sex | None = None
    body_weight_kg: float | None = None
    weighed_on: date | None = None  # None: not known, and taken for that day


Aged = Mapping[str, date]  # the rules whose answers are too old, and since when


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one rule: it applies, it does not, or nobody knows yet; and why."""

    rule: Rule
    state: State
    why: Text


def find(rule: Rule, case: Case, answers: Answers, aged: Aged = MappingProxyType({})) -> Finding:
    """What is found of this rule. An answer of ``aged`` speaks for nobody any more, only against."""
    asks = rule.of or rule.id
    state, why = _TESTS[rule.test](rule, case, answers.get(asks))
    if state == "not" and asks in aged:
        return Finding(rule, "open", _aged(aged[asks]))
    return Finding(rule, state, why)


def _aged(since: date) -> Text:
    return {
        "de": f"wieder zu fragen: die Antwort galt bis zum {german_day(since - _DAY)}",
        "en": f"to be asked again: the answer held until {(since - _DAY).isoformat()}",
    }


_Found = tuple[State, Text]
_YES: Final[Text] = {"de": "mit Ja beantwortet", "en": "answered with yes"}
_NO: Final[Text] = {"de": "mit Nein beantwortet", "en": "answered with no"}
_UNSURE: Final[Text] = {
    "de": "noch nicht geklärt: „weiß nicht“ ist kein Nein",
    "en": "not settled yet: “not sure” is not a no",
}
_UNANSWERED: Final[Text] = {
    "de": "noch nicht beantwortet: keine Antwort ist kein Nein",
    "en": "not answered yet: no answer is not a no",
}
_NO_FRACTURE: Final[Text] = {
    "de": "ob ein Wirbel frisch gebrochen ist, ist noch nicht beantwortet",
    "en": "whether a vertebra is freshly fractured has not been answered yet",
}
_NO_FIGURE: Final[Text] = {
    "de": "der Knochenverlust in Prozent fehlt noch",
    "en": "the bone loss in per cent is still missing",
}
_FRESH: Final[Text] = {"de": "ein Wirbel ist frisch gebrochen", "en": "a vertebra is freshly fractured"}
_SEVERE: Final[Text] = {
    "de": "mit Ja beantwortet, ohne Angabe in Prozent",
    "en": "answered with yes, without a figure in per cent",
}
_UNDATED: Final[Text] = {"de": "mit Ja beantwortet, ohne Tag", "en": "answered with yes, without a day"}


def _answer(_rule: Rule, _case: Case, answer: Answer | None) -> _Found:
    if answer is None:
        return "open", _UNANSWERED
    found: Mapping[str, _Found] = {"yes": ("applies", _YES), "no": ("not", _NO), "unsure": ("open", _UNSURE)}
    return found[answer.answer]


def _age(rule: Rule, case: Case, _answer: Answer | None) -> _Found:
    years = age_years(case.birth_date, case.on)
    why: Text = {
        "de": f"am {german_day(case.on)} {years} Jahre alt",
        "en": f"{years} years old on {case.on.isoformat()}",
    }
    return ("applies" if years < _limit(rule) else "not"), why


def _since(rule: Rule, case: Case, answer: Answer | None) -> _Found:
    if answer is None or answer.answer != "yes":
        return _answer(rule, case, answer)
    if answer.on is None:
        return "applies", _UNDATED
    over = after_months(answer.on, _limit(rule))
    held = is_within(answer.on, _limit(rule), case.on)
    why: Text = {
        "de": f"am {german_day(answer.on)}, {_ago(answer.on, case.on, 'de')} vor der Behandlung; "
        f"die Frist {'läuft bis' if held else 'war um am'} {german_day(over)}",
        "en": f"on {answer.on.isoformat()}, {_ago(answer.on, case.on, 'en')} before treatment; "
        f"the time {'runs until' if held else 'was over on'} {over.isoformat()}",
    }
    return ("applies" if held else "not"), why


def _bone_loss(rule: Rule, case: Case, answer: Answer | None) -> _Found:
    if answer is None or answer.answer != "yes":
        return _answer(rule, case, answer)
    loss, fresh, limit = answer.bone_loss_percent, answer.fresh_fracture, _limit(rule)
    if fresh:
        return "applies", _FRESH
    if loss is None:
        return ("applies", _SEVERE) if fresh is None else ("open", _NO_FIGURE)
    if loss > limit:
        return "applies", _lost(loss, limit, above=True)
    return ("open", _NO_FRACTURE) if fresh is None else ("not", _lost(loss, limit, above=False))


def _some_bone_loss(rule: Rule, case: Case, answer: Answer | None) -> _Found:
    if answer is None or answer.answer != "yes":
        return _answer(rule, case, answer)
    loss, limit = answer.bone_loss_percent, _limit(rule)
    if loss is None:
        return ("open", _NO_FIGURE) if answer.fresh_fracture is False else ("not", _SEVERE)
    applies = 0 < loss <= limit and not answer.fresh_fracture
    return ("applies" if applies else "not"), _lost(loss, limit, above=loss > limit)


_TESTS: Final[Mapping[Test, Callable[[Rule, Case, Answer | None], _Found]]] = {
    "answer": _answer, "age": _age, "since": _since, "bone-loss": _bone_loss,
    "some-bone-loss": _some_bone_loss,
}  # fmt: skip


def _limit(rule: Rule) -> int:
    if rule.limit is None:
        raise ValueError(f"the rule {rule.id} has a test that needs a limit")
    return rule.limit


def _lost(loss: float, limit: int, *, above: bool) -> Text:
    figure = f"{loss:g}"
    return {
        "de": f"Knochenverlust {figure.replace('.', ',')} %, {'' if above else 'nicht '}mehr als {limit} %",
        "en": f"bone loss {figure} %, {'' if above else 'not '}more than {limit} %",
    }


def _ago(day: date, on: date, language: Literal["de", "en"]) -> str:
    days = (on - day).days
    names = {"de": ("Tag", "Tage"), "en": ("day", "days")}[language]
    return f"{days} {names[0] if days == 1 else names[1]}"


def german_day(day: date) -> str:
    """22.11.2026"""
    return f"{day.day:02}.{day.month:02}.{day.year:04}"
