"""The console's way to telemetry: in the reader's name, and clear about what it was told."""

import asyncio

import httpx
import pytest
from access import GUARD, PRIVATE
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from services.console.archive import Archive
from services.console.errors import HistoryNotFound, HistoryRefused, HistoryUnavailable
from services.console.refusals import KINDS, refusal
from services.kit.auth import tokens
from services.kit.auth.guard import signed_in
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import SpondylError
from services.kit.http import PROBLEM_TYPE, create_app, problem, problem_type
from services.telemetry import errors

ADA = Principal("0d6f4f2e-0000-4000-8000-0000000000aa", "ada", (Grant("clinician", "north"),))


@pytest.fixture
def telemetry():
    """An application that tells who asks and what, and refuses as telemetry does."""
    router = APIRouter(dependencies=[signed_in()])

    @router.get("/who")
    async def who(request: Request, site: str = "", limit: int = 0) -> JSONResponse:
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


def refused(body, status=422, path="/sessions", query=None):
    return refusal(httpx.Response(status, json=body), path, query)


def test_every_kind_of_refusal_that_has_a_text_is_one_that_telemetry_makes():
    """A class that is called otherwise tomorrow must not turn a German page English."""
    made = {
        problem_type(error(""))
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, SpondylError)
    }
    assert {PROBLEM_TYPE + kind for kind in KINDS} <= made


@pytest.mark.parametrize(
    "body",
    [
        {"type": "about:blank", "detail": "to is 1: it must be above from"},
        {"type": "urn:spondyl:problem:bad-question", "detail": "to is 1: it must be above from"},
        {"type": "urn:spondyl:problem:bad-cursor", "detail": "to is 1: it must be above from"},
        {"type": ["x"], "detail": "to is 1: it must be above from"},
    ],
    ids=["older", "without a text", "of a value that was not asked for", "malformed"],
)
def test_a_refusal_without_a_text_of_ours_stays_in_its_own_words_under_ours(body):
    """Nothing is lost, and a German reader knows at least who refused."""
    words = refused(body).words
    assert words["de"] == "Das Archiv hat die Anfrage abgelehnt: to is 1: it must be above from"
    assert words["en"] == "The archive refused this: to is 1: it must be above from"


def test_what_was_asked_for_stands_in_the_words_cut_to_a_length_that_is_read():
    """A cursor of ten thousand characters is no sentence; braces in it are text."""
    body = {"type": "urn:spondyl:problem:bad-cursor", "detail": "cursor"}
    words = refused(body, query={"cursor": "{0}" + "x" * 10_000, "limit": 5}).words
    assert words["en"] == f"{{0}}{'x' * 77} is no page of this list: open the list anew."


def test_a_kind_is_told_with_what_the_path_asked_for():
    """The id stands in the address, not in the query."""
    body = {"type": "urn:spondyl:problem:unknown-device", "detail": "device 'bed-9' is not known here"}
    error = refused(body, 404, "/devices/bed-9/window", {"from": "0"})
    assert isinstance(error, HistoryNotFound)
    assert error.words["de"] == "Von einer Liege bed-9 ist hier nichts gespeichert."
    assert error.message == "device 'bed-9' is not known here"


@pytest.mark.parametrize("text", ["<html>bad gateway</html>", "[1]", '"x"'])
def test_an_answer_that_is_no_problem_at_all_names_its_status(text):
    """A proxy in between answers as it likes."""
    error = refusal(httpx.Response(502, text=text), "/sessions", None)
    assert error.words["de"] == "Das Archiv hat die Anfrage abgelehnt: telemetry answers 502"


def test_words_that_came_in_german_are_kept():
    """A permission that telemetry misses is said by the table of roles on its side."""
    error = refused({"detail": "samples.see is not permitted", "detail_de": "ada darf das nicht"}, 403)
    assert error.words["de"] == "ada darf das nicht"


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
