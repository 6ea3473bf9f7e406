"""Where a page of the scheduler is: which site, by which clock, between which tabs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.console.context import Console
from services.console.errors import BadSearch
from services.console.navigation import Tab
from services.console.refusals import said
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission

FIRST_YEAR, LAST_YEAR = 1970, 2999
MOST_CHARACTERS: Final = 40
DEFAULT_ZONE: Final = "Europe/Berlin"


TABS: Final = (
    Tab("board", "plan_tab_board", "/board", "appointments.see"),
    Tab("calendar", "plan_tab_calendar", "/calendar", "appointments.see"),
    Tab("planning", "plan_tab_planning", "/planning", "cures.plan"),
    Tab("cures", "plan_tab_cures", "/cures", "appointments.see"),
    Tab("waiting", "plan_tab_waiting", "/waiting", "appointments.see"),
    Tab("attention", "plan_tab_attention", "/attention", "appointments.write"),
    Tab("replanning", "plan_tab_replanning", "/replanning", "plan.replan"),
    Tab("resources", "plan_tab_resources", "/resources", "appointments.see"),
    Tab("feeds", "plan_tab_feeds", "/feeds", "appointments.see"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """One site as the scheduler keeps it, with its clock."""

    name: str
    zone: ZoneInfo
    body: Mapping[str, Any]

    def today(self) -> date:
        """The day that it is there."""
        return self.now().date()

    def now(self) -> datetime:
        """The time there."""
        return datetime.now(UTC).astimezone(self.zone)

    def local(self, iso: str) -> datetime:
        """A moment of the scheduler by the clock on the wall there, without its zone: as it is shown."""
        return datetime.fromisoformat(iso).astimezone(self.zone).replace(tzinfo=None)

    def day(self, iso: str) -> date:
        """A day of the scheduler."""
        return date.fromisoformat(iso)

    def moment(self, wall: datetime) -> datetime:
        """The moment of a wall clock's time there. Raises BadSearch for one that the clocks leave out."""
        moment = wall.replace(tzinfo=self.zone)
        if moment.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != wall:
            raise BadSearch(said("plan_no_such_time", time=f"{wall:%H:%M}", day=f"{wall:%Y-%m-%d}"), "time")
        return moment

    def bounds(self, first: date, days: int) -> tuple[str, str]:
        """From the beginning of a day to that of another, so many days on."""
        begin = datetime.combine(first, datetime.min.time())
        return begin.replace(tzinfo=self.zone).isoformat(), (
            (begin + timedelta(days=days)).replace(tzinfo=self.zone).isoformat()
        )


def offered(console: Console, who: Principal, permission: Permission = "appointments.see") -> list[str]:
    """The sites that a page offers to this reader."""
    return sorted({*who.seen(permission, console.live.sites()), *(who.sites(permission) or ())})


async def site_of(
    console: Console, who: Principal, wanted: str, permission: Permission = "appointments.see"
) -> Site:
    """The site that is wanted, else the first. Raises BadSearch where there is none, what asking raises."""
    sites = offered(console, who, permission)
    name = wanted.strip()[:MOST_CHARACTERS] or (sites[0] if sites else "")
    if not name:
        raise BadSearch(said("plan_no_site"), "site")
    body = await console.scheduler.ask(who, f"/sites/{quote(name, safe='')}")
    return Site(name, zone_of(str(body.get("zone") or "")), body)


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; the house's own where nobody has said one."""
    try:
        return ZoneInfo(name or DEFAULT_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(DEFAULT_ZONE)


def tabs(who: Principal, site: str) -> list[tuple[str, str, str]]:
    """The tabs that this reader may open: id, text's id, path with the site."""
    return [
        (tab.id, tab.text, f"{tab.path}?site={site}" if site else tab.path)
        for tab in TABS
        if who.may(tab.permission)
    ]


def day_of(text: str, fallback: date) -> date:
    """The day that was typed. Raises BadSearch on what is none."""
    if not text.strip():
        return fallback
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        found = date.min
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadSearch(said("bad_day", value=text.strip()[:MOST_CHARACTERS]), "day")
    return found
