"""`python -m services.telemetry.archiver`: Redis -> archive, any number of them; a site has one at a time."""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Collection
from importlib.metadata import version
from typing import Final
from uuid import uuid4

import psutil
import structlog

from services.kit import logging
from services.kit.auth.guard import NOBODY
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.health import Check
from services.kit.http import create_app, serve
from services.kit.memory import GiveBack, one_arena
from services.kit.metrics import process_registry
from services.kit.moments import now_us
from services.telemetry.archive.archiving import Archiver, HotSessions
from services.telemetry.archive.hot_side import HotBoot, HotSide, source_of
from services.telemetry.archive.opening import open_archive
from services.telemetry.archive.pulse import Pulse
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.watch import ArchiveMetrics
from services.telemetry.errors import ArchiveUnavailable, StoreUnavailable
from services.telemetry.leases import Leases
from services.telemetry.models import Source
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import connect

log = structlog.get_logger(__name__)

RETRY_S: Final = 2.0
FORGET_AFTER_DAYS: Final = 30.0  # a gateway that was away may send what is archived already for so long
GIVE_BACK_S: Final = 5.0  # a session takes some megabytes while it is archived; looking takes microseconds
ALL_AGAIN_S: Final = 60.0  # boots that are done are looked at again so often
_DAY_US: Final = 86_400_000_000


class Archiving:
    """One thread that archives, one that keeps its leases; everything it waits for shows in ``trouble``."""

    def __init__(self, settings: TelemetrySettings, archive: Archive, metrics: ArchiveMetrics) -> None:
        url = settings.redis_url.get_secret_value()
        self._settings = settings
        self._archive = archive
        self._pulse = Pulse(archive.store.check)
        self._metrics = metrics
        self._hot = HotSide(url)
        self._sites_seen = HotSide(url)  # of the lease keeper's own thread
        self._redis = connect(url)
        worker = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._leases = Leases(self._redis, "archive", worker, ttl_s=settings.lease_s)
        self._archiver = Archiver(self._hot, archive, settings.archive_span_min, metrics)
        self._mine: frozenset[str] = frozenset()
        self._done: set[Source] = set()
        self._all_again_at = 0.0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_leases, name="leases", daemon=True),
            threading.Thread(target=self._run, name="archiver", daemon=True),
        ]
        self.trouble: str | None = "nothing was looked at yet"
        self.lease_trouble: str | None = "Redis was not asked yet"

    def start(self) -> None:
        """Begin, in threads of their own."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """End between two objects; what is not finished is done by whoever comes next."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)
        try:
            self._leases.close()
        except StoreUnavailable:
            log.warning("leases expire by themselves: Redis is away")
        for connection in (self._redis, self._hot, self._sites_seen):
            connection.close()

    def redis_trouble(self) -> str | None:
        """What is wrong with Redis, for the readiness check."""
        return self.lease_trouble

    def archive_trouble(self) -> str | None:
        """What is wrong with the store or the index, for the readiness check."""
        return self.trouble or self._pulse.trouble()

    # --- leases ---------------------------------------------------------------------------------------------
    def _keep_leases(self) -> None:
        while not self._stopping.is_set():
            try:
                self._mine = self._leases.hold(self._sites_seen.sites())
                self.lease_trouble = None
            except SpondylError as error:
                self.lease_trouble = error.message
            self._metrics.sites.set(len(self._mine))
            self._stopping.wait(self._settings.lease_s / 3)

    # --- archiving ------------------------------------------------------------------------------------------
    def _run(self) -> None:
        give_back = GiveBack(GIVE_BACK_S)
        while not self._stopping.is_set():
            began = time.perf_counter()
            try:
                self._turn()
            except SpondylError as error:
                self._failed(error.message)
                self._stopping.wait(RETRY_S)
                continue
            except Exception as error:
                log.exception("archiving failed; it tries again")
                self._failed(f"{type(error).__name__}: {error}")
                self._stopping.wait(RETRY_S)
                continue
            self._metrics.turn.observe(time.perf_counter() - began)
            give_back()
            self._stopping.wait(self._settings.archive_every_s)

    def _turn(self) -> None:
        """One look at every device of my sites."""
        if time.monotonic() - self._all_again_at > ALL_AGAIN_S:
            self._done.clear()
            self._all_again_at = time.monotonic()
        boots, hurry = self._hot.boots(self._mine, self._done), self._is_filling_up()
        sessions = self._sessions_by_source()
        try:
            self._archiver.look(boots)
            troubles = [self._boot(boot, sessions[boot.source], hurry=hurry) for boot in boots]
            damaged = list(self._archiver.flush().values())
        except BaseException:
            self._archiver.drop()
            raise
        self._metrics.failures.inc(len(damaged))
        found = [trouble for trouble in (*troubles, *damaged) if trouble]
        self._put_away([boot.source for boot in boots if self._is_done(boot, sessions[boot.source])])
        self._metrics.waiting.set(self._archiver.waiting)
        self._metrics.oldest.set(self._archiver.oldest_s())
        self._complain(found[0] if found else None)

    def _boot(self, boot: HotBoot, sessions: HotSessions, *, hurry: bool) -> str | None:
        """Archive one; what is wrong with just this one, so that the others go on."""
        if self._stopping.is_set() or not self._leases.holds(boot.source.place.site):
            self._archiver.forget(boot.source)
            return None
        try:
            self._archiver.boot(boot, sessions, hurry=hurry)
        except (StoreUnavailable, ArchiveUnavailable):
            self._archiver.forget(boot.source)
            raise
        except SpondylError as error:
            return self._cannot(boot.source, error.message)
        except Exception as error:
            log.exception("archiving a device failed", place=str(boot.source.place))
            return self._cannot(boot.source, f"{type(error).__name__}: {error}")
        return None

    def _cannot(self, source: Source, why: str) -> str:
        self._metrics.failures.inc()
        self._archiver.forget(source)
        log.warning("a device cannot be archived", place=str(source.place), why=why)
        return f"{source.place}: {why}"

    def _is_done(self, boot: HotBoot, sessions: HotSessions) -> bool:
        return self._leases.holds(boot.source.place.site) and self._archiver.is_done(boot) and not sessions

    def _put_away(self, sources: Collection[Source]) -> None:
        """Boots that are over and archived are not looked at every time, and leave Redis after a month."""
        self._done.update(sources)
        long_ago_us = now_us() - round(FORGET_AFTER_DAYS * _DAY_US)
        for source in self._archive.index.archived_before(sources, long_ago_us) if sources else ():
            self._hot.forget_boot(source)
            self._archiver.forget(source)

    def _sessions_by_source(self) -> dict[Source, HotSessions]:
        found: defaultdict[Source, HotSessions] = defaultdict(list)
        for session, fields in self._hot.sessions():
            try:
                source = source_of(fields)
            except (KeyError, ValueError):
                log.warning("Redis knows a session that lies nowhere", session=str(session))
                continue
            if source is not None:
                found[source] = [*found[source], (session, fields)]
        return found

    def _is_filling_up(self) -> bool:
        used, limit = self._hot.memory()
        return used > self._settings.memory_warning * (limit or psutil.virtual_memory().total)

    def _failed(self, trouble: str) -> None:
        self._metrics.failures.inc()
        self._complain(trouble)

    def _complain(self, trouble: str | None) -> None:
        """Once until it changes."""
        if trouble and trouble != self.trouble:
            log.error("the archiver waits; nothing is lost, Redis keeps it", why=trouble)
        self.trouble = trouble


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        run(TelemetrySettings.load())


def run(settings: TelemetrySettings) -> None:
    """Everything in its order; closed in the reverse one."""
    one_arena()
    logging.configure("archiver", settings.log_level, settings.log_format)
    release = version("spondyl")
    registry = process_registry("archiver", release)
    archive = open_archive(settings)
    archiving = Archiving(settings, archive, ArchiveMetrics(registry))
    checks = [Check("redis", archiving.redis_trouble), Check("archive", archiving.archive_trouble)]
    app = create_app("archiver", release, checks, registry=registry, guard=NOBODY)
    archiving.start()
    try:
        serve(app, settings)
    finally:
        archiving.stop()
        archive.index.close()


if __name__ == "__main__":
    main()
