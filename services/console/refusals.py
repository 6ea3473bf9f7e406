"""What telemetry says against a question, in the reader's language.

It speaks English to programs and names the kind of its refusal as the problem's type. What was asked is known
here, so that the kind and the question make a sentence in either language; a kind that has none stays in
telemetry's own words, under a sentence of ours.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

from services.console.errors import HistoryNotFound, HistoryRefused, HistoryUnavailable
from services.console.texts import TEXTS
from services.kit.http import PROBLEM_TYPE
from services.kit.language import LANGUAGES, Text

SHOWN_CHARACTERS: Final = 500  # of what telemetry says against a question
SHOWN_VALUE: Final = 80  # of what was asked for
KINDS: Final[Mapping[str, str]] = {  # of a refusal: the text that says it
    "unknown-session": "archive_unknown_session",
    "unknown-device": "archive_unknown_device",
    "bad-cursor": "archive_bad_cursor",
    "unknown-format": "archive_unknown_format",
    "not-exportable": "archive_not_exportable",
    "archive-unavailable": "archive_store_away",
    "object-missing": "archive_store_away",
    "store-unavailable": "archive_store_away",
    "not-durable": "archive_store_away",
}
_NAMED: Final = re.compile(r"/(session|device)s/([^/]+)")  # what a path asks for


def refusal(
    answer: httpx.Response, path: str, query: Mapping[str, Any] | None
) -> HistoryRefused | HistoryUnavailable:
    """The answer as the error that a page shows; ``path`` and ``query`` are what was asked."""
    body = _body(answer)
    detail = str(body.get("detail") or f"telemetry answers {answer.status_code}")[:SHOWN_CHARACTERS]
    if answer.status_code == httpx.codes.UNAUTHORIZED:  # the reader is signed in: it is this console's key
        message = f"telemetry does not accept this console's tokens: {detail}"
        return HistoryUnavailable(message, said("archive_tokens", detail=detail))
    words = _words(body, detail, _NAMED.findall(path), query or {})
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return HistoryUnavailable(detail, words)
    kind = HistoryNotFound if answer.status_code == httpx.codes.NOT_FOUND else HistoryRefused
    return kind(detail, answer.status_code, words)


def said(text: str, /, **values: object) -> Text:
    """A text of the catalogue in every language, with its values."""
    return {language: TEXTS[text][language].format(**values) for language in LANGUAGES}


def _words(
    body: Mapping[str, Any], detail: str, named: list[tuple[str, str]], query: Mapping[str, Any]
) -> Text:
    if german := body.get("detail_de"):
        return {"de": str(german)[:SHOWN_CHARACTERS], "en": detail}
    asked = {name: str(value)[:SHOWN_VALUE] for name, value in (*named, *query.items())}
    try:
        text = KINDS[str(body.get("type", "")).removeprefix(PROBLEM_TYPE)]
        return said(text, **{**asked, "detail": detail})
    except KeyError:  # a kind without a text, or a text whose value was not asked for
        return said("archive_refused", detail=detail)


def _body(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
