"""What people wrote, kept from turning round the text beside it: a note must not disguise its author."""

import unicodedata
from typing import Final

from markupsafe import Markup

_TURNING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # embeddings, overrides, isolates
_SEEN: Final = dict.fromkeys(_TURNING, "\N{REPLACEMENT CHARACTER}")
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL", "AN"))
_ISOLATE: Final = "\N{FIRST STRONG ISOLATE}"
_END: Final = "\N{POP DIRECTIONAL ISOLATE}"


def tamed(text: str) -> str:
    """The text with a visible mark in place of every character that only turns others round."""
    return text.translate(_SEEN)


def isolated(text: object) -> Markup:
    """The text in an element of its own direction: in pages."""
    return Markup("<bdi>{}</bdi>").format(tamed(str(text)))


def in_sentence(text: str) -> str:
    """The same where no element can be: in a sentence, an attribute, a script's data."""
    kept = tamed(text)
    turns = any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in kept)
    return f"{_ISOLATE}{kept}{_END}" if turns else kept


FILTERS: Final = {"isolated": isolated, "in_sentence": in_sentence}
