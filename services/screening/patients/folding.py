"""Names as a search compares them, and birth dates however they are typed."""

import re
import unicodedata
from datetime import date
from functools import lru_cache
from itertools import product
from typing import Final

from services.screening import zones

GRAM: Final = 3
MOST_FOLDED: Final = 200
_LETTERS: Final = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "å": "a", "ł": "l", "đ": "d", "ð": "d", "þ": "th",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)  # fmt: skip
# Müller, Mueller and Muller are one: the umlaut is typed as two letters, or as what it looks like.
_UMLAUTS: Final = re.compile(r"ae|oe|ue")
_PARTS: Final = re.compile(r"[^\W_]+")
_DIGITS: Final = re.compile(r"^(\d{1,4})[./\-\s]+(\d{1,2})[./\-\s]+(\d{1,4})\.?$")
_TOGETHER: Final = re.compile(r"^\d{6}$|^\d{8}$")
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan januar january jaenner janner", "feb februar february", "mar marz march maerz mrz",
            "apr april", "mai may", "jun juni june", "jul juli july", "aug august",
            "sep sept september", "okt oct oktober october", "nov november", "dez dec dezember december",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_NAMED: Final = re.compile(r"^(\d{1,2})\.?\s*([^\W\d_]+)\.?,?\s*(\d{2,4})$")
_NAMED_FIRST: Final = re.compile(r"^([^\W\d_]+)\.?\s*(\d{1,2})\.?,?\s+(\d{2,4})$")
_IN_TEXT: Final = re.compile(
    r"(?<![\w])(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\.?"
    r"|\d{1,2}\.?\s*[^\W\d_]{3,9}\.?\s*\d{4}|\d{8}|\d{6})(?![\w])"
)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Small letters without marks, one blank between words; letters of every script stay."""
    spread = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    bare = "".join(letter for letter in spread if not unicodedata.combining(letter)).translate(_LETTERS)
    words = _PARTS.findall(bare)
    return " ".join(_UMLAUTS.sub(lambda two: two[0][0], word) for word in words)[:MOST_FOLDED]


def name_key(family_name: str, given_name: str) -> str:
    """What lists are sorted by and a search compares: the family name first."""
    return fold(f"{family_name} {given_name}")


def grams(folded: str, *, ending: bool = True) -> set[str]:
    """Three letters in a row of each word, its begin and end marked; without ``ending`` a word may go on."""
    found = set()
    for word in folded.split():
        marked = f"  {word} " if ending else f"  {word}"
        found |= {marked[at : at + GRAM] for at in range(len(marked) - GRAM + 1)}
    return found


def dates_in(query: str) -> tuple[set[date], str]:
    """The birth dates that a query may mean, and the query without them."""
    found: set[date] = set()
    rest = query

    def take(match: re.Match[str]) -> str:
        days = birth_dates(match[0])
        found.update(days)
        return " " if days else match[0]

    rest = _IN_TEXT.sub(take, rest)
    return found, rest


def birth_dates(text: str) -> set[date]:
    """Every past day that this may stand for: 3.4.61, 03/04/1961 (two), 1961-04-03, 3. April 1961, 030461."""
    text = text.strip()
    for pattern, order in ((_NAMED, (0, 1, 2)), (_NAMED_FIRST, (1, 0, 2))):
        if match := pattern.match(text):
            day, month, year = (match.groups()[at] for at in order)
            number = _MONTHS.get(fold(month))
            return _days([(int(day), number, year)]) if number else set()
    if match := _DIGITS.match(text):
        return _days(_orders(*match.groups()))
    if _TOGETHER.match(text):
        year_last = (text[:2], text[2:4], text[4:])
        year_first = (text[:-4], text[-4:-2], text[-2:])
        return _days([*_orders(*year_last), *(_orders(*year_first) if len(text) == len("19610403") else [])])
    return set()


def _orders(first: str, second: str, third: str) -> list[tuple[int, int | None, str]]:
    """Day, month, year in the orders that people write: the year first when it has four digits."""
    if len(first) == len("1961"):
        return [(int(third), int(second), first)]
    given: list[tuple[int, int | None, str]] = [(int(first), int(second), third)]
    return given if int(second) == int(first) else [*given, (int(second), int(first), third)]


def _days(rows: list[tuple[int, int | None, str]]) -> set[date]:
    """Those that are in the calendar and past; two digits of a year are of this century and the last."""
    today = zones.latest_day()
    found = set()
    for (day, month, year), century in product(rows, (0, 1900, 2000)):
        if month is None or (len(year) <= len("61")) == (century == 0) or len(year) == len("196"):
            continue
        try:
            when = date(century + int(year) if len(year) <= len("61") else int(year), month, day)
        except ValueError:
            continue
        if when <= today:
            found.add(when)
    return found
