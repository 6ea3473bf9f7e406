"""The audit trail: its page, its export and the look at its chain."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.console import reads
from services.console.context import Console
from services.console.errors import HistoryRefused, HistoryUnavailable, OfficeRefused, OfficeUnavailable
from services.console.texts import TEXTS
from services.console.trail_words import details
from services.kit import trail_pages
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.moments import instant_of
from services.kit.pages import Language, language_of
from services.kit.routes import Routes, gives
from services.kit.trail import Entry, Finding
from services.kit.trail_pages import Page, Wanted

Reader = Annotated[Principal, allow("trail.see")]
Text = Annotated[str, Query(max_length=10_000)]
Seq = Annotated[int | None, Query(ge=0, le=2**62)]
READS: Final = "telemetry"  # the trail of what was read from it directly
BILLED: Final = "billing"  # its own
CARED: Final = "homecare"  # its own
ACTION: Final = "action_"  # a text of this name says what was done
ACTIONS: Final = {BILLED: "billed_", CARED: "cared_"}  # of another trail


async def wanted(
    who: Text = "",
    action: Text = "",
    record: Text = "",
    site: Text = "",
    first: Text = "",
    last: Text = "",
) -> Wanted:
    """What the page's form asks for; a day that is none asks for nothing."""
    return Wanted(who.strip(), action.strip(), record.strip(), site.strip(), _day(first), _day(last))


Asked = Annotated[Wanted, Depends(wanted)]


def router(console: Console) -> APIRouter:
    """``GET /trail``, ``GET /trail.csv`` and ``POST /trail/verify``."""
    routes = Routes()
    _add_page(routes, console)
    _add_rest(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/trail", include_in_schema=False)
    async def page(
        request: Request, who: Reader, asked: Asked, of: Text = "", before: Seq = None, after: Seq = None
    ) -> Response:
        """Who saw or changed what, newest first; that this was read is written down, too."""
        chosen = {"of": of} if of in (READS, BILLED, CARED) else {}
        told = query_of(asked) | chosen
        await console.record_look(request, who, "trail.seen", detail=told, question=told)
        asked = replace(asked, sites=who.sites("trail.see"))
        language, away, status, shown = language_of(request), "", 200, Page([], None, None)
        look, written = None, 0
        try:
            if chosen:
                shown = await reads.read(_service(console, of), who, asked, before=before, after=after)
            else:
                look = await run_in_threadpool(console.chain.go_on)
                shown = await run_in_threadpool(
                    trail_pages.read, console.trail, asked, before=before, after=after
                )
                written = await run_in_threadpool(console.trail.length)
        except (HistoryUnavailable, HistoryRefused, OfficeUnavailable, OfficeRefused) as error:
            away, status = error.words[language], error.status
        return console.page(
            request,
            "trail.html",
            status=status,
            page="trail",
            title=TEXTS["nav_trail"][language],
            rows=[row_of(entry, language, of) for entry in shown.rows],
            asked=asked,
            of=chosen.get("of", ""),
            away=away,
            actions=actions(language, of),
            older=_address(asked, chosen, before=shown.older),
            newer=_address(asked, chosen, after=shown.newer),
            export=f"/trail.csv?{urlencode(query_of(asked))}",
            filtered=bool(query_of(asked)),
            look=look,
            written=written,
        )


def _add_rest(routes: APIRouter, console: Console) -> None:
    @routes.get("/trail.csv", **gives("text/csv"))
    async def export(request: Request, who: Reader, asked: Asked) -> Response:
        """The same rows as a table for a spreadsheet, oldest first."""
        await console.record(request, who, "trail.exported", detail=query_of(asked))
        asked = replace(asked, sites=who.sites("trail.see"))
        name = f"trail-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.csv"
        return StreamingResponse(
            trail_pages.as_csv(console.trail, asked),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"},
        )

    @routes.post("/trail/verify")
    async def verify(request: Request, who: Reader) -> Response:
        """Look at every row now; one look at a time."""
        found = await run_in_threadpool(console.chain.again)
        await console.record(request, who, "trail.verified", detail=shortly(found))
        return RedirectResponse("/trail", status_code=303)


def shortly(found: Finding) -> dict[str, Any]:
    """What was found, for the row that says somebody looked."""
    return {"rows": found.rows} if found.ok else {"what": found.what, "first_bad": found.first_bad}


def actions(language: Language, of: str = "") -> list[tuple[str, str]]:
    """Every action of that trail that has a text, with it, in the order of the texts."""
    begins = ACTIONS.get(of, ACTION)
    rows = [
        (key.removeprefix(begins), text[language]) for key, text in TEXTS.items() if key.startswith(begins)
    ]
    return sorted(rows, key=lambda row: row[1].casefold())


def row_of(entry: Entry, language: Language, of: str = "") -> dict[str, Any]:
    """A row as the page shows it."""
    text = TEXTS.get(ACTIONS.get(of, ACTION) + entry.action)
    return {
        "seq": entry.seq,
        "at": instant_of(entry.at_us),
        "name": entry.name,
        "account": entry.account,
        "address": entry.address,
        "action": text[language] if text else entry.action,
        "code": entry.action,
        "site": entry.site,
        "record": entry.record,
        "detail": details(entry.detail, language),
        "hash": entry.hash,
    }


def _service(console: Console, of: str) -> reads.Service:
    return {BILLED: console.billing, CARED: console.homecare}.get(of, console.archive)


def query_of(asked: Wanted) -> dict[str, str]:
    """The form's fields that ask for something."""
    fields: Mapping[str, object] = {
        "who": asked.who, "action": asked.action, "record": asked.record, "site": asked.site,
        "first": asked.first_day, "last": asked.last_day,
    }  # fmt: skip
    return {name: str(value)[: trail_pages.LONGEST] for name, value in fields.items() if value}


def _address(asked: Wanted, chosen: Mapping[str, str], **cursor: int | None) -> str:
    """Another page of the same question; empty where there is none."""
    found = {name: str(seq) for name, seq in cursor.items() if seq is not None}
    return f"/trail?{urlencode({**query_of(asked), **chosen, **found})}" if found else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
