"""What a telephone asks by its secret address: its programme, and that its entries are taken. No account."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.homecare.diary import entries, links, models, shown, store
from services.homecare.diary.entries import Taken
from services.homecare.diary.links import HOLDER, Opened
from services.homecare.diary.models import MOST_ENTRIES
from services.homecare.diary.pace import Pace
from services.homecare.diary.quiet import Quiet
from services.kit.auth.guard import public
from services.kit.business.service import Office
from services.kit.database import reading, writing, writing_again
from services.kit.looks import Looks
from services.kit.moments import Now, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
# A telephone asks once in minutes; a day's exercises are ten entries, months without a network a thousand.
MOST_ASKED, ASKED_PER_MINUTE = 60, 30
MOST_SENT, SENT_PER_MINUTE = 5000, 100


class Sent(BaseModel):
    """Entries; each is judged by itself."""

    model_config = ConfigDict(extra="forbid")

    entries: Annotated[list[Any], Field(min_length=1, max_length=MOST_ENTRIES)]


def router(office: Office, now: Now) -> APIRouter:
    """``/h/{secret}/programme``, ``/h/{secret}/entries``."""
    routes = Routes(prefix="/h", tags=["patient's page"], dependencies=[public()], route_class=Quiet)
    home = _Home(office, now)

    @routes.get("/{secret}/programme")
    def programme(secret: str) -> Row:
        """The programme of the next 14 days, with everything that the page needs."""
        return home.programme(secret)

    @routes.post("/{secret}/entries")
    def send(secret: str, body: Sent) -> Row:
        """Take entries, 1 to 500; sent again they are known. Each is accepted, known or refused with why."""
        return home.take(secret, body.entries)

    return routes


class _Home:
    def __init__(self, office: Office, now: Now) -> None:
        self._office, self._now = office, now
        self._looks = Looks()
        self._asked = Pace(MOST_ASKED, ASKED_PER_MINUTE, lambda: now().timestamp())
        self._sent = Pace(MOST_SENT, SENT_PER_MINUTE, lambda: now().timestamp())

    def programme(self, secret: str) -> Row:
        """What a telephone is told. Raises NotFound, Gone, TooMany."""
        opened = self._open(secret)
        self._noted(opened, "programme.opened")
        return self._told(secret)

    def take(self, secret: str, sent: list[Any]) -> Row:
        """Keep what is new of it. Raises NotFound, Gone, TooMany; then nothing is kept.

        A report of pain waits for no pace, nor does what comes with it.
        """
        hurts = any(models.is_pain(one) for one in sent)
        opened = self._open(secret, is_urgent=hurts)
        self._sent.spend(opened.link, len(sent), is_urgent=hurts)
        self._noted(opened, "diary.entered")
        taken: Taken = writing_again(
            self._office.engine,
            lambda connection: entries.take(
                self._office, connection, links.hold(connection, secret), sent, us_of(self._now())
            ),
        )
        self._office.outbox.woken.set()
        return taken.body() | {"programme": self._told(secret)}

    def _open(self, secret: str, *, is_urgent: bool = False) -> Opened:
        with reading(self._office.engine) as connection:
            opened = links.find(connection, secret)
        self._asked.spend(opened.link, is_urgent=is_urgent)
        return opened

    def _noted(self, opened: Opened, action: str) -> None:
        """When it was used, once an hour; and a row of the trail for a quarter of an hour of asking."""
        now_us = us_of(self._now())
        if now_us - opened.noted_us >= links.NOTED_EVERY_US:
            with writing(self._office.engine) as connection:
                store.opened(connection, opened.link, now_us)
        if not self._looks.known(HOLDER, action, opened.record):
            self._office.seen(
                HOLDER, action, opened.record, opened.programme.site, programme=str(opened.programme.id)
            )
            self._looks.put_down(HOLDER, action, opened.record)

    def _told(self, secret: str) -> Row:
        with reading(self._office.engine) as connection:
            return shown.body(connection, links.find(connection, secret), self._now())
