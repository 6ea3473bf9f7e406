"""What came of treatment: one patient's course and its entries, adverse events, and the chain's report."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.outcomes import drawing, times
from services.console.outcomes import typed as typing_in
from services.console.outcomes.typed import Filled, Typed
from services.console.patients import tabs
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("outcomes.see")]
Writer = Annotated[Principal, allow("outcomes.write")]
Reporter = Annotated[Principal, allow("adverse.report")]
Field = Annotated[str, Query(max_length=40)]
Problem = BadSearch | OfficeRefused
DONE: Final = ("added", "reported", "suspended")


def router(console: Console) -> APIRouter:
    """``/patients/{patient}/outcomes`` and its questionnaire, ``/adverse``; ``/outcomes``."""
    routes = Routes(include_in_schema=False)
    _add_questionnaire(routes, console)
    _add_course(routes, console)
    _add_adverse(routes, console)
    _add_report(routes, console)
    return routes


# --- one patient's course -------------------------------------------------------------------------------
def _add_course(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/outcomes")
    async def course(request: Request, who: Reader, patient: str, done: str = "") -> Response:
        """Plots over each cure, everything that was entered, and the forms."""
        return await _course(console, request, who, patient, done=done if done in DONE else "")

    @routes.post("/patients/{patient}/outcomes/{kind}")
    async def add(request: Request, who: Writer, patient: str, kind: str) -> Response:
        """Keep pain or a leg raise."""
        typed = typing_in.of(await request.form())
        known = (await tabs.head(console, who, patient)).patient
        names = {"pain": ("before", "after"), "leg-raise": ("left_deg", "right_deg")}.get(kind, ())
        try:
            body: dict[str, Any] = {name: typing_in.number(typed, name) for name in names}
            body |= {
                "id": typed.get("id"), "kind": kind, "region": typed.get("region", "lumbar"),
                "cure": typed.get("cure") or None, "measured_at": typing_in.moment(typed, "measured_at"),
                "corrects": typed.get("corrects") or None, "why": typed.get("why", ""),
            }  # fmt: skip
            await console.screening.send(who, "POST", f"/patients/{known}/outcomes", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _course(console, request, who, patient, problem=problem, typed=typed, of=kind)
        return RedirectResponse(f"/patients/{known}/outcomes?done=added", status_code=303)


async def _course(
    console: Console, request: Request, who: Principal, patient: str, *, problem: Problem | None = None,
    typed: Typed | None = None, of: str = "", done: str = "",
) -> Response:  # fmt: skip
    about = await tabs.head(console, who, patient)
    found = times.read(await console.screening.ask(who, f"/patients/{about.patient}/outcomes"))
    language = language_of(request)
    courses = [
        {
            **course, "pain_plots": drawing.pain(course, found["pain"]),
            "score_plots": drawing.scores(course, language),
            "leg_plots": drawing.leg_raises(course, language),
        }
        for course in reversed(found["courses"])
    ]  # fmt: skip
    last = found["courses"][-1] if found["courses"] else None
    return await tabs.page(
        console, request, who, patient, "outcomes/course.html", tab="outcomes", about=about, it=found,
        courses=courses, status=problem.status if problem else 200, problem=problem, typed=typed or Filled(),
        of=of, done=done, fresh={"pain": typing_in.fresh(), "leg": typing_in.fresh()},
        corrections={row["outcome"]: typing_in.fresh() for row in found["outcomes"]}, now=typing_in.now(),
        region=last["region"] if last else "lumbar",
        cure=last["cure"] if last else "", instruments=await _instruments(console, who),
        kinds=await _kinds(console, who), may_write=who.may("outcomes.write", about.site),
        may_report=who.may("adverse.report", about.site),
    )  # fmt: skip


async def _instruments(console: Console, who: Principal) -> dict[str, dict[str, Any]]:
    rows = await console.screening.ask(who, "/instruments")
    return {row["id"]: row for row in rows}


async def _kinds(console: Console, who: Principal) -> dict[str, Any]:
    found = await console.screening.ask(who, "/adverse-kinds")
    return {"kinds": {row["id"]: row for row in found["kinds"]}, "grades": found["grades"]}


# --- a questionnaire, at the desk or on a tablet --------------------------------------------------------
def _add_questionnaire(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/outcomes/questionnaire")
    async def ask(request: Request, who: Writer, patient: str, instrument: Field = "") -> Response:
        """Ten sections with six steps each."""
        return await _questionnaire(console, request, who, patient, instrument, Filled())

    @routes.post("/patients/{patient}/outcomes/questionnaire")
    async def answer(request: Request, who: Writer, patient: str) -> Response:
        """Keep the answers."""
        typed = typing_in.of(await request.form())
        known = tabs.known_id(patient)
        chosen = typed.get("instrument", "")[:40]
        instruments = await _instruments(console, who)
        row = instruments.get(chosen) or next(iter(instruments.values()))
        try:
            body = {
                "id": typed.get("id"), "kind": row["id"], "region": row["region"],
                "cure": typed.get("cure") or None, "answers": typing_in.answers(typed, row["sections"]),
            }  # fmt: skip
            await console.screening.send(who, "POST", f"/patients/{known}/outcomes", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _questionnaire(console, request, who, patient, chosen, typed, problem)
        return RedirectResponse(f"/patients/{known}/outcomes?done=added", status_code=303)


async def _questionnaire(
    console: Console, request: Request, who: Principal, patient: str, chosen: str, typed: Typed,
    problem: Problem | None = None,
) -> Response:  # fmt: skip
    about = await tabs.head(console, who, patient)
    instruments = await _instruments(console, who)
    row = instruments.get(chosen) or next(iter(instruments.values()))
    return await tabs.page(
        console, request, who, patient, "outcomes/questionnaire.html", tab="outcomes", about=about, it=row,
        status=problem.status if problem else 200, problem=problem, typed=typed,
        instruments=instruments.values(), fresh=typed.get("id") or typing_in.fresh(),
        cure=typed.get("cure") or request.query_params.get("cure", "")[:40],
    )  # fmt: skip


# --- adverse events -------------------------------------------------------------------------------------
def _add_adverse(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/adverse")
    async def ask(request: Request, who: Reporter, patient: str) -> Response:
        """The form of an adverse event."""
        return await _adverse(console, request, who, patient, Filled())

    @routes.post("/patients/{patient}/adverse")
    async def report(request: Request, who: Reporter, patient: str) -> Response:
        """Report it; where it has to, it suspends at once."""
        typed = typing_in.of(await request.form())
        known = (await tabs.head(console, who, patient)).patient
        try:
            body = {
                "id": typed.get("id"), "kind": typed.get("kind", ""),
                "grade": typing_in.number(typed, "grade"),
                "region": typed.get("region") or None, "happened_at": typing_in.moment(typed, "happened_at"),
                "session": typed.get("session", "").strip() or None, "detail": typed.get("detail", ""),
            }  # fmt: skip
            typing_in.require(typed, "kind", "grade", "region", "happened_at")
            made = await console.screening.send(who, "POST", f"/patients/{known}/adverse", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _adverse(console, request, who, patient, typed, problem)
        done = "suspended" if made["suspended"] else "reported"
        page = "outcomes" if who.may("outcomes.see") else "adverse"
        return RedirectResponse(f"/patients/{known}/{page}?done={done}", status_code=303)


async def _adverse(
    console: Console, request: Request, who: Principal, patient: str, typed: Typed,
    problem: Problem | None = None,
) -> Response:  # fmt: skip
    about = await tabs.head(console, who, patient)
    return await tabs.page(
        console, request, who, patient, "outcomes/adverse.html", tab="outcomes", about=about,
        status=problem.status if problem else 200, problem=problem, typed=typed, now=typing_in.now(),
        fresh=typed.get("id") or typing_in.fresh(), tables_of=await _kinds(console, who),
    )  # fmt: skip


# --- the chain's report ---------------------------------------------------------------------------------
def _add_report(routes: APIRouter, console: Console) -> None:
    @routes.get("/outcomes")
    async def report(
        request: Request, who: Reader, site: Field = "", region: Field = "",
        since: Annotated[Field, Query(alias="from")] = "", until: Annotated[Field, Query(alias="to")] = "",
    ) -> Response:  # fmt: skip
        """Counts and intervals by site, region and month."""
        asked = {"site": site, "region": region, "from": since, "to": until}
        problem, found = None, None
        try:
            found = await console.screening.ask(who, "/outcomes/report", asked)
        except OfficeRefused as refused:
            problem = refused
        language = language_of(request)
        kinds = await _kinds(console, who)
        return console.page(
            request, "outcomes/report.html", status=problem.status if problem else 200, page="outcomes",
            title=TEXTS["nav_outcomes"][language], it=found, asked=asked, problem=problem,
            sites=_sites(console, who),
            kinds=kinds["kinds"],
        )  # fmt: skip

    @routes.get("/outcomes/file")
    async def as_file(
        who: Reader, site: Field = "", region: Field = "",
        form: Annotated[Field, Query(alias="format")] = "csv",
        since: Annotated[Field, Query(alias="from")] = "", until: Annotated[Field, Query(alias="to")] = "",
    ) -> Response:  # fmt: skip
        """The same as CSV or JSON."""
        asked = {"site": site, "region": region, "from": since, "to": until, "format": form}
        opened = console.screening.file(who, "/outcomes/report", asked)
        file = await opened.__aenter__()

        async def parts() -> Any:
            try:
                async for piece in file.parts:
                    yield piece
            finally:
                await opened.__aexit__(None, None, None)

        name = f'attachment; filename="outcomes.{form}"' if form == "json" else file.disposition
        headers = {"content-disposition": name, "cache-control": "no-store"}
        return StreamingResponse(parts(), media_type=file.media_type, headers=headers)


def _sites(console: Console, who: Principal) -> list[str]:
    """The sites that the form offers."""
    return sorted({*who.seen("outcomes.see", console.live.sites()), *(who.sites("outcomes.see") or ())})
