"""The HTTP application every service serves: health, metrics, errors in plain words, safe headers."""

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from services.kit import metrics, tracing
from services.kit.auth.guard import Guard, public, require_rules
from services.kit.connections import check_pair, server_tls
from services.kit.error_pages import ErrorPage, page_of
from services.kit.errors import NotSignedIn, SignInFirst, SpondylError
from services.kit.health import Check, readiness
from services.kit.invalid import wrong_in_german
from services.kit.language import Text
from services.kit.middleware import MAX_REQUEST_BYTES, TITLES, Gate
from services.kit.routes import LateRoute, Routes
from services.kit.settings import Settings
from services.kit.standing import standing
from services.kit.taps import Taps

log = structlog.get_logger(__name__)

STATIC_PATH = "/kit"
STATIC_DIRECTORY = Path(__file__).parent / "static"
GRACE_S = (
    1  # after SIGTERM, for streams and WebSockets that do not heed `app.state.stopping`; then they are cut
)
LOOK_S = 30.0  # between two looks at the certificate's files
PROBLEM_TYPE = "urn:spondyl:problem:"  # and the kind
MAX_REASON = 100  # characters of a close reason, which has room for 123 bytes
MOST_SHOWN = 80  # characters of a value that is refused
# FastAPI's own spans would have path and query of every request: ours have the route (`taps.py`).
SILENT: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip
Lifespan = Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]


def create_app(
    title: str,
    version: str,
    checks: Sequence[Check] = (),
    routers: Sequence[APIRouter] = (),
    *,
    guard: Guard,
    registry: CollectorRegistry | None = None,
    lifespan: Lifespan | None = None,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    content_security_policy: str | None = None,
    error_page: ErrorPage | None = None,
    public_origin: str = "",
    larger_requests: Mapping[str, int] | None = None,
    facts: Mapping[str, Callable[[], str]] | None = None,
) -> FastAPI:
    """An application with /livez, /readyz, /metrics, problem+json for every error, and the routers.

    ``guard`` knows who asks; the application does not start (SpondylError) while any of its routes does not
    say who may call it. With an ``error_page`` a browser that opens a page gets its errors as pages.
    ``larger_requests`` allows more bytes to paths with these endings, which take files.
    ``facts`` are told by /readyz beside the checks, each found in a thread; none makes a process unready.
    Pages of ``public_origin`` (``https://host``) count as ours, also where a proxy asks by another host.
    ``app.state.stopping`` is an asyncio.Event set when the server is told to end: endless responses wait for
    it and finish by themselves. ``app.state.registry`` holds the metrics.
    """
    registry = registry or metrics.process_registry(title, version)
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=None,  # served by a route of ours that has a rule
        docs_url=None,
        redoc_url=None,
        telemetry=SILENT,
        lifespan=_checked(title, lifespan or _plain),
    )
    app.state.guard = guard
    app.state.error_page = error_page
    app.state.stopping = asyncio.Event()
    app.state.registry = registry
    app.add_middleware(
        Gate,
        registry=registry,
        max_request_bytes=max_request_bytes,
        content_security_policy=content_security_policy,
        public_origin=public_origin,
        larger=larger_requests,
    )
    app.add_middleware(Taps)
    _answer_errors(app)
    _watch_router(checks, registry, facts or {}).into(app.router)
    for router in routers:
        if isinstance(router, Routes):
            router.into(app.router)
        else:
            app.include_router(router)
    require_rules(title, app.routes)
    return app


def mount_static(app: FastAPI) -> None:
    """Serve the shared style sheet, scripts and vendored libraries under ``/kit/``."""
    app.mount(STATIC_PATH, StaticFiles(directory=STATIC_DIRECTORY), name="kit")


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """An error as problem+json (RFC 9457): ``detail`` is one line for a person."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def problem_type(error: SpondylError) -> str:
    """What kind of refusal it is, for programs: ``urn:spondyl:problem:unknown-session``, by its class."""
    name = type(error).__name__
    kind = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return "about:blank" if type(error) is SpondylError else f"{PROBLEM_TYPE}{kind.lstrip('-')}"


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve where the settings say until SIGTERM or SIGINT, then return within 3 s, whatever is still open.

    HTTPS where they name a certificate. Raises SpondylError when address or certificate cannot be had.
    """
    host, pair = settings.http_host, server_tls(settings)
    app.state.registry.register(standing(settings))
    listener = listen(host, settings.http_port)
    log.info("listening", url=f"{'https' if pair else 'http'}://{host}:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws_max_size=1 << 20,
        lifespan="on",
        loop="asyncio",  # the same everywhere, whatever else is installed beside it
        http="h11",
        ssl_certfile=pair and pair[0],
        ssl_keyfile=pair and pair[1],
    )
    if pair:
        Renewed(config, pair).start()
    with tracing.exporting(app.title, app.version):
        _Server(config, app.state.stopping).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises SpondylError when it is taken or not ours to bind."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SpondylError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listener


class Renewed(threading.Thread):
    """Takes a certificate that was replaced on disk, without a restart: every new connection has it."""

    def __init__(self, config: uvicorn.Config, pair: tuple[Path, Path], look_s: float = LOOK_S) -> None:
        super().__init__(name="certificate", daemon=True)
        self._config, self._pair, self._look_s = config, pair, look_s
        self._held = self._state()

    def run(self) -> None:
        """Look now and then; a pair that does not fit (half replaced) is looked at again."""
        while True:
            time.sleep(self._look_s)
            self.look()

    def look(self) -> None:
        """Once: whether the files are others now, and take them."""
        found = self._state()
        if found == self._held or self._config.ssl is None:
            return
        try:
            # First into a context of its own: half of a pair must not reach the one that serves.
            check_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *self._pair, "HTTP")
            self._config.ssl.load_cert_chain(*self._pair)
        except (SpondylError, OSError) as error:
            log.warning("the new certificate cannot be used; the old one is served on", why=str(error))
            return
        self._held = found
        log.info("certificate renewed", path=str(self._pair[0]))

    def _state(self) -> tuple[float, ...]:
        with contextlib.suppress(OSError):
            return tuple(path.stat().st_mtime for path in self._pair)
        return ()


class _Server(uvicorn.Server):
    """Ends on a signal by returning, so that the caller can close what it opened."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's, without raising the signal once more at the end."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: end in order; a second one changes nothing, the grace is short."""
        del sig, frame
        self.should_exit = True


@contextlib.asynccontextmanager
async def _plain(_app: FastAPI) -> AsyncIterator[None]:
    yield


def _checked(title: str, lifespan: Lifespan) -> Lifespan:
    """The lifespan, once every route has a rule, those included that were added after ``create_app``."""

    @contextlib.asynccontextmanager
    async def start(app: FastAPI) -> AsyncIterator[None]:
        for route in app.routes:
            if isinstance(route, LateRoute):
                route.build()  # what cannot be built is no surprise for its first caller
        require_rules(title, app.routes)
        async with lifespan(app):
            yield

    return start


def _watch_router(
    checks: Sequence[Check], registry: CollectorRegistry, facts: Mapping[str, Callable[[], str]]
) -> Routes:
    """Probes and scrapers hold no token: what is here tells nothing of anybody."""
    router = Routes(tags=["health"], dependencies=[public()])

    @router.get("/livez", response_class=PlainTextResponse)
    async def livez() -> str:
        """Whether the process answers at all; asks nothing else, so that no outage restarts it."""
        return "alive"

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether it can do its work: every dependency listed, 503 when one is unwell."""
        found = await readiness(checks)
        told = await asyncio.to_thread(lambda: {name: fact() for name, fact in facts.items()})
        return JSONResponse({**found.body(), **told}, status_code=200 if found.ready else 503)

    @router.get("/metrics", include_in_schema=False)
    def exposition() -> Response:
        return Response(metrics.exposition(registry), media_type=metrics.CONTENT_TYPE)

    @router.get("/openapi.json", include_in_schema=False)
    async def schema(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

    return router


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        answer = await _answer(request, error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        rows = [{"field": ".".join(map(str, row["loc"])), "problem": _wrong(row)} for row in error.errors()]
        words: Text = {
            "de": "; ".join(map(wrong_in_german, error.errors())),
            "en": "; ".join(f"{row['field']}: {row['problem']}" for row in rows),
        }
        return await _answer(request, 422, words["en"], words, errors=rows, detail_de=words["de"])

    @app.exception_handler(SpondylError)
    async def ours(connection: HTTPConnection, error: SpondylError) -> Response | None:
        status = int(getattr(error, "status", 400))
        if isinstance(connection, WebSocket):
            await _turn_away(connection, problem(status, _title(status), error.message), error.message)
            return None
        words: Text | None = getattr(error, "words", None)
        more: dict[str, Any] = {"detail_de": words["de"]} if words else {}
        more |= getattr(error, "more", {})
        answer = await _answer(connection, status, error.message, words, type=problem_type(error), **more)
        if isinstance(error, NotSignedIn):
            answer.headers["www-authenticate"] = "Bearer"
        return answer

    @app.exception_handler(SignInFirst)
    async def sign_in(_request: Request, error: SignInFirst) -> Response:
        return RedirectResponse(error.location, status_code=303, headers={"cache-control": "no-store"})


def _wrong(row: Mapping[str, Any]) -> str:
    """What is wrong with a field, with its value where that is in the address; a body may hold a password."""
    shown = row["loc"][0] in ("path", "query") and row["type"] != "missing"
    return f"{row['msg']}, not {str(row['input'])[:MOST_SHOWN]!r}" if shown else str(row["msg"])


async def _answer(
    connection: HTTPConnection, status: int, detail: str, words: Text | None = None, **more: Any
) -> Response:
    """A page for a person, problem+json for a program; ``words``: the detail in every language."""
    page = await page_of(connection.scope, status, words or detail)
    return page or problem(status, _title(status), detail, **more)


async def _turn_away(socket: WebSocket, answer: Response, why: str) -> None:
    """Before it is accepted: the answer with its status, where the server can send one; else closed."""
    is_new = socket.application_state is WebSocketState.CONNECTING
    if is_new and "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(answer)
    elif socket.application_state is not WebSocketState.DISCONNECTED:
        await socket.close(1008, why[:MAX_REASON])


def _title(status: int) -> str:
    return TITLES.get(status, "Refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else TITLES[500])
