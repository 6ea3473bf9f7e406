"""What one patient's treatment costs: estimates before it, fee agreements, how they were handed over."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import costs, open_items
from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.papers import passed
from services.console.patients import tabs
from services.console.patients.tabs import Head
from services.console.planning.problems import problem_of
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("estimates.write")]
DONE: Final = ("made", "handed", "withdrawn")
FILES: Final = ("pdf", "signed")
NOT_FOUND: Final = 404


def router(console: Console) -> APIRouter:
    """``/patients/{patient}/costs`` and the papers below."""
    routes = Routes(include_in_schema=False)
    _tab(routes, console)
    _papers(routes, console)
    _becoming(routes, console)
    return routes


def _tab(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/costs")
    async def shown(request: Request, who: Reader, patient: str) -> Response:
        """Estimates, agreements, and the form of the next one."""
        return await _costs(console, request, who, await tabs.head(console, who, patient))

    @routes.post("/patients/{patient}/costs/preview")
    async def preview(request: Request, who: Writer, patient: str) -> Response:
        """What the estimate that was typed comes to; nothing is made. The way without a script."""
        about, form = await tabs.head(console, who, patient), await _form(request)
        return await _costs(console, request, who, about, form=form, of="estimates")

    @routes.post("/patients/{patient}/costs/sum")
    async def live(request: Request, who: Writer, patient: str) -> Response:
        """The same for the page's script: that part alone."""
        about, form = await tabs.head(console, who, patient), await _form(request)
        quote, _ = await _quote(console, who, about, form, language_of(request))
        return console.page(request, "billing/quote.html", page="patients", quote=quote)

    @routes.post("/patients/{patient}/costs/{papers}")
    async def make(request: Request, who: Writer, patient: str, papers: str) -> Response:
        """Make one."""
        kind, about = costs.kind_of(papers), await tabs.head(console, who, patient)
        form = await _form(request)
        body = (costs.estimate if kind == "estimates" else costs.agreement)(form, about.site, about.patient)
        try:
            made = await console.billing.send(who, "POST", f"/{kind}", body)
        except OfficeRefused as problem:
            return await _costs(console, request, who, about, problem=problem, form=form, of=kind)
        return _to(f"{about.path}/costs/{kind}/{made['id']}?done=made")


def _papers(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/costs/{papers}/{paper}")
    async def one(
        request: Request, who: Reader, patient: str, papers: str, paper: str, done: str = ""
    ) -> Response:
        """What stands on it, and what became of it."""
        about = await tabs.head(console, who, patient)
        return await _paper(console, request, who, about, papers, paper, done=done if done in DONE else "")

    @routes.get("/patients/{patient}/costs/{papers}/{paper}/{document}")
    async def file(
        who: Reader, patient: str, papers: str, paper: str, document: str, language: str = "de"
    ) -> Response:
        """The paper as it was made, its English copy, or the signed one."""
        tabs.known_id(patient)
        path = f"/{costs.kind_of(papers)}/{costs.paper_of(paper)}/{costs.one_of(document, FILES)}"
        query = {"language": "en"} if language == "en" and document == "pdf" else None
        return await passed(console, who, path, query, office=console.billing)


def _becoming(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/costs/{papers}/{paper}/signed")
    async def signed(request: Request, who: Writer, patient: str, papers: str, paper: str) -> Response:
        """Keep that it was handed over, and how."""
        about, path = await _known(console, who, patient, papers, paper)
        async with request.form(max_files=1, max_fields=20) as form:
            typed = costs.typed(form)
            part = {"file": await costs.file_of(form)}
        try:
            await console.billing.send(who, "POST", f"{path}/signed", costs.handing(typed), files=part)
        except OfficeRefused as problem:
            return await _paper(
                console, request, who, about, papers, paper, problem=problem, form=typed, of="signed"
            )
        return _to(f"{about.path}/costs{path}?done=handed")

    @routes.post("/patients/{patient}/costs/{papers}/{paper}/withdraw")
    async def withdraw(request: Request, who: Writer, patient: str, papers: str, paper: str) -> Response:
        """Let it count no more."""
        about, path = await _known(console, who, patient, papers, paper)
        typed = costs.typed(await request.form(max_files=0, max_fields=10))
        try:
            await console.billing.send(who, "POST", f"{path}/withdraw", {"reason": typed.get("reason", "")})
        except OfficeRefused as problem:
            return await _paper(
                console, request, who, about, papers, paper, problem=problem, form=typed, of="withdraw"
            )
        return _to(f"{about.path}/costs{path}?done=withdrawn")


async def _form(request: Request) -> dict[str, str]:
    return costs.typed(await request.form(max_files=0, max_fields=30))


async def _quote(
    console: Console, who: Principal, about: Head, form: costs.Form, language: Language
) -> tuple[Row, OfficeRefused | None]:
    """What the typed estimate comes to, or why there is none."""
    try:
        plan = await console.billing.ask(
            who, "/estimates/preview", costs.question(form, about.site, about.patient)
        )
    except OfficeRefused as problem:
        _raise_if_gone(problem)
        return {"words": problem.words[language]}, problem
    return costs.quote(plan, language), None


async def _begun(
    console: Console, who: Principal, about: Head, form: Row, language: Language
) -> tuple[Row, Row]:
    """A fresh form with what it comes to; without a first visit that was charged already."""
    quote, problem = await _quote(console, who, about, form, language)
    if problem is not None and problem.body.get("field") == "first_visit":
        form = form | {"first_visit": "none"}
        quote, _ = await _quote(console, who, about, form, language)
    return form, quote


async def _known(console: Console, who: Principal, patient: str, papers: str, paper: str) -> tuple[Head, str]:
    about = await tabs.head(console, who, patient)
    return about, f"/{costs.kind_of(papers)}/{costs.paper_of(paper)}"


async def _costs(
    console: Console, request: Request, who: Principal, about: Head, *,
    problem: OfficeRefused | None = None, form: costs.Form | None = None, of: str = "",
) -> Response:  # fmt: skip
    """The tab; ``form`` is what was typed into the one of ``of``."""
    _raise_if_gone(problem)
    language = language_of(request)
    here = {"site": about.site, "patient": str(about.patient)}
    ask = console.billing.ask
    choices = await ask(who, "/estimates/choices", {"site": about.site})
    estimates = (await ask(who, "/estimates", here))["estimates"]
    agreements = (await ask(who, "/agreements", here))["agreements"]
    cases = (await ask(who, "/cases", here))["cases"]
    invoices = (await ask(who, "/invoices", here))["invoices"]
    waiting = (await ask(who, "/estimates/due", {"site": about.site}))["due"]
    due = [row for row in waiting if row["patient"] == str(about.patient)]
    filled, quote = costs.fresh(estimates, cases, due), None
    if of == "estimates":
        filled |= dict(form or {})
        quote, refused = await _quote(console, who, about, filled, language)
        problem = problem or refused
    elif who.may("estimates.write", about.site):
        filled, quote = await _begun(console, who, about, filled, language)
    return await tabs.page(
        console, request, who, str(about.patient), "billing/costs.html", tab="costs", about=about,
        status=problem.status if problem else 200, problem=problem and problem_of(problem, language), of=of,
        estimates=[costs.head(row) for row in estimates], agreements=[costs.head(row) for row in agreements],
        due=due, form=filled, quote=quote, agreed=dict(form or {}) if of == "agreements" else {},
        payers=costs.texts(choices["payers"], language), clauses=range(costs.CLAUSES),
        tariffs=costs.texts(choices["tariffs"], language, "name"), most=choices["most_sessions"],
        visits=costs.texts(choices["first_visits"], language), fresh=costs.request(),
        may_write=who.may("estimates.write", about.site), invoices=open_items.of_patient(invoices),
    )  # fmt: skip


async def _paper(
    console: Console, request: Request, who: Principal, about: Head, papers: str, paper: str, *,
    problem: OfficeRefused | None = None, form: costs.Form | None = None, of: str = "", done: str = "",
) -> Response:  # fmt: skip
    _raise_if_gone(problem)
    language = language_of(request)
    kind, key = costs.kind_of(papers), costs.paper_of(paper)
    it = costs.paper(await console.billing.ask(who, f"/{kind}/{key}"), language)
    text = await _text(console, who, f"/{kind}/{key}/text", it["language"])
    today = max(formats.now().date(), it["issued_on"])  # billing's clock made it
    blank: dict[str, Any] = {
        "request": costs.request(), "how": costs.HOWS[kind][0], "receiver": "", "note": "",
        "on": today.isoformat(),
    }  # fmt: skip
    return await tabs.page(
        console, request, who, str(about.patient), "billing/estimate.html", tab="costs", about=about, it=it,
        kind=kind, text=text, status=problem.status if problem else 200, of=of, done=done,
        problem=problem and problem_of(problem, language), form=blank | dict(form or {}),
        hows=costs.HOWS[kind], today=today,
        may_write=who.may("estimates.write", about.site),
    )  # fmt: skip


async def _text(console: Console, who: Principal, path: str, language: str) -> str:
    """The paper in text form."""
    async with console.billing.file(who, path, {"language": language}) as file:
        return b"".join([part async for part in file.parts]).decode()


def _raise_if_gone(problem: OfficeRefused | None) -> None:
    """What does not exist has a page of its own."""
    if problem is not None and problem.status == NOT_FOUND:
        raise problem


def _to(path: str) -> Response:
    return RedirectResponse(path, 303, headers={"cache-control": "no-store"})
