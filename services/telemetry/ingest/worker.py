"""Which sites this process ingests: found by their gateways' `status`, shared with other workers by leases.

One thread asks three times a lifetime. A site that becomes mine is adopted, one that is not mine any more is
released before its lease is given up. A stale owner harms nobody: its broker sessions are taken over, Redis
refuses what is there already, `committed` only ever names what is stored.
"""

import contextlib
import os
import secrets
import socket
import threading
import time
from typing import Any, Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, Gauge

from broker import contract
from broker.bus import Bus, BusError
from services.kit import connections
from services.kit.errors import SpondylError
from services.kit.memory import GiveBack
from services.telemetry.leases import Leases
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import told

log = structlog.get_logger(__name__)

GROUP: Final = "ingest"
SITES: Final = "sites"  # Redis set: every site that has ever said `status`
ROUNDS: Final = 3  # a lifetime
TAKE: Final = 1000
GIVE_BACK_S: Final = 60.0
LISTEN_S: Final = 0.1  # so soon does an end come through


class SiteWork(Protocol):
    """What is done for a site."""

    def adopt(self, site: str) -> None:
        """Begin; what was known of the site is read anew."""

    def release(self, site: str) -> None:
        """Stop; what is not acknowledged comes again to the next owner."""


def worker_id() -> str:
    """A name that no other process has or had."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}".replace(" ", "-")


def open_scout(settings: TelemetrySettings, worker: str) -> Bus | None:
    """A connection that hears every gateway's `status`; None when the sites are given.

    Raises SpondylError when the broker's address is not one.
    """
    if settings.ingest_sites:
        return None
    scout = connections.open_bus(settings, f"{settings.ingest_client}-scout-{worker}")
    scout.subscribe(contract.STATUS)
    return scout


class Worker:
    """Holds leases and keeps the work in step with them."""

    def __init__(
        self,
        work: SiteWork,
        leases: Leases,
        redis: Any,
        scout: Bus | None,
        settings: TelemetrySettings,
        registry: CollectorRegistry,
    ) -> None:
        self._work = work
        self._leases = leases
        self._redis = redis
        self._scout = scout
        self._given = frozenset(settings.ingest_sites)
        self._found: set[str] = set()
        self._unsaid: set[str] = set()  # found, and not written to Redis yet
        self._mine: dict[str, int] = {}  # site -> fence
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._gauge = Gauge("spondyl_ingest_sites", "Sites that this worker ingests.", registry=registry)
        self._trouble: str | None = "no lease was asked for yet"

    def start(self) -> None:
        """Begin, in a thread of its own."""
        if self._scout is not None:
            self._scout.start()
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the thread and leave every site to the others, at once where Redis answers."""
        self._stopping.set()
        self._thread.join(timeout_s)
        self._change({})
        try:
            self._leases.close()
        except SpondylError as error:
            log.warning("leases are left to expire", why=error.message)
        if self._scout is not None:
            self._scout.close(timeout_s=0.1)

    @property
    def sites(self) -> frozenset[str]:
        """What this worker works on."""
        return frozenset(self._mine)

    def trouble(self) -> str | None:
        """What keeps it from its share, for the readiness check."""
        if self._scout is not None and not self._scout.connected:
            return self._scout.last_error or "not connected to the broker"
        return self._trouble

    # --- the thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        due, give_back = 0.0, GiveBack(GIVE_BACK_S)
        while not self._stopping.is_set():
            try:
                if self._listen(max(0.0, due - time.monotonic())) or time.monotonic() >= due:
                    due = time.monotonic() + self._leases.ttl_s / ROUNDS
                    self._round()
                    give_back()
            except Exception:  # (the thread outlives whatever a library raises: without it all leases end)
                log.exception("a round of the leases failed")
                self._stopping.wait(self._leases.ttl_s / ROUNDS)

    def _listen(self, timeout_s: float) -> bool:
        """Wait for gateways' `status`; whether one told of a site that was not known."""
        if self._scout is None:
            self._stopping.wait(timeout_s)
            return False
        try:
            deliveries = self._scout.take(TAKE, min(timeout_s, LISTEN_S))
        except BusError as error:
            log.warning("the broker refuses to tell the sites", why=str(error))
            self._stopping.wait(timeout_s)
            return False
        self._scout.acknowledge(deliveries)
        new = {delivery.site for delivery in deliveries} - self._found
        self._found |= new
        self._unsaid |= new
        return bool(new)

    def _round(self) -> None:
        """Renew and share; without an answer the leases hold until their time is over."""
        try:
            self._leases.hold(self._known())
        except SpondylError as error:
            if self._trouble is None:
                log.warning("leases cannot be renewed", why=error.message, left_s=self._leases.left_s())
            trouble: str | None = error.message
        else:
            trouble = None
        lasting = self._leases.left_s() > 0
        self._change({site: self._leases.fence(site) or 0 for site in self._leases.names} if lasting else {})
        self._trouble = trouble

    def _known(self) -> frozenset[str]:
        """The sites that are given, else every one that any worker ever heard of."""
        if self._given:
            return self._given
        with told():
            if self._unsaid:
                self._redis.sadd(SITES, *sorted(self._unsaid))
                self._unsaid.clear()
            self._found |= {site.decode() for site in self._redis.smembers(SITES)}
        return frozenset(self._found)

    def _change(self, mine: dict[str, int]) -> None:
        """Release what went, adopt what came; a site that another worker had meanwhile is begun anew."""
        before, self._mine = self._mine, mine
        came = {site for site in mine if site not in before or another_had_it(before[site], mine[site])}
        gone = {site for site in before if site not in mine or site in came}
        for site in sorted(gone):
            self._work.release(site)
        for site in sorted(came):
            self._work.adopt(site)
        if came or gone:
            log.info("sites of this worker", mine=sorted(mine), came=sorted(came), gone=sorted(gone))
        self._gauge.set(len(mine))
        with contextlib.suppress(SpondylError):  # (then the next round lets go, or they expire)
            self._leases.let_go(gone - mine.keys())


def another_had_it(fence_before: int, fence: int) -> bool:
    """Whether the lease was in other hands between; one that ran out and came back to me was not."""
    return fence - fence_before > 1
