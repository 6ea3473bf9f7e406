"""One home programme: what holds, what was signed, done and hurt; links, turns, answers to pain, the note."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.homecare import course, reading, typed
from services.console.homecare.shelf import Shelf
from services.console.homecare.typed import Typed
from services.console.papers import passed
from services.console.patients import tabs
from services.console.planning.problems import Problem
from services.console.sessions.asking import refusal
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("homecare.see")]
Inviter = Annotated[Principal, allow("homecare.invite")]
Therapist = Annotated[Principal, allow("homecare.supervise")]
Setter = Annotated[Principal, allow("homecare.set")]
Field = Annotated[str, Query(max_length=100)]
DONE: Final = ("set", "changed", "signed", "pause", "resume", "end", "revoked", "answered")
TURNS: Final = ("pause", "resume", "end")
WEEK: Final = 7  # days of the diary that stand there at once
READERS: Final = ("gym", "therapist")


def router(console: Console) -> APIRouter:
    """``/homecare/{programme}`` and what is done there."""
    routes = Routes(include_in_schema=False)
    room = _Room(console, Shelf(console))
    _add_reading(routes, room)
    _add_signing(routes, room)
    _add_links(routes, room)
    return routes


class _Room:
    """What these routes share: the page of a programme, after a question or a refusal."""

    def __init__(self, console: Console, shelf: Shelf) -> None:
        self.console, self.shelf = console, shelf

    async def page(
        self, request: Request, who: Principal, programme: str, *, done: str = "", status: int = 200,
        problem: Problem | None = None, of: str = "", form: Typed | None = None,
        made: Mapping[str, Any] | None = None,
    ) -> Response:  # fmt: skip
        """The whole page; ``of``: which form was refused, ``made``: a link that is shown this once."""
        console, language = self.console, language_of(request)
        it = await reading.programme(console, who, programme)
        about = await tabs.head(console, who, it["patient"])
        books = await self.shelf.read(who)
        shown = await course.of(console, who, it, books, language)
        may = {
            name: who.may(f"homecare.{name}", it["site"])  # type: ignore[arg-type]  # (three permissions)
            for name in ("set", "supervise", "invite")
        }
        return await tabs.page(
            console, request, who, str(about.patient), f"homecare/{'link' if made else 'programme'}.html",
            tab="homecare", about=about, it=it, shown=shown, may=may, problem=problem, of=of,
            form=form or Typed(), done=done, status=problem.status if problem else status, made=made,
            fresh=reading.fresh, books=books, week=WEEK, today=formats.now().date(),
        )  # fmt: skip

    async def send(
        self, request: Request, who: Principal, programme: str, path: str, body: Any, done: str,
        of: str = "", form: Typed | None = None,
    ) -> Response:  # fmt: skip
        """A change; refused, the page says why at its form."""
        known = tabs.known_id(programme)
        form = form or Typed()
        try:
            await self.console.homecare.send(who, "POST", path.format(id=known), body())
        except (BadSearch, OfficeRefused) as error:
            problem = typed.problem_of(error, form, language_of(request))
            return await self.page(request, who, programme, problem=problem, of=of or done, form=form)
        return RedirectResponse(f"/homecare/{known}?done={done}", 303)


def _add_reading(routes: APIRouter, room: _Room) -> None:
    @routes.get("/homecare/{programme}")
    async def one(request: Request, who: Reader, programme: str, done: Field = "") -> Response:
        """The whole programme."""
        return await room.page(request, who, programme, done=done if done in DONE else "")

    @routes.get("/homecare/{programme}/note")
    async def note(
        who: Reader, programme: str, reader: Annotated[Field, Query(alias="for")] = "gym",
        language: Field = "de",
    ) -> Response:  # fmt: skip
        """What is allowed, what is not, until when: as a paper."""
        query = {
            "for": reader if reader in READERS else READERS[0], "language": "en" if language == "en" else "de"
        }  # fmt: skip
        path = f"/programmes/{tabs.known_id(programme)}/note.pdf"
        return await passed(room.console, who, path, query, office=room.console.homecare)


def _add_signing(routes: APIRouter, room: _Room) -> None:
    @routes.post("/homecare/{programme}/supervised")
    async def sign(request: Request, who: Therapist, programme: str) -> Response:
        """A session beside the patient, signed."""
        form = await _form(request)

        def body() -> dict[str, Any]:
            return {
                "request": form["request"], "exercise": form["exercise"], "day": form["day"],
                "went_well": form["well"] == "yes", "note": form["note"],
            }  # fmt: skip

        of = f"sign-{form['exercise']}"
        return await room.send(
            request, who, programme, "/programmes/{id}/supervised", body, "signed", of, form
        )

    @routes.post("/homecare/{programme}/turn/{kind}")
    async def turn(request: Request, who: Setter, programme: str, kind: str) -> Response:
        """Pause it, go on with it, end it."""
        form = await _form(request)

        def body() -> dict[str, Any]:
            if kind not in TURNS:
                raise refusal("bad_choice", "kind", value=kind[:40], choices=", ".join(TURNS))
            _require(form, "reason")
            return {"request": form["request"], "reason": form["reason"]}

        return await room.send(
            request, who, programme, f"/programmes/{{id}}/{kind[:10]}" if kind in TURNS else "", body, kind,
            "turn", form,
        )  # fmt: skip

    @routes.post("/homecare/{programme}/pains/{report}")
    async def answer(request: Request, who: Setter, programme: str, report: str) -> Response:
        """Answer a report of pain: go on, one lower, or it stays off."""
        form, known = await _form(request), tabs.known_id(report)

        def body() -> dict[str, Any]:
            _require(form, "decision")
            return {name: form[name] for name in ("request", "decision", "words")}

        return await room.send(
            request, who, programme, f"/pains/{known}/answer", body, "answered", f"pain-{known}", form
        )


def _add_links(routes: APIRouter, room: _Room) -> None:
    @routes.post("/homecare/{programme}/links")
    async def make(request: Request, who: Inviter, programme: str) -> Response:
        """A link with its code, shown this once, to be handed over."""
        form, known = await _form(request), tabs.known_id(programme)
        try:
            body = {"request": form["request"]}
            made = await room.console.homecare.send(who, "POST", f"/programmes/{known}/links", body)
        except OfficeRefused as error:
            problem = typed.problem_of(error, form, language_of(request))
            return await room.page(request, who, programme, problem=problem, of="links", form=form)
        return await room.page(request, who, programme, made=made)

    @routes.get("/homecare/{programme}/links")
    async def listed(who: Inviter, programme: str) -> Response:
        """Whoever loads the page of a new link again: an address is shown once."""
        del who
        return RedirectResponse(f"/homecare/{tabs.known_id(programme)}#links", status_code=303)

    @routes.post("/homecare/{programme}/links/{link}/revoke")
    async def revoke(request: Request, who: Inviter, programme: str, link: str) -> Response:
        """It leads nowhere from now on."""
        known = tabs.known_id(programme)
        try:
            await room.console.homecare.send(who, "DELETE", f"/links/{tabs.known_id(link)}")
        except OfficeRefused as error:
            problem = typed.problem_of(error, Typed(), language_of(request))
            return await room.page(request, who, programme, problem=problem, of="links")
        return RedirectResponse(f"/homecare/{known}?done=revoked#links", 303)


async def _form(request: Request) -> Typed:
    return typed.of(await request.form(max_files=0, max_fields=20))


def _require(form: Typed, name: str) -> None:
    if not form[name].strip():
        raise refusal("out_needed", name)
