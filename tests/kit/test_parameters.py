"""What an API is asked by a name that its definition does not have is refused, whoever wrote the route."""

from typing import Annotated

import pytest
from access import GUARD, header, somebody
from asgi_client import Client
from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from services.kit.auth.guard import allow, public
from services.kit.http import create_app


async def filters(site: str = "", day: Annotated[str, Query(alias="from")] = "") -> str:
    return site + day


@pytest.fixture
def client():
    """An application with a route of every kind, in a router with a prefix."""
    router = APIRouter(prefix="/v1")
    seen = [allow("beds.see")]

    @router.get("/beds/{bed}", dependencies=seen)
    def beds(bed: str, asked: Annotated[str, Depends(filters)], limit: int = 1) -> str:
        return f"{bed}{asked}{limit}"

    @router.get("/plain", dependencies=seen)
    def plain() -> str:
        return "plain"

    @router.get("/page", dependencies=seen, include_in_schema=False, response_class=HTMLResponse)
    def page() -> str:
        return "<p>page</p>"

    @router.get("/open", dependencies=[public()])
    def for_all() -> str:
        return "open"

    @router.post("/stop", dependencies=[allow("beds.stop")])
    def stop() -> str:
        return "stopped"

    return Client(create_app("test", "1", routers=[router], guard=GUARD))


def told(client, path, method="GET", who=None):
    """Status, and what is said or answered."""
    answer = client.request(method, path, headers=header(who) if who else header())
    body = answer.json() if "json" in answer.headers["content-type"] else answer.text
    return answer.status_code, body


def test_a_parameter_that_there_is_none_of_is_named_with_those_that_there_are(client):
    """Whoever mistypes `from` is not answered as if nothing had been asked."""
    status, body = told(client, "/v1/beds/7?form=monday&limit=2&%3Cscript%3E=1")
    assert (status, body["status"], body["type"]) == (422, 422, "urn:spondyl:problem:unknown-parameter")
    assert body["detail"] == (
        "GET /v1/beds/{bed} has no parameter 'form', '<script>': it takes from, limit, site, "
        "says this API's definition at /openapi.json"
    )
    assert body["detail_de"].startswith("GET /v1/beds/{bed} kennt den Parameter 'form', '<script>' nicht")


def test_what_the_definition_names_is_answered_wherever_it_was_declared(client):
    """Also what a shared dependency reads, by its alias."""
    assert told(client, "/v1/beds/7?from=monday&site=north&limit=2") == (200, "7northmonday2")
    status, body = told(client, "/v1/plain?limit=1")
    assert (status, body["detail"]) == (
        422,
        "GET /v1/plain has no parameter 'limit': it takes none, says this API's definition at /openapi.json",
    )


@pytest.mark.parametrize("path", ["/v1/page?utm_source=mail", "/v1/open?code=7", "/livez?t=1", "/readyz?t=1"])
def test_pages_probes_and_what_is_public_take_what_others_add(client, path):
    """A link in a mail, a provider's answer and a balancer's probe have parameters of their own."""
    assert told(client, path)[0] == 200


def test_a_command_does_not_fail_for_a_word_too_many(client):
    """A STOP that is refused for a stray parameter is a STOP that was not done."""
    assert told(client, "/v1/stop?nonsense=1", "POST") == (200, "stopped")


def test_who_asks_comes_before_what_is_asked(client):
    """A stranger does not learn what a route takes."""
    assert client.get("/v1/plain?limit=1").status_code == 401
    assert told(client, "/v1/plain?limit=1", who=somebody("billing"))[0] == 403


def test_a_long_list_of_names_is_cut(client):
    """A refusal is no echo of megabytes."""
    query = "&".join(f"{'n' * 100}{number}=1" for number in range(50))
    assert len(told(client, f"/v1/plain?{query}")[1]["detail"]) < 400
