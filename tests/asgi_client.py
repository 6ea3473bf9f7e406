"""An application asked in this process, without a socket: httpx over ASGI, from plain functions."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Client:
    """Requests to one application, with these headers; what it raises unanswered reaches the test."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None) -> None:
        self._app = app
        self._headers = headers or {}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, answered in full."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            asker = httpx.AsyncClient(
                transport=transport, base_url="http://testserver", headers=self._headers
            )
            async with asker as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)
