"""Rules and the guard: who passes, who is refused how, and which app does not start."""

import asyncio
from typing import Annotated

import httpx
import pytest
from access import GUARD, header, somebody
from asgi_client import Client
from fastapi import APIRouter, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from services.kit import http
from services.kit.auth.guard import (
    NOBODY,
    Guard,
    allow,
    lacking,
    public,
    require_rules,
    ruled,
    signed_in,
    sites_for,
)
from services.kit.auth.principal import SYSTEM, Principal, Sites
from services.kit.errors import SpondylError


def app_of(guard=GUARD):
    """An application with a route of every rule."""
    router = APIRouter()

    @router.get("/stop")
    def stop(who: Annotated[Principal, allow("beds.stop")]) -> str:
        return who.name

    @router.get("/where")
    def where(sites: Annotated[Sites, sites_for("beds.see")]) -> list[str] | None:
        return None if sites is None else sorted(sites)

    @router.get("/known", dependencies=[signed_in()])
    def known() -> str:
        return "you"

    @router.post("/numbers", dependencies=[allow("users.manage")])
    def numbers(count: int) -> int:
        return count

    @router.get("/open", dependencies=[public()])
    def for_all() -> str:
        return "anybody"

    @router.websocket("/live")
    async def live(socket: WebSocket, who: Annotated[Principal, allow("beds.see")]) -> None:
        await socket.accept()
        await socket.send_text(who.name)
        await socket.close()

    return http.create_app("t", "0", routers=[router], guard=guard)


def told(client, path, who=None, **headers):
    """Status and detail."""
    answer = client.get(path, headers=(header(who) if who else {}) | headers)
    return answer.status_code, answer.json()


@pytest.fixture
def client():
    """Asks the application."""
    return Client(app_of())


@pytest.mark.parametrize("path", ["/stop", "/where", "/known"])
def test_nobody_is_answered_401_and_told_how_to_become_somebody(client, path):
    """Problem+json with the scheme, as RFC 9110 asks."""
    answer = client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("nobody is signed in")


@pytest.mark.parametrize("path", ["/open", "/livez", "/readyz", "/metrics", "/openapi.json"])
def test_what_is_public_asks_nobody(client, path):
    """A probe holds no token, and a bad one does not shut the door that is open."""
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"authorization": "Bearer nonsense"}).status_code == 200


def test_whoever_lacks_the_permission_is_told_which_and_who_has_it(client):
    """So that a person knows whom to ask."""
    status, body = told(client, "/stop", somebody("monitor", "north"))
    assert status == 403
    assert body["detail"] == (
        "beds.stop is not permitted to 'monitor': "
        "it comes with the role administrator or clinician or therapist"
    )
    assert body["type"] == "urn:spondyl:problem:not-permitted"
    assert body["detail_de"] == (
        "monitor darf das nicht: Stopp und Pause aus der Ferne. "
        "Das erlaubt die Rolle „Administration“ oder „Ärztin, Arzt“ oder „Therapeutin, Therapeut“."
    )
    assert told(client, "/stop", somebody("clinician", "north")) == (200, "clinician")


@pytest.mark.parametrize(
    ("site", "german", "english"),
    [
        (None, "moni darf das nicht: das Protokoll.", "moni may not do this: the audit trail;"),
        ("north", "moni darf das am Standort north nicht:", "moni may not do this at site north:"),
        ("*", "moni darf das an allen Standorten nicht:", "moni may not do this at every site:"),
    ],
)
def test_a_person_reads_what_it_opens_and_not_what_it_is_called_inside(site, german, english):
    """`trail.see` is a word of tokens and of code."""
    words = lacking(Principal("m", "moni", ()), "trail.see", site).words
    assert words["de"].startswith(german)
    assert words["en"].startswith(english)
    assert "trail.see" not in words["de"] + words["en"]


def test_a_route_learns_where_its_permission_holds(client):
    """None for everywhere, and no more than was granted."""
    assert told(client, "/where", SYSTEM) == (200, None)
    assert told(client, "/where", somebody("monitor", "south", "north")) == (200, ["north", "south"])
    assert told(client, "/where", somebody("billing", "north"))[0] == 403


def test_somebody_without_any_role_is_known_and_may_nothing(client):
    """An account whose last grant was taken away."""
    nobody = Principal("x", "x" * 10_000, ())
    assert told(client, "/known", Principal("x", "x", ())) == (200, "you")
    assert told(client, "/where", Principal("x", "x", ()))[0] == 403
    with pytest.raises(SpondylError, match="at most 8192 pass"):
        header(nobody)


def test_the_rule_is_asked_before_the_question_is_looked_at(client):
    """A stranger does not learn what a route wants."""
    assert client.post("/numbers?count=nonsense").status_code == 401
    told_off = client.post("/numbers?count=nonsense", headers=header(somebody("monitor")))
    assert told_off.status_code == 403
    assert client.post("/numbers?count=nonsense", headers=header()).status_code == 422


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_header_is_a_401_in_plain_words(raw):
    """Header bytes come from anywhere."""
    value = bytes(byte for byte in raw if byte not in b"\r\n\0")
    answer = Client(app_of()).request("GET", "/known", headers={"authorization": value})
    assert answer.status_code == 401
    assert len(answer.json()["detail"]) < 200


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest x", "Bearer", "Bearer ", "token abc"])
def test_other_schemes_and_empty_ones_are_refused(client, value):
    """Nothing is guessed."""
    assert client.get("/known", headers={"authorization": value}).status_code == 401


def test_a_page_leads_to_the_sign_in_and_back_while_a_program_gets_its_401():
    """A browser that opens a page is a person; a script's call is not."""
    client = Client(app_of(Guard(GUARD.identify, sign_in="/sign-in")))
    page = client.get("/known?a=1&b=ä", headers={"accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.headers["location"]) == (
        303,
        "/sign-in?next=%2Fknown%3Fa%3D1%26b%3D%25C3%25A4",
    )
    assert client.get("/known", headers={"accept": "application/json"}).status_code == 401
    posted = client.post("/numbers?count=1", headers={"accept": "text/html"})
    assert posted.status_code == 401


def handshake(app, **headers):
    """What a WebSocket's opening is answered with: the messages the application sends."""
    sent = []
    scope = {
        "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "scheme": "ws",
        "server": ("testserver", 80), "client": ("127.0.0.1", 1), "subprotocols": [],
        "extensions": {"websocket.http.response": {}}, "asgi": {"version": "3.0"}, "state": {},
    }  # fmt: skip

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_a_socket_is_refused_before_it_is_open():
    """With the status that a request would get."""
    app = app_of()
    assert handshake(app)[0]["status"] == 401
    assert handshake(app, **header(somebody("billing")))[0]["status"] == 403
    opened = handshake(app, **header(somebody("monitor")))
    assert [message["type"] for message in opened] == [
        "websocket.accept", "websocket.send", "websocket.close",
    ]  # fmt: skip
    assert opened[1]["text"] == "monitor"


def test_an_app_with_a_route_that_has_no_rule_does_not_start():
    """Forgetting a rule is found at the start, not by a stranger."""
    router = APIRouter(prefix="/api")

    @router.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    @router.websocket("/heard")
    async def heard(socket: WebSocket) -> None:
        await socket.accept()

    with pytest.raises(SpondylError, match=r"t does not start: GET /api/forgotten, WS /api/heard say nobody"):
        http.create_app("t", "0", routers=[router], guard=GUARD)


def test_an_app_that_gets_a_bare_route_or_another_app_later_does_not_start_either():
    """What is added behind `create_app`'s back is looked at when the server starts."""

    def page(_request):
        raise AssertionError("never asked")

    async def start(app):
        async with app.router.lifespan_context(app):
            pass

    for route in (Route("/late", page), Mount("/other", routes=[Route("/x", page)])):
        app = app_of()
        asyncio.run(start(app))
        app.router.routes.append(route)
        with pytest.raises(SpondylError, match="t does not start"):
            asyncio.run(start(app))


def test_static_files_are_public_by_declaration():
    """The style sheet of the sign-in page is there before anybody is."""
    app = app_of()
    http.mount_static(app)
    require_rules("t", app.routes)
    assert Client(app).get("/kit/base.css").status_code == 200


def test_rules_are_found_wherever_they_are_declared():
    """On a parameter, in the decorator, on the router, and behind another dependency."""
    rules = {route.path: route.rules for route in ruled(app_of().routes)}
    assert [rule.permission for rule in rules["/stop"]] == ["beds.stop"]
    assert [rule.permission for rule in rules["/live"]] == ["beds.see"]
    assert [rule.is_public for rule in rules["/livez"]] == [True]
    assert [(rule.permission, rule.is_public) for rule in rules["/known"]] == [(None, False)]


def test_a_process_without_routes_of_its_own_knows_nobody():
    """Ingest and archiver serve health and metrics: no token opens more."""
    client = Client(http.create_app("t", "0", guard=NOBODY))
    assert client.get("/livez").status_code == 200
    assert httpx.codes.is_success(client.get("/metrics").status_code)
