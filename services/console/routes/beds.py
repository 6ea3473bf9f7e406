"""One bed: its page, its stored curve, the services behind it, the two commands a remote may give."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request, Response

from services.console import behind
from services.console.accounts.turns import COMMANDS
from services.console.context import Console
from services.console.curve import Curves, Since
from services.console.errors import CommandFailed, HistoryRefused, HistoryUnavailable
from services.console.models import Device
from services.console.remote import ANSWER_S, Action, Late
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow, lacking
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.errors import SpondylError
from services.kit.pages import Language, language_of
from services.kit.routes import Routes

log = structlog.get_logger(__name__)

# What the bed's scripts say themselves; everything else comes from the server as it is shown.
SCRIPT_TEXTS: Final = (
    "target", "curve_no_session", "curve_session_empty", "past_unmeasured", "past_unmeasured_at",
    "bed_sessions_away", "bed_no_sessions", "session_facts",
    "command_sent", "command_by", "command_unreachable",
    "done_stop", "done_pause", "failed_stop", "failed_pause",
    "unanswered_stop", "unanswered_pause", "after_all_stopped", "after_all_paused",
    "screens_copied", "screens_until", "screens_withdraw", "screens_failed", "screens_no_links",
    "mark_guarding.detected", "mark_session.paused", "mark_session.resumed", "mark_session.aborted",
)  # fmt: skip
# Which permission shows which part of the page.
PARTS: Final[dict[str, Permission]] = {
    "stop": "beds.stop",
    "samples": "samples.see",
    "sessions": "sessions.see",
}
LAST_SESSIONS: Final = 5
MAX_NAME: Final = 80  # of what the gateway is told of who asked
RECORD_WAITS_S: Final = 1.0  # of a command's answer for its row, which is written all the same
Sees = Annotated[Principal, allow("beds.see")]
SeesSamples = Annotated[Principal, allow("samples.see")]
Stops = Annotated[Principal, allow("beds.stop")]
Site = Annotated[str | None, Query(max_length=40)]
Write = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]  # puts an outcome of a command into the trail


def router(console: Console) -> APIRouter:
    """``GET /beds/{device}`` and ``/api/beds/{device}/...``."""
    routes = Routes()
    _add_page(routes, console)
    _add_curve(routes, console)
    _add_services(routes, console)
    _add_commands(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/beds/{device}", include_in_schema=False)
    async def bed(request: Request, who: Sees, device: str, site: Site = None) -> Response:
        """One bed: its trace, its session, its way to the store, its events, its curve."""
        language = language_of(request)
        found = console.live.find(device, site, who.sites("beds.see"))
        shown = console.fanout.bed(found, language)
        await _record_look(console, request, who, found)
        at = found.key.site
        console.at(at)
        return console.page(
            request,
            "bed.html",
            page="bed",
            title=found.key.device,
            it=shown["tile"],
            events=shown["events"],
            more=shown,
            bed_texts=_script_texts(language),
            panel=console.panel_of(at, found.key.device),
            may={name: who.may(permission, at) for name, permission in PARTS.items()},
            why=_why(who, at, language),
        )


def _script_texts(language: Language) -> dict[str, str]:
    """What the bed's scripts say themselves."""
    return {name: TEXTS[name][language] for name in SCRIPT_TEXTS}


def _why(who: Principal, site: str, language: Language) -> str:
    """Why there is no STOP on this reader's page; empty where there is one."""
    if who.may("beds.stop", site):
        return ""
    return TEXTS["no_stop"][language].format(name=who.name, site=site)


def _add_curve(routes: APIRouter, console: Console) -> None:
    @routes.get("/api/beds/{device}/curve")
    async def curve(
        request: Request,
        who: SeesSamples,
        device: str,
        site: Site = None,
        minutes: Annotated[int | None, Query(ge=1, le=120)] = None,
        boot: UUID | None = None,
        seq: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        stride: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> dict[str, Any]:
        """The curve of the session that runs, or of the last `minutes`; with `boot` and `seq` only what came
        since. Thinned for a screen; 503 while telemetry does not answer.
        """
        found = console.live.find(device, site, who.sites("samples.see"))
        await _record_look(console, request, who, found)
        curves = Curves(console.archive, who, found)
        if boot is not None and seq is not None:
            return await curves.since(Since(boot, seq, stride))
        session = found.state.session if found.state else None
        if minutes is None and session is not None:
            return await curves.session(session)
        return await curves.minutes(minutes or 15)


def _add_services(routes: APIRouter, console: Console) -> None:
    @routes.get("/api/beds/{device}/behind")
    async def services(who: Sees, device: str, site: Site = None, lang: Language = "en") -> dict[str, Any]:
        """How telemetry and the bedside panel of this bed are, and its last sessions."""
        found = console.live.find(device, site, who.sites("beds.see"))
        asking = behind.Asking(console.archive, who, found.key, lang)
        panel = console.panel_of(found.key.site, found.key.device)
        rows = await asyncio.gather(asking.telemetry(), asking.panel(panel))
        sessions = await _last_sessions(console, who, found, lang)
        screens = asking.screens(console.screens.watching[found.key])
        return {"chain": [*(row for row in rows if row), screens], "sessions": sessions}


async def _last_sessions(
    console: Console, who: Principal, found: Device, language: Language
) -> list[dict[str, str]] | None:
    """The bed's last sessions for those who may see them; None for others, or while telemetry is away."""
    if not who.may("sessions.see", found.key.site):
        return None
    query = {"site": found.key.site, "device": found.key.device, "limit": LAST_SESSIONS}
    try:
        rows, _ = await console.archive.page(who, "/sessions", query)
    except (HistoryRefused, HistoryUnavailable):
        return None
    return [behind.session_row(row, language) for row in rows]


def _add_commands(routes: APIRouter, console: Console) -> None:
    unwritten: set[asyncio.Task[None]] = set()

    def begin(writing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        row = asyncio.create_task(writing)
        unwritten.add(row)
        row.add_done_callback(unwritten.discard)
        return row

    async def record(write: Write, outcome: dict[str, Any], late: Future[Late] | None = None) -> None:
        """Put the command into the trail; a slow one holds up no answer. One that comes late has its own."""
        row = begin(write(outcome))
        if late is not None:
            begin(_record_late(write, row, late))
        await asyncio.wait({row}, timeout=RECORD_WAITS_S)

    @routes.post("/api/beds/{device}/{action}")
    async def command(
        request: Request, who: Stops, device: str, action: Action, site: Site = None
    ) -> dict[str, Any]:
        """Stop or pause a bed from remote; never starts, resumes or raises.

        The command goes out before anything else is done; the trail has it afterwards, answered or not.
        """
        found = console.live.find(device, site, who.sites("beds.see"))
        if not who.may("beds.stop", found.key.site):
            raise lacking(who, "beds.stop", found.key.site)
        write = partial(_record, console, request, who, found, action)
        try:
            reply = await COMMANDS.run(console.remote.ask, found.key, action, who.name[:MAX_NAME])
        except CommandFailed as error:
            await record(write, {"done": False, "detail": error.message}, error.late)
            raise _in_words(error, found, language_of(request)) from None
        await record(write, {"done": True, "detail": reply.detail})
        return reply.model_dump(mode="json") | {
            "by": who.name,
            "time": formats.local(reply.at, console.live.zones.of(found.key.site)).strftime("%H:%M:%S"),
        }


async def _record_look(console: Console, request: Request, who: Principal, found: Device) -> None:
    """Put down who looked. A trail that fails does not take the page with STOP away."""
    key = found.key
    try:
        await console.record_look(request, who, "bed.seen", record=str(key), site=key.site)
    except SpondylError:
        log.exception("a look at a bed is missing in the audit trail", bed=str(key))


def _in_words(error: CommandFailed, found: Device, language: Language) -> CommandFailed:
    """The failure in the reader's language; a refusal stays in the gateway's own words."""
    text = TEXTS[f"command_{error.why}"][language]
    words = text.format(bed=found.key, seconds=f"{ANSWER_S:g}", detail=error.message)
    return CommandFailed(words, error.why)


async def _record(
    console: Console, request: Request, who: Principal, found: Device, action: Action, outcome: dict[str, Any]
) -> None:
    """Put the command into the trail. A trail that fails does not make a stop look as if it had failed."""
    key = found.key
    try:
        await console.record(request, who, f"bed.{action}", record=str(key), site=key.site, detail=outcome)
    except SpondylError:
        log.exception("a command is missing in the audit trail", bed=str(key), action=action)


async def _record_late(write: Write, before: asyncio.Task[None], late: Future[Late]) -> None:
    """A row of what a bed that was silent answered after all, behind the one that says it was silent."""
    came = await asyncio.wrap_future(late)
    await asyncio.wait({before})
    reply = came.reply
    log.warning("a command was answered late", action=reply.action, done=reply.accepted, late_s=came.late_s)
    await write({"done": reply.accepted, "detail": reply.detail, "late_s": round(came.late_s, 1)})
