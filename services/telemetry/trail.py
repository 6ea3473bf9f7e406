"""Who read what straight from telemetry: an audit trail of its own, in a table beside the archive's index.

What the console asks in a person's name is a row of the console's trail, and its tokens say that it asks
(``via``); everything else is a row here. The rules of the routes say which ones (``routes/rules.py``).
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from services.kit import trail_pages
from services.kit.auth.principal import Principal, Sites
from services.kit.auth.tokens import VIA_CONSOLE
from services.kit.database import migrate, open_database, reading
from services.kit.errors import SpondylError
from services.kit.looks import Looks
from services.kit.trail import RowsOfAnotherKey, Trail, TrailUnavailable, canonical, in_turn
from services.kit.trail_pages import Page, Wanted
from services.telemetry.archive.index import PACKAGE
from services.telemetry.archive.tables import TRAIL
from services.telemetry.settings import TelemetrySettings

T = TypeVar("T")
RETRY_S: Final = 2.0
PATIENCE_S: Final = 8.0  # of an answer for its row
WRITTEN_ELSEWHERE: Final = frozenset({VIA_CONSOLE})  # who asks for somebody and keeps a trail


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever asks, the sites whose records they may see, and what the trail calls it."""

    who: Principal
    sites: Sites
    address: str
    action: str
    each_time: bool  # else a look goes on for a quarter of an hour

    @property
    def site(self) -> str | None:
        """The one site that all they may see is of, if it is only one."""
        return next(iter(self.sites)) if self.sites is not None and len(self.sites) == 1 else None


class ReadTrail:
    """The trail of direct reads; for any number of threads. A look goes on for a quarter of an hour.

    Opened when the first row is due, and again a moment later while it cannot be: a database that is away
    keeps no service from starting. It needs the index's database and no object store.
    """

    def __init__(self, settings: TelemetrySettings, looks: Looks | None = None) -> None:
        self._settings = settings
        self._looks = looks if looks is not None else Looks()
        self._turn = threading.Lock()
        self._open: tuple[Engine, Trail] | None = None
        self._why, self._tried_s = "", float("-inf")

    def shown(
        self, reader: Reader, answer: T, record: str | None, site: str | None, /, **detail: object
    ) -> T:
        """The answer, once it is written down that this one is shown it. Raises TrailUnavailable."""
        if reader.who.via not in WRITTEN_ELSEWHERE:
            self._write(reader, record, site, {name: it for name, it in detail.items() if it is not None})
        return answer

    def read(self, wanted: Wanted, *, before: int | None = None, after: int | None = None) -> Page:
        """A page of the rows, newest first. Raises TrailUnavailable."""
        with in_turn(self._turn):
            trail = self._opened()
        try:
            return trail_pages.read(trail, wanted, before=before, after=after)
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise TrailUnavailable(f"the audit trail cannot be read: {reason}") from None

    def _write(
        self, reader: Reader, record: str | None, site: str | None, detail: Mapping[str, object]
    ) -> None:
        look = reader.who, reader.action, f"{record or ''} {site or ''} {canonical(detail)}"
        if self._is_known(reader, look):
            return
        with in_turn(self._turn):
            if not self._is_known(reader, look):
                try:
                    self._opened().append(
                        reader.who, reader.action,
                        record=record, site=site, address=reader.address, detail=detail,
                    )  # fmt: skip
                except RowsOfAnotherKey:
                    self._let_go()  # the right key may be put there
                    raise
                self._looks.put_down(*look)

    def _is_known(self, reader: Reader, look: tuple[Principal, str, str]) -> bool:
        return not reader.each_time and self._looks.known(*look)

    def close(self) -> None:
        """Let go of the connections."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._open is not None:
            self._open[0].dispose()
            self._open = None

    def _opened(self) -> Trail:
        if self._open is None:
            if time.monotonic() - self._tried_s < RETRY_S:
                raise TrailUnavailable(self._why)
            try:
                self._open = open_trail(self._settings)
            except (SpondylError, SQLAlchemyError, OSError, ValueError) as error:
                self._why, self._tried_s = f"the audit trail cannot be opened: {error}", time.monotonic()
                raise TrailUnavailable(self._why) from None
        return self._open[1]


def open_trail(settings: TelemetrySettings) -> tuple[Engine, Trail]:
    """The trail, and the database that it is in; made when it is not there. Raises SpondylError, OSError."""
    engine = open_database(settings.archive_database, PATIENCE_S)
    try:
        migrate(engine, PACKAGE, settings.migrate)
        _require_key(engine, settings.trail_key)
        return engine, Trail(engine, TRAIL, settings.trail_seal, settings.trail_key, one_key=True)
    except BaseException:
        engine.dispose()
        raise


def _require_key(engine: Engine, key: Path) -> None:
    """A key of our own under rows of another would break their chain. Raises SpondylError."""
    if not key.exists():
        with reading(engine) as connection:
            if connection.execute(select(TRAIL.c.seq).limit(1)).first():
                raise SpondylError(
                    f"it has rows already, and there is no key at {key}: copy it from the machine that wrote "
                    "them, or from the backup"
                )
