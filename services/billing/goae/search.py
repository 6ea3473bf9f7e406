"""Finding an item by number or by words, typing errors forgiven."""

import unicodedata
from functools import cache
from typing import Final

from services.billing.goae.catalogue import Catalogue, Item
from services.billing.goae.numbers import tidy

MOST: Final = 20
LONGEST: Final = 200  # of what is looked for; longer is no search
_LIKE_ENOUGH: Final = 78.0  # per cent, of each word
_EVERY_WORD: Final = 100.0
_SHORT: Final = 3  # a word this short is meant as it stands


def search(catalogue: Catalogue, text: str, most: int = MOST) -> list[Item]:
    """The items that somebody means, best first: by number, by its beginning, by words of the name."""
    wanted = text[:LONGEST].strip()
    number = tidy(wanted)
    begins = [item for known, item in catalogue.items.items() if known.startswith(number)]
    found = {item.number: item for item in begins}
    if plain(wanted) and not wanted.isdecimal():
        found |= {item.number: item for item in _by_words(catalogue, wanted) if item.number not in found}
    return list(found.values())[:most]


def _by_words(catalogue: Catalogue, wanted: str) -> list[Item]:
    """Items whose names have every word, or one that is nearly so; the shorter name first among equals."""
    words = plain(wanted).split()
    scored: list[tuple[float, int, Item]] = []
    for item, name in _names(catalogue.name):
        score = _likeness(words, name)
        if score >= _LIKE_ENOUGH:
            scored.append((-score, len(name), item))
    best = [row for row in scored if row[0] == -_EVERY_WORD] or scored  # who spelt right wants nothing else
    return [item for _, _, item in sorted(best, key=lambda row: row[:2])]


def _likeness(words: list[str], name: str) -> float:
    """How well the worst of the words is found in the name, in per cent."""
    from rapidfuzz import fuzz

    worst = _EVERY_WORD
    for word in words:
        if word in name:
            continue
        score = 0.0 if len(word) <= _SHORT else fuzz.partial_ratio(word, name, score_cutoff=_LIKE_ENOUGH)
        worst = min(worst, score)
        if worst < _LIKE_ENOUGH:
            return 0.0
    return worst


@cache
def _names(catalogue: str) -> tuple[tuple[Item, str], ...]:
    """Every item with its name as it is compared."""
    from services.billing.goae.catalogue import load

    found = next(one for one in load() if one.name == catalogue)
    return tuple((item, plain(item.name)) for item in found.items.values())


def plain(text: str) -> str:
    """For comparing: small letters, umlauts as a, o and u, no marks, ß as ss."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    kept = (sign if sign.isalnum() else " " for sign in folded if not unicodedata.combining(sign))
    return " ".join("".join(kept).split())
