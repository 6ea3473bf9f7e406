import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from datetime import date
from ipaddress import IPv4Address
from typing import Annotated, Literal
from uuid import UUID

import httpx
import pytest
from asgi_client import Client
from fastapi import APIRouter, Body, HTTPException, Request
from pydantic import Field, ValidationError, create_model

from services.kit import http
from services.kit.auth.guard import NOBODY, public
from services.kit.errors import NotPermitted, SpondylError
from services.kit.health import Check
from services.kit.http import create_app, listen, problem_type
from services.kit.invalid import wrong_in_german
from services.kit.supervise import Program

router = APIRouter(dependencies=[public()])


@router.get("/missing")
def missing() -> None:
    raise HTTPException(404, "device bed-99 is not known here")


@router.post("/entry")
def entry(password: Annotated[str, Body(embed=True)]) -> None:
    assert password


@router.get("/refused")
def refused() -> None:
    raise SpondylError("peak_n is 620 N: the ceiling is 446 N")


@router.get("/broken")
def broken() -> None:
    raise RuntimeError("a secret inside")


@router.get("/number/{value}")
def number(value: int) -> int:
    return value


@router.post("/echo")
async def echo(request: Request) -> int:
    return len(await request.body())


@pytest.fixture
def client():
    app = create_app(
        "test", "1.0", [Check("redis", lambda: "refused"), Check("broker", lambda: None)], [router],
        guard=NOBODY, max_request_bytes=1000,
    )  # fmt: skip
    return Client(app)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/missing", 404, "bed-99"),
        ("/refused", 400, "ceiling is 446 N"),
        ("/broken", 500, "the log of this service"),
        ("/number/seven", 422, "path.value"),
        ("/number/seven", 422, "not 'seven'"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_every_error_is_a_problem_in_plain_words(client, path, status, words):
    """One form for every client, and never a trace back or an inner secret."""
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert words in answer.json()["detail"]
    assert "secret" not in answer.text


def test_the_value_of_a_body_is_not_repeated(client):
    """It may be a password; what is in the address, the caller's log has anyway."""
    answer = client.post("/entry", json={"password": ["swordfish"]})
    assert (answer.status_code, "body.password" in answer.json()["detail"]) == (422, True)
    assert "swordfish" not in answer.text
    assert answer.json()["detail_de"] == "password ist kein Text"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (Annotated[float, Field(le=1000)], 9999, "peak muss höchstens 1000 sein"),
        (date, "2026-02-30", "peak ist kein Tag im Kalender (JJJJ-MM-TT)"),
        (Literal["a", "b"], "c", "peak muss eins sein von: 'a' oder 'b'"),
        (UUID, "x", "peak ist keine Kennung (UUID)"),
        (IPv4Address, "x", "peak ist so nicht gültig"),
    ],
)
def test_a_refused_question_is_said_in_german_too(field, value, words):
    """A German page shows it as it is."""
    model = create_model("Entry", peak=(field, ...))
    with pytest.raises(ValidationError) as found:
        model.model_validate({"peak": value})
    (row,) = found.value.errors()
    assert wrong_in_german(row | {"loc": ("body", *row["loc"])}) == words


def test_a_refusal_names_its_kind_for_programs(client):
    """A class of its own is a kind of its own; what is none in particular says so."""
    assert client.get("/refused").json()["type"] == "about:blank"
    assert problem_type(NotPermitted("no")) == "urn:spondyl:problem:not-permitted"


def test_readiness_names_every_dependency(client):
    """503 alone does not tell whom to call."""
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "redis: refused"
    assert answer.json()["checks"]["broker"]["ok"] is True


def test_what_readiness_tells_beside_is_found_off_the_event_loop():
    """A fact may read files: a disk that hangs must stop no stream and no STOP of this process."""
    facts = {"thread": lambda: threading.current_thread() is not threading.main_thread()}
    assert (
        Client(create_app("test", "1.0", guard=NOBODY, facts=facts)).get("/readyz").json()["thread"] is True
    )


def test_an_outage_elsewhere_does_not_make_the_process_look_dead(client):
    """Liveness restarts processes: a Redis outage must not."""
    assert client.get("/livez").text == "alive"


def test_metrics_tell_the_processs_memory_and_each_route_by_its_template(client):
    """A label a path would be a series a session, and would carry ids."""
    client.get("/number/7")
    text = client.get("/metrics").text
    assert "process_resident_memory_bytes" in text
    assert 'route="/number/{value}",status="200"' in text


@pytest.mark.parametrize("path", ["/livez", "/missing", "/broken"])
def test_every_answer_carries_the_safe_headers(client, path):
    """A browser must not guess types nor frame a page with a STOP button."""
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def _in_pieces(piece, count):
    for _ in range(count):
        yield piece


@pytest.mark.parametrize("declared", [True, False])
def test_a_request_over_the_limit_is_refused(client, declared):
    """Declared or sent in pieces without a length: memory is bounded either way."""
    content = b"x" * 2000 if declared else _in_pieces(b"x" * 600, 4)
    answer = client.post("/echo", content=content)
    assert answer.status_code == 413
    assert "1000 bytes" in answer.json()["detail"]


def test_a_page_of_another_origin_may_not_change_anything(client):
    """Any web page can send a POST to loopback: the browser's Origin tells it apart from ours."""
    assert client.post("/echo", headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert client.post("/echo", headers={"origin": "http://testserver"}).status_code == 200
    assert client.post("/echo").status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://]", "null", "://", "https://spondyl.example.evil"])
def test_an_origin_that_is_none_is_foreign(origin):
    """It raised outside of everything: no safe header, and a trace in the log at anybody's will."""
    app = create_app("test", "1.0", [], [router], guard=NOBODY, public_origin="https://spondyl.example")
    answer = Client(app).post("/echo", headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_of_the_public_origin_is_ours_whatever_host_the_proxy_asks_for():
    """Behind a proxy that hands on its own host, nobody could sign in or see a trace."""
    app = create_app("test", "1.0", [], [router], guard=NOBODY, public_origin="https://Spondyl.example")
    ours = {"origin": "https://spondyl.example"}
    assert Client(app).post("/echo", headers=ours).status_code == 200
    assert Client(app).post("/echo", headers={"origin": "http://spondyl.example"}).status_code == 403


def test_a_taken_port_is_one_clear_line():
    """The usual mishap of a second start."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SpondylError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)


ENDLESS = textwrap.dedent("""
    import asyncio, sys
    from fastapi import APIRouter, WebSocket
    from fastapi.responses import StreamingResponse
    from services.kit.auth.guard import NOBODY, public
    from services.kit.http import create_app, serve
    from services.kit.settings import Settings
    router = APIRouter(dependencies=[public()])
    async def forever():
        while True:
            yield b"data: 1\\n\\n"
            await asyncio.sleep(0.05)
    @router.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(forever(), media_type="text/event-stream")
    @router.websocket("/socket")
    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("open")
        await asyncio.sleep(600)
    serve(create_app("endless", "1", routers=[router], guard=NOBODY), Settings(http_port=int(sys.argv[1])))
    print("closed what it opened")
""")


def test_sigterm_ends_the_server_with_a_stream_and_a_socket_open():
    """`spondyl up` ends every child within 5 s, and the code after serve() still runs."""
    from websockets.sync.client import connect

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        _until_alive(f"http://127.0.0.1:{port}/livez")
        with (
            httpx.stream("GET", f"http://127.0.0.1:{port}/stream") as stream,
            connect(f"ws://127.0.0.1:{port}/socket") as websocket,
        ):
            assert next(stream.iter_bytes())
            assert websocket.recv() == "open"
            os.kill(process.pid, signal.SIGTERM)
            output, _ = process.communicate(timeout=20)  # neither of the two would ever end by itself
        assert process.returncode == 0
        assert "closed what it opened" in output
    finally:
        process.kill()
        process.wait()


def test_a_server_cuts_what_is_open_before_its_supervisor_kills_it():
    """A killed service runs nothing of its own end."""
    assert Program("served", []).stop_s > http.GRACE_S


def _until_alive(url: str, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)
