"""Links for a patient's screen that cannot sign in: one bed, for some days, withdrawn at any time.

The link carries a secret of 256 random bits; the table has only its SHA-256, so that a stolen table opens no
screen. Nothing but the patient's view of that one bed takes it.
"""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Engine, Row, insert, select, update

from services.console.errors import ScreenRefused, UnknownScreen
from services.console.models import Key
from services.console.tables import SCREENS, USERS
from services.kit.auth.principal import Principal
from services.kit.database import reading, writing
from services.kit.errors import NotSignedIn
from services.kit.moments import now_us
from services.kit.trail import legible

LONGEST_DAYS: Final = 90
MOST_LINKS: Final = 20  # of one bed at a time
MAX_SECRET: Final = 200
DAY_US: Final = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Screen:
    """One link, without its secret."""

    id: str
    key: Key
    account: str
    name: str  # who made it
    created_at_us: int
    ends_at_us: int


@dataclass(eq=False, slots=True)
class Screens:
    """Makes, finds and withdraws links; safe for any number of threads. Knows which screens are open."""

    engine: Engine
    watching: Counter[Key] = field(default_factory=Counter)

    def make(self, key: Key, who: Principal, days: int) -> tuple[Screen, str]:
        """A new link and its secret, which is never shown again. Raises ScreenRefused."""
        if not 1 <= days <= LONGEST_DAYS:
            raise ScreenRefused(f"a screen's link is for {days} days: 1 to {LONGEST_DAYS} (docs/access.md)")
        if len(self.of(key)) >= MOST_LINKS:
            raise ScreenRefused(f"{key} has {MOST_LINKS} links already: withdraw one that is not used")
        secret = secrets.token_urlsafe(32)
        now = now_us()
        made = Screen(str(uuid4()), key, who.account, who.name, now, now + days * DAY_US)
        row = {
            "id": made.id, "secret": _digest(secret), "site": key.site, "device": key.device,
            "account": made.account, "name": made.name,
            "created_at_us": made.created_at_us, "ends_at_us": made.ends_at_us,
        }  # fmt: skip
        with writing(self.engine) as connection:
            connection.execute(insert(SCREENS).values(row))
        return made, secret

    def of(self, key: Key) -> list[Screen]:
        """The bed's links that still open something, newest first."""
        query = select(SCREENS).where(
            SCREENS.c.site == key.site,
            SCREENS.c.device == key.device,
            SCREENS.c.ended_at_us.is_(None),
            SCREENS.c.ends_at_us > now_us(),
            _maker_is_here(),
        )
        newest_first = query.order_by(SCREENS.c.created_at_us.desc())
        with reading(self.engine) as connection:
            return [_screen(row) for row in connection.execute(newest_first)]

    def visible(self, screen: str, who: Principal) -> Screen:
        """A link by its id, open or not. Raises UnknownScreen, also for another site's."""
        query = select(SCREENS).where(SCREENS.c.id == legible(screen))
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        if row is None or not who.may("beds.see", row.site):
            raise UnknownScreen(f"no link of the id {screen[:40]!r} is known")
        return _screen(row)

    def withdraw(self, screen: str) -> None:
        """The link opens nothing any more; screens that are open close within a second."""
        with writing(self.engine) as connection:
            query = update(SCREENS).where(SCREENS.c.id == screen, SCREENS.c.ended_at_us.is_(None))
            connection.execute(query.values(ended_at_us=now_us()))

    def open(self, secret: str) -> Screen:
        """Whose link this is. Raises NotSignedIn for one that is unknown, over or withdrawn."""
        query = select(SCREENS).where(
            SCREENS.c.secret == _digest(secret[:MAX_SECRET]),
            SCREENS.c.ended_at_us.is_(None),
            SCREENS.c.ends_at_us > now_us(),
            _maker_is_here(),
        )
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotSignedIn(
                "this screen's link is unknown, over or withdrawn: make a new one on the bed's page"
            )
        return _screen(row)


def _maker_is_here() -> ColumnElement[bool]:
    """A link goes with the account that made it."""
    disabled = select(USERS.c.id).where(USERS.c.id == SCREENS.c.account, USERS.c.disabled_at_us.is_not(None))
    return ~disabled.exists()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _screen(row: Row[Any]) -> Screen:
    return Screen(row.id, Key(row.site, row.device), row.account, row.name, row.created_at_us, row.ends_at_us)
