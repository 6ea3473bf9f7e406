"""What the bedside panel keeps of a session and nobody else: prescription, operator actions, notes."""

from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from services.console.sessions.models import Json
from services.console.texts import TEXTS
from services.kit import correlation, formats
from services.kit.connections import verification
from services.kit.language import Language

TIMEOUT: Final = httpx.Timeout(3.0, connect=1.0)
WORDS: Final = {"confirm": "did_load", "switch-test": "did_test_switch"}  # others: did_ and the panel's name


class Line(NamedTuple):
    """An action or a note at the bed."""

    at: datetime
    who: str
    text: str
    is_note: bool
    accepted: bool


class Bedside(NamedTuple):
    """The panel's side of a session, or why it is not to be had."""

    lines: tuple[Line, ...] = ()
    operator: str = ""
    trouble: str = ""


async def read(panel: str | None, token: str, device: str, session: UUID, language: Language) -> Bedside:
    """Ask the panel in the caller's name; a panel that does not answer is said so, never an error."""
    if not panel:
        return Bedside(trouble="bedside_no_address")
    parts = urlsplit(panel)
    address = f"{parts.scheme}://{parts.netloc}/api/devices/{device}/sessions/{session}"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=verification()) as client:
            headers = {"authorization": f"Bearer {token}", **correlation.headers()}
            answer = await client.get(address, headers=headers)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return Bedside(trouble="bedside_knows_not")
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Bedside(trouble="bedside_refuses")
        answer.raise_for_status()
        return _bedside(answer.json(), language)
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Bedside(trouble="bedside_away")


def _bedside(body: Json, language: Language) -> Bedside:
    actions = [
        Line(
            _at(row["at"]),
            row["operator"] or "",
            _action(row, language),
            is_note=False,
            accepted=row["accepted"],
        )
        for row in body["actions"]
    ]
    notes = [
        Line(_at(row["at"]), row["operator"] or "", row["text"], is_note=True, accepted=True)
        for row in body["notes"]
    ]
    return Bedside(tuple(sorted([*actions, *notes])), body.get("operator") or "")


def _action(row: Json, language: Language) -> str:
    """What was done, in the reader's words; a newer panel's name as it is."""
    detail, action = row.get("detail") or "", str(row["action"])
    known = TEXTS.get(WORDS.get(action, f"did_{action.replace('-', '_')}"))
    name = known[language] if known else action.replace("-", " ").replace("_", " ")
    return f"{name}: {detail}" if detail and not row["accepted"] else name


def _at(text: Any) -> datetime:
    return formats.local(datetime.fromisoformat(str(text)))
