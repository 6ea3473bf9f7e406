"""Routes that are built once are those that FastAPI makes of routers in routers."""

import asyncio
import threading
from typing import Annotated

import pytest
from access import GUARD, header, somebody
from asgi_client import Client
from fastapi import APIRouter, Depends, Form, Request, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from services.kit import http
from services.kit.auth.guard import allow, public, ruled, signed_in
from services.kit.routes import LateRoute, Routes


class Loud(APIRoute):
    """A route of a class of its own."""


def app_of(kind):
    """An application of routers in a router, each with things of its own, all of this kind."""
    order = []
    inner = kind(prefix="/inner", tags=["in"], dependencies=[Depends(lambda: order.append("inner"))],
                 route_class=Loud)  # fmt: skip
    hidden = kind(include_in_schema=False)
    outer = kind(dependencies=[signed_in(), Depends(lambda: order.append("outer"))])

    @inner.get("/{name}", tags=["one"], dependencies=[Depends(lambda: order.append("own"))])
    def one(request: Request, name: str, count: int = 1) -> dict[str, str]:
        return {"name": name * count, "class": type(request.scope["route"]).__name__}

    @inner.post("/{name}", status_code=201, response_class=PlainTextResponse)
    def made(
        name: str, word: Annotated[str, Form(max_length=3)], who: Annotated[object, allow("beds.stop")]
    ) -> str:
        return f"{name} {word} {type(who).__name__}"

    @inner.websocket("/live", dependencies=[allow("beds.see")])
    async def live(socket: WebSocket) -> None:
        await socket.close()

    @hidden.get("/page", dependencies=[public()])
    def page() -> str:
        return "page"

    outer.include_router(inner)
    outer.include_router(hidden)
    return http.create_app("t", "0", routers=[outer], guard=GUARD), order


def shape(app):
    """All that can be told of an application's routes."""
    return [(it.path, it.methods, it.rules) for it in ruled(app.routes)], app.openapi()


def answers(app, order):
    """What a few requests are answered, and what ran before them."""
    who = Client(app, header(somebody("monitor")))
    asked = [
        who.get("/inner/ann?count=2"), who.get("/inner/ann?count=x"), Client(app).get("/inner/ann"),
        who.get("/page"), who.post("/inner/ann", data={"word": "abc"}),
        who.request("DELETE", "/inner/ann"), who.get("/none"),
        Client(app, header(somebody("therapist"))).post("/inner/ann", data={"word": "abc"}),
        Client(app, header(somebody("therapist"))).post("/inner/ann", data={"word": "abcd"}),
    ]  # fmt: skip
    return [(it.status_code, it.text) for it in asked], order


def test_routers_in_routers_answer_as_those_of_the_framework():
    """Paths, rules, what runs first, refusals and the definition: nothing differs but the time it takes."""
    expected, found = app_of(APIRouter), app_of(Routes)
    assert shape(found[0]) == shape(expected[0])
    asked, order = answers(*found)
    assert (asked, order) == answers(*expected)
    assert asked[0] == (200, '{"name":"annann","class":"Loud"}')
    assert order[:3] == ["outer", "inner", "own"]
    assert [status for status, _text in asked] == [200, 422, 401, 200, 403, 405, 404, 201, 422]


def test_a_router_of_the_framework_takes_them_too():
    """Whoever includes them as ever loses no route, and no rule."""
    mixed, taken, plain = APIRouter(), Routes(), APIRouter()
    for router, kind in ((mixed, Routes), (taken, Routes), (plain, APIRouter)):
        rooms = kind(prefix="/rooms", dependencies=[public()])
        rooms.add_api_route("/first", lambda: 1)
        further = APIRouter()
        further.add_api_route("/second", lambda: 2)
        rooms.include_router(further, prefix="/further")
        router.include_router(rooms)
    apps = [http.create_app("t", "0", routers=[router], guard=GUARD) for router in (mixed, taken, plain)]
    assert shape(apps[0]) == shape(apps[1]) == shape(apps[2])
    assert Client(apps[0]).get("/rooms/further/second").json() == 2


def rooms(**more):
    """An application whose routes say their rule themselves, by their router, and by what they depend on."""
    own, of_all = Routes(), Routes(dependencies=[public()])

    def by_rule(who: Annotated[object, allow("beds.see")]) -> object:
        return who

    @own.get("/own/{name}")
    def one(who: Annotated[object, allow("beds.see")], name: str) -> dict[str, str]:
        return {"name": name, "who": type(who).__name__}

    @own.get("/deep")
    def deep(who: Annotated[object, Depends(by_rule)]) -> str:
        return type(who).__name__

    @of_all.get("/public")
    def known() -> str:
        return "known"

    for path, endpoint in more.items():
        of_all.get(f"/{path}")(endpoint)
    app = http.create_app("t", "0", routers=[own, of_all], guard=GUARD)
    return app, {it.path: it for it in app.routes if isinstance(it, LateRoute)}


def built(late):
    """The paths of those that are built."""
    return {path for path, route in late.items() if "dependant" in vars(route)}


def test_only_what_is_asked_is_built_and_by_however_many_at_once():
    """A test's application is asked one or two of two hundred."""
    app, late = rooms()
    assert built(late) == {"/deep"}, "whose rule stands elsewhere is built to find it"
    client, answers = Client(app, header(somebody("monitor"))), []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(client.get(f"/own/n{n}").json()["name"]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [f"n{n}" for n in range(8)]
    assert built(late) == {"/deep", "/own/{name}"}
    assert Client(app).get("/own/ann").status_code == 401
    with pytest.raises(AttributeError, match="has no attribute 'colour'"):
        _ = late["/public"].colour


def test_an_application_that_serves_has_built_them_all_and_does_not_start_on_one_that_cannot_be():
    """What cannot be built is found at the start, not by its first caller."""

    async def begin(app):
        async with app.router.lifespan_context(app):
            pass

    app, late = rooms()
    asyncio.run(begin(app))
    assert built(late) == set(late)

    def broken(what: object) -> object:
        return what

    broken.__annotations__["what"] = threading.Lock
    with pytest.raises(FastAPIError):
        asyncio.run(begin(rooms(broken=broken)[0]))
