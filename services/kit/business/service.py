"""A business service as a process: database, trail, bus, inbox, outbox and API."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from prometheus_client import Gauge
from pydantic import Field
from sqlalchemy import Engine, text

from broker.contract import Stream
from services.kit import http, logging
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.auth.principal import Principal
from services.kit.business.duties import Begin, Duties
from services.kit.business.figures import More, figures
from services.kit.business.inbox import Handler, refused
from services.kit.business.leading import Leading, fenced
from services.kit.business.leases import lease_of
from services.kit.business.outbox import Outbox
from services.kit.business.tables import BusinessTables
from services.kit.connections import server_tls
from services.kit.database import migrate, open_database, reading
from services.kit.health import Check
from services.kit.middleware import MAX_REQUEST_BYTES
from services.kit.settings import DatabaseAddress, Settings
from services.kit.trail import Trail


class BusinessSettings(Settings):
    """What a business service is told beyond the kit's settings."""

    business_database_url: DatabaseAddress | None = Field(
        None,
        description="Database of a business service: SQLite or PostgreSQL; default DATA/SERVICE/SERVICE.db. "
        "`{service}` in it is the service's name, so that one address says where each of them is.",
    )

    def database(self, name: str) -> str:
        """URL of the service's database."""
        given = self.business_database_url
        if given is None:
            return f"sqlite:///{self.data / name / name}.db"
        return given.get_secret_value().replace("{service}", name)


@dataclass(frozen=True, slots=True)
class Office:
    """What a service's rooms share: the database, the trail, what is to be told."""

    name: str
    settings: BusinessSettings
    engine: Engine
    tables: BusinessTables
    outbox: Outbox
    trail: Trail

    @property
    def directory(self) -> Path:
        """Files of this service."""
        return self.settings.data / self.name

    def seen(self, who: Principal, action: str, record: str | None, site: str | None, **detail: Any) -> None:
        """Write down who saw or changed which record. Raises TrailUnavailable: then nothing is shown."""
        said = {name: value for name, value in detail.items() if value is not None}
        self.trail.append(who, action, record=record, site=site, detail=said)


def trail_paths(data: Path, name: str) -> tuple[Path, Path]:
    """Where a service's audit trail has its seal and its key."""
    return data / name / "trail.seal", data / "secrets" / f"{name}-trail.key"


def open_office(name: str, package: str, tables: BusinessTables, settings: BusinessSettings) -> Office:
    """The database brought up to date, and what stands on it. Raises SpondylError."""
    engine = open_database(settings.database(name))
    fenced(engine)
    migrate(engine, package, settings.migrate)
    trail = Trail(engine, tables.trail, *trail_paths(settings.data, name), one_key=True)
    return Office(name, settings, engine, tables, Outbox(engine, tables), trail)


@dataclass(frozen=True, slots=True)
class Work:
    """What a service does beside its API: what it hears, and what runs by itself in the background."""

    handlers: Mapping[Stream, Handler] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    checks: Sequence[Check] = ()
    background: Sequence[Begin] = ()  # the leader's: begun with every term of its
    everywhere: Sequence[Begin] = ()  # of every replica
    figures: Sequence[More] = ()  # asked of the database for /metrics
    max_request_bytes: int = MAX_REQUEST_BYTES
    larger_requests: Mapping[str, int] = field(default_factory=dict)  # by the ending of the path
    public_origin: str = ""  # of its own pages, where a proxy asks by another host


def run(office: Office, work: Work, audience: str) -> None:
    """Serve until SIGTERM, and lead while no other replica does."""
    settings, name = office.settings, office.name
    logging.configure(name, settings.log_level, settings.log_format)
    server_tls(settings)  # a wrong certificate is refused before anything begins
    public = tokens.public_key(settings.access_public_key, settings.data)
    duties = Duties(
        name, settings, office.engine, office.tables, office.outbox, work.handlers, work.background
    )
    leading = Leading(lease_of(office.engine, name), duties.begin)
    app = http.create_app(
        name, version("spondyl"), [*checks(office, duties, leading), *work.checks], work.routers,
        guard=bearer(public, audience), max_request_bytes=work.max_request_bytes,
        larger_requests=work.larger_requests, public_origin=work.public_origin,
        facts={"leader": lambda: "yes" if leading.holds else "no"},
    )  # fmt: skip
    Gauge(
        "spondyl_leader", "1: this replica leads, the others serve HTTP alone.", registry=app.state.registry
    ).set_function(lambda: leading.holds)
    app.state.registry.register(figures(office.engine, office.tables, work.figures))
    with ExitStack() as ending:
        ending.callback(office.engine.dispose)
        for begin in work.everywhere:
            ending.callback(begin())
        leading.start()
        ending.callback(leading.stop)
        http.serve(app, settings)


def checks(office: Office, duties: Duties, leading: Leading) -> list[Check]:
    """What every business service needs, and what somebody has to look at."""

    def database() -> str | None:
        with reading(office.engine) as connection:
            connection.execute(text("SELECT 1"))
        return duties.inbox()

    def passed_over() -> str | None:
        count = refused(office.engine, office.tables.refused)
        return f"{count} messages were refused: see {office.tables.refused.name}" if count else None

    # Without the broker the desk goes on working: what it changes is told later.
    return [
        Check("database", database),
        Check("broker", duties.broker, essential=False),
        Check("messages", passed_over, essential=False),
        Check("outbox", duties.outbox, essential=False),
        Check("lease", lambda: leading.trouble, essential=False),
    ]
