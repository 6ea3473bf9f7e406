"""What these pages share: whose they are, which region, how they go on."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import RedirectResponse, Response

from services.console.context import Console
from services.console.errors import OfficeRefused
from services.console.patients import tabs
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language

Reader = Annotated[Principal, allow("patients.see")]
Asker = Annotated[Principal, allow("screening.answer")]
Decider = Annotated[Principal, allow("screening.decide")]
Recorder = Annotated[Principal, allow("consent.record")]
Editor = Annotated[Principal, allow("documents.edit")]
Asked = Annotated[str, Query(max_length=80)]
REGIONS: Final = ("lumbar", "cervical")
GONE: Final = 404


async def place(console: Console, who: Principal, patient: str, region: str) -> tuple[tabs.Head, str]:
    """Who a page is about, and which region: the one asked for, else the file's, else the loin."""
    file = await console.screening.ask(who, f"/patients/{tabs.known_id(patient)}")
    chosen = region if region in REGIONS else file["content"].get("region")
    return tabs.here(console, tabs.head_of(file)), chosen if chosen in REGIONS else REGIONS[0]


def regions(path: str, language: Language) -> list[tuple[str, str, str]]:
    """The regions as tabs of a page."""
    return [(it, TEXTS[f"region_{it}"][language], f"{path}?region={it}") for it in REGIONS]


def said(error: OfficeRefused | None, language: Language) -> str:
    """Why it was refused, in the reader's language; raised again where there is no such record."""
    if error is None:
        return ""
    if error.status == GONE:
        raise error
    return str(error.words[language])


def to(address: str) -> Response:
    """On to another page after a change."""
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


def in_words(row: Mapping[str, Any], name: str, language: Language) -> str:
    """A text that screening gives in both languages: ``text_de``, ``text_en``."""
    return str(row.get(f"{name}_{language}") or "")
