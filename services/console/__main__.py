"""`python -m services.console`: the web console."""

import threading
from importlib.metadata import version
from uuid import uuid4

import httpx
import structlog

from broker.bus import Bus, BusRefused
from services.console import api, handlers
from services.console.accounts import first
from services.console.accounts.defaults import refuse_defaults
from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.store import Store
from services.kit import http, logging
from services.kit.errors import refusals_in_one_line
from services.kit.health import Check

log = structlog.get_logger(__name__)

BATCH = 500
TAKE_S = 0.1
PROBE_S = 1.5
AGAIN_S = 2.0


def main() -> None:
    """Serve until SIGTERM."""
    with refusals_in_one_line():
        run(ConsoleSettings.load())


def run(settings: ConsoleSettings) -> None:
    """Everything in its order; closed in the reverse one."""
    logging.configure("console", settings.log_level, settings.log_format)
    store = Store(settings.database)
    refuse_defaults(settings, store)
    bus = Bus(
        settings.mqtt_url,
        f"console-{uuid4().hex[:8]}",  # two consoles on one broker do not throw each other out
        username=settings.mqtt_username,
        password=settings.mqtt_secret,
        receive_maximum=2 * BATCH,
    )
    live = Live()
    remote = Remote(bus)
    stop = threading.Event()
    reader = threading.Thread(target=read, args=(bus, live, remote, stop), name="console-reader", daemon=True)
    for stream in handlers.SUBSCRIPTIONS:
        bus.subscribe(stream)
    bus.start()
    reader.start()
    try:
        console = Console(live, remote, settings, store)
        first.begin(store, console.trail, settings.data, demo=settings.demo)
        app = api.create(console, version("spondyl"), checks(bus, settings))
        http.serve(app, host=settings.http_host, port=settings.http_port)
    finally:
        stop.set()
        reader.join(2.0)
        bus.close()
        store.close()


def read(bus: Bus, live: Live, remote: Remote, stop: threading.Event) -> None:
    """Take what the broker sends and put it into `live` until told to stop.

    Nothing is stored, so a message is acknowledged as soon as it is in memory; one that cannot be handled is
    logged and passed over.
    """
    while not stop.is_set():
        live.broker(up=bus.connected)
        try:
            _read_some(bus, live, remote)
        except BusRefused as error:
            log.error("broker refuses a subscription", detail=str(error))  # noqa: TRY400  (no fault of ours: no trace)
            stop.wait(AGAIN_S)
        except Exception:
            log.exception("reading failed; trying again")
            stop.wait(AGAIN_S)


def _read_some(bus: Bus, live: Live, remote: Remote) -> None:
    deliveries = bus.take(BATCH, TAKE_S)
    for delivery in deliveries:
        try:
            handlers.handle(live, remote, delivery)
        except Exception:
            log.exception("message passed over", stream=delivery.stream.name, site=delivery.site)
    bus.acknowledge(deliveries)


def checks(bus: Bus, settings: ConsoleSettings) -> list[Check]:
    """What the console needs: the broker; telemetry for the history of a bed."""

    def broker() -> str | None:
        return None if bus.connected else bus.last_error or "not connected"

    def telemetry() -> str | None:
        if not settings.telemetry_url:
            return "no address: set SPONDYL_TELEMETRY_URL"
        try:
            answer = httpx.get(f"{settings.telemetry_url}/livez", timeout=PROBE_S, trust_env=False)
        except httpx.HTTPError as error:
            return f"{settings.telemetry_url} does not answer: {error}"
        return None if answer.is_success else f"{settings.telemetry_url}/livez answers {answer.status_code}"

    return [Check("broker", broker), Check("telemetry", telemetry)]


if __name__ == "__main__":
    main()
