"""The questionnaire on a tablet: handing it over ends the staff's sign-in there, and opens nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from services.console.accounts.identity import SIGN_IN, refuse_forgery
from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.handovers import Handover, Handovers
from services.console.patients import tabs
from services.console.screening.answers import Text, shown, typed_in, value_of
from services.console.screening.shared import Asked, Asker, place, said, to
from services.console.texts import TEXTS
from services.kit.auth.guard import Rule
from services.kit.auth.principal import Principal
from services.kit.errors import NotPermitted, NotSignedIn, SignInFirst, SpondylError
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

TABLET: Final = "/tablet"


@dataclass(frozen=True, slots=True)
class TabletRule(Rule):
    """For a tablet that a questionnaire was handed over on: its cookie, no sign-in and no token."""

    handovers: Handovers | None = None
    cookie: str = ""

    async def __call__(self, connection: HTTPConnection) -> Any:
        """The Handover and its giver, as far as the site goes. Raises NotSignedIn, NotPermitted."""
        if "authorization" in connection.headers:
            await connection.app.state.guard.principal(connection)
            raise NotPermitted("a tablet's questionnaire is opened by handing it over, not by a token")
        secret = connection.cookies.get(self.cookie, "")
        found = await run_in_threadpool(self.handovers.open, secret) if self.handovers and secret else None
        if found is None:
            raise _over(connection)
        handover, user = found
        await refuse_forgery(connection, handover.forgery)
        connection.state.csrf = handover.forgery
        return handover, user.principal.at(handover.site)


def _over(connection: HTTPConnection) -> SpondylError:
    """A browser is led to the sign-in, anything else told why."""
    is_page = connection.scope.get("method") == "GET"
    if is_page and "text/html" in connection.headers.get("accept", ""):
        return SignInFirst(SIGN_IN)
    return NotSignedIn(
        "no questionnaire is handed over on this tablet, or its time is over or it was withdrawn: "
        "sign in and hand it over again"
    )


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/questionnaire/tablet``: for the staff."""
    path = "/patients/{patient}/questionnaire/tablet"

    @routes.get(path)
    async def before(request: Request, who: Asker, patient: str, region: Asked = "") -> Response:
        """What handing over means; the hand-over that is open, to be withdrawn."""
        about, chosen = await place(console, who, patient, region)
        is_open = await run_in_threadpool(console.handovers.of, str(about.patient))
        ends_at = datetime.fromtimestamp(is_open.ends_at_us / 1e6, UTC) if is_open else None
        return await tabs.page(
            console, request, who, patient, "screening/handing.html", tab="questionnaire", about=about,
            region=chosen, open=is_open, ends_at=ends_at, minutes=console.settings.tablet_minutes,
        )  # fmt: skip

    @routes.post(path)
    async def hand_over(request: Request, who: Asker, patient: str, region: Text = "") -> Response:
        """This browser's sign-in ends; the patient's questionnaire begins."""
        about, chosen = await place(console, who, patient, region)
        secret = await run_in_threadpool(console.handovers.make, str(about.patient), chosen, about.site, who)
        detail = {"region": chosen, "minutes": console.settings.tablet_minutes}
        await console.record(
            request, who, "tablet.handed", record=str(about.patient), site=about.site, detail=detail
        )
        await run_in_threadpool(console.accounts.end, request)
        answer = to(TABLET)
        answer.delete_cookie(console.accounts.cookie, path="/", secure=console.accounts.secure, httponly=True)
        answer.set_cookie(
            console.tablet_cookie, secret, path="/", httponly=True, samesite="strict",
            secure=console.accounts.secure, max_age=console.settings.tablet_minutes * 60,
        )  # fmt: skip
        return answer

    @routes.post(f"{path}/withdraw")
    async def withdraw(request: Request, who: Asker, patient: str, region: Text = "") -> Response:
        """The tablet asks for a sign-in from now on."""
        about, chosen = await place(console, who, patient, region)
        await run_in_threadpool(console.handovers.withdraw, str(about.patient))
        await console.record(request, who, "tablet.withdrawn", record=str(about.patient), site=about.site)
        return to(f"{about.path}/questionnaire/tablet?region={chosen}")


def tablet_router(console: Console) -> APIRouter:
    """``/tablet``: for the patient, at a browser that nobody is signed in at."""
    routes = Routes(include_in_schema=False)
    rule = Depends(TabletRule(handovers=console.handovers, cookie=console.tablet_cookie))

    @routes.get(TABLET)
    async def question(request: Request, handed: Annotated[Any, rule], at: Asked = "") -> Response:
        """One question with large buttons; without ``at`` the first that has no answer."""
        return await _question(console, request, handed, at)

    @routes.post(f"{TABLET}/{{rule}}")
    async def answer(
        request: Request, handed: Annotated[Any, rule], rule: str, answer: Text = "", on: Text = "",
        bone_loss_percent: Text = "", fresh_fracture: Text = "",
    ) -> Response:  # fmt: skip
        """Keep one answer in the name of who handed over, as the patient's; go on."""
        handover, giver = handed
        if handover.done:
            return to(TABLET)
        typed = typed_in(answer, on, bone_loss_percent, fresh_fracture)
        rows = await _rows(console, handed, language_of(request))
        if rule not in [row["id"] for row in rows]:  # what needs findings is the staff's to answer
            return to(TABLET)
        body = {"value": value_of(typed), "given_by": "patient"}
        path = f"/patients/{handover.patient}/answers/{rule}"
        try:
            await console.screening.send(giver, "PUT", path, body)
        except OfficeRefused as error:
            return await _question(console, request, handed, rule, error, typed)
        if all(row["answer"] or row["id"] == rule for row in rows):
            await run_in_threadpool(console.handovers.finish, handover.id)
            await console.record(
                request, giver, "tablet.finished", record=handover.patient, site=handover.site
            )
        return to(TABLET)

    return routes


async def _rows(
    console: Console, handed: tuple[Handover, Principal], language: Language
) -> list[dict[str, Any]]:
    """The questions that are the patient's to answer."""
    handover, giver = handed
    sheet = await console.screening.ask(
        giver, f"/patients/{handover.patient}/questionnaire", {"region": handover.region}
    )
    return [shown(row, language) for row in sheet["questions"] if row["asked"] == "patient"]


async def _question(
    console: Console, request: Request, handed: tuple[Handover, Principal], at: str,
    error: OfficeRefused | None = None, typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    handover, language = handed[0], language_of(request)
    problem = said(error, language)
    rows = [] if handover.done else await _rows(console, handed, language)
    now = next((row for row in rows if row["id"] == at), None)
    if now is None:
        now = next((row for row in rows if not row["answer"]), None)
    if now is not None:
        now |= {"problem": problem, **(typed or {})}
    number = rows.index(now) if now else len(rows)
    back_to = f"/patients/{handover.patient}/decision?region={handover.region}"
    return console.page(
        request, "screening/tablet.html", status=error.status if error else 200, page="tablet",
        title=TEXTS["screening_tablet_title"][language], now=now, number=number, total=len(rows),
        answered=sum(bool(row["answer"]) for row in rows),
        back=rows[number - 1]["id"] if number and rows else "",
        staff=f"{SIGN_IN}?next={quote(back_to, safe='')}",
    )  # fmt: skip
