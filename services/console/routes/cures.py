"""Sessions beside each other: some that were chosen, or all of a cure."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from services.console.context import Console
from services.console.errors import BadSearch, HistoryNotFound
from services.console.refusals import said
from services.console.routes.sessions import Reader, listed
from services.console.sessions import asking, comparing
from services.console.sessions.asking import Asked
from services.console.sessions.comparing import MOST, MOST_OF_CURE, Compared
from services.console.sessions.models import Session
from services.console.sessions.words import script_words
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes


def router(console: Console) -> APIRouter:
    """``/sessions/compare`` and ``/cures/{cure}/sessions``; in front of ``/sessions/{id}``."""
    routes = Routes()

    @routes.get("/sessions/compare", include_in_schema=False)
    async def compare(request: Request, who: Reader) -> Response:
        """The sessions that were chosen."""
        return await _chosen(console, request, who)

    @routes.get("/cures/{cure}/sessions", include_in_schema=False)
    async def cure_sessions(request: Request, who: Reader, cure: str) -> Response:
        """All sessions of a cure; the curves of the newest, or of those that were chosen."""
        return await _of_cure(console, request, who, cure)

    return routes


async def _chosen(console: Console, request: Request, who: Principal) -> Response:
    try:
        ids = comparing.chosen(request.query_params.getlist("session"))
    except BadSearch as error:
        return await listed(console, request, who, Asked(), error)
    rows = await comparing.compared(console.archive, who, ids)
    for row in rows:
        seen = row.session
        await console.record_look(request, who, "session.seen", record=str(seen.id), site=seen.site)
    return _page(console, request, rows, [row.session for row in rows])


async def _of_cure(console: Console, request: Request, who: Principal, text: str) -> Response:
    cure = asking.session_id(text, "cure")
    found, _ = await console.archive.page(who, "/sessions", {"cure": str(cure), "limit": MOST_OF_CURE})
    if not found:
        words = said("archive_unknown_cure", cure=cure)
        raise HistoryNotFound(f"no session of cure {cure} is known here", 404, words)
    sessions = [Session.of(row) for row in reversed(found)]
    console.at(sessions[0].site)
    rows = await comparing.with_curves(console.archive, who, _wanted(request, sessions))
    await console.record_look(request, who, "cure.seen", record=str(cure), site=sessions[0].site)
    return _page(console, request, rows, sessions, cure=str(cure))


def _wanted(request: Request, sessions: Sequence[Session]) -> list[Session]:
    """Those of the cure that are asked for, else the newest. Raises BadSearch."""
    names = request.query_params.getlist("session")
    if not names:
        return list(sessions[-MOST:])
    ids = {asking.session_id(name, "session") for name in names}
    wanted = [session for session in sessions if session.id in ids]
    if not 1 <= len(wanted) <= MOST:
        raise asking.refusal("compare_count", "session", count=str(len(wanted)), most=str(MOST))
    return wanted


def _page(
    console: Console,
    request: Request,
    rows: Sequence[Compared],
    sessions: Sequence[Session],
    *,
    cure: str = "",
) -> Response:
    language = language_of(request)
    title = TEXTS["title_cure" if cure else "title_compare"][language]
    scale, lines = comparing.pictures(rows)
    base = comparing.base_of(rows)
    return console.page(
        request, "compare.html", page="compare", title=title,
        rows=rows, sessions=sessions, cure=cure, scale=scale, lines=lines, facts=comparing.FACTS,
        courses=comparing.courses(sessions), mixture=comparing.mixture(sessions),
        base=base, alike=comparing.alike(rows, base), line=comparing.line(sessions, language),
        script=[row.beginning() for row in rows], most=MOST,
        words=script_words(language),
    )  # fmt: skip
