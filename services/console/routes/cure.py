"""Cures of a site, and one cure: its appointments, prescriptions with the next one's proposal, its gates."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeNotFound, OfficeRefused
from services.console.planning import forces, people
from services.console.planning.models import Appointment, rules_of
from services.console.planning.names import names_of
from services.console.planning.places import Site, offered, site_of, tabs
from services.console.planning.problems import Problem, of_prescription, problem_of
from services.console.planning.week import Resources
from services.console.planning.wishes import (
    OF_FILE,
    OF_PERSON,
    OPTIONAL,
    PEAKS,
    PRESCRIBED,
    Wishes,
    number_of,
    peak_of,
)
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
Planner = Annotated[Principal, allow("cures.plan")]
Signer = Annotated[Principal, allow("prescriptions.sign")]
Text = Annotated[str, Form()]
STATES: Final = ("open", "ended", "all")
DONE: Final = ("booked", "ended", "prescribed", "automatic")
SET_BY_HAND: Final = ("hold_s", "traction_min")  # of a proposal, what a clinician may change beside its peak
MOST: Final = 500


def router(console: Console) -> APIRouter:
    """``/cures``, ``/cures/{cure}`` and its changes."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_one(routes, console)
    _add_changes(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/cures")
    async def listed(
        request: Request, who: Reader, site: str = "", state: str = "open", patient: str = ""
    ) -> Response:
        """The cures of a site or of a patient."""
        language = language_of(request)
        place = await site_of(console, who, site)
        state = state if state in STATES else "open"
        query = {"site": place.name} | ({"patient": patient[:40]} if patient else {})
        query |= {"state": state} if state != "all" else {}
        rows = await console.scheduler.ask(who, "/cures", query)
        names = await names_of(console, who, (row["patient"] for row in rows))
        return console.page(
            request, "planning/cures.html", page="cures", title=TEXTS["plan_tab_cures"][language],
            tabs=tabs(who, place.name), site=place, sites=offered(console, who), rows=rows, names=names,
            state=state, states=STATES, may_plan=who.may("cures.plan", place.name),
        )  # fmt: skip


def _add_one(routes: APIRouter, console: Console) -> None:
    @routes.get("/cures/{cure}")
    async def one(request: Request, who: Reader, cure: str, done: str = "") -> Response:
        """One cure."""
        return await _shown(console, request, who, cure, done=done if done in DONE else "")


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/cures/{cure}/end")
    async def end(request: Request, who: Planner, cure: str, reason: Text = "") -> Response:
        """End it early: what is still to come is cancelled."""
        sent = ("POST", f"/cures/{cure}/end", {"reason": reason[:MOST]})
        return await _changed(console, request, who, cure, sent, "ended", "end")

    @routes.post("/cures/{cure}/prescriptions")
    async def prescribe(request: Request, who: Signer, cure: str) -> Response:
        """Confirm the next session's prescription as it was proposed, or with other numbers."""
        form = await request.form()
        names = ("request", "reason", "number", "first", *SET_BY_HAND, *PRESCRIBED, *OPTIONAL)
        typed = {name: str(form.get(name) or "")[:MOST] for name in names}
        typed["request"] = typed["request"] or str(uuid4())
        try:
            if typed["first"]:
                body = _first_prescribed(await _of_file(console, who, cure, Wishes.of(form)), typed)
            else:
                body = _prescribed(await console.scheduler.ask(who, f"/cures/{cure}/proposal"), typed)
        except BadSearch as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, cure, problem=problem, at="prescribe", typed=typed)
        sent = ("POST", f"/cures/{cure}/prescriptions", body | {"request": typed["request"]})
        return await _changed(console, request, who, cure, sent, "prescribed", "prescribe", typed)

    @routes.post("/cures/{cure}/automatic")
    async def automatic(
        request: Request, who: Signer, cure: str, most_peak_n: Text = "", most_step_n: Text = "",
        off: Text = "",
    ) -> Response:  # fmt: skip
        """Set or take back the limits within which no signature is needed."""
        typed = {"most_peak_n": most_peak_n[:20], "most_step_n": most_step_n[:20]}
        try:
            body = None if off else {name: number_of(text, name) for name, text in typed.items()}
        except BadSearch as error:
            problem = problem_of(error, language_of(request))
            return await _shown(console, request, who, cure, problem=problem, at="automatic", typed=typed)
        sent = ("PUT", f"/cures/{cure}/automatic", body)
        return await _changed(console, request, who, cure, sent, "automatic", "automatic", typed)


async def _of_file(console: Console, who: Principal, cure: str, form: Wishes) -> Wishes:
    """What was typed, for the body that the patient's file knows."""
    body = await console.scheduler.ask(who, f"/cures/{cure}")
    site = await site_of(console, who, str(body["site"]))
    return form.of_file(await people.known(console, who, str(body["patient"]), site.today()))


def _first_prescribed(form: Wishes, typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed where nothing is proposed yet. Raises BadSearch."""
    number = int(number_of(typed["number"], "number"))
    document = form.prescription()
    if document is None:
        raise BadSearch(said("plan_bad_number", value=formats.NOTHING), "peak_n")
    return {"number": number, "prescription": document | {"session_number": number}}


def _prescribed(proposal: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """The proposal with what was changed by hand. Raises BadSearch."""
    document = dict(proposal["prescription"])
    if peak := peak_of(typed):
        document = {name: value for name, value in document.items() if name not in PEAKS} | peak
    for name in SET_BY_HAND:
        if typed[name].strip():
            document[name] = number_of(typed[name], name)
    if document != proposal["prescription"]:  # what hangs on the peak is reckoned anew
        for name in ("base_n", "first_peak_n"):
            document.pop(name, None)
    return {"number": proposal["number"], "prescription": document, "reason": typed["reason"]}


async def _changed(
    console: Console, request: Request, who: Principal, cure: str,
    sent: tuple[str, str, Mapping[str, Any] | None], done: str, at: str,
    typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    try:
        await console.scheduler.send(who, *sent)
    except OfficeRefused as error:
        language = language_of(request)
        body: Mapping[str, Any] = error.body
        problem = of_prescription(body.get("rules") or (), (*PRESCRIBED, *OF_PERSON, *OPTIONAL), language)
        problem = problem or problem_of(error, language)
        return await _shown(console, request, who, cure, problem=problem, at=at, typed=typed)
    return RedirectResponse(f"/cures/{cure}?done={done}", 303)


async def _shown(
    console: Console, request: Request, who: Principal, cure: str, *, done: str = "",
    problem: Problem | None = None, at: str = "", typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    body = await console.scheduler.ask(who, f"/cures/{cure}")
    site = await site_of(console, who, str(body["site"]))
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    names = await names_of(console, who, [str(body["patient"])])
    therapists = resources.names()
    rows = [Appointment.of(row, site, names, therapists) for row in body["appointments"]]
    name = names.get(str(body["patient"]), str(body["patient"])[:8])
    proposal = None if body["ended_at"] else await _proposal(console, who, cure)
    may_sign = who.may("prescriptions.sign", site.name)
    first = None if proposal or not may_sign else await _first(console, who, body, site, typed or {})
    return console.page(
        request, "planning/cure.html", status=problem.status if problem else 200, page="cure",
        title=TEXTS["cure_title"][language].format(name=name), tabs=tabs(who, site.name), site=site, it=body,
        name=name, rows=rows, prescriptions=_prescriptions(body, language), proposal=proposal, done=done,
        gate=body["gate"], suspended=body["suspended"], automatic=body.get("automatic"), problem=problem,
        at=at,
        typed={"request": str(uuid4()), **(typed or {})}, may_sign=may_sign, first=first,
        may_plan=who.may("cures.plan", site.name),
        arrives=partial(forces.at_segment, language=language), peak=partial(forces.peak, language=language),
        against=rules_of(proposal, language) if proposal else [],
        reason=str(proposal[f"reason_{language}"]) if proposal else "",
        sees_sessions=who.may("sessions.see", site.name),
    )  # fmt: skip


async def _proposal(console: Console, who: Principal, cure: str) -> dict[str, Any] | None:
    """The next prescription with its reason; none where nothing is to be proposed."""
    try:
        found: dict[str, Any] = await console.scheduler.ask(who, f"/cures/{cure}/proposal")
    except (OfficeNotFound, OfficeRefused):
        return None
    return found


async def _first(
    console: Console, who: Principal, body: Mapping[str, Any], site: Site, typed: Mapping[str, str]
) -> dict[str, Any] | None:
    """What a first prescription is to be made of; none where the next session has one already."""
    to_come = [row for row in body["appointments"] if row["state"] == "booked"]
    if not to_come or to_come[0]["prescription"] is not None:
        return None
    known = await people.known(console, who, str(body["patient"]), site.today())
    values = {name: typed.get(name, "") for name in (*PEAKS, *OPTIONAL)}
    values |= {name: known.get(name, "") for name in OF_FILE} | {"patient": str(body["patient"])}
    return {"number": to_come[0]["number"], "typed": values}


def _prescriptions(body: Mapping[str, Any], language: Language) -> Sequence[Mapping[str, Any]]:
    """Newest first, each with its reason in words."""
    rows = body.get("prescriptions") or ()
    return [{**row, "words": row[f"reason_{language}"]} for row in reversed(rows)]
