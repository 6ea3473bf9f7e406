"""Who acknowledged which alarm: written once, and read back every second for what other consoles wrote."""

import asyncio
from typing import Any, Final

import structlog
from sqlalchemy import Engine, Row, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from services.console import alarms
from services.console.errors import UnknownAlarm
from services.console.live import Live
from services.console.occurrences import KEPT, Acknowledged, Occurrence
from services.console.tables import ACKNOWLEDGEMENTS as TABLE
from services.kit.auth.guard import lacking
from services.kit.auth.principal import ALL_SITES, Principal
from services.kit.database import reading, writing
from services.kit.moments import now_us

log = structlog.get_logger(__name__)

READ_S: Final = 1.0
LATE: Final = 200  # a number given out earlier may be committed later: so many are read once more


class AlarmDesk:
    """Acknowledgements in the database and in ``live``; safe for any thread."""

    def __init__(self, engine: Engine, live: Live) -> None:
        self._engine, self._live = engine, live
        self._last: int | None = None  # newest number read

    def known(self, who: Principal, wanted: Occurrence) -> Acknowledged | None:
        """Who has acknowledged it already; None where this one may now.

        Raises UnknownAlarm when it is not on, or is another site's; NotPermitted for one that may only look.
        """
        if not _sees(who, wanted) or alarms.find(self._live, wanted) is None:
            place = f"at bed {wanted.device[:40]} of site {wanted.site[:40]}" if wanted.device else "here"
            raise UnknownAlarm(
                f"the alarm {wanted.condition[:40]} is not on {place}: it went, or came on again since"
            )
        if not may_acknowledge(who, wanted.site):
            raise lacking(who, "alarms.acknowledge", wanted.site or ALL_SITES)
        return self._live.acknowledged.of(wanted)

    def acknowledge(self, who: Principal, wanted: Occurrence) -> tuple[Acknowledged, bool]:
        """(who acknowledged it and when, whether it was this one): two at once are one and a late one."""
        made, first = self._write(who, wanted)
        self._live.acknowledge([made])
        return made, first

    def refresh(self) -> None:
        """Take over what this and other consoles have written since the last look: one query."""
        with reading(self._engine) as connection:
            last = self._last
            if last is None:
                last = (connection.execute(select(func.max(TABLE.c.id))).scalar() or 0) - KEPT
            rows = connection.execute(
                select(TABLE).where(TABLE.c.id > last - LATE).order_by(TABLE.c.id)
            ).all()
        self._last = max([last, *(row.id for row in rows)])
        self._live.acknowledge([_acknowledged(row) for row in rows])

    async def run(self) -> None:
        """Read every second until cancelled; a database that is away is said once."""
        away = False
        while True:
            try:
                await run_in_threadpool(self.refresh)
                away = False
            except SQLAlchemyError as error:
                if not away:
                    why = str(getattr(error, "orig", None) or error)
                    log.error("acknowledgements cannot be read", detail=why)  # noqa: TRY400  (no fault of ours: no trace)
                away = True
            await asyncio.sleep(READ_S)

    def _write(self, who: Principal, wanted: Occurrence) -> tuple[Acknowledged, bool]:
        """Write it down, unless somebody was first: then that one it is."""
        row: dict[str, Any] = {
            "site": wanted.site, "device": wanted.device, "condition": wanted.condition,
            "occurrence": wanted.id, "account": who.account, "name": who.name[:80],
            "at_us": now_us(),
        }  # fmt: skip
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(TABLE).values(row))
            return Acknowledged(wanted, row["name"], row["at_us"]), True
        except IntegrityError:
            with reading(self._engine) as connection:
                same = [TABLE.c[name] == row[name] for name in ("site", "device", "condition", "occurrence")]
                return _acknowledged(connection.execute(select(TABLE).where(*same)).one()), False


def may_acknowledge(who: Principal, site: str) -> bool:
    """Whether this one may silence an alarm of a site; the console's own has none, and is every site's."""
    return who.may("alarms.acknowledge", site or ALL_SITES)


def _sees(who: Principal, wanted: Occurrence) -> bool:
    """Whether this one may know of the alarm at all; the console's own are everybody's who sees a bed."""
    return who.may("beds.see", wanted.site or None)


def _acknowledged(row: Row[Any]) -> Acknowledged:
    return Acknowledged(Occurrence(row.site, row.device, row.condition, row.occurrence), row.name, row.at_us)
