"""Tells every bed its list: on every change, when the site's day begins, and at least every hour.

One thread looks once a second whether anything that a list is made of has changed, and builds anew once a
minute
whatever was seen: a day that begins, a clearance that ends and a name that could not be had leave no row
behind.
A list goes into the outbox when it says something else than the last one, or when that was said an hour ago:
a
gateway must hear that the centre is there.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from broker.contract import WORKLIST
from broker.messages import Worklist, WorklistEntry
from services.kit.business.identity import Unreachable
from services.kit.business.leading import thread_of_term
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.kit.moments import instant_of
from services.kit.sealed import Person, SealedRefused, seal_person
from services.kit.told import told
from services.scheduler.clock import Now, us_of, utc_now
from services.scheduler.resources import store as resources
from services.scheduler.worklists import store
from services.scheduler.worklists.building import Draft, drafts
from services.scheduler.worklists.names import Names

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
SWEEP_S: Final = 60.0
AGAIN: Final = timedelta(minutes=50)  # told at least every hour, whatever a minute of sweeping adds
AHEAD: Final = timedelta(days=1)  # gateways believe no list from further ahead
KEPT: Final = timedelta(days=3)  # sealed names of appointments that are long over
ENDING_S: Final = 10.0


class Worklists:
    """Builds and tells; safe to run beside another one over the same database."""

    def __init__(self, office: Office, names: Names, now: Now = utc_now) -> None:
        self._office, self._names, self._now = office, names, now
        self._seen: tuple[object, ...] | None = None
        self._swept = float("-inf")

    def look(self) -> int:
        """Build and tell if anything has changed or the minute is over; how many lists were told."""
        with reading(self._office.engine) as connection:
            found = store.fingerprint(connection)
        steady = time.monotonic()
        if found == self._seen and steady - self._swept < SWEEP_S:
            return 0
        self._seen, self._swept = found, steady
        return self.tell()

    def tell(self) -> int:
        """Build every site's lists and tell what is new; how many were told."""
        with reading(self._office.engine) as connection:
            sites = resources.sites(connection)
        return sum(self._tell_site(site) for site in sites)

    def _tell_site(self, site: str) -> int:
        now = self._now()
        with reading(self._office.engine) as connection:
            built = drafts(connection, site, now)
        built = self._with_names(built)
        with writing(self._office.engine) as connection:
            told = store.told(connection, site)
            at_us = self._at_us(told)
            due = [draft for draft in built if _is_due(draft, told.get(draft.device), us_of(now))]
            for draft in due:
                message = Worklist(
                    at=instant_of(at_us), entries=list(draft.entries), suspended=list(draft.suspended)
                )
                self._office.outbox.add(connection, WORKLIST, site, message, draft.device)
                store.put_told(connection, site, draft.device, _digest(draft), at_us)
            store.forget_before(connection, us_of(now - KEPT))
        if due:
            self._office.outbox.woken.set()
        return len(due)

    def _at_us(self, told: dict[str, tuple[str, int]]) -> int:
        """Now, and never before what was said last: a clock set back must not make a suspension the older
        word.
        """
        now = self._now()
        last = max((at_us for _, at_us in told.values()), default=0)
        if last > us_of(now + AHEAD):
            return us_of(now)
        return max(us_of(now), last + 1)

    # --- names ---------------------------------------------------------------------------------------

    def _with_names(self, built: list[Draft]) -> list[Draft]:
        """The same with sealed names as far as they can be had: rather none than no list."""
        wanted = [
            (draft.sealing_key, entry) for draft in built for entry in draft.entries if draft.sealing_key
        ]
        with reading(self._office.engine) as connection:
            known = store.sealed(connection, [entry.appointment for _, entry in wanted])
        fresh: list[tuple[UUID, UUID, str, str]] = []
        asked: dict[UUID, Person | None] = {}
        with suppress(Unreachable):
            for key, entry in wanted:
                place = (entry.appointment, entry.patient, key)
                if place not in known and (text := self._sealed(entry, key, asked)) is not None:
                    known[place] = text
                    fresh.append((*place, text))
        if fresh:
            with writing(self._office.engine) as connection:
                store.put_sealed(connection, fresh, us_of(self._now()))
        return [_named(draft, known) for draft in built]

    def _sealed(self, entry: WorklistEntry, key: str, asked: dict[UUID, Person | None]) -> str | None:
        if entry.patient not in asked:
            asked[entry.patient] = self._names.of(entry.patient)
        person = asked[entry.patient]
        if person is None:
            return None
        try:
            return seal_person(key, person, entry.appointment, entry.patient)
        except SealedRefused as error:
            log.warning("a name could not be sealed", appointment=str(entry.appointment), why=error.message)
            return None


def _named(draft: Draft, sealed: dict[tuple[UUID, UUID, str], str]) -> Draft:
    key = draft.sealing_key or ""
    entries = (
        entry.model_copy(update={"patient_sealed": sealed.get((entry.appointment, entry.patient, key))})
        for entry in draft.entries
    )
    return replace(draft, entries=tuple(entries))


def _is_due(draft: Draft, told: tuple[str, int] | None, now_us: int) -> bool:
    if told is None:
        return True
    digest, at_us = told
    return digest != _digest(draft) or abs(now_us - at_us) >= AGAIN // timedelta(microseconds=1)


def _digest(draft: Draft) -> str:
    said = {
        "entries": [entry.model_dump(mode="json") for entry in draft.entries],
        "suspended": [row.model_dump(mode="json") for row in draft.suspended],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def begin(office: Office, names: Names) -> Callable[[], None]:
    """Tell in the background from now on; gives what ends it."""
    ending = threading.Event()
    worklists = Worklists(office, names)

    def run() -> None:
        while not ending.wait(LOOK_S):
            try:
                worklists.look()
            except (SQLAlchemyError, SpondylError, ValueError) as error:
                log.warning("worklists could not be told; trying again", why=told(error))

    thread = thread_of_term(run, "worklists")
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(ENDING_S)

    return end
