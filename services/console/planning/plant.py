"""The forms of a site's resources: what was typed, as the scheduler is told and as it is shown again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.datastructures import FormData

from services.console.errors import BadSearch
from services.console.planning.places import Site
from services.console.planning.week import WEEKDAYS
from services.console.planning.wishes import number_of
from services.console.refusals import said
from services.kit import formats

MOST: Final = 4000
NUMBERS: Final = ("appointment_min", "clean_up_min", "rest_h")
STATES: Final = (
    "BW", "BY", "BE", "BB", "HB", "HH", "HE", "MV", "NI", "NW", "RP", "SL", "SN", "ST", "SH", "TH",
)  # fmt: skip


def typed_week(week: Mapping[str, Any]) -> dict[str, str]:
    """A table of hours as one line a weekday: ``08:00-12:00, 13:00-18:00``."""
    return {day: ", ".join(f"{begin}-{end}" for begin, end in week.get(day) or ()) for day in WEEKDAYS}


def read_week(form: FormData, prefix: str) -> dict[str, list[list[str]]]:
    """The hours of the form. Raises BadSearch at the weekday that cannot be read."""
    rows = {day: _parts(str(form.get(f"{prefix}{day}") or ""), f"{prefix}{day}") for day in WEEKDAYS}
    return {day: parts for day, parts in rows.items() if parts}


def _parts(text: str, name: str) -> list[list[str]]:
    plain = text[:MOST].replace(formats.NOTHING, "-").replace(";", ",")
    pieces = [piece.strip() for piece in plain.split(",")]
    parts = [[edge.strip() for edge in piece.split("-")] for piece in pieces if piece]
    if any(len(part) != 2 or not all(part) for part in parts):  # noqa: PLR2004  (from, to)
        raise BadSearch(said("resources_bad_hours", value=text.strip()[:60]), name)
    return [[_clock(edge) for edge in part] for part in parts]


def _clock(text: str) -> str:
    """``8`` and ``8:00`` as ``08:00``; anything else as it is, for the scheduler to refuse."""
    hours, _, minutes = text.replace(".", ":").partition(":")
    return f"{hours.zfill(2)}:{minutes or '00'}"


def site_body(form: FormData) -> dict[str, Any]:
    """``PUT /sites/{site}``. Raises BadSearch."""
    closed = str(form.get("closed") or "")[:MOST].replace(",", " ").split()
    numbers = {name: int(number_of(str(form.get(name) or ""), name)) for name in NUMBERS}
    return {
        "state": str(form.get("state") or "")[:20],
        "zone": str(form.get("zone") or "")[:60],
        "hours": read_week(form, "hours_"),
        "closed": sorted(set(closed)),
        **numbers,
    }


def therapist_body(form: FormData, site: Site) -> dict[str, Any]:
    """``POST /therapists`` and ``PUT /therapists/{id}``. Raises BadSearch."""
    return {
        "name": str(form.get("name") or "")[:200].strip(),
        "site": site.name,
        "shifts": read_week(form, "shift_"),
        "active": form.get("active") == "yes",
    }


def span_of(form: FormData, site: Site) -> dict[str, str]:
    """From and to of an outage or a new plan, and whom it is about. Raises BadSearch."""
    begin, end = (_moment(form, site, name) for name in ("from", "to"))
    kind, _, identifier = str(form.get("out") or "")[:80].partition(":")
    if kind not in ("device", "therapist") or not identifier:
        raise BadSearch(said("resources_nobody"), "out")
    return {"site": site.name, kind: identifier, "from": begin, "to": end}


def _moment(form: FormData, site: Site, name: str) -> str:
    text = str(form.get(name) or "")[:40]
    try:
        return site.moment(datetime.fromisoformat(text).replace(tzinfo=None)).isoformat()
    except BadSearch as error:
        raise BadSearch(error.words, name) from None
    except (ValueError, OverflowError):
        raise BadSearch(said("plan_bad_moment", value=text or formats.NOTHING), name) from None
