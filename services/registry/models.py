"""What the registry keeps and shows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.kit.enrolment.models import Slug

MINUTES: Final = 30  # that a code is good for
MOST_MINUTES: Final = 24 * 60
HOSTS: Final = (
    "localhost",
    "127.0.0.1",
    "site-mqtt",
    "gateway",
)  # of a clinic's broker and panel, unless told
MOST_DEVICES: Final = 64  # one gateway's loop
GATEWAY_DAYS: Final = 90  # of a gateway's certificates
SERVICE_DAYS: Final = 365  # of the centre's own
INTEGRATOR_DAYS: Final = 365
RENEW_AT: Final = 2 / 3  # of its days a certificate is renewed
AUTHORITY_DAYS: Final = 3650
CRL_DAYS: Final = 7  # a revocation list holds so long ...
CRL_EVERY_DAYS: Final = 1  # ... and is made anew so often: a broker with an old one lets nobody in
MOST_REASON: Final = 200


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("each device is named once")
    return names


Devices = Annotated[
    tuple[Slug, ...], Field(min_length=1, max_length=MOST_DEVICES), AfterValidator(_each_once)
]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$|^::1$")]
Hosts = Annotated[tuple[Host, ...], Field(min_length=1, max_length=20)]
Reason = Annotated[str, Field(min_length=1, max_length=MOST_REASON, pattern=r"^[^\r\n\t\x00]+$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Enrolling(_Body):
    """A gateway that is to come, or to come anew."""

    name: Slug
    site: Slug
    devices: Devices
    hosts: Hosts = HOSTS
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = MINUTES


class Revoking(_Body):
    """Why somebody may not any more."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Member:
    """A gateway or an integrator."""

    name: str
    role: str
    site: str | None
    devices: tuple[str, ...]
    hosts: tuple[str, ...]
    made_us: int
    ended_us: int | None
    version: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it is kept."""

    serial: str
    issuer: str
    name: str
    member: str | None
    part: str
    issued_us: int
    ends_us: int
    pem: str

    def body(self, revoked: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  (a column)
        """As JSON shows it."""
        return {
            "serial": self.serial, "name": self.name, "part": self.part, "issued_at": shown(self.issued_us),
            "expires_at": shown(self.ends_us), "revoked": revoked,
        }  # fmt: skip


def us(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return int(moment.timestamp() * 1_000_000)


def moment(at_us: int) -> datetime:
    """The other way."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC)


def shown(at_us: int | None) -> str | None:
    """ISO 8601, whole seconds."""
    return None if at_us is None else moment(at_us).isoformat(timespec="seconds")
