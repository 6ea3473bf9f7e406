"""Lines as rules look at them: by number, by contact, by treatment case."""

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.billing.goae.catalogue import Catalogue, Item
from services.billing.goae.lines import Line
from services.billing.goae.numbers import tidy
from services.billing.goae.search import plain

CASE_MONTHS: Final = 1  # Abschnitt B, Allgemeine Bestimmungen Nr. 1
Case = tuple[str, dt.date]  # which illness, and its first contact


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A line with where it came from and its item."""

    line: Line
    item: Item
    index: int
    is_earlier: bool  # of an invoice before: looked at, not judged


Entries = list[Entry]
ByNumber = Mapping[str, Entries]
_NOTHING: Final[ByNumber] = {}


@dataclass(frozen=True, slots=True)
class Contact:
    """Lines of one day that name one time, and those that name none: they may belong to any contact."""

    timed: ByNumber
    anytime: ByNumber
    known: dict[tuple[bool, frozenset[str]], Entries]  # picked of ``anytime``, which a day's contacts share

    def picked(self, numbers: frozenset[str]) -> Entries:
        """The entries with one of these numbers."""
        found = self.known.get((True, numbers))
        if found is None:
            found = _of(self.anytime, self.anytime.keys() & numbers)
            self.known[True, numbers] = found
        return self.sure(numbers) + found

    def sure(self, numbers: frozenset[str]) -> Entries:
        """Those of them that name this contact's time."""
        return _of(self.timed, self.timed.keys() & numbers)

    def others(self, numbers: frozenset[str]) -> Entries:
        """The entries with none of these numbers."""
        found = self.known.get((False, numbers))
        if found is None:
            found = _of(self.anytime, self.anytime.keys() - numbers)
            self.known[False, numbers] = found
        return _of(self.timed, self.timed.keys() - numbers) + found


def _of(entries: ByNumber, numbers: Iterable[str]) -> Entries:
    return [entry for number in numbers for entry in entries[number]]


class Ledger:
    """What was charged, sorted once so that no rule looks at every pair."""

    def __init__(self, catalogue: Catalogue, lines: Sequence[Line], earlier: Sequence[Line]) -> None:
        self.entries: Entries = [
            *_entries(catalogue, lines, is_earlier=False),
            *_entries(catalogue, earlier, is_earlier=True),
        ]
        self.by_number: dict[str, Entries] = defaultdict(list)
        self._days: dict[dt.date, dict[dt.time | None, dict[str, Entries]]] = {}
        for entry in self.entries:
            self.by_number[entry.item.number].append(entry)
            times = self._days.setdefault(entry.line.date, {})
            times.setdefault(entry.line.time, {}).setdefault(entry.item.number, []).append(entry)
        self.case_of: dict[Entry, Case] = dict(_cases(self.entries))

    def of(self, numbers: Iterable[str]) -> Entries:
        """Every entry with one of these numbers."""
        return [entry for number in numbers if number in self.by_number for entry in self.by_number[number]]

    def contacts(self, numbers: frozenset[str]) -> Iterator[tuple[dt.date, list[Contact]]]:
        """Of every day that has one of the numbers: its contacts, as far as the lines tell them apart."""
        for day in sorted({entry.line.date for entry in self.of(numbers)}):
            times = self._days[day]
            anytime: ByNumber = times.get(None, _NOTHING)
            timed: list[ByNumber] = [contact for time, contact in times.items() if time is not None]
            known: dict[tuple[bool, frozenset[str]], Entries] = {}
            yield day, [Contact(contact, anytime, known) for contact in timed or [_NOTHING]]


def by_case(ledger: Ledger, entries: Iterable[Entry]) -> dict[Case, Entries]:
    """The same entries by their treatment cases."""
    found: dict[Case, Entries] = defaultdict(list)
    for entry in entries:
        found[ledger.case_of[entry]].append(entry)
    return found


def counted(entries: Iterable[Entry]) -> int:
    """How many services they are."""
    return sum(entry.line.count for entry in entries)


def months_after(day: dt.date, months: int) -> dt.date:
    """The last day of so many months that began with this event (§§ 187 Abs. 1, 188 Abs. 2 und 3 BGB)."""
    ahead = day.month - 1 + months
    year, month = day.year + ahead // 12, ahead % 12 + 1
    if year > dt.MAXYEAR:
        return dt.date.max
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _entries(catalogue: Catalogue, lines: Sequence[Line], *, is_earlier: bool) -> Iterator[Entry]:
    for index, line in enumerate(lines):
        item = catalogue.items.get(tidy(line.number))
        if item is not None and catalogue.holds(line.date):
            yield Entry(line, item, index, is_earlier)


def _cases(entries: Entries) -> Iterator[tuple[Entry, Case]]:
    """A case is a month from the first contact for an illness; the next begins with the next contact."""
    illnesses: dict[str, Entries] = defaultdict(list)
    for entry in entries:
        illnesses[plain(entry.line.illness or "")].append(entry)
    if "" in illnesses and len(illnesses) == 2:  # noqa: PLR2004  (who names one illness means it in every line)
        other = next(name for name in illnesses if name)
        illnesses = {other: illnesses[other] + illnesses[""]}
    for illness, found in illnesses.items():
        began = dt.date.min
        for entry in sorted(found, key=lambda one: one.line.date):
            if began == dt.date.min or entry.line.date > months_after(began, CASE_MONTHS):
                began = entry.line.date
            yield entry, (illness, began)
