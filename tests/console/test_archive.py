"""The console's way to telemetry: in the reader's name, and clear about what it was told."""

import asyncio

import httpx
import pytest
from access import GUARD, PRIVATE
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from services.console.archive import Archive
from services.console.errors import HistoryNotFound, HistoryRefused, HistoryUnavailable
from services.kit.auth import tokens
from services.kit.auth.guard import signed_in
from services.kit.auth.principal import Grant, Principal
from services.kit.http import create_app, problem

ADA = Principal("0d6f4f2e-0000-4000-8000-0000000000aa", "ada", (Grant("clinician", "north"),))


@pytest.fixture
def telemetry():
    """An application that tells who asks and what, and refuses as telemetry does."""
    router = APIRouter(dependencies=[signed_in()])

    @router.get("/who")
    async def who(request: Request) -> JSONResponse:
        asked = {"name": request.state.principal.name, "query": dict(request.query_params)}
        return JSONResponse(asked, headers={"spondyl-next-cursor": "7.x"})

    @router.get("/refused/{status}")
    async def refused(status: int) -> JSONResponse:
        return problem(status, "Refused", "in its own words")

    return create_app("telemetry", "0", routers=[router], guard=GUARD)


def archive(app, sign=None):
    return Archive(
        "http://telemetry",
        sign or (lambda who: tokens.mint(PRIVATE, who)),
        transport=httpx.ASGITransport(app),
    )


def test_a_question_is_asked_in_the_readers_name_without_what_is_empty(telemetry):
    """Telemetry must judge the reader, not the console; an empty filter is none."""
    asked, cursor = asyncio.run(
        archive(telemetry).page(ADA, "/who", {"site": "north", "device": "", "cure": None, "limit": 5})
    )
    assert asked == {"name": "ada", "query": {"site": "north", "limit": "5"}}
    assert cursor == "7.x"


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, HistoryNotFound), (403, HistoryRefused), (422, HistoryRefused), (503, HistoryUnavailable)],
)
def test_a_refusal_keeps_its_words_and_its_status(telemetry, status, error):
    """Who asks is told what telemetry knows, not that something went wrong."""
    with pytest.raises(error, match="in its own words") as raised:
        asyncio.run(archive(telemetry).ask(ADA, f"/refused/{status}"))
    assert raised.value.status == status


def test_a_token_that_telemetry_does_not_take_is_no_fault_of_the_reader(telemetry):
    """To sign in again would change nothing: the keys of two machines differ."""
    with pytest.raises(HistoryUnavailable, match="does not accept this console's tokens"):
        asyncio.run(archive(telemetry, lambda _: "forged").ask(ADA, "/who"))


@pytest.mark.parametrize(
    ("address", "words"),
    [("", "SPONDYL_TELEMETRY_URL"), ("http://127.0.0.1:9", "does not answer")],
)
def test_telemetry_that_is_not_there_is_said_so(address, words):
    """With the setting to look at, or the address that is silent."""
    with pytest.raises(HistoryUnavailable, match=words):
        asyncio.run(Archive(address, lambda _: "token").ask(ADA, "/who"))
