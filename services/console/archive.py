"""Telemetry's HTTP API, asked in the caller's own name: telemetry itself checks role and site."""

import httpx

from services.console.errors import HistoryUnavailable
from services.console.refusals import refusal, said
from services.console.texts import TEXTS
from services.console.upstream import Query, Upstream
from services.kit.errors import SpondylError


class Archive(Upstream):
    """One pool of connections to telemetry.

    Every method raises HistoryUnavailable when telemetry has no address or does not answer, and
    HistoryRefused (HistoryNotFound) with its own words and status when it refuses.
    """

    def _missing(self) -> SpondylError:
        message = "no history here: SPONDYL_TELEMETRY_URL is not set"
        return HistoryUnavailable(message, TEXTS["archive_none"])

    def _away(self, error: httpx.HTTPError) -> SpondylError:
        what = str(error) or type(error).__name__
        words = said("archive_away", address=self._address, what=what)
        return HistoryUnavailable(f"telemetry at {self._address} does not answer: {what}", words)

    def _refused(self, answer: httpx.Response, path: str, query: Query | None) -> SpondylError:
        return refusal(answer, path, query)
