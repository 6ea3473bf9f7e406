"""Another service's HTTP API, asked in the caller's own name: the service itself checks role and site."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from services.kit import correlation, tracing
from services.kit.auth.principal import Principal
from services.kit.connections import verification
from services.kit.errors import SpondylError

TIMEOUT: Final = httpx.Timeout(8.0, connect=2.0, pool=4.0)
THINKING: Final = httpx.Timeout(130.0, connect=2.0, pool=4.0)  # above the most that a planner may be given
_OF_PATHS: Final = "/%:@!$&'()*+,;=~-._"  # RFC 3986, 3.3, and what is quoted already
LIMITS: Final = httpx.Limits(max_connections=40, max_keepalive_connections=10)
Sign = Callable[[Principal], str]
Query = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way: its kind, its name as a header, and its pieces as they come."""

    media_type: str
    disposition: str
    parts: AsyncIterator[bytes]


class Upstream:
    """One pool of connections to one service.

    ``sign`` makes a token that lasts a minute in a caller's name. What is raised when the service has no
    address, does not answer or refuses is said by ``_missing``, ``_away`` and ``_refused``.
    """

    def __init__(
        self, address: str, sign: Sign, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._address = address.rstrip("/")
        self._sign = sign
        self._transport = transport
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: httpx.AsyncClient | None = None

    @property
    def is_here(self) -> bool:
        """Whether it has an address at all."""
        return bool(self._address)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool:
            await self._pool.aclose()
        self._pool = None

    async def ask(self, caller: Principal, path: str, query: Query | None = None) -> Any:
        """The JSON at a path."""
        return (await self._request(caller, "GET", path, query)).json()

    async def page(
        self, caller: Principal, path: str, query: Query | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """One page of a list, and the cursor of the next."""
        answer = await self._request(caller, "GET", path, query)
        return answer.json(), answer.headers.get("spondyl-next-cursor")

    async def send(
        self,
        caller: Principal,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Query | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        thinks: bool = False,
    ) -> Any:
        """The JSON that a change is answered with; ``files``: part to (name, content, media type), with
        ``body`` as the form's fields then; ``thinks``: the planner is asked, which takes its time.
        """
        given: dict[str, Any] = {"data": body, "files": files} if files else {"json": body}
        if thinks:
            given["timeout"] = THINKING
        answer = await self._request(caller, method, path, query, **given)
        return answer.json() if answer.content else None

    @asynccontextmanager
    async def file(self, caller: Principal, path: str, query: Query | None = None) -> AsyncIterator[File]:
        """A file while it comes; refused or away is raised before its first piece."""
        with self._step("GET") as step:
            request = self._made(caller, "GET", path, query)
            try:
                answer = await self._client().send(request, stream=True)
            except httpx.HTTPError as error:
                raise self._away(error) from None
            step.says({"http.response.status_code": answer.status_code})
        try:
            if not answer.is_success:
                await answer.aread()
                raise self._refused(answer, path, query)
            yield File(
                answer.headers.get("content-type", "application/octet-stream"),
                answer.headers.get("content-disposition", "attachment"),
                answer.aiter_bytes(),
            )
        finally:
            await answer.aclose()

    async def _request(
        self, caller: Principal, method: str, path: str, query: Query | None, **content: Any
    ) -> httpx.Response:
        with self._step(method) as step:
            request = self._made(caller, method, path, query, **content)
            try:
                answer = await self._client().send(request)
            except httpx.HTTPError as error:
                raise self._away(error) from None
            step.says({"http.response.status_code": answer.status_code})
        if not answer.is_success:
            raise self._refused(answer, path, query)
        return answer

    def _step(self, method: str) -> AbstractContextManager[tracing.Step]:
        """One question, as a span: its service, never its path."""
        host = urlsplit(self._address).hostname or ""
        said = {"http.request.method": method, "server.address": host}
        return tracing.span(f"{method} {host}", "client", said)

    def _made(
        self, caller: Principal, method: str, path: str, query: Query | None, **content: Any
    ) -> httpx.Request:
        if not self._address:
            raise self._missing()
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        headers = {"authorization": f"Bearer {self._sign(caller)}", **correlation.headers()}
        # What a person wrote may stand in a path: it is a part of it, never a query of its own.
        url = f"{self._address}{quote(path, safe=_OF_PATHS)}"
        return self._client().build_request(method, url, params=given, headers=headers, **content)

    def _client(self) -> httpx.AsyncClient:
        """The pool of this event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            self._loop = loop
            self._pool = httpx.AsyncClient(
                timeout=TIMEOUT,
                limits=LIMITS,
                trust_env=False,
                transport=self._transport,
                verify=verification(),
            )
        return self._pool

    def _missing(self) -> SpondylError:
        raise NotImplementedError

    def _away(self, error: httpx.HTTPError) -> SpondylError:
        raise NotImplementedError

    def _refused(self, answer: httpx.Response, path: str, query: Query | None) -> SpondylError:
        raise NotImplementedError
