"""`python -m services.telemetry.ingest`: one ingest worker; any number of them share the sites."""

import gc
from importlib.metadata import version
from typing import Final

from services.kit import logging
from services.kit.auth.guard import NOBODY
from services.kit.errors import refusals_in_one_line
from services.kit.health import Check
from services.kit.http import create_app, serve
from services.kit.memory import one_arena
from services.kit.metrics import process_registry
from services.telemetry.archive.known import Known
from services.telemetry.ingest.ingest import Ingest, open_bus, open_receiver
from services.telemetry.ingest.keeper import HoleKeeper
from services.telemetry.ingest.worker import GROUP, Worker, open_scout, worker_id
from services.telemetry.leases import Leases
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import Store, connect
from services.telemetry.watch import IngestMetrics, Malformed

COLLECT: Final = (10_000, 20, 20)  # a batch is thousands of tuples without cycles: 700 look at each ten times


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        run(TelemetrySettings.load())


def run(settings: TelemetrySettings) -> None:
    """Everything in its order; closed in the reverse one."""
    one_arena()
    logging.configure("ingest", settings.log_level, settings.log_format)
    release, name = version("spondyl"), worker_id()
    registry = process_registry("ingest", release)
    receiver, bus, scout = open_receiver(settings), open_bus(settings, name), open_scout(settings, name)
    registry.register(Malformed(receiver.refusals.counts))
    redis_url = settings.redis_url.get_secret_value()
    known = Known(settings)
    store, redis = Store(redis_url, known), connect(redis_url)
    keeper = HoleKeeper(bus, connect(redis_url), settings)
    ingest = Ingest(receiver, store, bus, settings, IngestMetrics(registry), keeper)
    leases = Leases(redis, GROUP, name, ttl_s=settings.lease_s)
    worker = Worker(ingest, leases, redis, scout, settings, registry)
    checks = [
        Check("redis", ingest.store_trouble),
        Check("broker", ingest.broker_trouble),
        Check("leases", worker.trouble),
    ]
    app = create_app("ingest", release, checks, registry=registry, guard=NOBODY)
    gc.freeze()
    gc.set_threshold(*COLLECT)
    bus.start()
    receiver.start()
    ingest.start()
    worker.start()
    try:
        serve(app, settings)
    finally:
        ingest.stop()
        worker.stop()
        receiver.stop(timeout_s=1.0)
        bus.close(timeout_s=1.0)
        store.close()
        known.close()
        redis.close()


if __name__ == "__main__":
    main()
