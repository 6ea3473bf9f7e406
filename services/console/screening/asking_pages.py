"""The questionnaire: one page at the desk, a question a page on the tablet; each answer is kept at once."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import tabs
from services.console.screening.shared import Asked, Asker, in_words, place, regions, said, to
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

SECTIONS: Final = ("you", "spine", "surgery", "illness", "neck", "findings")
Text = Annotated[str, Form(max_length=40)]
NUMBER_DETAIL: Final = "bone_loss_percent"
FLAG: Final = {"yes": True, "no": False}


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/questionnaire``, its answers, and the tablet's pages."""
    _add_desk(routes, console)
    _add_tablet(routes, console)
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


def shown(row: dict[str, Any], language: Language) -> dict[str, Any]:
    """A question as a page shows it, with the answer that counts."""
    given = row["given"] or {}
    fresh = given.get("fresh_fracture")
    again = TEXTS["screening_ask_again"][language] if row["ask_again"] else ""
    return {
        "again": again.format(
            day=formats.day(datetime.fromisoformat(given["at"]), language),
            answer=TEXTS[f"answer_{given['answer']}"][language],
        ) if again else "",
        **{name: row[name] for name in ("id", "section", "asked", "test", "absolute", "origin")},
        "question": in_words(row, "question", language), "text": in_words(row, "text", language),
        "evidence": in_words(row, "evidence", language),
        "answer": "" if again else given.get("answer", ""),
        "on": given.get("on", ""), "bone_loss_percent": str(given.get(NUMBER_DETAIL, "")),
        "fresh_fracture": "" if fresh is None else "yes" if fresh else "no",
        "by": given.get("by", ""), "at": given.get("at", ""), "problem": "",
    }  # fmt: skip


def _add_tablet(routes: APIRouter, console: Console) -> None:
    @routes.get("/patients/{patient}/questionnaire/tablet")
    async def tablet(
        request: Request, who: Asker, patient: str, region: Asked = "", at: Asked = ""
    ) -> Response:
        """One question with large buttons; without ``at`` the first that has no answer."""
        return await _tablet(console, request, who, patient, region, at)


async def _tablet(
    console: Console, request: Request, who: Principal, patient: str, region: str, at: str,
    error: OfficeRefused | None = None, typed: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    problem = said(error, language)
    about, chosen = await place(console, who, patient, region)
    sheet = await console.screening.ask(who, f"{about.path}/questionnaire", {"region": chosen})
    rows = [shown(row, language) for row in sheet["questions"] if row["asked"] == "patient"]
    now = next((row for row in rows if row["id"] == at), None)
    if now is None:
        now = next((row for row in rows if not row["answer"]), None)
    if now is not None:
        now |= {"problem": problem, **(typed or {})}
    number = rows.index(now) if now else len(rows)
    return console.page(
        request, "screening/tablet.html", status=error.status if error else 200, page="patients",
        title=TEXTS["screening_tablet"][language], about=about, region=chosen, now=now, number=number,
        total=len(rows), answered=sum(bool(row["answer"]) for row in rows),
        back=rows[number - 1]["id"] if number and rows else "",
        path=f"{about.path}/questionnaire/tablet?region={chosen}",
    )  # fmt: skip


def _add_answer(routes: APIRouter, console: Console) -> None:
    @routes.post("/patients/{patient}/questionnaire/{rule}")
    async def answer(
        request: Request, who: Asker, patient: str, rule: str, answer: Text = "", on: Text = "",
        bone_loss_percent: Text = "", fresh_fracture: Text = "", region: Text = "", tablet: Text = "",
    ) -> Response:  # fmt: skip
        """Keep one answer; a script is told so, a form goes on to the next question."""
        typed = {
            "answer": answer, "on": on, NUMBER_DETAIL: bone_loss_percent, "fresh_fracture": fresh_fracture,
        }  # fmt: skip
        path = f"/patients/{tabs.known_id(patient)}"
        body = {"value": _value(typed), "given_by": "patient" if tablet else "staff"}
        try:
            told = await console.screening.send(who, "PUT", f"{path}/answers/{rule[:60]}", body)
        except OfficeRefused as error:
            if _wants_json(request):
                return JSONResponse({"detail": said(error, language_of(request))}, error.status)
            if tablet:
                return await _tablet(console, request, who, patient, region, rule, error, typed)
            return await _desk(console, request, who, patient, region, error, rule, typed)
        if _wants_json(request):
            return JSONResponse(told)
        asked = f"region={region}" if region in ("lumbar", "cervical") else ""
        if tablet:
            return to(f"{path}/questionnaire/tablet?{asked}")
        return to(f"{path}/questionnaire?{asked}#q-{rule[:60]}")


def _value(typed: dict[str, str]) -> dict[str, Any]:
    """An answer as screening takes it: details only where something was typed and the answer is yes."""
    value: dict[str, Any] = {"answer": typed["answer"]}
    if typed["answer"] != "yes":
        return value
    if typed["on"]:
        value["on"] = typed["on"]
    if loss := typed[NUMBER_DETAIL].strip().replace(",", "."):
        try:
            value[NUMBER_DETAIL] = float(loss)
        except ValueError:
            value[NUMBER_DETAIL] = loss  # refused there, in both languages
    if typed["fresh_fracture"] in FLAG:
        value["fresh_fracture"] = FLAG[typed["fresh_fracture"]]
    return value


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
