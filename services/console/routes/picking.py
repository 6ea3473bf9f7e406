"""The item picker's answers to its script: what fits, what it costs, which rules speak of it."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from services.console.billing import drafts
from services.console.billing.drafts import Row
from services.console.context import Console
from services.console.routes.drafts import line_of
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
MOST_LINES = 500


class Asked(BaseModel):
    """What is looked for, beside which lines."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, Field(max_length=200)] = ""
    on: Annotated[str, Field(max_length=10)] = ""
    tariff: Annotated[str, Field(max_length=10)] = "private"
    site: Annotated[str, Field(max_length=40)] = ""
    lines: Annotated[list[dict[str, Any]], Field(max_length=MOST_LINES)] = []


class Typed(Asked):
    """A line as it stands in the form, and whose it is."""

    patient: Annotated[str, Field(max_length=40)] = ""
    line: dict[str, Annotated[str, Field(max_length=1000)]]


def router(console: Console) -> APIRouter:
    """``/api/billing/pick`` and ``/api/billing/check``."""
    routes = Routes()

    @routes.post("/api/billing/pick")
    async def pick(request: Request, who: Reader, asked: Asked) -> dict[str, Any]:
        """Items, best first, each with what it would break beside the lines that are there."""
        body = {
            "q": asked.q, "tariff": asked.tariff, "lines": asked.lines, "on": asked.on or None,
            "site": asked.site or None,
        }  # fmt: skip
        answer = await console.billing.send(who, "POST", "/goae/pick", body)
        language = language_of(request)
        return {"items": [_item(row, language) for row in answer["items"]]}

    @routes.post("/api/billing/check")
    async def check(request: Request, who: Reader, typed: Typed) -> dict[str, Any]:
        """What the line costs and every rule that speaks of it, in the reader's language."""
        language = language_of(request)
        line = line_of(typed.line)
        body: Row = {"tariff": typed.tariff, "lines": [*typed.lines, line]}
        if typed.site and typed.patient:
            body |= {"site": typed.site, "patient": typed.patient}
        answer = await console.billing.send(who, "POST", "/goae/check", body)
        item = await console.billing.ask(
            who, f"/goae/items/{quote(line['number'], safe='')}", {"on": line["date"]}
        )
        own, price = len(typed.lines), answer["prices"][-1]
        spoke = [row for row in answer["findings"] if own in row["lines"] and row["verdict"] != "fine"]
        return {
            "name": price["name"],
            "amount": formats.money(price["amount"], language),
            "points": formats.number(price["points"], language),
            "text": price[f"text_{language}"],
            "paragraph": price["paragraph"],
            "findings": drafts.findings_of(spoke, language),
            "rules": [
                {"paragraph": rule["paragraph"], "sentence": rule["sentence"]} for rule in item["rules"]
            ],
        }

    return routes


def _item(row: Row, language: Language) -> Row:
    found = drafts.findings_of(row["findings"], language)
    return {
        "number": row["number"], "name": row["name"], "points": formats.number(row["points"], language),
        "amount": formats.money(row["price"]["amount"], language),
        "factor": drafts.factor_text(row["price"]["factor"], language),
        "finding": next((one for one in found if one["verdict"] in ("forbidden", "justification")), None),
    }  # fmt: skip
