"""What ingest asks the archive: is this in it already? Opened with the first question, which is rare."""

import time
from typing import TYPE_CHECKING, Final

import structlog

from services.kit.errors import SpondylError
from services.telemetry.archive.rows import Span, covers
from services.telemetry.models import Kind, Source
from services.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from services.telemetry.archive.index import Index

log = structlog.get_logger(__name__)

FRESH_S: Final = 2.0  # a gateway that sends an hour again is one question, not eighteen thousand
REMEMBERED: Final = 64


class Known:
    """Not for more than one thread.

    An index that does not answer knows nothing: what comes a second time is then kept once more, and the
    archiver, which compares contents, takes it away again.
    """

    def __init__(self, settings: TelemetrySettings) -> None:
        self._settings = settings
        self._index: Index | None = None
        self._spans: dict[tuple[Kind, Source], tuple[float, list[Span]]] = {}

    def __call__(self, kind: Kind, source: Source, first: int, after: int) -> bool:
        """Whether all of ``first`` .. ``after - 1`` is in the archive."""
        return covers(self._known(kind, source), first, after)

    def close(self) -> None:
        """Let go of the index."""
        if self._index is not None:
            self._index.close()

    def _known(self, kind: Kind, source: Source) -> list[Span]:
        now = time.monotonic()
        asked_at, spans = self._spans.get((kind, source), (float("-inf"), []))
        if now - asked_at > FRESH_S:
            spans = self._ask(kind, source)
            while len(self._spans) >= REMEMBERED:
                del self._spans[next(iter(self._spans))]
            self._spans[kind, source] = (now, spans)
        return spans

    def _ask(self, kind: Kind, source: Source) -> list[Span]:
        from services.telemetry.archive.index import Index

        try:
            if self._index is None:
                self._index = Index(self._settings.archive_database, migrating=self._settings.migrate)
            return self._index.spans(kind, source)
        except SpondylError as error:
            log.warning("the archive cannot be asked", why=error.message)
            return []
