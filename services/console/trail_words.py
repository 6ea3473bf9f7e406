"""What the details of a row are called and what they say, in a reader's language.

The rows stay as they were written, in codes: every word is found here, by the name of a detail and its code.
What has no words is shown as it stands: ids, numbers, what somebody typed.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import ALL_SITES
from services.kit.auth.roles import ROLES
from services.kit.formats import NOTHING
from services.kit.language import Language, Table
from services.kit.words import PHASES

FIRST: Final = ("before", "by", "reason", "refused")  # what the other details follow from
CODES: Final[Mapping[str, str]] = {  # of a detail: what its codes' texts begin with
    "action": "action_",
    "at": "trail_at_",
    "by": "trail_by_",
    "decision": "home_answer_",
    "format": "export_",
    "group_by": "detail_",
    "of": "trail_of_",
    "outcome": "outcome_",
    "part": "trail_part_",
    "reader": "home_note_",
    "reason": "trail_reason_",
    "refused": "trail_refused_",
    "region": "region_",
    "span": "past_span_",
    "state": "outcome_",
    "what": "trail_found_",
    "why": "trail_why_",
}
# What a gateway answers to a command, and what is said when it does not: to programs, in English.
SENTENCES: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"\w+: acted in tick (?P<tick>\d+)", "trail_answer_acted"),
        (r"\w+: taken, its outcome is gone", "trail_answer_gone"),
        (
            r"\w+: the control loop has not answered for (?P<seconds>[\d.]+) s; go to the bed",
            "trail_answer_loop",
        ),
        (r"\w+: no answer from \S+ within (?P<seconds>[\d.]+) s; go to the bed", "trail_answer_none"),
        (r"\w+ was not sent: (?P<why>.*)", "trail_answer_unsent"),
        (r"\w+ was not passed on: (?P<why>.*)", "trail_answer_full"),
        (r"\w+ is not possible: the bed is in phase (?P<phase>\w+)", "trail_answer_phase"),
        (r"\w+ is not possible: no patient has been confirmed at this bed", "trail_answer_no_session"),
        (r"\w+ was not done: a stop came after it", "trail_answer_overtaken"),
    )
)

_TITLES: Final[Table] = {name: role.title for name, role in ROLES.items()}


def details(detail: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    """Name and value of each detail, in words."""
    rows = sorted(detail.items(), key=lambda row: (row[0] not in FIRST, row[0]))
    return [(_name(name, language), _said(name, value, language)) for name, value in rows]


def _name(name: str, language: Language) -> str:
    """What a detail is called; as it stands in the row where it has no text."""
    text = TEXTS.get(f"detail_{name}")
    return text[language] if text else name


def _said(name: str, value: object, language: Language) -> str:
    if isinstance(value, bool):
        return TEXTS["trail_yes" if value else "trail_no"][language]
    if isinstance(value, Mapping):
        return ", ".join(f"{title}: {words}" for title, words in details(value, language))
    if isinstance(value, list):
        return ", ".join(_said(name, one, language) for one in value)
    if isinstance(value, str) and value:
        return _KINDS.get(name, _coded)(name, value, language)
    return NOTHING if value is None else str(value)


def _coded(name: str, value: str, language: Language) -> str:
    """The text of a code, of several where commas are between them; anything else as it is."""
    prefix = CODES.get(name)
    if prefix is None:
        return value
    codes = [code.strip("/ ").replace(" ", "_") for code in value.split(",")]
    texts = [TEXTS.get(prefix + code) for code in codes]
    return ", ".join(text[language] for text in texts if text) if all(texts) else value


def _role(_name: str, value: str, language: Language) -> str:
    """`therapist@north`, or the role alone."""
    role, _, site = value.partition("@")
    title = _TITLES.get(role)
    if title is None:
        return value
    return f"{title[language]} ({_site('', site, language)})" if site else title[language]


def _site(_name: str, value: str, language: Language) -> str:
    return TEXTS["trail_every_site"][language] if value == ALL_SITES else value


def _day(_name: str, value: str, language: Language) -> str:
    with contextlib.suppress(ValueError):
        return formats.day(date.fromisoformat(value), language)
    return value


def _moment(_name: str, value: str, language: Language) -> str:
    with contextlib.suppress(ValueError):
        return formats.moment(datetime.fromisoformat(value), language)
    return value


def _sentence(_name: str, value: str, language: Language) -> str:
    for pattern, text in SENTENCES:
        if found := pattern.fullmatch(value):
            return TEXTS[text][language].format(**_named(found.groupdict(), language))
    return value


def _named(values: dict[str, str], language: Language) -> dict[str, str]:
    phase = PHASES.get(values.get("phase", ""))
    return values | ({"phase": phase.name[language]} if phase else {})


_KINDS: Final[Mapping[str, Callable[[str, str, Language], str]]] = {
    "after": _role,
    "before": _role,
    "detail": _sentence,
    "expires_at": _moment,
    "first": _day,
    "last": _day,
    "role": _role,
    "roles": _role,
    "since": _day,
    "site": _site,
    "sites": _site,
    "until": _day,
}
