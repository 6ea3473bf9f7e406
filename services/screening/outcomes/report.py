"""The chain-wide report: figures with counts and intervals, by site, region and month.

Sessions and adverse events are those of the period; cures are those that began in it, with everything that
was measured of them since. Groups of fewer people than ``least`` are kept back, and where that leaves one
alone beside a sum the next smallest with it: else it could be reckoned from the others.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Sites
from services.screening.clearance import store as clearances
from services.screening.errors import Invalid
from services.screening.outcomes import store
from services.screening.outcomes.change import Course, courses
from services.screening.outcomes.measures import MEASURES, Group, words
from services.screening.outcomes.statistics import CONFIDENCE
from services.screening.patients import store as patients

LONGEST: Final = timedelta(days=366)
USUAL: Final = timedelta(days=90)
CHUNK: Final = 500  # people asked for at once: databases take so many values, not any number
COLUMNS: Final = ("by", "group", "measure", "unit", "n", "k", "value", "low", "high", "kept_back")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report is about; ``site`` and ``region`` empty: all that the reader may see."""

    since: date
    until: date  # the last day that counts
    site: str = ""
    region: str = ""

    @classmethod
    def of(cls, since: date | None, until: date | None, site: str, region: str) -> "Asked":
        """The last ninety days where nothing is said. Raises Invalid."""
        last = until or datetime.now(UTC).astimezone().date()
        first = since or last - USUAL
        if not timedelta(0) <= last - first <= LONGEST:
            english = f"the period is {first} to {last}: up to {LONGEST.days} days, in their order"
            german = f"der Zeitraum ist {first} bis {last}: bis zu {LONGEST.days} Tage, in ihrer Reihenfolge"
            raise Invalid(english, {"de": german, "en": english}, {"field": "from"})
        return cls(first, last, site, region)

    def times(self) -> tuple[datetime, datetime]:
        """From and before, by this machine's clock."""
        begin = datetime.combine(self.since, time()).astimezone()
        return begin, datetime.combine(self.until + timedelta(days=1), time()).astimezone()

    def narrowed(self, sites: Sites) -> Sites:
        """The sites that count: one that the reader may not see counts like one that is not there."""
        if not self.site:
            return sites
        return frozenset({self.site}) if sites is None or self.site in sites else frozenset()


def report(connection: Connection, asked: Asked, sites: Sites, least: int) -> dict[str, Any]:
    """Every figure as the page, the API and the CSV show them."""
    whole = _gather(connection, asked, asked.narrowed(sites))
    groups = {
        "site": _split(whole, lambda held: held.site, lambda event: event.site),
        "region": _split(whole, lambda held: held.region, lambda event: event.region),
        "month": _split(whole, lambda held: _month(held.ended_at), lambda event: _month(event.happened_at)),
    }
    return {
        "from": asked.since.isoformat(), "to": asked.until.isoformat(), "site": asked.site or None,
        "region": asked.region or None, "made_at": datetime.now(UTC).isoformat(), "least_group": least,
        "confidence": CONFIDENCE, "notes": words()["note"],
        "total": _shown(whole, least, frozenset()),
        "by": {name: _rows(rows, least) for name, rows in groups.items()},
        "adverse": _adverse(whole, least),
    }  # fmt: skip


def as_csv(found: dict[str, Any]) -> str:
    """One line a figure."""
    page = io.StringIO()
    writer = csv.DictWriter(page, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for by, group in _lines(found):
        for row in group["measures"]:
            writer.writerow({**row, "by": by, "group": group["name"], "measure": row["id"]})
    return page.getvalue()


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "total", found["total"]
    for by, rows in found["by"].items():
        for row in rows:
            yield by, row


def _gather(connection: Connection, asked: Asked, sites: Sites) -> Group:
    begin, end = asked.times()
    sessions = store.sessions_between(connection, sites, begin, end)
    events = store.adverse_between(connection, sites, begin, end)
    heads = _heads(connection, [*(patient for patient, _held in sessions), *(one.patient for one in events)])
    whole = Group("")
    whole.sessions = [
        (heads[patient], held) for patient, held in sessions
        if patient in heads and asked.region in ("", held.region)
    ]  # fmt: skip
    whole.adverse = [
        one for one in events if one.patient in heads and asked.region in ("", one.region)
    ]  # fmt: skip
    for patient in sorted(whole.patients):
        whole.courses += [
            (patient, course) for course in _courses(connection, patient)
            if course.sessions and asked.region in ("", course.region)
            and begin <= course.sessions[0].ended_at < end and _is_at(course, sites)
        ]  # fmt: skip
    return whole


def _courses(connection: Connection, patient: UUID) -> list[Course]:
    ids = patients.family(connection, patient)
    return courses(clearances.sessions(connection, ids), store.outcomes(connection, ids))


def _is_at(course: Course, sites: Sites) -> bool:
    return sites is None or course.sessions[0].site in sites


def _heads(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The file that counts of each; whoever was erased is in nobody's figures."""
    every = list(dict.fromkeys(ids))
    found: dict[UUID, UUID] = {}
    for first in range(0, len(every), CHUNK):
        rows = patients.names_of(connection, every[first : first + CHUNK])
        found |= {one: UUID(row["id"]) for one, row in rows.items()}
    return found


def _split(whole: Group, of_held: Callable[[Any], str], of_event: Callable[[Any], str]) -> list[Group]:
    found: dict[str, Group] = {}

    def at(name: str) -> Group:
        return found.setdefault(name, Group(name))

    for patient, held in whole.sessions:
        at(of_held(held)).sessions.append((patient, held))
    for patient, course in whole.courses:
        at(of_held(course.sessions[0])).courses.append((patient, course))
    for event in whole.adverse:
        at(of_event(event)).adverse.append(event)
    return [found[name] for name in sorted(found)]


def _rows(groups: Sequence[Group], least: int) -> list[dict[str, Any]]:
    """The groups of one kind, with one more kept back where only one would be."""
    groups = [group for group in groups if group.sessions]  # an event alone makes no group
    by_size = sorted(groups, key=lambda group: len(group.patients))
    small = [group for group in by_size if len(group.patients) < least]
    if len(small) == 1 and len(by_size) > 1:
        small.append(by_size[1])
    hidden = frozenset(group.name for group in small)
    rows = [_shown(group, least, hidden) for group in groups]
    for number in range(len(MEASURES)):
        _hide_second([row["measures"][number] for row in rows])
    return rows


def _hide_second(figures: list[dict[str, Any]]) -> None:
    """Of one measure across the groups: no figure kept back stands alone."""
    shown = [row for row in figures if not row["kept_back"]]
    if len(shown) == len(figures) - 1 and shown:
        least = min(shown, key=lambda row: row["n"])
        least |= {"n": None, "k": None, "value": None, "low": None, "high": None, "kept_back": True}


def _shown(group: Group, least: int, hidden: frozenset[str]) -> dict[str, Any]:
    is_kept_back = group.name in hidden or len(group.patients) < least
    rows = [
        measure.of(group if not is_kept_back else Group(group.name), least) for measure in MEASURES
    ]  # fmt: skip
    if is_kept_back:
        rows = [row | {"n": None, "value": None, "kept_back": True} for row in rows]
    return {"name": group.name, "kept_back": is_kept_back, "measures": rows}


def _adverse(whole: Group, least: int) -> list[dict[str, Any]] | None:
    """How many events of each kind and grade; none where too few people stand behind it."""
    if len(whole.patients) < least:
        return None
    counts: dict[tuple[str, int], int] = {}
    for event in whole.adverse:
        counts[event.kind, event.grade] = counts.get((event.kind, event.grade), 0) + 1
    return [{"kind": kind, "grade": grade, "count": count} for (kind, grade), count in sorted(counts.items())]


def _month(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m")
