"""Reminds by e-mail, each day of a programme once: claimed in the database before, the outcome after.

What a process had claimed and not begun to send when it was killed is taken up again; what it was sending may
have arrived and is left, as `unknown`: rather no reminder than two.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Connection

from services.homecare.errors import NotFound
from services.homecare.models import Programme
from services.homecare.programmes import course
from services.homecare.programmes import store as programmes
from services.homecare.progression.today import plan
from services.homecare.reminders import mail, store
from services.homecare.reminders.store import Due
from services.homecare.settings import HomecareSettings
from services.homecare.tables import ZONES
from services.kit.business import mail as post
from services.kit.business.identity import Unreachable, identity
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, us_of, utc_now

log = structlog.get_logger(__name__)

LATEST_HOUR: Final = 22  # from then on nobody is reminded of that day
ABANDONED: Final = timedelta(minutes=5)  # a claim that is older is of a process that is gone
WAITS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))  # before each next try


class Reminding:
    """One turn after the other; whoever calls it keeps the time."""

    def __init__(self, office: Office, settings: HomecareSettings, now: Now = utc_now) -> None:
        self.office, self.settings, self.now = office, settings, now

    def turn(self) -> int:
        """How many were handed to the server. Raises Unreachable where some have to wait, saying why."""
        if not self.settings.smtp_host:
            return 0
        with writing(self.office.engine) as connection:
            store.give_up(connection, us_of(self.now() - ABANDONED))
            mine = [one for one in self._due(connection) if store.claim(connection, one, us_of(self.now()))]
        outcomes = [self._remind(one) for one in mine + self._again()]
        waiting = [why for why in outcomes if isinstance(why, str)]
        if waiting:
            raise Unreachable(f"{len(waiting)} reminders wait: {waiting[0]}")
        return outcomes.count(True)

    def _due(self, connection: Connection) -> list[Due]:
        """Of every site where it is evening; whether it is needed is looked at when it is claimed."""
        wishing = store.wishing(connection)
        local = {site: ZONES.local(connection, site, self.now()) for site in {site for _, site in wishing}}
        evening = {
            site for site, at in local.items()
            if self.settings.homecare_reminder_hour <= at.hour < LATEST_HOUR
        }  # fmt: skip
        asked = [Due(programme, local[site].date()) for programme, site in wishing if site in evening]
        return store.undecided(connection, asked)

    def _again(self) -> list[Due]:
        """What waited for another try, or was claimed by a process that is gone."""
        now = self.now()
        with writing(self.office.engine) as connection:
            rows = store.again(connection, us_of(now), us_of(now - ABANDONED))
            mine = [row for row in rows if store.reclaim(connection, row, us_of(now))]
        return [Due(UUID(row["programme"]), row["day"]) for row in mine]

    def _remind(self, one: Due) -> bool | str:
        """Send it, and write down what became of it; True: handed over, text: why it has to wait."""
        try:
            reminder = self._reminder(one)
            if isinstance(reminder, str):
                self._put(one, "skipped", reminder)
                return False
            written = mail.message(reminder, self.settings.smtp_from, self.now())
            post.send(self.settings, written, lambda: self._put(one, "sending"))
        except post.Never as error:
            self._put(one, "failed", str(error))
        except post.Unknown as error:
            self._put(one, "unknown", f"the line broke while it was sent: {error}")
        except (post.Later, OSError, ValueError) as error:
            return self._later(one, str(error)[:200] or type(error).__name__)
        else:
            self._put(one, "sent")
            return True
        return False

    def _reminder(self, one: Due) -> mail.Reminder | str:
        """Whom, or why nobody is reminded. Raises OSError, ValueError while screening is away."""
        with reading(self.office.engine) as connection:
            try:
                programme = programmes.programme(connection, one.programme)
            except NotFound:
                return "there is no such programme any more"
            needless = self._needless(connection, programme, one)
        if needless:
            return needless
        person = self._person(programme.patient)
        if person is None:
            return "screening knows no such patient"
        if not person.get("email"):
            return "the file has no e-mail address"
        return mail.Reminder(one.programme, one.day, person["email"], programme.language)

    def _needless(self, connection: Connection, programme: Programme, one: Due) -> str | None:
        """Why nobody has to be reminded now."""
        local = ZONES.local(connection, programme.site, self.now())
        if local.date() != one.day or local.hour >= LATEST_HOUR:
            return "it is too late for that day"
        if not programme.wanted.reminders or programme.state != "running":
            return "reminders were switched off, or the programme does not run"
        if store.is_heard_of(connection, one):
            return "something was entered for that day"
        where = course.of(connection, programme, one.day)
        day = plan(programme.wanted, programme.decision, where, one.day)
        if not day.is_inside or day.is_rest_day or not any(item.status == "open" for item in day.items):
            return "nothing was due that day"
        return None

    def _person(self, patient: UUID) -> dict[str, Any] | None:
        """E-mail, asked of screening, which writes the asking down. None: nobody it knows."""
        if not self.settings.screening_url or self.settings.identity_token is None:
            raise Unreachable(
                "SPONDYL_SCREENING_URL or SPONDYL_IDENTITY_TOKEN is not set: nobody's address is known"
            )
        return identity(self.settings.screening_url, self.settings.identity_token, patient)

    def _later(self, one: Due, why: str) -> str | bool:
        """Another try, farther away each time."""
        with writing(self.office.engine) as connection:
            tries = store.tries_of(connection, one) + 1
            is_over = tries > len(WAITS)
            next_us = None if is_over else us_of(self.now() + WAITS[tries - 1])
            state = "failed" if is_over else "waiting"
            store.put(connection, one, state, why, tries=tries, next_us=next_us)
        log.warning("reminder not sent", programme=str(one.programme), why=why, state=state)
        return why

    def _put(self, one: Due, state: str, why: str = "") -> None:
        with writing(self.office.engine) as connection:
            given = {"claimed_us": us_of(self.now())} if state == "sending" else {}
            store.put(connection, one, state, why, **given)
