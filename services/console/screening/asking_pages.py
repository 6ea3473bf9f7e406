"""The questionnaire at the desk: one page, each answer is kept at once."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import tabs
from services.console.screening.answers import Text, shown, typed_in, value_of
from services.console.screening.shared import Asked, Asker, place, regions, said, to
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal
from services.kit.pages import language_of

SECTIONS: Final = ("you", "spine", "surgery", "illness", "neck", "findings")


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/questionnaire`` and its answers."""
    _add_desk(routes, console)
    _add_answer(routes, console)


def _add_desk(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/questionnaire")
    async def desk(request: Request, who: Asker, patient: str, region: Asked = "") -> Response:
        """Every question of a region, with the answers that count."""
        return await _desk(console, request, who, patient, region)


async def _desk(
    console: Console, request: Request, who: Principal, patient: str, region: str,
    error: OfficeRefused | None = None, rule: str = "", typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    problem = said(error, language)
    about, chosen = await place(console, who, patient, region)
    sheet = await console.screening.ask(who, f"{about.path}/questionnaire", {"region": chosen})
    rows = [shown(row, language) for row in sheet["questions"]]
    for row in rows:
        if row["id"] == rule:
            row |= {"problem": problem, **(typed or {})}
    path = f"{about.path}/questionnaire"
    return await tabs.page(
        console, request, who, patient, "screening/questionnaire.html", tab="questionnaire", about=about,
        status=error.status if error else 200, sheet=sheet, region=chosen, regions=regions(path, language),
        sections=[
            (TEXTS[f"screening_section_{name}"][language], [row for row in rows if row["section"] == name])
            for name in SECTIONS if any(row["section"] == name for row in rows)
        ],
    )  # fmt: skip


def _add_answer(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/questionnaire/{rule}")
    async def answer(
        request: Request, who: Asker, patient: str, rule: str, answer: Text = "", on: Text = "",
        bone_loss_percent: Text = "", fresh_fracture: Text = "", region: Text = "",
    ) -> Response:  # fmt: skip
        """Keep one answer; a script is told so, a form goes on to the next question."""
        typed = typed_in(answer, on, bone_loss_percent, fresh_fracture)
        path = f"/patients/{tabs.known_id(patient)}"
        body = {"value": value_of(typed), "given_by": "staff"}
        try:
            told = await console.screening.send(who, "PUT", f"{path}/answers/{rule[:60]}", body)
        except OfficeRefused as error:
            if _wants_json(request):
                return JSONResponse({"detail": said(error, language_of(request))}, error.status)
            return await _desk(console, request, who, patient, region, error, rule, typed)
        if _wants_json(request):
            return JSONResponse(told)
        asked = f"region={region}" if region in ("lumbar", "cervical") else ""
        return to(f"{path}/questionnaire?{asked}#q-{rule[:60]}")


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
