"""One patient's clearance: how it stands, what suspends it, giving, restoring, reviews; who needs a look."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused, OfficeUnavailable
from services.console.outcomes import times
from services.console.outcomes import typed as typing_in
from services.console.outcomes.happened import happened, said
from services.console.outcomes.typed import Filled, Typed
from services.console.patients import tabs
from services.console.planning.names import names_of
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("patients.see")]
Signer = Annotated[Principal, allow("clearance.sign")]
DONE = ("given", "restored", "suspended", "signed")
USUAL_DAYS = 90
Problem = BadSearch | OfficeRefused


def router(console: Console) -> APIRouter:
    """``/patients/{patient}/clearance`` and what is signed there; ``/attention``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/patients/{patient}/clearance")
    async def one(request: Request, who: Reader, patient: str, done: str = "") -> Response:
        """How it stands in each region, and everything that led there."""
        return await _shown(console, request, who, patient, done=done if done in DONE else "")

    @routes.get("/attention")
    async def attention(request: Request, who: Reader) -> Response:
        """Whom a clinician has to look at today; to the desk, what it has to clear up, without findings."""
        rows = times.read(await console.screening.ask(who, "/attention"))
        sees_why = who.may("outcomes.see")
        if not sees_why:
            rows = [row for row in rows if row["ask_again"]]
        title = TEXTS["att_title" if sees_why else "att_desk_title"][language_of(request)]
        booked, is_known = await _booked(console, who)
        names = await names_of(console, who, (str(row["patient"]) for row in booked))
        return console.page(
            request, "outcomes/attention.html", page="attention", title=title, rows=rows, booked=booked,
            names=names, is_known=is_known, sees_why=sees_why, pains_at_home=await _at_home(console, who),
        )  # fmt: skip

    _add_giving(routes, console)
    _add_reviews(routes, console)
    return routes


async def _booked(console: Console, who: Principal) -> tuple[list[dict[str, Any]], bool]:
    """Who has appointments and may not be treated, refused ones first; whether the scheduler said it."""
    if not who.may("appointments.see"):
        return [], True
    try:
        rows = await console.scheduler.ask(who, "/unready")
    except (OfficeRefused, OfficeUnavailable):
        return [], False
    rows = [row | {"first_at": datetime.fromisoformat(row["first_at"])} for row in rows]
    return sorted(rows, key=lambda row: (row["care"]["state"] != "refused", row["first_at"])), True


async def _at_home(console: Console, who: Principal) -> int:
    """How many reports of pain at home nobody has answered; none while homecare is not here."""
    if not who.may("homecare.see"):
        return 0
    try:
        return len((await console.homecare.ask(who, "/pains/open"))["reports"])
    except (OfficeRefused, OfficeUnavailable):
        return 0


def _add_giving(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/clearance/give")
    async def give(request: Request, who: Signer, patient: str) -> Response:
        """Sign a clearance."""
        typed = typing_in.of(await request.form())

        def body() -> dict[str, Any]:
            return {"region": typed.get("region"), "days": typing_in.number(typed, "days") or USUAL_DAYS}

        return await _sent(console, request, who, patient, "clearances", body, typed, "given")

    @routes.post("/patients/{patient}/clearance/restore")
    async def restore(request: Request, who: Signer, patient: str) -> Response:
        """End suspensions, with a signed reason."""
        form = await request.form()
        typed = typing_in.of(form)

        def body() -> dict[str, Any]:
            chosen = [str(one)[:40] for one in form.getlist("suspension")]
            return {"suspensions": chosen, "reason": typed.get("reason", "")}

        return await _sent(console, request, who, patient, "restore", body, typed, "restored")

    @routes.post("/patients/{patient}/clearance/suspend")
    async def suspend(request: Request, who: Signer, patient: str) -> Response:
        """Suspend, in a clinician's words."""
        typed = typing_in.of(await request.form())

        def body() -> dict[str, Any]:
            return {"region": typed.get("region") or None, "detail": typed.get("detail", "")}

        return await _sent(console, request, who, patient, "suspensions", body, typed, "suspended")


def _add_reviews(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/clearance/gates/{number}")
    async def sign(request: Request, who: Signer, patient: str, number: int) -> Response:
        """Sign a review."""
        typed = typing_in.of(await request.form())

        def body() -> dict[str, Any]:
            said = next((text for name, text in typed.items() if name.startswith("review-")), "")
            return {"cure": typed.get("cure") or None, "reason": said}

        return await _sent(console, request, who, patient, f"gates/{number}/sign", body, typed, "signed")


async def _sent(
    console: Console, request: Request, who: Principal, patient: str, path: str, body: Any, typed: Typed,
    done: str,
) -> Response:  # fmt: skip
    known = tabs.known_id(patient)
    try:
        await console.screening.send(who, "POST", f"/patients/{known}/{path}", body())
    except (BadSearch, OfficeRefused) as problem:
        return await _shown(console, request, who, patient, problem=problem, typed=typed)
    return RedirectResponse(f"/patients/{known}/clearance?done={done}", status_code=303)


async def _shown(
    console: Console, request: Request, who: Principal, patient: str, *, problem: Problem | None = None,
    typed: Typed | None = None, done: str = "",
) -> Response:  # fmt: skip
    about = await tabs.head(console, who, patient)
    language = language_of(request)
    found = times.read(await console.screening.ask(who, f"/patients/{about.patient}/clearances"))
    kinds = {row["id"]: row for row in (await console.screening.ask(who, "/adverse-kinds"))["kinds"]}
    for one in found["suspensions"]:
        one["said"] = said(one, kinds, language)
    return await tabs.page(
        console, request, who, patient, "outcomes/clearance.html", tab="clearance", about=about, it=found,
        status=problem.status if problem else 200, problem=problem, typed=typed or Filled(), done=done,
        usual_days=USUAL_DAYS, may_sign=who.may("clearance.sign", about.site),
        history=happened(found, language),
    )  # fmt: skip
