"""Gateways whose beds are not heard of yet: their panels are asked how far the control loop is."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from services.console.texts import TEXTS
from services.kit.connections import verification
from services.kit.pages import Language

ASK_S: Final = 1.0
KEEP_S: Final = 2.0  # many walls, one question


@dataclass(slots=True)
class Starting:
    """The panels of every site, asked together; ``panels`` as SPONDYL_PANELS has them."""

    panels: dict[str, str]
    _found: dict[str, str] = field(default_factory=dict)
    _asked: float = float("-inf")
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rows(self, sites: Iterable[str] | None, language: Language) -> list[dict[str, Any]]:
        """Sites whose loop starts: how many percent are compiled (None: not known), and the words."""
        async with self._one:
            if time.monotonic() - self._asked > KEEP_S:
                self._found = await self._ask()
                self._asked = time.monotonic()
        seen = {site: said for site, said in sorted(self._found.items()) if sites is None or site in sites}
        return [_row(site, said, language) for site, said in seen.items() if said]

    async def _ask(self) -> dict[str, str]:
        """What the panel of each site says in ``starting``; nothing of one that does not answer."""
        doors = {name.split("/")[0]: _door(panel) for name, panel in self.panels.items() if "/" in name}
        async with httpx.AsyncClient(timeout=ASK_S, trust_env=False, verify=verification()) as client:
            said = await asyncio.gather(*(_said(client, door) for door in doors.values()))
        return dict(zip(doors, said, strict=True))


def _door(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/readyz"


async def _said(client: httpx.AsyncClient, address: str) -> str:
    try:
        return str((await client.get(address)).json().get("starting", ""))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return ""


def _row(site: str, said: str, language: Language) -> dict[str, Any]:
    percent = min(100, int(said)) if said.isascii() and said.isdigit() else None
    text = TEXTS["wall_starting" if percent is None else "wall_compiling"][language]
    return {"site": site, "percent": percent, "text": text.format(site=site, percent=percent)}
