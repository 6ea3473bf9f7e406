"""Checks the lines of an invoice or an estimate: prices, then every rule that knows one of their numbers."""

from collections.abc import Iterator, Sequence

from services.billing.goae import catalogue as catalogues
from services.billing.goae import kinds, papers, rulebook
from services.billing.goae.catalogue import Catalogue
from services.billing.goae.findings import Finding, days, listed, sorted_findings
from services.billing.goae.kinds import Hit
from services.billing.goae.ledger import Entries, Ledger
from services.billing.goae.lines import Line
from services.billing.goae.numbers import order
from services.billing.goae.pricing import Kind
from services.billing.goae.rulebook import Rule
from services.billing.goae.sayings import SAYINGS
from services.kit.language import Language, Text


def check(lines: Sequence[Line], history: Sequence[Line] = (), kind: Kind = "private") -> list[Finding]:
    """Everything the fee schedule says of these lines, what forbids first.

    ``history``: what was charged before, looked at for treatment cases and frequencies, not judged again.
    Raises Invalid for a day without a catalogue.
    """
    found = papers.of_lines(lines, kind)
    schedules: dict[str, Catalogue] = {}
    for line in (*lines, *history):
        if not any(schedule.holds(line.date) for schedule in schedules.values()):
            schedule = catalogues.at(line.date)
            schedules[schedule.name] = schedule
    for schedule in schedules.values():
        ledger = Ledger(schedule, lines, history)
        for rule in rulebook.of(schedule):
            if not rule.numbers.isdisjoint(ledger.by_number):
                found += _of_rule(rule, ledger)
    return sorted_findings(found)


def _of_rule(rule: Rule, ledger: Ledger) -> Iterator[Finding]:
    """What a rule says; when it says nothing, that it is kept."""
    concerned = [
        entry for entry in ledger.of(rule.numbers) if not entry.is_earlier and rule.holds(entry.line.date)
    ]
    told = [
        _finding(rule, hit)
        for hit in kinds.LOOKS[rule.row.kind](rule, ledger)
        if any(not entry.is_earlier and rule.holds(entry.line.date) for entry in hit.entries)
    ]
    yield from {(one.verdict, one.lines, one.earlier, one.text["en"]): one for one in told}.values()
    if concerned and not told:
        yield _finding(rule, Hit("fine", "kept", concerned, {}))


def _finding(rule: Rule, hit: Hit) -> Finding:
    return Finding(
        rule.row.id, hit.verdict, rule.row.paragraph, rule.row.sentence, _text(rule, hit),
        tuple(sorted({entry.item.number for entry in hit.entries}, key=order)),
        _places(hit.entries, is_earlier=False), _places(hit.entries, is_earlier=True),
    )  # fmt: skip


def _places(entries: Entries, *, is_earlier: bool) -> tuple[int, ...]:
    return tuple(sorted(entry.index for entry in entries if entry.is_earlier is is_earlier))


def _text(rule: Rule, hit: Hit) -> Text:
    return {"de": _said(rule, hit, "de"), "en": _said(rule, hit, "en")}


def _said(rule: Rule, hit: Hit, language: Language) -> str:
    values = {
        name: days([value], language) if hasattr(value, "strftime") else value
        for name, value in hit.values.items()
    }
    return SAYINGS[hit.saying][language].format(
        numbers=listed(entry.item.number for entry in hit.entries),
        days=days((entry.line.date for entry in hit.entries), language),
        advice=rule.advice[language],
        **values,
    )
