"""Telemetry's HTTP API, asked in the caller's own name: telemetry itself checks role and site."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from services.console.errors import HistoryUnavailable
from services.console.refusals import refusal, said
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal

TIMEOUT: Final = httpx.Timeout(8.0, connect=2.0, pool=4.0)
LIMITS: Final = httpx.Limits(max_connections=40, max_keepalive_connections=10)
Sign = Callable[[Principal], str]
Query = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way: its kind, its name as a header, and its pieces as they come."""

    media_type: str
    disposition: str
    parts: AsyncIterator[bytes]


class Archive:
    """One pool of connections to telemetry.

    ``sign`` makes a token that lasts a minute in a caller's name. Every method raises HistoryUnavailable when
    telemetry has no address or does not answer, and HistoryRefused (HistoryNotFound) with its own words and
    status when it refuses.
    """

    def __init__(
        self, address: str, sign: Sign, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._address = address.rstrip("/")
        self._sign = sign
        self._transport = transport
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool:
            await self._pool.aclose()
        self._pool = None

    async def ask(self, caller: Principal, path: str, query: Query | None = None) -> Any:
        """The JSON at a path of telemetry."""
        return (await self._get(caller, path, query)).json()

    async def page(
        self, caller: Principal, path: str, query: Query | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """One page of a list, and the cursor of the next."""
        answer = await self._get(caller, path, query)
        return answer.json(), answer.headers.get("spondyl-next-cursor")

    @asynccontextmanager
    async def file(self, caller: Principal, path: str, query: Query | None = None) -> AsyncIterator[File]:
        """A file while it comes; refused or away is raised before its first piece."""
        request = self._request(caller, path, query)
        try:
            answer = await self._client().send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        try:
            if not answer.is_success:
                await answer.aread()
                raise refusal(answer, path, query)
            yield File(
                answer.headers.get("content-type", "application/octet-stream"),
                answer.headers.get("content-disposition", "attachment"),
                answer.aiter_bytes(),
            )
        finally:
            await answer.aclose()

    async def _get(self, caller: Principal, path: str, query: Query | None) -> httpx.Response:
        request = self._request(caller, path, query)
        try:
            answer = await self._client().send(request)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        if not answer.is_success:
            raise refusal(answer, path, query)
        return answer

    def _request(self, caller: Principal, path: str, query: Query | None) -> httpx.Request:
        if not self._address:
            message = "no history here: SPONDYL_TELEMETRY_URL is not set"
            raise HistoryUnavailable(message, TEXTS["archive_none"])
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        headers = {"authorization": f"Bearer {self._sign(caller)}"}
        return self._client().build_request("GET", f"{self._address}{path}", params=given, headers=headers)

    def _client(self) -> httpx.AsyncClient:
        """The pool of this event loop: connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            self._loop = loop
            self._pool = httpx.AsyncClient(
                timeout=TIMEOUT, limits=LIMITS, trust_env=False, transport=self._transport
            )
        return self._pool

    def _away(self, error: httpx.HTTPError) -> HistoryUnavailable:
        what = str(error) or type(error).__name__
        words = said("archive_away", address=self._address, what=what)
        return HistoryUnavailable(f"telemetry at {self._address} does not answer: {what}", words)
