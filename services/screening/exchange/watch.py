"""Looks after the folders of all sites in the background: takes what is whole, writes what is due."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from broker.messages import SessionSummary
from services.kit.business.leading import Worker
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.kit.health import Check
from services.kit.moments import now_us
from services.kit.told import told
from services.screening.exchange import store, taking
from services.screening.exchange.errors import GdtUnwritable
from services.screening.exchange.gdt.folders import Folder, names
from services.screening.exchange.gdt.results import result
from services.screening.exchange.gdt.writing import Form, Written
from services.screening.exchange.settings import settings_of
from services.screening.patients.store import current

log = structlog.get_logger(__name__)

TIDY_S: Final = 3600.0
END_S: Final = 10.0


class Watcher:
    """The folders below one directory, a site each."""

    def __init__(self, office: Office) -> None:
        self.office, self.settings = office, settings_of(office)
        self.last_error: dict[str, str] = {}
        self._folders: dict[str, Folder] = {}
        self._worker = Worker("gdt", self._run, END_S)
        self._tidied: dict[str, float] = {}

    def start(self) -> Callable[[], None]:
        """Begin; gives the end."""
        return self._worker.start()

    def stop(self) -> None:
        """End; what is claimed and not settled is taken up by the next start."""
        self._worker.stop()

    def folders(self) -> dict[str, Folder]:
        """The folder of each site: whoever makes a directory of a site's name has one."""
        for site, directory in self.settings.sites(self.office.settings.data).items():
            if site not in self._folders:
                self._folders[site] = Folder(directory, self.settings.gdt_stable_s)
        return self._folders

    def look(self) -> None:
        """One turn over all sites; what fails at one is said, and keeps no other waiting."""
        for site, folder in self.folders().items():
            try:
                self._look(site, folder)
                self.last_error.pop(site, None)
            except (OSError, SQLAlchemyError, SpondylError) as error:
                why = error.message if isinstance(error, SpondylError) else told(error)
                if self.last_error.get(site) != why:
                    log.warning("the GDT folder waits", site=site, why=why)
                self.last_error[site] = why

    def check(self) -> Check:
        """What somebody has to look at."""

        def folders() -> str | None:
            return "; ".join(f"{site}: {why}" for site, why in sorted(self.last_error.items())) or None

        return Check("gdt", folders, essential=False)

    def _run(self) -> None:
        while not self._worker.ending.wait(self.settings.gdt_poll_s):
            try:
                self.look()
            except Exception:
                log.exception("the GDT folders could not be looked after; trying again")

    def _look(self, site: str, folder: Folder) -> None:
        folder.claim()
        for claimed in folder.claimed():
            try:
                taking.take(self.office, folder, site, claimed)
            except (OSError, SQLAlchemyError, SpondylError):
                raise  # it is taken at another turn
            except Exception:
                log.exception("a GDT file cannot be taken", site=site, file=str(claimed.id))
                taking.put_aside(self.office, folder, site, claimed)
        self._hand_over_rest(site, folder)
        with reading(self.office.engine) as connection:
            due = store.results_in(connection, site, ("due",))
        for row in due:
            self._write(site, folder, row)
        if time.monotonic() - self._tidied.get(site, -TIDY_S) >= TIDY_S:
            self._tidied[site] = time.monotonic()
            self._tidy(site, folder)

    def _tidy(self, site: str, folder: Folder) -> None:
        """Names and birth dates do not lie about for ever."""
        before_s = time.time() - timedelta(days=self.settings.gdt_keep_days).total_seconds()
        folder.tidy(before_s)
        with writing(self.office.engine) as connection:
            store.tidy(connection, site, round(before_s * 1_000_000))

    def _write(self, site: str, folder: Folder, row: RowMapping) -> None:
        """The file on the disk, then `written` in the database, then its name: once, come what may."""
        session = UUID(row["session"])
        try:
            written = compose(self.office, row, self.settings.form(), self.settings.gdt_procedure)
        except GdtUnwritable as error:
            words = error.words or {"de": error.message, "en": error.message}
            self._set(row, state="refused", why_de=words["de"], why_en=words["en"])
            return
        folder.prepare(session, written.content)
        self._set(
            row, state="written", written_us=now_us(), why_en="; ".join(written.warnings)[:1000] or None
        )
        self._hand_over(folder, row["session"])
        log.info("result handed over", site=site, session=row["session"])

    def _hand_over_rest(self, site: str, folder: Folder) -> None:
        """What a crash kept from getting its name."""
        with reading(self.office.engine) as connection:
            rows = store.results_in(connection, site, ("written",))
        for row in rows:
            if row["filename"] is None:
                self._hand_over(folder, row["session"])

    def _hand_over(self, folder: Folder, session: str) -> None:
        name = "?"  # handed over before a crash, under a name that nobody wrote down
        if folder.is_prepared(UUID(session)):
            form = self.settings.form()
            receiver, sender = self.settings.gdt_receiver_short, self.settings.gdt_sender_short
            name = folder.hand_over(UUID(session), names(form.version, receiver, sender))
        with writing(self.office.engine) as connection:
            store.set_result(connection, session, filename=name)

    def _set(self, row: RowMapping, **values: object) -> None:
        with writing(self.office.engine) as connection:
            store.set_result(connection, row["session"], **values)


def compose(office: Office, row: RowMapping, form: Form, procedure: str, given: str | None = None) -> Written:
    """A session's record 6310, with the number that the practice system calls the patient by, or ``given``.

    Raises GdtUnwritable.
    """
    with reading(office.engine) as connection:
        file = current(connection, UUID(row["patient"]))
        numbers = store.numbers_of(connection, UUID(row["patient"]), store.GDT)
    number = given or next((it["value"] for it in numbers if it["site"] == row["site"]), None)
    if number is None:
        raise GdtUnwritable(
            f"session {row['session']} has no patient's number of the practice system (field 3000)",
            {
                "de": "Das Praxisprogramm hat für diese Akte keine Patientennummer genannt (Feld 3000).",
                "en": "The practice system has given no patient's number for this file (field 3000).",
            },
        )
    summary = SessionSummary.model_validate_json(row["summary"])
    zone = ZoneInfo(settings_of(office).gdt_zone)
    return result(number, file.content if file else None, summary, procedure, zone, form)
