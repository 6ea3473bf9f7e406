"""Gateways whose beds are not heard of yet: their panels are asked how far the control loop is."""

import asyncio
import re
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
PERCENT: Final = re.compile(r"100|[0-9]{1,2}", re.ASCII)  # a panel may be anybody's program: no other number


@dataclass(slots=True)
class Starting:
    """Every panel of every site, asked together; ``panels`` as SPONDYL_PANELS has them."""

    panels: dict[str, str]
    _found: dict[str, list[str]] = field(default_factory=dict)
    _asked: float = float("-inf")
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rows(self, sites: Iterable[str] | None, language: Language) -> list[dict[str, Any]]:
        """Sites whose loop starts: how many percent are compiled (None: not known), and the words."""
        async with self._one:
            if time.monotonic() - self._asked > KEEP_S:
                self._found = await self._ask()
                self._asked = time.monotonic()
        seen = {site: said for site, said in sorted(self._found.items()) if sites is None or site in sites}
        return [_row(site, said, language) for site, said in seen.items() if any(said)]

    async def _ask(self) -> dict[str, list[str]]:
        """What the panels of each site say in ``starting``; nothing of one that does not answer."""
        doors = sorted({(name.split("/")[0], _door(it)) for name, it in self.panels.items() if "/" in name})
        async with httpx.AsyncClient(timeout=ASK_S, trust_env=False, verify=verification()) as client:
            said = await asyncio.gather(*(_said(client, door) for _, door in doors))
        found: dict[str, list[str]] = {}
        for (site, _), one in zip(doors, said, strict=True):
            found.setdefault(site, []).append(one)
        return found


def _door(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/readyz"


async def _said(client: httpx.AsyncClient, address: str) -> str:
    try:
        return str((await client.get(address)).json().get("starting", ""))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return ""


def _row(site: str, said: list[str], language: Language) -> dict[str, Any]:
    """A site with several gateways is as far as its last."""
    percent = min((int(one) for one in said if PERCENT.fullmatch(one)), default=None)
    text = TEXTS["wall_starting" if percent is None else "wall_compiling"][language]
    return {"site": site, "percent": percent, "text": text.format(site=site, percent=percent)}
