"""What the console keeps of a bed in memory, and its settings."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field, SecretStr

from broker.fields import Phase
from broker.messages import AlarmState, Committed, DeviceState, Event, GatewayStatus
from services.console import blocks
from services.kit.auth.hashing import WorkSettings
from services.kit.settings import DatabaseAddress, HttpAddress

Link = Literal["live", "stale", "waiting", "stopped", "lost"]

PHASE_INDEX = blocks.PHASE_INDEX
STALE_S = 2.0  # research: a monitor blanks its number when it is older than this
BACKLOG_S = 30.0  # samples kept for a page that opens
EVENTS_KEPT = 60
STEADY_S = 20.0  # samples that come this long with one delay are as quick as they get
STEADY_BAND_S = 0.7
DRIFT = 200e-6  # two clocks part by less than this; lets the delay's floor creep up
IN_SESSION: frozenset[str] = frozenset(
    ("slack", "precondition", "ramp", "hold", "release", "rest", "guarded", "rebuild", "cooldown", "paused")
)


class ConsoleSettings(WorkSettings):
    """Settings of the console."""

    telemetry_url: HttpAddress = Field(
        "", description="Address of telemetry's HTTP API; empty: no history on the bed page."
    )
    screening_url: HttpAddress = Field(
        "", description="Address of screening's HTTP API; empty: no patients' files."
    )
    scheduler_url: HttpAddress = Field(
        "", description="Address of the scheduler's HTTP API; empty: no calendar."
    )
    billing_url: HttpAddress = Field("", description="Address of billing's HTTP API; empty: no invoices.")
    homecare_url: HttpAddress = Field(
        "", description="Address of homecare's HTTP API; empty: no home programmes."
    )
    attachment_most_bytes: int = Field(
        64_000_000, ge=100_000, le=1_000_000_000,
        description="Largest file of a finding (MRI, report), in bytes; the console takes as much.",
    )  # fmt: skip
    tablet_minutes: int = Field(
        60,
        ge=1,
        le=60,
        description="How long a questionnaire handed over on a tablet takes answers, in minutes.",
    )
    panels: dict[str, str] = Field(
        default={},
        description="Bedside panel of each bed: JSON {site/device: address}; the device alone where no other "
        "site has one of that name.",
    )
    console_database_url: DatabaseAddress | None = Field(
        None,
        description="Accounts, notes, audit trail: SQLite or PostgreSQL; default DATA/console/console.db.",
    )
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/@\s]+)?$",
        description="Address that browsers use, as https://spondyl.example: with https, cookies are secure.",
    )
    demo: bool = Field(
        default=False,
        description="Demo mode: the sign-in page shows a name and its password. Never with real people.",
    )

    oidc_issuer: str = Field(
        "",
        pattern=r"^(https?://[^@\s]+)?$",
        description="OpenID Connect provider to sign in through, by its issuer's address; empty: none.",
    )
    oidc_client_id: str = Field("", description="What the provider calls this console.")
    oidc_client_secret: SecretStr | None = Field(None, description="The secret it gave this console.")
    oidc_scopes: str = Field(
        "openid profile email groups", description="Scopes asked for, separated by spaces."
    )
    oidc_groups_claim: str = Field("groups", description="Claim that names a person's groups.")
    oidc_roles: dict[str, list[str]] = Field(
        default={},
        description="What a group is here: JSON {group: [role or role@site, ...]}; other groups are nothing.",
    )
    oidc_label: str = Field("OpenID Connect", description="What the sign-in page calls the provider.")
    simulated_operator: Path | None = Field(
        None,
        description="File of the simulated therapist, who is put on every gateway's list of operators; "
        "`spondyl up` makes it. None in a clinic.",
    )

    @property
    def database(self) -> str:
        """URL of the console's database."""
        given = self.console_database_url
        return given.get_secret_value() if given else f"sqlite:///{self.data / 'console' / 'console.db'}"

    @property
    def secure(self) -> bool:
        """Whether browsers come by https."""
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A bed among all sites."""

    site: str
    device: str

    def __str__(self) -> str:
        return f"{self.site}/{self.device}"


@dataclass(slots=True)
class Block:
    """One tension block; put into the browsers' form when the first of them asks, for most none does."""

    key: Key
    first: int
    count: int
    period_s: float
    source: bytes | blocks.Samples  # as it came, or as it was read
    _payload: bytes | None = None

    @property
    def payload(self) -> bytes:
        """As the browsers get it: a JSON object, see `blocks.encode`."""
        if self._payload is None:
            read = blocks.read(self.source) if isinstance(self.source, bytes) else self.source
            self._payload = blocks.encode(str(self.key), read)
        return self._payload


@dataclass(slots=True)
class Gateway:
    """What a gateway last said of itself."""

    state: Literal["online", "stopped", "lost"]
    boot: UUID
    said: GatewayStatus


@dataclass(slots=True)
class Device:
    """The latest of one bed. Times are seconds of the console's monotonic clock."""

    key: Key
    gateway: str | None = None
    state: DeviceState | None = None
    alarms: AlarmState | None = None
    committed: Committed | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    backlog: deque[Block] = field(default_factory=deque)
    boot: UUID | None = None
    seq: int = -1  # newest sample
    phase: Phase = "idle"
    tension_n: float | None = None  # of the newest sample; None when nobody measured it
    lost: blocks.Lost | None = None  # why not
    target_n: float = 0.0
    counter_n: float = 0.0
    arrived: float | None = None
    delay_floor: float = 0.0
    steady: tuple[float, float] = (0.0, 0.0)  # a delay, and since when it has been about that
    lag_s: float = 0.0

    def take(self, block: blocks.Samples, now: float, raw: bytes | None = None) -> Block | None:
        """Keep a block's newest sample; None when it brings nothing newer (a spool's backlog)."""
        last = block.seq + len(block.tension_n) - 1
        if block.boot != self.boot:
            self._begin(block, last, now)
        elif last <= self.seq:
            return None
        self._time(last * block.period_ms / 1000, now)
        self.seq = last
        self.phase = block.phase[-1]
        self.lost = blocks.lost(block)
        self.tension_n = None if self.lost else block.tension_n[-1]
        self.target_n = block.target_n[-1]
        self.counter_n = block.residual_n[-1]
        return self._keep(block, raw)

    def age_s(self, now: float) -> float | None:
        """How old the newest sample is, its delay on the way counted; None before the first."""
        return None if self.arrived is None else now - self.arrived + self.lag_s

    def unstored_s(self) -> float | None:
        """Seconds of samples that are not stored durably yet; None when this boot's promise is not known."""
        if self.committed is None or self.committed.boot != self.boot or not self.backlog:
            return None
        after = self.committed.next.get("tension", 0)
        return max(0, self.seq + 1 - after) * self.backlog[-1].period_s

    def current_phase(self, now: float) -> Phase:
        """The phase of the newest sample, or of the retained state where no samples come."""
        age_s = self.age_s(now)
        if age_s is None or (self.state and self.state.boot == self.boot and self.state.seq > self.seq):
            return self.state.phase if self.state else "idle"
        return self.phase

    def _begin(self, block: blocks.Samples, last: int, now: float) -> None:
        self.boot = block.boot
        self.seq = -1
        self.backlog.clear()
        self.delay_floor = now - last * block.period_ms / 1000
        self.steady = (self.delay_floor, now)
        self.arrived = now

    def _time(self, sample_s: float, now: float) -> None:
        """How late this sample is against the quickest one of its boot.

        Only the console's monotonic clock and the sample's index count, so a stepped wall clock changes
        nothing; samples that waited on the way are seen to be old. A loop that stood still for a while
        counts no ticks: once its samples come steadily again, that delay is the new floor.
        """
        delay = now - sample_s
        since = now - self.arrived if self.arrived is not None else 0.0
        self.delay_floor = min(delay, self.delay_floor + DRIFT * since)
        if abs(delay - self.steady[0]) > STEADY_BAND_S:
            self.steady = (delay, now)
        elif now - self.steady[1] > STEADY_S:
            self.delay_floor, self.steady = delay, (delay, now)
        self.lag_s = delay - self.delay_floor
        self.arrived = now

    def _keep(self, block: blocks.Samples, raw: bytes | None) -> Block:
        period_s = block.period_ms / 1000
        kept = Block(self.key, block.seq, len(block.tension_n), period_s, raw or block)
        self.backlog.append(kept)
        oldest = self.seq - BACKLOG_S / period_s
        while self.backlog and self.backlog[0].first < oldest:
            self.backlog.popleft()
        return kept
