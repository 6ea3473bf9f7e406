"""The archive of a process that starts whether or not it can be opened, and opens it when it can."""

import threading
from typing import Final

import structlog

from services.kit.errors import SpondylError
from services.telemetry.archive import census
from services.telemetry.archive.opening import open_archive
from services.telemetry.archive.pulse import Pulse
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.stores import READING
from services.telemetry.errors import ArchiveUnavailable
from services.telemetry.settings import TelemetrySettings

log = structlog.get_logger(__name__)

RETRY_S: Final = 2.0


class Reopening:
    """Tries every few seconds, in a thread of its own, until the archive is open."""

    def __init__(self, settings: TelemetrySettings, retry_s: float = RETRY_S) -> None:
        self._settings = settings
        self._retry_s = retry_s
        self._archive: Archive | None = None
        self._pulse = Pulse(self._look)
        self._why = "it is being opened"
        self._stopping = threading.Event()
        self._open()
        self._thread = threading.Thread(target=self._try_again, name="archive", daemon=True)
        self._thread.start()

    def __call__(self) -> Archive:
        """The archive. Raises ArchiveUnavailable with what is wrong with it."""
        if self._archive is None:
            raise ArchiveUnavailable(f"the archive cannot be opened: {self._why}")
        return self._archive

    def trouble(self) -> str | None:
        """What is wrong, for the readiness check."""
        try:
            census.newest_session_us(self().index)
        except SpondylError as error:
            return error.message
        return self._pulse.trouble()

    def _look(self) -> None:
        self().store.check()

    def close(self) -> None:
        """Let go of it."""
        self._stopping.set()
        self._thread.join(5)
        if self._archive is not None:
            self._archive.index.close()

    def _try_again(self) -> None:
        while self._archive is None and not self._stopping.wait(self._retry_s):
            self._open()

    def _open(self) -> None:
        try:
            self._archive = open_archive(self._settings, READING)
        except SpondylError as error:
            self._complain(error.message)
        except Exception as error:
            log.exception("the archive cannot be opened; it is tried again")
            self._complain(f"{type(error).__name__}: {error}")

    def _complain(self, why: str) -> None:
        """Once until it changes."""
        if why != self._why:
            log.error("the archive cannot be opened; what Redis has is served", why=why)
        self._why = why
