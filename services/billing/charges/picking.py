"""The item picker over HTTP: what the fee schedule has, what a line costs, which rules speak of it."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.billing.goae import catalogue
from services.billing.goae.search import search
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.moments import Now

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
MOST_FOUND = 30


def router(now: Now) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["goae"])

    @made.get("/goae/items")
    def items(who: Reader, q: Annotated[str, Query(max_length=200)], on: date | None = None) -> Row:
        """What fits a number or words, typing errors forgiven; best first."""
        del who
        schedule = catalogue.at(on or now().date())
        return {"items": [found.body() for found in search(schedule, q, MOST_FOUND)]}

    @made.get("/goae/items/{number}")
    def item(who: Reader, number: str, on: date | None = None) -> Row:
        """One item of the schedule."""
        del who
        return catalogue.at(on or now().date()).item(number).body()

    return made
