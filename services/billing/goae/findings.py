"""What the check of an invoice says: rule, verdict, paragraph, the law's sentence, and which lines."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from services.billing.goae.numbers import order
from services.billing.goae.pricing import Verdict
from services.kit.language import Language, Text

ORDER: Final[tuple[Verdict, ...]] = ("forbidden", "justification", "note", "fine")
_MOST_NAMED: Final = 12  # numbers or days in one sentence


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule says of some lines."""

    rule: str
    verdict: Verdict
    paragraph: str
    sentence: str  # the law's own; empty where the paragraph says it all
    text: Text
    numbers: tuple[str, ...]
    lines: tuple[int, ...]  # of the invoice, from 0
    earlier: tuple[int, ...] = ()  # of what was charged before

    def body(self) -> dict[str, Any]:
        """The finding as programs read it."""
        return {
            "rule": self.rule, "verdict": self.verdict, "paragraph": self.paragraph,
            "sentence": self.sentence, "text_de": self.text["de"], "text_en": self.text["en"],
            "numbers": list(self.numbers), "lines": list(self.lines), "earlier": list(self.earlier),
        }  # fmt: skip


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """What forbids first, then by rule and lines: the same whatever the order they were found in."""
    return sorted(
        findings, key=lambda one: (ORDER.index(one.verdict), one.rule, one.lines, one.earlier, one.text["en"])
    )


def listed(numbers: Iterable[str]) -> str:
    """Numbers for a sentence, each once, in their order."""
    return _shortened(sorted(set(numbers), key=order))


def days(found: Iterable[dt.date], language: Language) -> str:
    """Days for a sentence, each once, as the language writes them."""
    form = "%d.%m.%Y" if language == "de" else "%Y-%m-%d"
    return _shortened([day.strftime(form) for day in sorted(set(found))])


def _shortened(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" (+{more})" if more > 0 else "")
