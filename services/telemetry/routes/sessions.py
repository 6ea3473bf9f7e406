"""`/sessions`: which there were, what they came to, their samples, their black box, their exports."""

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from broker.fields import Region
from services.kit.moments import instant_of
from services.telemetry.archive.rows import SessionRow
from services.telemetry.errors import NotExportable
from services.telemetry.exports.formats import FORMATS, format_of
from services.telemetry.exports.recorded import recorded_session
from services.telemetry.query import History, Span, Wanted, state_of
from services.telemetry.recording import prescribed, recording, session_chunks
from services.telemetry.routes.answers import (
    MAX_NAME,
    Accept,
    Edge,
    Exports,
    FormName,
    Name,
    Points,
    Session,
    SessionList,
    Window,
    asked_spans,
    day_of,
    form_of,
)
from services.telemetry.trail import Reader, ReadTrail
from services.telemetry.windows import MAX_WINDOW, moment

State = Literal["running", "completed", "aborted", "lost"]
JSON_LINES = "application/jsonl"
T = TypeVar("T")


def add(router: APIRouter, history: History, trail: ReadTrail) -> None:
    """The routes of sessions."""
    for part in (_add_list, _add_one, _add_samples, _add_files):
        part(router, history, trail)


def _add_list(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/sessions")
    def sessions(
        request: Request,
        response: Response,
        reader: SessionList,
        site: Name = None,
        device: Name = None,
        cure: UUID | None = None,
        since: Edge = None,
        until: Edge = None,
        state: State | None = None,
        region: Region | None = None,
        patient: UUID | None = None,
        appointment: UUID | None = None,
        cursor: Annotated[str | None, Query(max_length=80)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[dict[str, Any]]:
        """The sessions that started last, newest first; the header `Link` leads to the next page."""
        wanted = Wanted(
            site, device, cure,
            None if since is None else moment("since", since),
            None if until is None else moment("until", until),
            state, region, patient, appointment, reader.sites,
        )  # fmt: skip
        rows, following = history.sessions(wanted, cursor, limit)
        if following:
            query = urlencode({**request.query_params, "cursor": following})
            response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
            response.headers["Spondyl-Next-Cursor"] = following
        ids = {"patient": patient, "cure": cure, "appointment": appointment}
        by = next((name for name, it in ids.items() if it), None)
        named = ids.pop(by) if by else None
        return trail.shown(
            reader, [_session(row) for row in rows], None if named is None else str(named),
            site or reader.site, by=by, **ids, device=device, state=state, region=region,
            since=day_of("since", since), until=day_of("until", until),
        )  # fmt: skip


def _add_one(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/sessions/{session}")
    def one_session(session: UUID, reader: Session) -> dict[str, Any]:
        """One session with the gateway's summary and everything that happened in it."""
        row = history.session(session, reader.sites)
        return _shown(trail, reader, row, _session(row) | {"events": history.session_events(row)})

    @router.get("/sessions/{session}/summary")
    def summary(session: UUID, reader: Session) -> dict[str, Any]:
        """The gateway's own summary, which counts, and what was measured from the stored samples."""
        row = history.session(session, reader.sites)
        answer = {
            "session": str(session),
            "state": state_of(row),
            "summary": row.summary,
            "measured": history.statistics(row),
        }
        return _shown(trail, reader, row, answer)

    @router.get("/sessions/{session}/prescribed")
    def session_prescribed(session: UUID, reader: Session) -> list[dict[str, Any]]:
        """What the bed was told, by its black box: base, peaks and ceiling (N), and from which seq on."""
        row = history.session(session, reader.sites)
        return _shown(trail, reader, row, prescribed(history, row))


def _add_samples(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/sessions/{session}/blocks", responses={200: {"description": "Gapless pieces of samples."}})
    def session_blocks(session: UUID, reader: Session, points: Points = None) -> Response:
        """All samples from the session's start to its end, or to now."""
        row = history.session(session, reader.sites)
        window = Window(row.place, _whole(history, row), points, session=session)
        return _shown(trail, reader, row, window.answer(history))

    @router.get("/sessions/{session}/window", responses={200: {"description": "Gapless pieces of samples."}})
    def session_window(
        session: UUID,
        reader: Session,
        since: Annotated[Edge, Query(alias="from")] = None,
        until: Annotated[Edge, Query(alias="to")] = None,
        points: Points = None,
        form: Annotated[FormName, Query(alias="format")] = None,
        accept: Accept = "",
    ) -> Response:
        """A part of the session, by two times or two seqs; all of it unless told."""
        wanted = form_of(form, accept)
        row = history.session(session, reader.sites)
        spans = _part(history, row, since, until)
        window = Window(row.place, spans, points, wanted, session)
        return _shown(trail, reader, row, window.answer(history))


def _add_files(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/sessions/{session}/recording", responses={200: {"content": {JSON_LINES: {}}}})
    def session_recording(session: UUID, reader: Exports) -> Response:
        """The black box as JSON lines, for `spondyl replay FILE`."""
        row = history.session(session, reader.sites)
        if not session_chunks(history, row):
            raise NotExportable(f"session {session} has no black box: nothing of it was stored")
        answer = _file(recording(history, row), JSON_LINES, f"spondyl-{session}.jsonl")
        return _shown(trail, reader, row, answer, format="recording")

    @router.get("/sessions/{session}/export", responses={200: {"description": "A file."}})
    def export(
        session: UUID,
        reader: Exports,
        form: Annotated[str, Query(alias="format", max_length=MAX_NAME, description=", ".join(FORMATS))],
    ) -> Response:
        """All samples of the session as a file."""
        chosen = format_of(form)
        row = history.session(session, reader.sites)
        recorded = recorded_session(history, row)
        answer = _file(chosen.write(recorded), chosen.media_type, f"{recorded.name}.{chosen.suffix}")
        return _shown(trail, reader, row, answer, format=chosen.name)


def _shown(trail: ReadTrail, reader: Reader, row: SessionRow, answer: T, **detail: object) -> T:
    """The answer, once it is written down that this session is shown."""
    return trail.shown(reader, answer, str(row.id), row.place.site, **detail)


def _file(parts: Any, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(parts, media_type=media_type, headers=headers)


def _whole(history: History, row: SessionRow) -> list[Span]:
    span = history.span(row)
    return [span] if span and span.count else []


def _part(history: History, row: SessionRow, since: str | None, until: str | None) -> list[Span]:
    """What of the session is asked for."""
    whole = _whole(history, row)
    if not whole or (since is None and until is None):
        return whole
    (span,) = whole
    given = since or until or ""
    if given.isascii() and given.isdigit():
        edges = (since or str(span.first), until or str(span.after))
    else:
        start = since or instant_of(row.started_at_us).isoformat()
        edges = (start, until or (instant_of(moment("from", start, or_seq=True)) + MAX_WINDOW).isoformat())
    asked = asked_spans(history, row.place, *edges, span.source.boot)
    pairs = [(max(part.first, span.first), min(part.after, span.after)) for part in asked]
    return [Span(span.source, first, after) for first, after in pairs if first < after]


def _session(row: SessionRow) -> dict[str, Any]:
    ended = row.end_seq is not None and row.first_seq is not None and row.end_seq >= row.first_seq
    return {
        "session": str(row.id),
        "site": row.place.site,
        "device": row.place.device,
        "boot": str(row.boot) if row.boot else None,
        "cure": str(row.cure) if row.cure else None,
        "patient": str(row.patient) if row.patient else None,
        "appointment": str(row.appointment) if row.appointment else None,
        "state": state_of(row),
        "region": row.region,
        "segment": row.segment,
        "started_at": instant_of(row.started_at_us).isoformat(),
        "ended_at": instant_of(row.ended_at_us).isoformat() if row.ended_at_us is not None else None,
        "first_seq": row.first_seq,
        "last_seq": row.end_seq if ended else None,
        "summary": row.summary,
    }
