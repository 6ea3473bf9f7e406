"""What telemetry's processes are told by the environment, beyond the kit's settings."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from broker.topics import check_name
from services.kit.settings import DatabaseAddress, Listed, Settings

DATABASE_FILE = "archive.db"


class TelemetrySettings(Settings):
    """Settings of ingest, archive and the HTTP API in front of both."""

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Address of the Redis-compatible server that keeps the telemetry, "
        "redis://:password@host:port/0, or of nodes of a Redis Cluster, "
        "redis+cluster://:password@host:port,host:port; rediss with TLS.",
    )
    # --- ingest
    ingest_client: str = Field(
        "telemetry",
        min_length=1,
        description="MQTT client id of ingest, `-` and the site behind it: it names the sessions: keep it.",
    )
    ingest_sites: Listed = Field(
        (),
        description="Sites to ingest, separated by commas; none given: every site that ever said `status`.",
    )
    ingest_workers: int = Field(
        1, ge=0, le=64, description="Ingest workers that `spondyl up` starts; they share the sites."
    )
    ingest_batch: int = Field(
        1000, ge=1, le=10_000, description="Most messages stored in one transaction and flushed together."
    )
    ingest_linger_ms: int = Field(
        200, ge=0, le=1000, description="How long messages may wait to come together before they are stored."
    )
    ingest_session_h: float = Field(
        168.0, gt=0, description="Hours the broker keeps what ingest misses while it is down."
    )
    committed_ms: int = Field(
        2000, ge=0, description="Shortest time between two `committed` messages of one device."
    )
    memory_warning: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share of Redis's memory limit (of the machine's without one) above which it warns.",
    )
    lease_s: float = Field(
        3.0,
        ge=0.5,
        le=60,
        description="How long a worker keeps its sites without a sign of life; another takes them then.",
    )
    # --- gaps
    gap_ask_s: float = Field(
        2.0, ge=0.1, le=3600, description="A hole that is open for so long is asked for at the gateway."
    )
    gap_give_up_h: float = Field(
        24.0, gt=0, description="A hole that was asked for in vain for so long is named lost."
    )
    # --- archive
    archive_url: str = Field(
        "",
        description="Where the archive is: directory or s3://bucket/prefix; default DATA/telemetry/archive.",
    )
    archive_database_url: DatabaseAddress = Field(
        SecretStr(""),
        description="SQL index of the archive: SQLite or PostgreSQL; default DATA/telemetry/archive.db.",
    )
    archive_span_min: float = Field(
        60.0, ge=1, le=1440, description="Idle time is archived in spans of so many minutes."
    )
    archive_every_s: float = Field(
        5.0, gt=0, le=3600, description="How often the archiver looks for something to archive."
    )
    archive_s3_endpoint: str | None = Field(
        None, description="Address of an S3-compatible server; none: Amazon's."
    )
    archive_s3_access_key: str | None = Field(None, description="Access key of the S3 bucket.")
    archive_s3_secret_key: SecretStr | None = Field(None, description="Secret key of the S3 bucket.")
    archive_s3_region: str | None = Field(None, description="Region of the S3 bucket.")
    retention_years: float = Field(
        10.0,
        ge=10,
        description="Years that records are kept after a treatment; 10 is the least by law (BGB 630f).",
    )

    # --- audit trail
    telemetry_trail_key: Path | None = Field(
        None,
        description="Key of the audit trail of direct reads, the same for every API on one index; made where "
        "there is none; default DATA/secrets/telemetry-trail.key.",
    )
    telemetry_trail_seal: Path | None = Field(
        None,
        description="File that says how far that trail had come, one a machine; default "
        "DATA/telemetry/trail.seal.",
    )

    @field_validator("ingest_sites")
    @classmethod
    def _site_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            check_name("site", name)
        return tuple(dict.fromkeys(names))

    @property
    def directory(self) -> Path:
        """Where telemetry keeps files of its own."""
        return self.data / "telemetry"

    @property
    def archive_location(self) -> str:
        """The archive's address, the default filled in."""
        return self.archive_url or (self.directory / "archive").absolute().as_uri()

    @property
    def archive_database(self) -> str:
        """The index's address in clear, the default filled in, for the one call that opens it."""
        given = self.archive_database_url.get_secret_value()
        return given or f"sqlite:///{(self.directory / DATABASE_FILE).absolute()}"

    @property
    def trail_key(self) -> Path:
        """Where the trail's key lies, the default filled in."""
        return self.telemetry_trail_key or self.data / "secrets" / "telemetry-trail.key"

    @property
    def trail_seal(self) -> Path:
        """Where the trail's seal lies, the default filled in."""
        return self.telemetry_trail_seal or self.directory / "trail.seal"
