"""Rules that the fee schedule spells out in a note or a name of its own, read where the sentence is plain.

Only whole sentences of a fixed form are read; whatever has a condition in it stays for people.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from services.billing.goae.catalogue import Catalogue, Item

_ONE: Final = r"[0-9]+[a-z]?(?: bis [0-9]+[a-z]?)?"
_LIST: Final = rf"(?:den )?Nummern? ({_ONE}(?:(?:, | und/oder | und | oder | sowie ){_ONE})*)"
_SERVICE: Final = r"(?:Leistung(?:en)?|Zuschl(?:ag|ägen?))"
_NOT: Final = r"nicht berechnungsfähig\.?"
_BESIDE: Final = rf"(?:der|den|dem) {_SERVICE} nach {_LIST}"
_FORMS: Final = (
    re.compile(rf"(?:Die|Der) {_SERVICE} nach {_LIST} (?:ist|sind) neben {_BESIDE} {_NOT}"),
    re.compile(rf"Neben {_BESIDE} (?:ist|sind) (?:die|der) {_SERVICE} nach {_LIST} {_NOT}"),
)
_MUTUAL: Final = re.compile(rf"Die {_SERVICE} nach {_LIST} sind nicht nebeneinander berechnungsfähig\.?")
_SEPARATOR: Final = re.compile(r", | und/oder | und | oder | sowie ")
_SPAN: Final = re.compile(r"([0-9]+)[a-z]? bis ([0-9]+)[a-z]?")
_DURATION: Final = re.compile(r"(?:Dauer(?: von)? mindestens|[Mm]indestdauer(?: von)?) ([0-9]+) Minuten")


def spelt_out(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Rows of rules as data/rules.toml writes them, of every item whose notes or name spell one out."""
    for item in catalogue.items.values():
        for place, note in enumerate(item.notes, start=1):
            found = _exclusion(note, catalogue)
            if found is not None:
                yield {
                    "id": f"{item.number}-note-{place}", "kind": "excludes", "catalogue": catalogue.name,
                    "paragraph": f"GOÄ Nr. {item.number}, Anmerkung", "sentence": note, **found,
                }  # fmt: skip
        yield from _duration(item, catalogue)


def _exclusion(note: str, catalogue: Catalogue) -> dict[str, list[str]] | None:
    for form in _FORMS:
        found = form.fullmatch(note)
        if found:
            numbers, others = (_known(part, catalogue) for part in found.groups())
            return {"numbers": numbers, "others": others} if numbers and others else None
    mutual = _MUTUAL.fullmatch(note)
    numbers = _known(mutual[1], catalogue) if mutual else []
    return {"numbers": numbers} if len(numbers) > 1 or any("-" in number for number in numbers) else None


def _known(written: str, catalogue: Catalogue) -> list[str]:
    """The list as rules write it, without numbers that the catalogue lacks."""
    spans = [_SPAN.sub(r"\1-\2", entry) for entry in _SEPARATOR.split(written)]
    return [entry for entry in spans if "-" in entry or entry in catalogue.items]


def _duration(item: Item, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    found = _DURATION.search(item.name)
    if found:
        yield {
            "id": f"{item.number}-duration", "kind": "duration", "catalogue": catalogue.name,
            "numbers": [item.number], "minutes": int(found[1]),
            "paragraph": f"GOÄ Nr. {item.number}, Leistungstext; § 12 Abs. 2 Nr. 2 GOÄ",
            "sentence": item.name,
        }  # fmt: skip
