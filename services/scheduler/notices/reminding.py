"""Reminds of appointments by e-mail, each once: claimed in the database before, the outcome after.

What a process had claimed and not begun to send when it was killed is taken up again; what it was sending may
have arrived and is left, as `unknown`: rather no reminder than two.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.kit.business import mail as post
from services.kit.business.identity import Unreachable, identity
from services.kit.business.leading import NotLeading, Worker
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.health import Check
from services.kit.language import Language
from services.kit.told import plain
from services.scheduler.booking import store as bookings
from services.scheduler.booking.models import Appointment
from services.scheduler.clock import Now, us_of, utc_now
from services.scheduler.errors import NotFound
from services.scheduler.notices import mail, store
from services.scheduler.resources import store as resources
from services.scheduler.settings import SchedulerSettings

log = structlog.get_logger(__name__)

LATEST: Final = timedelta(hours=1)  # a reminder later than so much before helps nobody
ABANDONED: Final = timedelta(minutes=5)  # a claim that is older is of a process that is gone
WAITS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180))  # before each next try
END_S: Final = 30.0
MOVED: Final = "it is no longer booked for then"


class Reminding:
    """Looks for what is due, in the background."""

    def __init__(self, office: Office, settings: SchedulerSettings, now: Now = utc_now) -> None:
        self.office, self.settings, self.now = office, settings, now
        self.last_error: str | None = None
        self._worker = Worker("reminders", self._run, END_S)

    def start(self) -> Callable[[], None]:
        """Begin, where there is a server; gives the end."""
        return self._worker.start() if self.settings.smtp_host else self.stop

    def stop(self) -> None:
        """End behind the message that is just being sent."""
        self._worker.stop()

    def check(self) -> Check:
        """What somebody has to look at."""
        return Check("reminders", lambda: self.last_error, essential=False)

    def look(self) -> int:
        """One turn; how many were handed to the server."""
        now = self.now()
        until = now + timedelta(hours=self.settings.reminder_hours)
        with writing(self.office.engine) as connection:
            store.give_up(connection, us_of(now - ABANDONED))
            due = store.unreminded(connection, us_of(now + LATEST), us_of(until))
            mine = [one for one in due if store.claim(connection, one, us_of(now))]
        mine += self._again()
        return sum(self._remind(one) for one in mine if not self._worker.ending.is_set())

    def _run(self) -> None:
        while not self._worker.ending.wait(self.settings.reminder_poll_s):
            try:
                self.look()
            except (NotLeading, SQLAlchemyError) as error:
                self.last_error = str(getattr(error, "orig", None) or error)[:200]
            except Exception:
                log.exception("reminders could not be looked after; trying again")
                self.last_error = "reminders could not be looked after: see the log"

    def _again(self) -> list[Appointment]:
        """What waited for another try, or was claimed by a process that is gone."""
        now, found = self.now(), []
        with writing(self.office.engine) as connection:
            for row in store.again(connection, us_of(now), us_of(now - ABANDONED)):
                if not store.reclaim(connection, row, us_of(now)):
                    continue
                try:
                    one = bookings.appointment_of(connection, UUID(row["appointment"]))
                except NotFound:
                    continue
                if us_of(one.starts_at) == row["starts_us"]:
                    found.append(one)
                else:  # else it is taken up for ever, before others that can still be sent
                    store.skip(connection, row, MOVED)
        return found

    def _remind(self, one: Appointment) -> bool:
        """Send it, and write down what became of it."""
        try:
            reminder = self._reminder(one)
            if isinstance(reminder, str):
                self._set(one, "skipped", why=reminder)
                return False
            written = mail.message(reminder, self.settings.smtp_from, self.now())
            post.send(self.settings, written, lambda: self._set(one, "sending"))
        except post.Never as error:
            self._set(one, "failed", why=str(error))
        except post.Unknown as error:
            self._set(one, "unknown", why=f"the line broke while it was sent: {error}")
        except (post.Later, OSError, ValueError) as error:
            self._later(one, str(error)[:200] or type(error).__name__)
        else:
            self._set(one, "sent")
            self.last_error = None
            return True
        return False

    def _reminder(self, one: Appointment) -> mail.Reminder | str:
        """Whom and when, or why nobody is reminded. Raises OSError, ValueError while screening is away."""
        with reading(self.office.engine) as connection:
            current = bookings.appointment_of(connection, one.appointment)
            zone = resources.site_of(connection, one.site).clock
        if current.state != "booked" or current.starts_at != one.starts_at:
            return MOVED
        if one.starts_at - self.now() < LATEST:
            return "it begins too soon"
        person = self._person(one.patient)
        if person is None:
            return "screening knows no such patient"
        if not person.get("email"):
            return "the file has no e-mail address"
        language: Language = "en" if person.get("language") == "en" else "de"
        return mail.Reminder(one.appointment, one.starts_at, one.site, zone, person["email"], language)

    def _person(self, patient: UUID) -> dict[str, Any] | None:
        """E-mail and language, asked of screening, which writes the asking down. None: nobody it knows."""
        if not self.settings.screening_url or self.settings.identity_token is None:
            raise Unreachable(
                "SPONDYL_SCREENING_URL or SPONDYL_IDENTITY_TOKEN is not set: nobody's address is known"
            )
        return identity(self.settings.screening_url, self.settings.identity_token, patient)

    def _later(self, one: Appointment, why: str) -> None:
        """Another try, farther away each time; none that would come too late."""
        with writing(self.office.engine) as connection:
            tries = store.tries_of(connection, one) + 1
            next_at = self.now() + WAITS[min(tries, len(WAITS)) - 1]
            hopeless = tries > len(WAITS) or one.starts_at - next_at < LATEST
            state = "failed" if hopeless else "waiting"
            next_us = None if hopeless else us_of(next_at)
            store.set_reminder(connection, one, state, tries=tries, next_us=next_us, why=why)
        self.last_error = f"reminders wait: {plain(why)}"
        log.warning("reminder not sent", appointment=str(one.appointment), why=why, state=state)

    def _set(self, one: Appointment, state: str, why: str = "") -> None:
        with writing(self.office.engine) as connection:
            given = {"claimed_us": us_of(self.now())} if state == "sending" else {}
            store.set_reminder(connection, one, state, why=why[:500], **given)
