"""What a calendar shows: which days, which devices or therapists, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from services.console.planning import grid
from services.console.planning.models import GONE, Appointment
from services.console.planning.places import Site
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.language import Language

WEEK_DAYS: Final = 7
SPANS: Final = ("day", "week")
KINDS: Final = ("device", "therapist")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader wants to see."""

    day: date
    span: str
    by: str
    of: str  # the one device or therapist of a week; of a day: every

    @property
    def first(self) -> date:
        """The first day that is shown."""
        return self.day - timedelta(days=self.day.weekday()) if self.span == "week" else self.day

    @property
    def days(self) -> int:
        """So many days."""
        return WEEK_DAYS if self.span == "week" else 1

    def all_days(self) -> list[date]:
        """Every day that is shown."""
        return [self.first + timedelta(days=number) for number in range(self.days)]


@dataclass(frozen=True, slots=True)
class Resources:
    """The devices and therapists of a site as ``GET /resources`` says them."""

    devices: Sequence[Mapping[str, Any]]
    therapists: Sequence[Mapping[str, Any]]
    outages: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Resources":
        """From the scheduler's answer."""
        return cls(answer["devices"], answer["therapists"], answer["outages"])

    def names(self) -> dict[str, str]:
        """The therapists' names by id."""
        return {str(row["therapist"]): str(row["name"]) for row in self.therapists}

    def named(self, kind: str) -> list[tuple[str, str]]:
        """Id and name of every device or therapist that is in use."""
        return [(id_, name) for id_, name, _ in self.of_kind(kind)]

    def choices(self) -> list[tuple[str, str]]:
        """Every device and therapist as a choice of one list: ``device:bed-01``."""
        return [(f"{kind}:{id_}", name) for kind in KINDS for id_, name, _ in self.of_kind(kind)]

    def of_kind(self, kind: str) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Id, name and row of every device or therapist that is in use."""
        if kind == "therapist":
            return [
                (str(row["therapist"]), str(row["name"]), row) for row in self.therapists if row["active"]
            ]
        return [(str(row["device"]), str(row["device"]), row) for row in self.devices if row["usable"]]


def columns(
    asked: Asked, site: Site, resources: Resources, appointments: Sequence[Appointment], language: Language
) -> tuple[grid.Hours, list[grid.Column]]:  # fmt: skip
    """The hours and columns of the calendar."""
    closed = closed_days(site, language)
    opening = {day: opening_of(site, day) for day in asked.all_days()}
    standing = [it for it in appointments if it.state not in GONE]
    hours = grid.hours_of(
        [(it.starts_at, it.ends_at) for it in standing], [row for rows in opening.values() for row in rows]
    )
    everybody = resources.of_kind(asked.by)
    everybody += _others(asked.by, everybody, standing, resources.names())
    if asked.span == "week":
        everybody = [row for row in everybody if row[0] == asked.of] or everybody[:1]
    found = [
        _column(asked, site, day, each, resources, standing, closed, hours, language)
        for day in asked.all_days()
        for each in everybody
    ]
    return hours, found


def _column(
    asked: Asked, site: Site, day: date, each: tuple[str, str, Mapping[str, Any]], resources: Resources,
    appointments: Sequence[Appointment], closed: Mapping[str, str], hours: grid.Hours, language: Language,
) -> grid.Column:  # fmt: skip
    identifier, name, row = each
    own = [it for it in appointments if getattr(it, asked.by) == identifier and it.starts_at.date() == day]
    title = formats.weekday(day, language) if asked.span == "week" else name
    note = closed.get(day.isoformat(), "")
    shades = grid.closed_of(day, [] if note else opening_of(site, day), note or TEXTS["cal_closed"][language])
    if asked.by == "therapist" and row:
        shades += grid.closed_of(day, spans_of(row.get("shifts"), day), TEXTS["cal_off_duty"][language])
    for outage in resources.outages:
        if str(outage.get(asked.by) or "") == identifier:
            shades.append(
                grid.Span(
                    site.local(outage["from"]), site.local(outage["to"]),
                    str(outage.get("reason") or TEXTS["cal_out"][language]),
                )
            )  # fmt: skip
    return grid.Column(
        title, note, day, identifier if asked.by == "device" else "",
        identifier if asked.by == "therapist" else "",
        grid.blocks_of(own, day, hours), grid.shades_of(shades, day, hours),
    )  # fmt: skip


def _others(
    kind: str, known: Sequence[tuple[str, str, Mapping[str, Any]]], appointments: Sequence[Appointment],
    names: Mapping[str, str],
) -> list[tuple[str, str, Mapping[str, Any]]]:  # fmt: skip
    """Devices and therapists that are out of the plan and still have appointments: those are to be moved."""
    here = {identifier for identifier, _, _ in known}
    left = sorted({getattr(it, kind) for it in appointments} - here)
    return [(identifier, names.get(identifier, identifier), {}) for identifier in left]


def closed_days(site: Site, language: Language) -> dict[str, str]:
    """Days on which the site is closed (ISO), with the holiday's name."""
    own = {str(day): TEXTS["cal_closed"][language] for day in site.body.get("closed") or ()}
    return own | {str(row["day"]): str(row[language]) for row in site.body.get("holidays") or ()}


def opening_of(site: Site, day: date) -> list[tuple[str, str]]:
    """When the site is open on that weekday; closed days are not looked at."""
    return spans_of(site.body.get("hours"), day)


def spans_of(week: Mapping[str, Any] | None, day: date) -> list[tuple[str, str]]:
    """The hours of a weekday in a table of a week."""
    return [(str(begin), str(end)) for begin, end in (week or {}).get(WEEKDAYS[day.weekday()]) or ()]
