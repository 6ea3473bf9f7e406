"""``python -m services.controller.panel``: one gateway's bedside page, started and watched by its gateway."""

import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import Field, field_validator

from services.controller.bedside.admission import Admission
from services.controller.bedside.records import best_effort
from services.controller.bedside.reports import Reports
from services.controller.bedside.session import Bedside
from services.controller.centre.operators import Operators, access_key
from services.controller.centre.release import CentreMetrics
from services.controller.centre.worklists import Worklists
from services.controller.commissioning.known import KnownBeds
from services.controller.loop.interruption import Interruptions
from services.controller.loop.link import LoopLink
from services.controller.loop.metrics import LoopMetrics
from services.controller.panel import pages
from services.controller.panel.api import create_panel
from services.controller.panel.sign_ins import Entry, SignIns
from services.controller.panel.worklist import TodaysList
from services.controller.settings import ControllerSettings
from services.controller.store import Store
from services.kit import http, logging
from services.kit.auth.operators import bedside_key_path, read_bedside_key
from services.kit.clearance import Anchor, Clocks, read_public
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.sealed import ensure_key
from services.kit.settings import Listed

log = structlog.get_logger(__name__)
MACHINE_BOOT = Path("/proc/sys/kernel/random/boot_id")
WATCH_S = 5.0  # between two looks at the clocks


class PanelSettings(ControllerSettings):
    """What the panel is told beyond its gateway's settings."""

    panel_hosts: str = Field(
        "",
        description="Host names the panel may be called by beside loopback and its own address, separated "
        "by commas; * for any.",
    )

    panel_clients: Listed = Field(
        (),
        description="Addresses or networks, separated by commas, from which browsers may sign in and act "
        "at the panel, beside its own machine; STOP and the view are open to all.",
    )
    panel_idle_minutes: float = Field(
        10.0, ge=0.05, le=480, description="A sign-in at the bed that nobody touches ends after so long."
    )

    @field_validator("panel_clients")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(network)) for network in networks)

    @property
    def hosts(self) -> list[str]:
        """The names, and the address it listens on."""
        return [*self.panel_hosts.split(","), self.http_host]


def main() -> None:
    """Serve until told to end."""
    with refusals_in_one_line():
        run(PanelSettings.load())


def run(settings: PanelSettings) -> None:
    """Everything in its order; closed in the reverse one."""
    logging.configure("panel", settings.log_level, settings.log_format, settings.site)
    store = Store(settings.directory / "session.db")
    try:
        link = LoopLink(settings.directory)
        clocks = _clocks(store)
        public_key = _public_key(settings)
        worklists = Worklists(settings.directory, reports=Reports(store.reports, store.add_report))
        worklists.refresh()
        admission = Admission(worklists, clocks, silent_after_h=settings.centre_silent_h)
        bedside = Bedside(
            link, store, public_key, clocks, admission=admission, beds=KnownBeds(settings.directory)
        )
        todays = TodaysList(admission, store, clocks, public_key, _sealing_key(settings))
        signed = _sign_ins(settings, clocks, store)
        app = create_panel(
            bedside,
            version("spondyl"),
            signed,
            hosts=settings.hosts,
            clients=settings.panel_clients,
            pages=pages.router,
            todays=todays,
            directory=settings.directory,
            interruptions=Interruptions(settings.directory),
        )
        app.state.registry.register(LoopMetrics(link))
        app.state.registry.register(CentreMetrics(worklists.centre))
        with _watched(clocks):
            http.serve(app, settings)
        signed.close_log()
    finally:
        store.close()


def _public_key(settings: PanelSettings) -> bytes | None:
    path = settings.clearance_public_key or settings.data / "secrets" / "clearance.pub"
    try:
        return read_public(path)
    except SpondylError as error:
        log.warning("no patient can be confirmed", error=error.message)
        return None


def _sealing_key(settings: PanelSettings) -> X25519PrivateKey | None:
    try:
        return ensure_key(settings.sealing_key)
    except SpondylError as error:
        log.warning("names of the worklist cannot be read", error=error.message)
        return None


def _sign_ins(settings: PanelSettings, clocks: Clocks, store: Store) -> SignIns:
    """Who may sign in, and where it is written down; keys are read when they are needed."""
    key = settings.bedside_key or bedside_key_path(settings.data)
    operators = Operators(settings.directory, partial(access_key, settings), settings.site, clocks)

    def write(entry: Entry) -> None:
        log.info("sign-in", detail=entry.detail, account=entry.account, accepted=entry.accepted)
        account = {"account": entry.account} if entry.account else {}
        best_effort(
            lambda: store.add_action(
                "", None, entry.name, "sign-in", accepted=entry.accepted, detail=entry.detail, data=account
            )
        )

    return SignIns(
        operators,
        lambda: read_bedside_key(key),
        settings.directory,
        settings.site,
        clocks,
        idle_s=settings.panel_idle_minutes * 60,
        note=write,
    )


def _clocks(store: Store) -> Clocks:
    """Both clocks, anchored at the first start since the machine came up or where the anchor has moved to."""
    try:
        boot = MACHINE_BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return Clocks()
    anchor = Anchor(*store.clock_anchor(boot, time.time(), time.monotonic()))
    return Clocks(anchor, keep=lambda moved: store.move_clock_anchor(boot, moved.wall_s, moved.steady_s))


@contextmanager
def _watched(clocks: Clocks) -> Iterator[None]:
    """Looks at the clocks every WATCH_S, so that a step is seen though nobody is being confirmed."""
    ended = threading.Event()

    def watch() -> None:
        clocks.observe()
        while not ended.wait(WATCH_S):
            clocks.observe()

    thread = threading.Thread(target=watch, name="clocks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
