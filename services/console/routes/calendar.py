"""The calendar by device and by therapist, and what its page asks while an appointment is dragged."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.console.context import Console
from services.console.planning import grid, week
from services.console.planning.models import Appointment, rules_of
from services.console.planning.names import names_of
from services.console.planning.places import Site, day_of, offered, site_of, tabs
from services.console.planning.week import KINDS, SPANS, Asked, Resources
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Mover = Annotated[Principal, allow("appointments.write")]
SCRIPT_TEXTS: Final = (
    "cal_moving", "cal_at", "cal_fits", "cal_forbidden", "cal_asking", "cal_left", "cal_moved", "cal_undo",
    "cal_undone", "cal_failed", "cal_drop_hint",
)  # fmt: skip
REASONS: Final = ("patient", "ill", "bed", "therapist", "clinic")


class Target(BaseModel):
    """Where an appointment is to go, by the wall clock of its site."""

    model_config = ConfigDict(extra="forbid")

    site: Annotated[str, Field(max_length=40)]
    at: datetime  # without a zone
    device: Annotated[str, Field(max_length=40)]
    therapist: Annotated[str, Field(max_length=40)]
    scope: Annotated[str, Field(pattern="^(this|following)$")] = "this"
    reason: Annotated[str, Field(max_length=300)] = ""

    def body(self, site: Site) -> dict[str, Any]:
        """The same for the scheduler."""
        return {
            "starts_at": site.moment(self.at.replace(tzinfo=None)).isoformat(),
            "device": self.device,
            "therapist": self.therapist,
            "scope": self.scope,
            "reason": self.reason,
        }


def router(console: Console) -> APIRouter:
    """``/calendar``, ``/api/appointments/{appointment}/check`` and ``.../move``."""
    routes = Routes()
    _add_page(routes, console)
    _add_moves(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/calendar", include_in_schema=False)
    async def calendar(
        request: Request, who: Reader, site: str = "", day: str = "", span: str = "day", by: str = "device",
        of: str = "",
    ) -> Response:  # fmt: skip
        """A day of every device or therapist, or a week of one."""
        place = await site_of(console, who, site)
        asked = Asked(
            day_of(day, place.today()),
            span if span in SPANS else "day",
            by if by in KINDS else "device",
            of[:40],
        )
        return await _shown(console, request, who, place, asked)


async def _shown(console: Console, request: Request, who: Principal, site: Site, asked: Asked) -> Response:
    language = language_of(request)
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    begin, end = site.bounds(asked.first, asked.days)
    answer = await console.scheduler.ask(who, "/calendar", {"site": site.name, "from": begin, "to": end})
    rows = answer["appointments"]
    names = await names_of(console, who, (row["patient"] for row in rows))
    found = [Appointment.of(row, site, names, resources.names()) for row in rows]
    hours, columns = week.columns(asked, site, resources, found, language)
    return console.page(
        request, "planning/calendar.html", page="calendar", title=TEXTS["plan_tab_calendar"][language],
        tabs=tabs(who, site.name), site=site, sites=offered(console, who), asked=asked, hours=hours,
        columns=columns, choices=resources.named(asked.by), turns=_turns(asked),
        heading=_heading(asked, language),
        now_row=_now(site, asked, hours),
        start_row=_start(site, asked, hours), snap=grid.SNAP_MIN // grid.STEP_MIN, step_min=grid.STEP_MIN,
        may_move=who.may("appointments.write", site.name), reasons=REASONS,
        words={name: TEXTS[name][language] for name in SCRIPT_TEXTS},
    )  # fmt: skip


def _turns(asked: Asked) -> tuple[date, date]:
    """The day before and the one after; of a week, those seven days away."""
    step = timedelta(days=asked.days)
    return asked.day - step, asked.day + step


def _heading(asked: Asked, language: Language) -> str:
    if asked.span == "day":
        return formats.long_day(asked.day, language)
    last = asked.first + timedelta(days=asked.days - 1)
    return f"{formats.day(asked.first, language)} {formats.NOTHING} {formats.day(last, language)}"


def _now(site: Site, asked: Asked, hours: grid.Hours) -> float | None:
    """The row of the present, where today is in sight."""
    now = site.now().replace(tzinfo=None)
    row = hours.row(now.date(), now)
    return row if now.date() in asked.all_days() and 0 < row < hours.rows else None


def _start(site: Site, asked: Asked, hours: grid.Hours) -> int:
    """The row that a day without the present begins to be shown at: when the site opens; of one that never
    closes, the hour that it is now.
    """
    opens = [
        grid.clock_on(day, spans[0][0]) for day in asked.all_days() if (spans := week.opening_of(site, day))
    ]
    rows = [hours.row(at.date(), at) for at in opens if at.time() > time()]
    now = site.now().replace(tzinfo=None)
    return int(min(rows) if rows else hours.row(now.date(), now))


def _add_moves(routes: APIRouter, console: Console) -> None:
    @routes.post("/api/appointments/{appointment}/check")
    async def check(request: Request, who: Mover, appointment: str, target: Target) -> dict[str, Any]:
        """Whether it may go there, and the rules that forbid it, in the reader's language."""
        site = await site_of(console, who, target.site)
        answer = await console.scheduler.send(
            who, "POST", f"/appointments/{appointment}/check", target.body(site)
        )
        return {"ok": bool(answer["ok"]), "rules": rules_of(answer, language_of(request))}

    @routes.post("/api/appointments/{appointment}/move")
    async def move(who: Mover, appointment: str, target: Target) -> dict[str, Any]:
        """Move it; a refusal comes as the scheduler says it."""
        site = await site_of(console, who, target.site)
        await console.scheduler.send(who, "POST", f"/appointments/{appointment}/move", target.body(site))
        return {"moved": appointment}
