"""Exchange with practice systems: the GDT folders, what was taken and why not, whose a record is."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Desk = Annotated[Principal, allow("exchange.use")]
Text = Annotated[str, Form()]
DONE: Final = ("assigned", "opened", "dismissed", "numbered")
MOST_SHOWN: Final = 50


def router(console: Console) -> APIRouter:
    """``/exchange``."""
    routes = Routes(include_in_schema=False)

    @routes.get("/exchange")
    async def shown(request: Request, who: Desk, done: str = "") -> Response:
        """The folders and everything that came and went."""
        return await _page(console, request, who, done=done if done in DONE else "")

    @routes.post("/exchange/records/{file}/{place}")
    async def settle(request: Request, who: Desk, file: UUID, place: int, whose: Text = "") -> Response:
        """Say whose a record is: a patient's, a new one's (`new`), nobody's (`none`)."""
        path = f"/exchange/records/{file}/{place}"
        try:
            if whose == "none":
                await console.screening.send(who, "POST", f"{path}/dismiss")
            else:
                body = {"patient": None if whose == "new" else whose}
                await console.screening.send(who, "POST", f"{path}/assign", body)
        except OfficeRefused as error:
            return await _page(console, request, who, error=error)
        return _to({"none": "dismissed", "new": "opened"}.get(whose, "assigned"))

    @routes.post("/exchange/numbers")
    async def number(request: Request, who: Desk, patient: Text = "", number: Text = "") -> Response:
        """What the practice system calls a patient."""
        try:
            body = {"patient": patient, "number": number.strip()}
            await console.screening.send(who, "PUT", "/exchange/numbers", body)
        except OfficeRefused as error:
            return await _page(console, request, who, error=error, typed={patient: number})
        return _to("numbered")

    return routes


async def _page(
    console: Console, request: Request, who: Principal, *, error: OfficeRefused | None = None,
    typed: dict[str, str] | None = None, done: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    folders = await console.screening.ask(who, "/exchange/folders")
    records = await console.screening.ask(who, "/exchange/records")
    results = await console.screening.ask(who, "/exchange/results")
    waiting = [row for row in records if row["state"] == "waiting"]
    for row in [*records, *results]:
        row["at"] = datetime.fromisoformat(row["at"])
    return console.page(
        request, "exchange.html", status=error.status if error else 200, page="exchange",
        title=TEXTS["nav_exchange"][language], folders=folders, waiting=[_said(row) for row in waiting],
        records=[row for row in records if row["state"] != "waiting"][:MOST_SHOWN],
        results=results[:MOST_SHOWN], done=done, typed=typed or {},
        problem=error.words[language] if error else "",
    )  # fmt: skip


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """What a record says of a person, for a heading."""
    said = row["said"] or {}
    names = [said.get("family_name"), said.get("given_name")]
    born = said.get("birth_date")
    return {
        **row, "person": ", ".join(name for name in names if name),
        "born": date.fromisoformat(born) if born else None,
        "candidates": [
            {**one, "birth_date": date.fromisoformat(one["birth_date"])} for one in row["candidates"]
        ],
    }  # fmt: skip


def _to(done: str) -> Response:
    return RedirectResponse(f"/exchange?done={done}", status_code=303)
