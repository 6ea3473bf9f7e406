"""Screening and the scheduler, asked in the caller's own name: each checks role and site itself.

They speak English and German in their refusals, so that a page says them as they are.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from services.console.errors import OfficeNotFound, OfficeRefused, OfficeUnavailable
from services.console.refusals import SHOWN_CHARACTERS, said
from services.console.texts import TEXTS
from services.console.upstream import Query, Sign, Upstream
from services.kit.errors import SpondylError
from services.kit.language import Text


class OfficeClient(Upstream):
    """One pool of connections to a business service.

    ``name`` is its name in texts (``office_screening``) and settings. Every method raises OfficeUnavailable
    when it has no address or does not answer, and OfficeRefused (OfficeNotFound) with its own words.
    """

    def __init__(
        self, name: str, address: str, sign: Sign, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(address, sign, transport=transport)
        self.name = name

    def _missing(self) -> SpondylError:
        message = f"{self.name} is not here: SPONDYL_{self.name.upper()}_URL is not set"
        return OfficeUnavailable(message, TEXTS[f"office_none_{self.name}"])

    def _away(self, error: httpx.HTTPError) -> SpondylError:
        what = str(error).rstrip(".") or type(error).__name__  # the sentence around it has its own
        message = f"{self.name} at {self._address} does not answer: {what}"
        return OfficeUnavailable(message, said(f"office_away_{self.name}", what=what))

    def _refused(self, answer: httpx.Response, path: str, query: Query | None) -> SpondylError:
        del path, query
        body = _body(answer)
        detail = str(body.get("detail") or f"{self.name} answers {answer.status_code}")[:SHOWN_CHARACTERS]
        german = str(body.get("detail_de") or detail)[:SHOWN_CHARACTERS]
        words: Text = {"de": german, "en": detail}
        if (
            answer.status_code == httpx.codes.UNAUTHORIZED
            or answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        ):
            return OfficeUnavailable(detail, words)
        kind = OfficeNotFound if answer.status_code == httpx.codes.NOT_FOUND else OfficeRefused
        return kind(detail, answer.status_code, words, body)


def _body(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
