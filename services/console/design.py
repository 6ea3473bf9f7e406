"""The design system's own page: every component as it is written and as it looks, dark and light."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import Request
from markupsafe import Markup

from services.kit.formats import FILTERS
from services.kit.language import LANGUAGES, Language
from services.kit.pages import THEMES, Pages, Theme, language_of
from services.kit.words import PHASES, PRIORITIES, PRIORITY_SYMBOLS

NAMES: Final = (
    "buttons", "fields", "choices", "days", "amounts", "form", "table", "table_empty", "tabs", "cards",
    "badges", "alerts", "dialog", "toast", "waiting", "empty", "timeline", "alarms", "phases",
)  # fmt: skip
COLOURS: Final = (
    "bg", "surface", "raised", "line", "strong-line", "text", "muted", "accent", "good", "notice", "tension",
    "target", "counter", "limit", "high", "medium", "low",
)  # fmt: skip
_REFERENCES: Final = re.compile(
    r'\b(id|for|name|aria-labelledby|aria-describedby|data-opens)="([^"]+)"|\bhref="#(f-[^"]+)"'
)
_IMPORT: Final = re.compile(r"^\{% import .*%\}\n", re.MULTILINE)
_NOON: Final = datetime(2026, 11, 22, 14, 5, 9)  # noqa: DTZ001  (an example, the same on every machine)
_EXAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "day": (_NOON,),
    "long_day": (_NOON,),
    "weekday": (_NOON,),
    "clock": (_NOON,),
    "clock_seconds": (_NOON,),
    "moment": (_NOON,),
    "moment_seconds": (_NOON,),
    "duration": (1710,),
    "number": (1234.5, 1),
    "newtons": (280.6,),
    "percent": (0.42,),
    "money": ("1234.50",),
}


@dataclass(frozen=True, slots=True)
class Specimen:
    """One component: its source without the imports, and what it makes in each theme."""

    id: str
    source: str
    made: dict[Theme, Markup]


def specimens(pages: Pages, request: Request, **context: Any) -> list[Specimen]:
    """Every component, rendered for the reader's language."""
    sample = _sample(language_of(request))
    found = []
    for name in NAMES:
        template = f"design/{name}.html"
        html = pages.part(request, template, sample=sample, **context)
        made = {theme: apart(html, theme) for theme in THEMES}
        found.append(Specimen(name, _IMPORT.sub("", pages.source(template)).strip(), made))
    return found


def apart(html: str, theme: str) -> Markup:
    """The same markup with ids and names of its own: both themes stand on one page."""

    def renamed(found: re.Match[str]) -> str:
        if found[3]:
            return f'href="#{found[3]}-{theme}"'
        return f'{found[1]}="{" ".join(f"{each}-{theme}" for each in found[2].split())}"'

    return Markup(_REFERENCES.sub(renamed, html))  # noqa: S704  (a template's own output)


def formats() -> list[tuple[str, list[str]]]:
    """Every filter with an example in each language."""
    return [
        (
            f"{{{{ value | {name}{'(1)' if len(_EXAMPLES[name]) > 1 else ''} }}}}",
            [write(_EXAMPLES[name][0], language, *_EXAMPLES[name][1:]) for language in LANGUAGES],
        )
        for name, write in FILTERS.items()
    ]


def _sample(language: Language) -> dict[str, Any]:
    return {
        "at": _NOON,
        "later": _NOON.replace(minute=11),
        "end": _NOON.replace(minute=35),
        "day": _NOON.date(),
        "rows": [
            {
                "at": _NOON.replace(hour=hour),
                "bed": f"bed-0{at + 1}",
                "peak": 280.6 - 10 * at,
                "whole": at != 1,
            }
            for at, hour in enumerate((14, 13, 11))
        ],
        "alarms": [
            {
                "priority": priority,
                "symbol": PRIORITY_SYMBOLS[priority],
                "spoken": text[language],
                "device": "bed-02",
                "text": _ALARMS[priority][language],
            }
            for priority, text in PRIORITIES.items()
        ],
        "phases": [
            {"name": name, "tone": words.tone, "text": words.name[language]} for name, words in PHASES.items()
        ],
    }


_ALARMS: Final[dict[str, dict[Language, str]]] = {
    "high": {"de": "ZUG 512 > 450 N", "en": "TENSION 512 > 450 N"},
    "medium": {"de": "GURT RUTSCHT 24 mm", "en": "STRAP SLIPS 24 mm"},
    "low": {"de": "AKKU 38 %", "en": "BATTERY 38%"},
}
