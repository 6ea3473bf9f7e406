"""`python -m services.console`: the web console."""

import threading
from importlib.metadata import version
from uuid import uuid4

import httpx
import structlog

from services.console import api
from services.console.accounts import first
from services.console.accounts.defaults import refuse_defaults
from services.console.context import Console
from services.console.fleet import fleet
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.operators import OperatorLists, from_accounts
from services.console.reader import BATCH, Reader, samples_of
from services.console.remote import Remote
from services.console.store import Store
from services.kit import http, logging
from services.kit.connections import open_bus, verification
from services.kit.errors import refusals_in_one_line
from services.kit.health import Check
from services.kit.memory import one_arena

log = structlog.get_logger(__name__)

PROBE_S = 1.5


def main() -> None:
    """Serve until SIGTERM."""
    with refusals_in_one_line():
        run(ConsoleSettings.load())


def run(settings: ConsoleSettings) -> None:
    """Everything in its order; closed in the reverse one."""
    one_arena()
    logging.configure("console", settings.log_level, settings.log_format)
    store = Store(settings.database, settings.migrate)
    refuse_defaults(settings, store)
    name = f"console-{uuid4().hex[:8]}"  # two consoles on one broker do not throw each other out
    bus = open_bus(settings, name, receive_maximum=2 * BATCH)
    live = Live()
    remote = Remote(bus)
    reader = Reader(bus, samples_of(settings, name), live, remote)
    reader.start()
    try:
        console = Console(live, remote, settings, store)
        people = from_accounts(store, settings.simulated_operator)
        lists = OperatorLists(live, bus, people, console.key, settings.data)
        threading.Thread(target=lists.run, args=(reader.stopping,), name="operators", daemon=True).start()
        first.begin(store, console.trail, settings.data, settings.work, demo=settings.demo)
        # Every console of this database has these two alike: to take one away would take the wall away.
        shared = {"audit trail": console.chain.probe, "operator lists": lists.trouble}
        ready = [*checks(reader, settings), *(Check(*one, essential=False) for one in shared.items())]
        threading.Thread(target=console.chain.run, args=(reader.stopping,), name="trail", daemon=True).start()
        app = api.create(console, version("spondyl"), ready)
        app.state.registry.register(fleet(live))
        http.serve(app, settings)
    finally:
        reader.stop()
        store.close()


def checks(reader: Reader, settings: ConsoleSettings) -> list[Check]:
    """What the console needs: the broker; telemetry for the history of a bed."""

    def broker() -> str | None:
        return None if reader.connected else reader.last_error or "not connected"

    def telemetry() -> str | None:
        if not settings.telemetry_url:
            return "no address: set SPONDYL_TELEMETRY_URL"
        try:
            url = f"{settings.telemetry_url}/livez"
            answer = httpx.get(url, timeout=PROBE_S, trust_env=False, verify=verification())
        except httpx.HTTPError as error:
            return f"{settings.telemetry_url} does not answer: {error}"
        return None if answer.is_success else f"{settings.telemetry_url}/livez answers {answer.status_code}"

    return [Check("broker", broker), Check("telemetry", telemetry)]


if __name__ == "__main__":
    main()
