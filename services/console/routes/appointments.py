"""One appointment: everything about it, and every change as a form, for those who do not drag."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.models import MOVABLE, Appointment, rules_of
from services.console.planning.names import names_of
from services.console.planning.places import Site, day_of, site_of, tabs
from services.console.planning.problems import Problem, problem_of
from services.console.planning.week import Resources
from services.console.refusals import said
from services.console.routes.calendar import REASONS
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Writer = Annotated[Principal, allow("appointments.write")]
Text = Annotated[str, Form()]
CHANGES: Final = ("cancel", "missed", "confirm")
DECISIONS: Final = ("counts", "repeat", "end")
MOST: Final = 300
DONE: Final = ("moved", "cancel", "missed", "confirm", "decided")


def router(console: Console) -> APIRouter:
    """``/appointments/{appointment}`` and its changes."""
    routes = Routes(include_in_schema=False)
    _add_page(routes, console)
    _add_move(routes, console)
    _add_changes(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/appointments/{appointment}")
    async def one(request: Request, who: Reader, appointment: str, done: str = "") -> Response:
        """One appointment."""
        return await _shown(console, request, who, appointment, done=done if done in DONE else "")


def _add_move(routes: APIRouter, console: Console) -> None:
    @routes.post("/appointments/{appointment}/move")
    async def move(
        request: Request, who: Writer, appointment: str, day: Text = "", time: Text = "", device: Text = "",
        therapist: Text = "", scope: Text = "this", reason: Text = "", only: Text = "",
    ) -> Response:  # fmt: skip
        """Move it; ``only=check`` says whether it might, and which rules forbid it."""
        typed = {
            "day": day[:20], "time": time[:20], "device": device[:40], "therapist": therapist[:40],
            "scope": scope[:20], "reason": reason[:MOST],
        }  # fmt: skip
        return await _moved(console, request, who, appointment, typed, only_check=only == "check")


async def _moved(
    console: Console, request: Request, who: Principal, appointment: str, typed: dict[str, str],
    *, only_check: bool,
) -> Response:  # fmt: skip
    language = language_of(request)
    body = await console.scheduler.ask(who, f"/appointments/{appointment}")
    site = await site_of(console, who, str(body["site"]))
    try:
        target = _target(site, typed)
        answer = await console.scheduler.send(who, "POST", f"/appointments/{appointment}/check", target)
        rules = rules_of(answer, language)
        if only_check or not answer["ok"]:
            checked = {"ok": bool(answer["ok"]), "rules": rules}
            status = 200 if only_check else 422
            return await _shown(
                console, request, who, appointment, typed=typed, checked=checked, status=status
            )
        _require_reason(typed)
        await console.scheduler.send(who, "POST", f"/appointments/{appointment}/move", target)
    except (BadSearch, OfficeRefused) as error:
        problem = problem_of(error, language)
        return await _shown(console, request, who, appointment, typed=typed, problem=problem)
    return RedirectResponse(f"/appointments/{appointment}?done=moved", 303)


def _require_reason(typed: Mapping[str, str]) -> None:
    if not typed["reason"].strip():
        raise BadSearch(said("plan_reason_missing"), "reason")


def _target(site: Site, typed: dict[str, str]) -> dict[str, Any]:
    """Where it is to go, for the scheduler. Raises BadSearch."""
    day = day_of(typed["day"], site.today())
    try:
        clock = datetime.strptime(typed["time"].strip()[:5], "%H:%M").time()  # noqa: DTZ007  (of a wall clock)
    except ValueError:
        raise BadSearch(said("plan_bad_time", value=typed["time"] or formats.NOTHING), "time") from None
    return {
        "starts_at": site.moment(datetime.combine(day, clock)).isoformat(),
        "device": typed["device"],
        "therapist": typed["therapist"],
        "scope": "following" if typed["scope"] == "following" else "this",
        "reason": typed["reason"],
    }


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/appointments/{appointment}/decide")
    async def decide(
        request: Request, who: Writer, appointment: str, decision: Text = "", reason: Text = ""
    ) -> Response:
        """After a session that broke off: it counts, is repeated, or the cure ends."""
        body = {"decision": decision[:20], "reason": reason[:MOST]}
        return await _changed(console, request, who, appointment, "decide", body, "decided")

    @routes.post("/appointments/{appointment}/{change}")
    async def change(
        request: Request, who: Writer, appointment: str, change: str, scope: Text = "this", reason: Text = "",
        back: Text = "",
    ) -> Response:  # fmt: skip
        """Cancel it, note it as missed, note that the patient knows it."""
        if change not in CHANGES:
            raise BadSearch(said("bad_choice", value=change[:40], choices=", ".join(CHANGES)), "change")
        body = {"scope": "following" if scope == "following" else "this", "reason": reason[:MOST]}
        return await _changed(console, request, who, appointment, change, body, change, back=back)


async def _changed(
    console: Console, request: Request, who: Principal, appointment: str, change: str, body: dict[str, Any],
    done: str, *, back: str = "",
) -> Response:  # fmt: skip
    try:
        await console.scheduler.send(who, "POST", f"/appointments/{appointment}/{change}", body)
    except OfficeRefused as error:
        problem = problem_of(error, language_of(request))
        return await _shown(console, request, who, appointment, problem=problem, asked=change, typed=body)
    if back == "board":
        found = await console.scheduler.ask(who, f"/appointments/{appointment}")
        return RedirectResponse(f"/board?site={found['site']}&done=done", 303)
    return RedirectResponse(f"/appointments/{appointment}?done={done}", 303)


async def _shown(
    console: Console, request: Request, who: Principal, appointment: str, *, done: str = "",
    typed: dict[str, Any] | None = None, checked: dict[str, Any] | None = None,
    problem: Problem | None = None, asked: str = "move", status: int = 200,
) -> Response:  # fmt: skip
    """The page; with what was typed, what the check said, or why it was refused."""
    language = language_of(request)
    body = await console.scheduler.ask(who, f"/appointments/{appointment}")
    site = await site_of(console, who, str(body["site"]))
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    names = await names_of(console, who, [str(body["patient"])])
    it = Appointment.of(body, site, names, resources.names())
    now = {
        "day": it.starts_at.date().isoformat(), "time": f"{it.starts_at:%H:%M}", "device": it.device,
        "therapist": it.therapist, "scope": "this", "reason": "",
    }  # fmt: skip
    may = who.may("appointments.write", site.name)
    return console.page(
        request, "planning/appointment.html", status=problem.status if problem else status,
        page="appointment", title=TEXTS["appointment_title"][language], tabs=tabs(who, site.name), site=site,
        it=it, typed=now | (typed or {}), checked=checked, problem=problem, asked=asked, done=done,
        devices=resources.named("device"),
        therapists=resources.named("therapist"),
        reasons=REASONS, decisions=DECISIONS, may_move=may and it.state in MOVABLE,
        may_decide=may and it.state == "undecided", history=_history(body, site, language),
    )  # fmt: skip


def _history(body: Mapping[str, Any], site: Site, language: Language) -> list[dict[str, Any]]:
    """What became of it, the first first; where it went, who did it and why."""
    rows = []
    for row in body.get("history") or ():
        known = TEXTS.get(f"appointment_did_{row['action']}")
        to = site.local(row["starts_at"])
        place = f"{formats.weekday(to, language)}, {formats.clock(to, language)} · {row['device']}"
        detail = " · ".join(part for part in (place, str(row["by"]), str(row["reason"])) if part)
        text = known[language] if known else str(row["action"])
        rows.append({"at": site.local(row["at"]), "text": text, "detail": detail})
    return rows
