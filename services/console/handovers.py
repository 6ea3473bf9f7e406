"""A questionnaire on a tablet that was handed over: one patient's, on one browser, for an hour at most.

The browser's cookie carries a secret of 256 random bits; the table has only its SHA-256. It is no sign-in:
the tablet's own pages take it and nothing else does. Times are microseconds since the epoch.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from services.console.accounts.models import User
from services.console.errors import UnknownUser
from services.console.store import Store
from services.console.tables import HANDOVERS
from services.kit.auth.principal import Principal
from services.kit.database import reading, writing
from services.kit.moments import now_us

MINUTE_US: Final = 60 * 1_000_000
MAX_SECRET: Final = 200


@dataclass(frozen=True, slots=True)
class Handover:
    """One hand-over, without its secret; ``forgery`` is what a form of its pages must send back."""

    id: str
    patient: str
    region: str
    site: str
    account: str
    name: str  # who handed it over
    ends_at_us: int
    done: bool  # the last answer was sent: nothing is shown or taken any more
    forgery: str = ""


@dataclass(frozen=True, slots=True)
class Handovers:
    """Begins, finds and ends hand-overs; safe for any number of threads."""

    store: Store
    minutes: int

    def make(self, patient: str, region: str, site: str, who: Principal) -> str:
        """The secret of a new hand-over; an earlier one of this patient ends."""
        secret, now = secrets.token_urlsafe(32), now_us()
        row = {
            "id": str(uuid4()), "secret": _digest(secret), "patient": patient, "region": region, "site": site,
            "account": who.account, "name": who.name,
            "created_at_us": now, "ends_at_us": now + self.minutes * MINUTE_US,
        }  # fmt: skip
        self.withdraw(patient)
        with writing(self.store.engine) as connection:
            connection.execute(insert(HANDOVERS).values(row))
        return secret

    def of(self, patient: str) -> Handover | None:
        """The patient's hand-over that still takes answers."""
        query = select(HANDOVERS).where(
            HANDOVERS.c.patient == patient,
            HANDOVERS.c.ended_at_us.is_(None),
            HANDOVERS.c.done_at_us.is_(None),
            HANDOVERS.c.ends_at_us > now_us(),
        )
        with reading(self.store.engine) as connection:
            row = connection.execute(query.order_by(HANDOVERS.c.created_at_us.desc())).first()
        return _handover(row) if row else None

    def open(self, secret: str) -> tuple[Handover, User] | None:
        """The hand-over of a tablet's cookie, and who handed it over; None when it is over."""
        query = select(HANDOVERS).where(
            HANDOVERS.c.secret == _digest(secret[:MAX_SECRET]),
            HANDOVERS.c.ended_at_us.is_(None),
            HANDOVERS.c.ends_at_us > now_us(),
        )
        with reading(self.store.engine) as connection:
            row = connection.execute(query).first()
        user = self._giver(row.account) if row else None
        if row is None or user is None:
            return None
        return _handover(row, _digest(f"forgery {secret}")), user

    def finish(self, handover: str) -> None:
        """The last answer was sent."""
        with writing(self.store.engine) as connection:
            query = update(HANDOVERS).where(HANDOVERS.c.id == handover, HANDOVERS.c.done_at_us.is_(None))
            connection.execute(query.values(done_at_us=now_us()))

    def withdraw(self, patient: str) -> None:
        """No tablet shows this patient's questionnaire any more."""
        with writing(self.store.engine) as connection:
            query = update(HANDOVERS).where(HANDOVERS.c.patient == patient, HANDOVERS.c.ended_at_us.is_(None))
            connection.execute(query.values(ended_at_us=now_us()))

    def end(self, secret: str) -> None:
        """The staff has this tablet back."""
        with writing(self.store.engine) as connection:
            query = update(HANDOVERS).where(
                HANDOVERS.c.secret == _digest(secret[:MAX_SECRET]), HANDOVERS.c.ended_at_us.is_(None)
            )
            connection.execute(query.values(ended_at_us=now_us()))

    def _giver(self, account: str) -> User | None:
        """A hand-over goes with the account that made it."""
        try:
            user = self.store.user(account)
        except UnknownUser:
            return None
        return None if user.disabled else user


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _handover(row: Row[Any], forgery: str = "") -> Handover:
    return Handover(
        row.id, row.patient, row.region, row.site, row.account, row.name, row.ends_at_us,
        done=row.done_at_us is not None, forgery=forgery,
    )  # fmt: skip
