"""A patient's home programmes, and the form that sets one: filled by template, judged while it is typed."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.homecare import reading, setting, typed
from services.console.homecare.shelf import Shelf
from services.console.homecare.typed import Typed
from services.console.patients import tabs
from services.console.patients.tabs import Head
from services.console.planning.problems import Problem
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("homecare.see")]
Setter = Annotated[Principal, allow("homecare.set")]
Field = Annotated[str, Query(max_length=100)]
FORM: Final = "homecare/form.html"


def router(console: Console) -> APIRouter:
    """``/patients/{patient}/homecare``, its form, and ``/homecare/{programme}/edit``."""
    routes = Routes(include_in_schema=False)
    shelf = Shelf(console)
    _add_tab(routes, console)
    _add_form(routes, console, shelf)
    _add_edit(routes, console, shelf)
    return routes


def _add_tab(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/homecare")
    async def tab(request: Request, who: Reader, patient: str) -> Response:
        """Their programmes, the newest first."""
        about = await tabs.head(console, who, patient)
        query = {"site": about.site, "patient": str(about.patient)}
        rows = reading.read((await console.homecare.ask(who, "/programmes", query))["programmes"])
        return await tabs.page(
            console, request, who, patient, "homecare/patient.html", tab="homecare", about=about, rows=rows,
            may_set=who.may("homecare.set", about.site),
        )  # fmt: skip


def _add_form(routes: APIRouter, console: Console, shelf: Shelf) -> None:
    @routes.get("/patients/{patient}/homecare/new")
    async def begin(
        request: Request, who: Setter, patient: str, cure: Field = "", region: Field = ""
    ) -> Response:
        """The form, with what the file says."""
        about = await tabs.head(console, who, patient)
        form = await setting.begun(console, who, about, {"cure": cure, "region": region})
        return await _shown(console, shelf, request, who, about, form)

    @routes.post("/patients/{patient}/homecare/fill")
    async def fill(request: Request, who: Setter, patient: str) -> Response:
        """The same form with the template that fits: by the page's button, or for its script."""
        about, form = await tabs.head(console, who, patient), await _form(request)
        return await _filled(console, shelf, request, who, about, form)

    @routes.post("/patients/{patient}/homecare/decide")
    async def decide(request: Request, who: Setter, patient: str) -> Response:
        """What the gates say of what was typed; nothing is kept."""
        about, form = await tabs.head(console, who, patient), await _form(request)
        return await _shown(console, shelf, request, who, about, form)

    @routes.post("/patients/{patient}/homecare/new")
    async def save(request: Request, who: Setter, patient: str) -> Response:
        """Set it."""
        about, form = await tabs.head(console, who, patient), await _form(request)
        body = {
            "request": form["request"], "site": about.site, "patient": str(about.patient),
            "language": form["language"] or "de", **({"cure": form["cure"]} if form["cure"] else {}),
        }  # fmt: skip
        try:
            made = await console.homecare.send(
                who, "POST", "/programmes", {**body, "wanted": typed.wanted(form)}
            )
        except (BadSearch, OfficeRefused) as error:
            problem = typed.problem_of(error, form, language_of(request))
            return await _shown(console, shelf, request, who, about, form, problem)
        return RedirectResponse(f"/homecare/{made['programme']['id']}?done=set", 303)


def _add_edit(routes: APIRouter, console: Console, shelf: Shelf) -> None:
    @routes.get("/homecare/{programme}/edit")
    async def begin(request: Request, who: Setter, programme: str) -> Response:
        """The form with what holds now."""
        it = await reading.programme(console, who, programme)
        about = await tabs.head(console, who, it["patient"])
        form = typed.filled(Typed(), it["wanted"], language_of(request))
        form |= {"version": str(it["version"]), "request": reading.fresh(), "language": it["language"]}
        return await _shown(console, shelf, request, who, about, form, programme=it)

    @routes.post("/homecare/{programme}/edit/{what}")
    async def change(request: Request, who: Setter, programme: str, what: str) -> Response:
        """Fill it anew, ask the gates, or set the next version."""
        it, form = await reading.programme(console, who, programme), await _form(request)
        about = await tabs.head(console, who, it["patient"])
        if what == "fill":
            return await _filled(console, shelf, request, who, about, form, programme=it)
        if what == "decide":
            return await _shown(console, shelf, request, who, about, form, programme=it)
        try:
            body = {
                "request": form["request"], "version": typed.whole(form, "version"),
                "wanted": typed.wanted(form), "again": sorted(form.again),
            }  # fmt: skip
            await console.homecare.send(who, "PUT", f"/programmes/{it['id']}", body)
        except (BadSearch, OfficeRefused) as error:
            problem = typed.problem_of(error, form, language_of(request))
            return await _shown(console, shelf, request, who, about, form, problem, programme=it)
        return RedirectResponse(f"/homecare/{it['id']}?done=changed", 303)


async def _form(request: Request) -> Typed:
    return typed.of(await request.form(max_files=0, max_fields=typed.MOST_FIELDS))


async def _filled(
    console: Console, shelf: Shelf, request: Request, who: Principal, about: Head, form: Typed,
    programme: dict[str, Any] | None = None,
) -> Response:  # fmt: skip
    problem = None
    try:
        form = await setting.fill(console, who, about, form, language_of(request))
    except (BadSearch, OfficeRefused) as error:
        problem = typed.problem_of(error, form, language_of(request))
    return await _shown(
        console, shelf, request, who, about, form, problem, programme=programme, is_touched=False
    )  # fmt: skip


async def _shown(
    console: Console, shelf: Shelf, request: Request, who: Principal, about: Head, form: Typed,
    problem: Problem | None = None, *,
    programme: dict[str, Any] | None = None, is_touched: bool = True,
) -> Response:  # fmt: skip
    """The form; what was touched is not filled anew by the page's script unasked."""
    language = language_of(request)
    books = await shelf.read(who)
    form.conditions &= books.conditions.keys()
    known = await setting.known_conditions(console, who, about)
    plan = await setting.plan(console, who, about, books, form, language, problem)
    base = f"/homecare/{programme['id']}/edit" if programme else f"{about.path}/homecare"
    return await tabs.page(
        console, request, who, str(about.patient), FORM, tab="homecare", about=about, form=form, plan=plan,
        problem=problem or plan.problem, status=problem.status if problem else 200, programme=programme,
        conditions=typed.ticked_first(books, form, known), save=f"{base}/{'save' if programme else 'new'}",
        base=base, is_touched=is_touched and bool(form.exercises),
        regions=typed.choices(typed.REGIONS, "region_", language),
        stages=_asked(typed.choices(typed.STAGES, "home_stage_", language), language),
        hernias=_asked(typed.choices(typed.HERNIAS, "home_hernia_", language), language),
        sizes=typed.choices(("none", *typed.SIZES), "home_size_", language),
        off=reading.off(programme, books, language) if programme else [],
    )  # fmt: skip


def _asked(choices: list[tuple[str, str]], language: Any) -> list[tuple[str, str]]:
    """Nothing is judged until somebody judges: the first choice is none."""
    return [("", TEXTS["home_choose"][language]), *choices]
