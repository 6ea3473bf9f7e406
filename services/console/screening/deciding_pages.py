"""The decision: may this person be treated, why, what would change it; relative ones are signed here."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import tabs
from services.console.screening.shared import (
    Asked,
    Asker,
    Decider,
    Reader,
    in_words,
    place,
    regions,
    said,
    to,
)
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

TONES: Final = {"cleared": "success", "conditions": "warning", "refused": "error", "incomplete": "info"}
KINDS: Final = ("refuses", "condition", "open")
Text = Annotated[str, Form(max_length=4000)]


def add(routes: APIRouter, console: Console) -> None:
    """``/patients/{patient}/decision`` and its changes."""

    @routes.get("/patients/{patient}/decision")
    async def decision(
        request: Request, who: Reader, patient: str, region: Asked = "", on: Asked = "", done: Asked = ""
    ) -> Response:
        """What the answers say of treatment on a day."""
        return await _page(console, request, who, patient, region, on=on, done=done)

    @routes.post("/patients/{patient}/decision")
    async def keep(request: Request, who: Asker, patient: str, region: Text = "", on: Text = "") -> Response:
        """Keep the decision, with the version of the rules."""
        path = f"/patients/{tabs.known_id(patient)}"
        try:
            await console.screening.send(who, "POST", f"{path}/decisions", {"region": region, "on": on})
        except OfficeRefused as error:
            return await _page(console, request, who, patient, region, error=error)
        return to(f"{path}/decision?region={region}&done=kept")

    @routes.post("/patients/{patient}/decision/conditions/{rule}")
    async def condition(
        request: Request, who: Decider, patient: str, rule: str, region: Text = "", reason: Text = "",
        holds: Text = "yes",
    ) -> Response:  # fmt: skip
        """Sign a condition with a reason, or take the signature back."""
        path = f"/patients/{tabs.known_id(patient)}"
        body = {"region": region, "reason": reason, "holds": holds == "yes"}
        try:
            await console.screening.send(who, "POST", f"{path}/conditions/{rule[:60]}", body)
        except OfficeRefused as error:
            return await _page(console, request, who, patient, region, error=error, rule=rule, typed=reason)
        return to(f"{path}/decision?region={region}&done=signed")


async def _page(
    console: Console, request: Request, who: Principal, patient: str, region: str, *, on: str = "",
    done: str = "", error: OfficeRefused | None = None, rule: str = "", typed: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    problem = said(error, language)
    about, chosen = await place(console, who, patient, region)
    try:
        told = await console.screening.ask(who, f"{about.path}/decision", {"region": chosen, "on": on})
    except OfficeRefused as refusal:
        error, problem = refusal, said(refusal, language)
        told = await console.screening.ask(who, f"{about.path}/decision", {"region": chosen})
    rows = [_reason(row, told["rules"], language) for row in told["reasons"]]
    given = await console.screening.ask(who, f"{about.path}/answers")
    known = await console.screening.ask(who, "/rules")
    return await tabs.page(
        console, request, who, patient, "screening/decision.html", tab="decision", about=about,
        status=error.status if error else 200, told=told, region=chosen, tone=_tone(told),
        text=_title(told, language), on=datetime.fromisoformat(told["treatment_date"]),
        regions=regions(f"{about.path}/decision", language), problem=problem, failed=rule, typed=typed,
        groups=[(kind, [row for row in rows if row["kind"] == kind]) for kind in KINDS],
        kept=[_kept(row, language) for row in told["kept"]], done=done if done in ("kept", "signed") else "",
        answers=_answers(given["answers"], known["rules"], language),
        may_sign=who.may("screening.decide", about.site), may_keep=who.may("screening.answer", about.site),
    )  # fmt: skip


def _tone(told: dict[str, Any]) -> str:
    return "success" if told["may_be_treated"] else TONES[told["decision"]]


def _title(told: dict[str, Any], language: Language) -> str:
    if told["decision"] == "conditions":
        return TEXTS["screening_signed_all" if told["may_be_treated"] else "screening_unsigned"][language]
    return in_words(told, "text", language)


def _reason(row: dict[str, Any], rules: list[dict[str, Any]], language: Language) -> dict[str, Any]:
    rule = next(each for each in rules if each["id"] == row["rule"])
    return {
        "rule": row["rule"], "kind": row["kind"], "text": in_words(row, "text", language),
        "change": in_words(row, "change", language), "signed": row["signed"],
        "source": rule["source_de"] if language == "de" else rule["source"],
        "review": (rule.get("review_de") if language == "de" else rule.get("review")) or "",
        "is_proposal": rule["origin"] == "literature",
    }  # fmt: skip


def _answers(
    rows: list[dict[str, Any]], rules: list[dict[str, Any]], language: Language
) -> list[dict[str, Any]]:
    """Every answer that was ever given, newest first: what was refused once and is not any more."""
    texts = {row["id"]: in_words(row, "text", language) for row in rules}
    return [
        {
            "at": datetime.fromisoformat(row["at"]), "text": texts.get(row["rule"], row["rule"]),
            "answer": TEXTS[f"answer_{row['answer']}"][language], "by": row["by"],
            "given_by": row["given_by"], "detail": _detail(row, language),
        }
        for row in reversed(rows)
    ]  # fmt: skip


def _detail(row: dict[str, Any], language: Language) -> str:
    said = [formats.day(date.fromisoformat(row["on"]), language)] if "on" in row else []
    if "bone_loss_percent" in row:
        said.append(f"{formats.number(row['bone_loss_percent'], language, 1)} %")
    return ", ".join(said)


def _kept(row: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        "at": datetime.fromisoformat(row["at"]), "by": row["by"], "text": _title(row, language),
        "region": TEXTS[f"region_{row['region']}"][language], "version": row["version"],
        "on": datetime.fromisoformat(row["treatment_date"]), "sha256": row["rules_sha256"][:12],
    }  # fmt: skip
