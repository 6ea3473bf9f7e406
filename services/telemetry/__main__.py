"""`python -m services.telemetry`: ingest in a thread, the API in front."""

from importlib.metadata import version

from broker.topics import ANY
from services.kit import logging
from services.kit.errors import refusals_in_one_line
from services.kit.health import Check
from services.kit.http import create_app, serve
from services.kit.metrics import process_registry
from services.telemetry.api import create_router
from services.telemetry.hot import Hot
from services.telemetry.ingest.ingest import Ingest, open_bus, open_receiver
from services.telemetry.ingest.worker import worker_id
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import Store
from services.telemetry.watch import IngestMetrics, Malformed


def main() -> None:
    """Run until SIGTERM."""
    with refusals_in_one_line():
        run(TelemetrySettings.load())


def run(settings: TelemetrySettings) -> None:
    """Everything in its order; closed in the reverse one."""
    logging.configure("telemetry", settings.log_level, settings.log_format)
    release = version("spondyl")
    registry = process_registry("telemetry", release)
    receiver, bus = open_receiver(settings), open_bus(settings, worker_id())
    registry.register(Malformed(receiver.refusals.counts))
    redis_url = settings.redis_url.get_secret_value()
    store, hot = Store(redis_url), Hot(redis_url)
    ingest = Ingest(receiver, store, bus, settings, IngestMetrics(registry))
    app = create_app(
        "telemetry",
        release,
        [Check("redis", ingest.store_trouble), Check("broker", ingest.broker_trouble)],
        [create_router(hot, ingest.age_s)],
        registry=registry,
    )
    bus.start()
    receiver.start()
    for site in settings.ingest_sites or (ANY,):
        ingest.adopt(site)
    ingest.start()
    try:
        serve(app, host=settings.http_host, port=settings.http_port)
    finally:
        ingest.stop()
        receiver.stop(timeout_s=1.0)
        bus.close(timeout_s=1.0)
        hot.close()
        store.close()


if __name__ == "__main__":
    main()
