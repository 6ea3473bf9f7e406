"""A whole series as it would be: every date, what the planner found, and what stands in its way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from services.console.errors import BadSearch
from services.console.planning.models import Row, rules_of
from services.console.planning.places import Site
from services.console.planning.wishes import Wishes
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit import bidi, formats
from services.kit.language import Language

_TIMES: Final = ("from1", "to1", "from2", "to2")
_WHERE: Final = ("device", "therapist")
BOTH: Final = "devices_and_therapists"
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

    @classmethod
    def kept(cls, wishes: Wishes, site: Site, names: Mapping[str, str], language: Language) -> Self | None:
        """The preview that the form still carries, as it was shown; none where it carries none."""
        try:
            rows = chosen_of(wishes.chosen)
            told = json.loads(wishes["shown"] or "{}")
            length = timedelta(minutes=float(site.body.get("appointment_min") or 0))
            ends = [datetime.fromisoformat(row["starts_at"]) + length for row in rows]
        except (BadSearch, ValueError, KeyError, TypeError, OverflowError):
            return None
        appointments = [row | {"ends_at": end.isoformat()} for row, end in zip(rows, ends, strict=True)]
        body = {**told, "appointments": appointments} if isinstance(told, dict) else {}
        return cls.of(body, site, names, language) if appointments else None

    @property
    def shown(self) -> str:
        """What it says of itself, for the form to carry."""
        return json.dumps({"proven": self.proven, "figures": self.figures}, separators=(",", ":"))

    def facts(self, language: Language) -> list[tuple[str, str]]:
        """The planner's figures in words; those without a text are left to programs."""
        found = []
        for name, value in self.figures.items():
            if name == BOTH:
                found += self._places(language)
                continue
            text = TEXTS.get(f"figure_{name}")
            if text is not None and isinstance(value, int | float):
                found.append((text[language], formats.number(value, language)))
        return found

    def _places(self, language: Language) -> list[tuple[str, str]]:
        """Which beds and which people it is: the planner's sum of both says neither."""
        beds = sorted({it.device for it in self.appointments})
        people = sorted({it.therapist for it in self.appointments})
        return [
            (TEXTS[f"figure_{name}"][language], f"{len(rows)} ({', '.join(map(bidi.in_sentence, rows))})")
            for name, rows in (("devices", beds), ("therapists", people))
        ]

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
