"""The kinds of rules: how each looks at a ledger, and what it says. A further rule is a row, not code."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.billing.goae import rulebook
from services.billing.goae.ledger import Contact, Entries, Entry, Ledger, by_case, counted, months_after
from services.billing.goae.pricing import Verdict
from services.billing.goae.rulebook import Kind, Period, Rule
from services.billing.goae.sayings import Saying


@dataclass(frozen=True, slots=True)
class Hit:
    """Some entries that a rule has something to say of."""

    verdict: Verdict
    saying: Saying
    entries: Entries
    values: dict[str, Any]


Looks = Callable[[Rule, Ledger], Iterator[Hit]]


def _hit(verdict: Verdict, saying: Saying, entries: Entries, **values: Any) -> Hit:
    """Each entry once, in whatever order they were met."""
    return Hit(verdict, saying, list(dict.fromkeys(entries)), values)


def _excludes(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    if rule.row.scope == "case":
        others = by_case(ledger, ledger.of(rule.others))
        for case, entries in by_case(ledger, ledger.of(rule.numbers)).items():
            if case in others:
                yield _hit("forbidden", "beside_in_case", [*entries, *others[case]])
        return
    for _, contacts in ledger.contacts(rule.numbers):
        sides = [_both(rule, contact) for contact in contacts]
        together = [entry for some, others_here in sides if others_here for entry in (*some, *others_here)]
        if together:
            yield _hit("forbidden", "beside", together)
        elif len(contacts) > 1:
            yield from _apart(rule, contacts)


def _both(rule: Rule, contact: Contact) -> tuple[Entries, Entries]:
    """The two sides of an exclusion; of a mutual one the first number and the others."""
    entries = contact.picked(rule.numbers)
    if not rule.is_mutual:
        return entries, contact.picked(rule.others) if entries else []
    first = min((entry.item.number for entry in entries), default="")
    return (
        [entry for entry in entries if entry.item.number == first],
        [entry for entry in entries if entry.item.number != first],
    )


def _apart(rule: Rule, contacts: list[Contact]) -> Iterator[Hit]:
    """Both on one day, but at times that tell two contacts apart."""
    entries = [entry for contact in contacts for entry in contact.picked(rule.numbers | rule.others)]
    numbers = {entry.item.number for entry in entries}
    both = numbers & rule.numbers and numbers & rule.others
    if both or (rule.is_mutual and len(numbers) > 1):
        yield _hit("note", "apart", entries)


def _at_most(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    row = rule.row
    sides = [frozenset((number,)) for number in sorted(rule.numbers)] if row.each else [rule.numbers]
    for numbers in sides:
        for entries in _PERIODS[row.period](numbers, ledger, rule):
            if counted(entries) <= row.times:
                continue
            if row.verdict == "forbidden":
                yield _hit("forbidden", "too_often", entries, times=row.times, count=counted(entries))
            else:
                yield _reasoned(entries, row.times)


def _reasoned(entries: Entries, times: int) -> Hit:
    """More often with a reason: every service beyond the limit wants one."""
    with_reason = counted(entry for entry in entries if entry.line.is_reasoned)
    verdict: Verdict = "justification" if counted(entries) - times > with_reason else "fine"
    saying: Saying = "reason_wanted" if verdict == "justification" else "reason_given"
    return _hit(verdict, saying, entries, times=times, count=counted(entries))


def _in_contacts(numbers: frozenset[str], ledger: Ledger, _: Rule) -> Iterator[Entries]:
    """Lines that name no time are counted once, with those of their day's fullest contact."""
    for _day, contacts in ledger.contacts(numbers):
        fullest = max(contacts, key=lambda contact: counted(contact.picked(numbers)))
        for contact in contacts:
            yield contact.picked(numbers) if contact is fullest else contact.sure(numbers)


def _in_days(numbers: frozenset[str], ledger: Ledger, _: Rule) -> Iterator[Entries]:
    yield from _grouped(ledger.of(numbers), lambda entry: entry.line.date)


def _in_cases(numbers: frozenset[str], ledger: Ledger, _: Rule) -> Iterator[Entries]:
    yield from by_case(ledger, ledger.of(numbers)).values()


def _in_years(numbers: frozenset[str], ledger: Ledger, _: Rule) -> Iterator[Entries]:
    yield from _grouped(ledger.of(numbers), lambda entry: entry.line.date.year)


def _in_months(numbers: frozenset[str], ledger: Ledger, rule: Rule) -> Iterator[Entries]:
    """All that lie in some stretch of so many months with more than the limit in it."""
    entries = sorted(ledger.of(numbers), key=lambda entry: entry.line.date)
    found: dict[Entry, None] = {}
    inside, last, taken = 0, 0, 0
    for first, entry in enumerate(entries):
        end = months_after(entry.line.date, rule.row.months)
        while last < len(entries) and entries[last].line.date <= end:
            inside += entries[last].line.count
            last += 1
        if inside > rule.row.times:
            found |= dict.fromkeys(entries[max(first, taken) : last])
            taken = last
        inside -= entry.line.count
    yield list(found)


def _grouped(entries: Entries, key: Callable[[Entry], Any]) -> Iterator[Entries]:
    found: dict[Any, Entries] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    yield from found.values()


def _once_beside(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    """Counted are only those that stand beside one of the others."""
    beside: Entries = []
    for _, contacts in ledger.contacts(rule.numbers):
        for contact in contacts:
            if contact.picked(rule.others):
                beside += contact.picked(rule.numbers)
    for case, entries in by_case(ledger, dict.fromkeys(beside)).items():
        numbers: dict[str, Entries] = defaultdict(list)
        for entry in entries:
            numbers[entry.item.number].append(entry)
        often = [one for same in numbers.values() if counted(same) > 1 for one in same]
        if often:
            yield _hit("forbidden", "once_beside", often, began=case[1])
        elif len({entry.line.date for entry in entries}) > 1:
            yield _hit("note", "once_together", entries, began=case[1])


def _alone_or_beside(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    allowed = rule.numbers | rule.others
    for _, contacts in ledger.contacts(rule.numbers):
        found: dict[Entry, None] = {}
        for contact in contacts:
            entries = contact.picked(rule.numbers)
            strangers = contact.others(allowed) if entries else []
            if strangers:
                found |= dict.fromkeys([*entries, *strangers])
        if found:
            yield _hit("forbidden", "not_alone", list(found))


def _again(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    wanting = frozenset(rule.row.reason_for)
    for entries in _grouped(ledger.of(rule.numbers), lambda entry: (entry.line.date, entry.item.number)):
        if counted(entries) == 1:
            continue
        times = {entry.line.time for entry in entries if entry.line.time is not None}
        if len(times) < counted(entries):
            yield _hit("justification", "times_wanted", entries, count=counted(entries))
        elif entries[0].item.number in wanting:
            yield _reasoned(entries, 1)
        else:
            yield _hit("fine", "times_given", entries, count=counted(entries))


def _duration(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    minutes = rule.row.minutes
    entries = ledger.of(rule.numbers)
    short = [one for one in entries if one.line.duration_min is not None and one.line.duration_min < minutes]
    unknown = [one for one in entries if one.line.duration_min is None]
    if short:
        yield _hit("forbidden", "too_short", short, minutes=minutes)
    if unknown:
        yield _hit("note", "duration_wanted", unknown, minutes=minutes)


def _only_higher(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    for _, contacts in ledger.contacts(rule.numbers):
        for contact in contacts:
            for verdict, entries in _same_part(contact.picked(rule.numbers), contact.picked(rule.others)):
                if verdict == "forbidden":
                    kept = max(entries, key=lambda entry: (entry.item.points, entry.item.number))
                    yield _hit("forbidden", "only_higher", entries, kept=kept.item.number)
                else:
                    yield _hit("justification", "which_part", entries)


def _included(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    for _, contacts in ledger.contacts(rule.numbers):
        for contact in contacts:
            for verdict, entries in _same_part(contact.picked(rule.numbers), contact.picked(rule.others)):
                if verdict == "forbidden" or rule.row.unknown == "forbidden":
                    yield _hit("forbidden", "included", entries)
                else:
                    yield _hit("justification", "which_part", entries)


def _same_part(entries: Entries, others: Entries) -> Iterator[tuple[Verdict, Entries]]:
    """Both at the same part of the body: forbidden; where a line does not say which: a reason is wanted."""
    if not entries or not others:
        return
    mine, theirs = _by_part(entries), _by_part(others)
    for part in sorted(mine.keys() & theirs.keys() - {""}):
        yield "forbidden", [*mine[part], *theirs[part]]
    if "" in mine or "" in theirs:
        yield "justification", [*entries, *others]


def _by_part(entries: Entries) -> dict[str, Entries]:
    found: dict[str, Entries] = defaultdict(list)
    for entry in entries:
        found[rulebook.part(entry.line.body_part or "")].append(entry)
    return found


def _note(rule: Rule, ledger: Ledger) -> Iterator[Hit]:
    entries = ledger.of(rule.numbers)
    if entries:
        yield _hit("note", "note", entries)


_PERIODS: Final[dict[Period, Callable[[frozenset[str], Ledger, Rule], Iterator[Entries]]]] = {
    "contact": _in_contacts,
    "day": _in_days,
    "case": _in_cases,
    "year": _in_years,
    "months": _in_months,
}
LOOKS: Final[dict[Kind, Looks]] = {
    "excludes": _excludes,
    "at_most": _at_most,
    "once_beside": _once_beside,
    "alone_or_beside": _alone_or_beside,
    "again": _again,
    "duration": _duration,
    "only_higher": _only_higher,
    "included": _included,
    "note": _note,
}
