"""What every room of booking works with: the office, the clock, and how a change is told on the bus."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

from sqlalchemy import Connection

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.scheduler.booking.models import Appointment
from services.scheduler.clock import Now, us_of
from services.scheduler.planner.problem import Effort
from services.scheduler.settings import SchedulerSettings

MOST_SAID: Final = 500
SYSTEM: Final = "scheduler"  # who did what nobody did


@dataclass(frozen=True, slots=True)
class Desk:
    """The office with its clock."""

    office: Office
    now: Now

    @property
    def at_us(self) -> int:
        """Now, as the tables keep it."""
        return us_of(self.now())

    @property
    def settings(self) -> SchedulerSettings:
        """What the scheduler was told."""
        return cast("SchedulerSettings", self.office.settings)

    @property
    def effort(self) -> Effort:
        """How long the planner may think."""
        return self.settings.effort

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; what it put into the outbox is told behind its commit."""
        with writing(self.office.engine) as connection:
            yield connection
        self.office.outbox.woken.set()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view."""
        with reading(self.office.engine) as connection:
            yield connection

    def tell(self, connection: Connection, kind: str, site: str, **data: Any) -> None:
        """An event, once the transaction is committed."""
        said = {name: _plain(value) for name, value in data.items() if value not in (None, "")}
        event = ClinicEvent(id=uuid4(), type=kind, time=self.now(), data=said)
        self.office.outbox.add(connection, STREAMS[kind.partition(".")[0]], site, event)

    def tell_all(
        self, connection: Connection, kind: str, appointments: Iterable[Appointment], reason: str = ""
    ) -> None:
        """An event each: `appointment.booked`, `.moved` and so on."""
        for one in appointments:
            self.tell(
                connection, f"appointment.{kind}", one.site, appointment=one.appointment, cure=one.cure,
                patient=one.patient, device=one.device, starts_at=one.starts_at, number=one.number,
                reason=reason[:MOST_SAID],
            )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
