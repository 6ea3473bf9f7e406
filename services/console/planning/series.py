"""A whole series as it would be: every date, what the planner found, and what stands in its way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from services.console.errors import BadSearch
from services.console.planning.models import Row, rules_of
from services.console.planning.places import Site
from services.console.planning.wishes import Wishes
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.language import Language

_TIMES: Final = ("from1", "to1", "from2", "to2")
_WHERE: Final = ("device", "therapist")
GIVEN_UP: Final[Mapping[str, Sequence[str]]] = {  # an alternative: the form's fields that it empties
    "device-and-therapist": _WHERE,
    "times": _TIMES,
    "weekdays": ("weekdays",),
    "all": (*_TIMES, *_WHERE, "weekdays"),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One appointment of a series that is not booked."""

    number: int
    starts_at: datetime
    ends_at: datetime
    device: str
    therapist: str
    chosen: str  # what the form sends back, to book what was shown


@dataclass(frozen=True, slots=True)
class Series:
    """A preview, or one alternative."""

    appointments: Sequence[Planned]
    proven: bool
    figures: Mapping[str, Any]
    conflicts: Sequence[str]
    given_up: str  # of an alternative: which wishes it does not keep

    @classmethod
    def of(cls, body: Row, site: Site, names: Mapping[str, str], language: Language) -> Self:
        """From the scheduler's answer."""
        rows = body.get("appointments") or ()
        return cls(
            [_planned(row, site, names) for row in rows],
            bool(body.get("proven")),
            body.get("figures") or {},
            rules_of({"rules": body.get("conflicts") or ()}, language),
            str(body.get("given_up") or ""),
        )

    def facts(self, language: Language) -> list[tuple[str, str]]:
        """The planner's figures in words; those without a text are left to programs."""
        found = []
        for name, value in self.figures.items():
            text = TEXTS.get(f"figure_{name}")
            if text is not None and isinstance(value, int | float):
                found.append((text[language], formats.number(value, language)))
        return found

    def wishes(self, wishes: Wishes) -> list[tuple[str, str]]:
        """The form's values without the wishes that this alternative gives up: to be booked as it stands."""
        gone = GIVEN_UP.get(self.given_up, ())
        typed = dict(wishes.typed) | {name: "" for name in gone if name in wishes.typed}
        days = () if "weekdays" in gone else wishes.weekdays
        return [*typed.items(), *(("weekdays", day) for day in days)]

    def said(self, language: Language) -> str:
        """What is different about an alternative; a newer scheduler's word as it is."""
        known = TEXTS.get(f"given_up_{self.given_up.partition('-')[0]}")
        return known[language] if known else self.given_up

    @property
    def last(self) -> datetime | None:
        """When it ends."""
        return self.appointments[-1].ends_at if self.appointments else None


def _planned(row: Row, site: Site, names: Mapping[str, str]) -> Planned:
    keep = {name: row[name] for name in ("number", "starts_at", "device", "therapist")}
    therapist = str(row["therapist"])
    return Planned(
        int(row["number"]), site.local(row["starts_at"]), site.local(row["ends_at"]), str(row["device"]),
        names.get(therapist, therapist[:8]), json.dumps(keep, separators=(",", ":")),
    )  # fmt: skip


def chosen_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The appointments that the form sent back. Raises BadSearch where somebody wrote them anew."""
    try:
        rows = [json.loads(text) for text in texts]
    except ValueError:
        rows = [None]
    if not all(isinstance(row, dict) for row in rows):
        raise BadSearch(said("planning_preview_gone"), "chosen")
    return rows
