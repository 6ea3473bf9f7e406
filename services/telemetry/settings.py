"""What telemetry is told by the environment, beyond the kit's settings."""

from pydantic import Field, SecretStr

from broker.contract import SLUG
from services.kit.settings import Settings


class TelemetrySettings(Settings):
    """Settings of ingest and its HTTP API."""

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Address of the Redis-compatible server that keeps the telemetry: redis://:password@host:port/0.",
    )
    ingest_client: str = Field(
        "telemetry",
        min_length=1,
        description="MQTT client id of ingest: it names the broker's session, so it must not change.",
    )
    ingest_site: str = Field(
        "+",
        pattern=rf"^(\+|{SLUG})$",
        description="Site whose devices this process ingests; + takes all. One process a site scales out.",
    )
    ingest_batch: int = Field(
        500, ge=1, le=10_000, description="Most messages stored in one transaction and flushed together."
    )
    ingest_linger_ms: int = Field(
        50, ge=0, le=1000, description="How long a batch may wait to fill before it is stored."
    )
    ingest_session_h: float = Field(
        168.0, gt=0, description="Hours the broker keeps what ingest misses while it is down."
    )
    committed_ms: int = Field(
        500, ge=0, description="Shortest time between two `committed` messages of one device."
    )
    memory_warning: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share of Redis's memory limit (of the machine's without one) above which it warns.",
    )
