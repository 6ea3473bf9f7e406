"""A paper or picture of a business service, passed on to a browser as it comes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from fastapi.responses import Response, StreamingResponse

from services.console.context import Console
from services.console.offices import OfficeClient
from services.kit.auth.principal import Principal

# A browser's own viewer of PDF needs its styles; nothing else may run in what somebody filed.
POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; object-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'"
)


async def passed(
    console: Console, who: Principal, path: str, query: dict[str, str] | None = None,
    *, office: OfficeClient | None = None,
) -> Response:  # fmt: skip
    """The file at a path of a service, screening unless said; refused or away is raised before it begins."""
    source = office or console.screening
    async with AsyncExitStack() as opening:
        file = await opening.enter_async_context(source.file(who, path, query))
        closing = opening.pop_all()

    async def parts() -> AsyncIterator[bytes]:
        async with closing:
            async for piece in file.parts:
                yield piece

    headers = {
        "content-disposition": file.disposition, "cache-control": "private, no-store",
        "content-security-policy": POLICY,
    }  # fmt: skip
    return StreamingResponse(parts(), media_type=file.media_type, headers=headers)
