"""Past sessions: finding one, and everything of one."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.console.context import Console
from services.console.errors import BadSearch, HistoryUnavailable
from services.console.sessions import asking, bedside, curve, drawing, from_console
from services.console.sessions.asking import Asked
from services.console.sessions.models import Session
from services.console.sessions.notes import MOST_CHARACTERS, Notes, checked
from services.console.sessions.record import Record, gather
from services.console.sessions.words import script_words
from services.console.texts import TEXTS
from services.kit.auth.guard import allow, lacking
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes
from services.kit.trail import TrailUnavailable
from services.kit.words import PHASES

FORMATS = ("parquet", "csv", "edf", "fhir", "arrow")
Reader = Annotated[Principal, allow("sessions.see")]
Exporter = Annotated[Principal, allow("sessions.export")]
Writer = Annotated[Principal, allow("notes.write")]
Field = Annotated[str, Query(max_length=200)]


def router(console: Console) -> APIRouter:
    """``/sessions``, ``/sessions/{id}`` with its notes and exports, ``/api/sessions/{id}/curve``."""
    routes = Routes()
    notes = Notes(console.store.engine)
    _add_list(routes, console)
    _add_one(routes, console, notes)
    _add_notes(routes, console, notes)
    _add_files(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/sessions", include_in_schema=False)
    async def found(request: Request, who: Reader) -> Response:
        """Past sessions, newest first, narrowed by the form."""
        given = {name: request.query_params.get(name, "")[:200] for name in Asked.__slots__}
        return await listed(console, request, who, Asked(**given))


async def listed(
    console: Console, request: Request, who: Principal, asked: Asked, problem: BadSearch | None = None
) -> Response:
    """The list; what could not be opened or compared leaves it as it is, with the words why."""
    rows: list[Session] = []
    following = None
    try:
        if asked.q.strip() and problem is None:
            return await _opened(console, request, who, asked.q)
        answer, following = await console.archive.page(who, "/sessions", asked.query(datetime.now(UTC)))
        rows = [Session.of(row) for row in answer]
        await _record_list(console, request, who, asked, rows)
    except BadSearch as error:
        if error.field == "q":
            return await listed(console, request, who, asked, error)
        problem = error
    language = language_of(request)
    return console.page(
        request, "sessions.html", status=problem.status if problem else 200,
        page="sessions", title=TEXTS["title_sessions"][language], asked=asked, rows=rows, following=following,
        problem=problem, sites=[(site, site) for site in _sites(console, who)],
    )  # fmt: skip


async def _record_list(
    console: Console, request: Request, who: Principal, asked: Asked, rows: list[Session]
) -> None:
    """Who saw which list, and how many sessions; by an id it is a row of that one's, also when empty."""
    detail: dict[str, Any] = asked.told() | {"shown": len(rows)}
    named = asked.site if asked.site and who.may("sessions.see", asked.site) else None
    site = rows[0].site if rows else named
    ids = [(name, str(asking.session_id(detail.pop(name), name))) for name in asking.IDS if name in detail]
    for name, record in ids:
        by = detail | {"by": name}
        await console.record_look(request, who, "sessions.searched", record=record, site=site, detail=by)
    if not ids:
        question = asked.told() | {"page": asked.cursor}
        one = site if len({row.site for row in rows}) <= 1 else None
        await console.record_look(request, who, "sessions.listed", site=one, detail=detail, question=question)


async def _opened(console: Console, request: Request, who: Principal, text: str) -> Response:
    """Straight to what has the id that was pasted. Raises BadSearch when nothing has it."""
    wanted = asking.session_id(text)
    address, site = await asking.find(console.archive, who, wanted) or (None, None)
    await console.record_look(request, who, "sessions.searched", record=str(wanted), site=site)
    if address is None:
        raise asking.refusal("nothing_of_id", "q", value=text.strip()[: asking.SHOWN_CHARACTERS])
    return RedirectResponse(address, status_code=303)


def _sites(console: Console, who: Principal) -> list[str]:
    """The sites that the form offers: those that the reader may see, as far as they are known."""
    return sorted({*who.seen("sessions.see", console.live.sites()), *(who.sites("sessions.see") or ())})


def _add_one(routes: APIRouter, console: Console, notes: Notes) -> None:
    @routes.get("/sessions/{session}", include_in_schema=False)
    async def one(request: Request, who: Reader, session: str) -> Response:
        """Everything of one session."""
        return await _shown(console, request, who, notes, session)

    @routes.get("/api/sessions/{session}/curve")
    async def part(
        request: Request,
        who: Reader,
        session: UUID,
        first: Annotated[int, Query(alias="from", ge=0)],
        after: Annotated[int, Query(alias="to", ge=1)],
        width: Annotated[int, Query(ge=curve.LEAST_POINTS, le=curve.MOST_POINTS)] = curve.WHOLE_POINTS,
    ) -> dict[str, Any]:
        """The curve from a sample to before another in at most ``width`` buckets: none hides a peak."""
        found = await curve.window(console.archive, who, session, points=width, first=first, after=after)
        if not console.has_looked(request, who, "session.seen", str(session)):  # not through its page
            seen = Session.of(await console.archive.ask(who, f"/sessions/{session}"))
            await console.record_look(
                request, who, "session.seen", record=str(session), site=seen.site, detail={"part": "curve"}
            )
        return found.as_json()


async def _shown(
    console: Console, request: Request, who: Principal, notes: Notes, text: str,
    *, problem: BadSearch | None = None, typed: str = "",
) -> Response:  # fmt: skip
    """The session's page; with a note that could not be kept, and why."""
    record = await gather(console.archive, who, asking.session_id(text, "session"))
    session = record.session
    console.at(session.site)
    panel = console.panel_of(session.site, session.device)
    language = language_of(request)
    token = console.token_for_panel(who, session.site)
    beside = await bedside.read(panel, token, session.device, session.id, language)
    written = await run_in_threadpool(notes.of, session.id)
    await console.record_look(request, who, "session.seen", record=str(session.id), site=session.site)
    done = await run_in_threadpool(
        from_console.during, console.store.engine, console.trail, session, language
    )
    return console.page(
        request, "session.html", status=problem.status if problem else 200, page="session",
        title=TEXTS["title_session"][language].format(device=session.device), it=record, session=session,
        beside=beside, notes=written, from_console=done, picture=_drawn(record),
        words=script_words(language), phase_words=PHASES, happened=record.happened(language),
        script=record.for_script(language), problem=problem, typed=typed, most=MOST_CHARACTERS,
        formats=FORMATS if who.may("sessions.export", session.site) else (),
        may_note=who.may("notes.write", session.site), panel=panel,
    )  # fmt: skip


def _drawn(record: Record) -> drawing.Drawing | None:
    if not record.curve.rows:
        return None
    top_n = drawing.top_of([record.curve], record.ceiling_n, record.prescribed_peak_n)
    return drawing.drawing(record.curve, record.first, drawing.Scale(record.total_s, top_n))


def _add_notes(routes: APIRouter, console: Console, notes: Notes) -> None:
    @routes.post("/sessions/{session}/notes", include_in_schema=False)
    async def note(
        request: Request, who: Writer, session: str, text: Annotated[str, Form()] = ""
    ) -> Response:
        """Adds a note, for good."""
        try:
            return await _noted(console, request, who, notes, session, text)
        except BadSearch as error:
            return await _shown(console, request, who, notes, session, problem=error, typed=text)
        except (HistoryUnavailable, TrailUnavailable) as error:
            language = language_of(request)
            title = TEXTS["past_note"][language]
            detail = error.words[language] if isinstance(error, HistoryUnavailable) else error.message
            return console.page(
                request, "session_note.html", status=error.status, page="error", title=title,
                detail=detail, typed=text,
            )  # fmt: skip


async def _noted(
    console: Console, request: Request, who: Principal, notes: Notes, text_id: str, text: str
) -> Response:
    wanted = asking.session_id(text_id, "session")
    found = Session.of(await console.archive.ask(who, f"/sessions/{wanted}"))
    if not who.may("notes.write", found.site):
        raise lacking(who, "notes.write", found.site)
    kept = checked(text)
    await console.record(request, who, "note.added", record=str(found.id), site=found.site)
    await run_in_threadpool(notes.add, found.id, found.site, who, kept)
    return RedirectResponse(f"{found.path}#notes", status_code=303)


def _add_files(routes: APIRouter, console: Console) -> None:
    @routes.get("/sessions/{session}/export", include_in_schema=False)
    async def export(
        request: Request, who: Exporter, session: str, form: Annotated[Field, Query(alias="format")] = ""
    ) -> Response:
        """All samples of the session as a file, as telemetry writes it."""
        return await _file(console, request, who, session, form)


async def _file(console: Console, request: Request, who: Principal, text: str, form: str) -> Response:
    wanted = asking.session_id(text, "session")
    found = Session.of(await console.archive.ask(who, f"/sessions/{wanted}"))
    opened = console.archive.file(who, f"/sessions/{wanted}/export", {"format": form})
    file = await opened.__aenter__()
    try:
        await console.record(
            request, who, "session.exported", record=str(wanted), site=found.site, detail={"format": form}
        )
    except BaseException:
        await opened.__aexit__(None, None, None)
        raise

    async def parts() -> Any:
        try:
            async for piece in file.parts:
                yield piece
        finally:
            await opened.__aexit__(None, None, None)

    headers = {"content-disposition": file.disposition, "cache-control": "no-store"}
    return StreamingResponse(parts(), media_type=file.media_type, headers=headers)
