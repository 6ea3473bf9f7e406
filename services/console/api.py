"""The console's application: its rooms' routes over one fan-out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from services.console.context import HERE, Console
from services.console.routes import beds, streams, wall
from services.kit import http
from services.kit.health import Check
from services.kit.pages import STRICT_POLICY, preferences

ROOMS: Final = (wall, beds, streams)


def create(console: Console, version: str, checks: list[Check]) -> FastAPI:
    """The console's application; its fan-out runs as long as the application does."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pump = asyncio.create_task(console.fanout.run())
        try:
            yield
        finally:
            pump.cancel()
            await console.archive.close()

    app = http.create_app(
        "console",
        version,
        checks,
        [*(room.router(console) for room in ROOMS), preferences()],
        lifespan=lifespan,
        content_security_policy=STRICT_POLICY,
    )
    http.mount_static(app)
    app.mount("/assets", StaticFiles(directory=HERE / "static"), name="assets")
    return app
