"""Numbers of the fee schedule: how they are written, ordered, and named in ranges."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_PARTS: Final = re.compile(r"([0-9]+)(.*)")
_RANGE: Final = re.compile(r"([0-9]+)-([0-9]+)")
_LETTERED: Final = re.compile(r"[0-9]+[A-Z]")
_LETTER_FIRST: Final = re.compile(r"[a-z][0-9]*|[0-9]+\.h[0-9]?")


def tidy(number: str) -> str:
    """As the fee schedule writes it: no blanks, no zeros before, 250A as 250a, k 1 as K1."""
    kept = "".join(number.split()).lstrip("0") or "0"
    if _LETTERED.fullmatch(kept):
        return kept.lower()
    return kept.upper() if _LETTER_FIRST.fullmatch(kept) else kept


@lru_cache(maxsize=16_384)  # every rule asks for every number of its catalogue
def order(number: str) -> tuple[int, str]:
    """For sorting: 5 before 34 before 250 before 250a."""
    found = _PARTS.fullmatch(number)
    return (int(found[1]), found[2]) if found else (0, number)


def expand(written: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The known numbers that a list names; "605-617" takes 605a in. Raises ValueError for one unknown."""
    numbers = {number: order(number)[0] for number in known}
    found: set[str] = set()
    for entry in written:
        edges = _RANGE.fullmatch(entry)
        if edges:
            first, last = int(edges[1]), int(edges[2])
            meant = {number for number, value in numbers.items() if first <= value <= last}
        else:
            meant = {entry} & numbers.keys()
        if not meant:
            raise ValueError(f"{entry} is not in the catalogue")
        found |= meant
    return frozenset(found)
