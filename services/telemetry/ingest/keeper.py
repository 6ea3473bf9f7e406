"""Carries out what is decided about holes: asks the gateways on the bus, writes down what was asked."""

import time
from datetime import UTC, datetime
from typing import Any

import structlog

from broker import contract, messages
from broker.bus import Bus, BusError
from services.telemetry.holes import Hole, read_holed, read_holes, write_holes
from services.telemetry.ingest.missing import IsHeard, Missing
from services.telemetry.models import Gap, Source
from services.telemetry.settings import TelemetrySettings
from services.telemetry.store import told

log = structlog.get_logger(__name__)


class HoleKeeper:
    """For ingest's own thread: called with every open hole, a few times a second."""

    def __init__(self, bus: Bus, redis: Any, settings: TelemetrySettings) -> None:
        self._bus = bus
        self._redis = redis
        self._missing = Missing(settings.gap_ask_s, settings.gap_give_up_h * 3600)

    def recall(self, site: str) -> list[Source]:
        """Sources of an adopted site that an earlier owner asked for; it goes on where that one was.

        Raises StoreUnavailable.
        """
        with told():
            sources = read_holed(self._redis, site)
            for source in sources:
                self._missing.recall(read_holes(self._redis, source))
        return sources

    def forget(self, site: str) -> None:
        """The site is somebody else's now, and so is what is written down about its holes."""
        self._missing.forget(site)

    def __call__(self, holes: list[Hole], is_heard: IsHeard) -> list[Gap]:
        """Ask for what is due; what is given up. Raises StoreUnavailable."""
        connected = self._bus.connected
        look = self._missing.look(holes, time.monotonic(), is_heard if connected else _nobody)
        with told():
            write_holes(self._redis, look.changes)  # first: whoever takes over goes on from it
        for hole in look.asks:
            self._ask(hole)
        for gap in look.named:
            log.error("given up: its gateway is there and has neither sent nor named it",
                      place=str(gap.source.place), boot=str(gap.source.boot), stream=gap.kind,
                      first=gap.first, last=gap.after - 1)  # fmt: skip
        return look.named

    def _ask(self, hole: Hole) -> None:
        message = messages.Missing(
            boot=hole.source.boot, stream=hole.kind, first=hole.first, next=hole.after, at=datetime.now(UTC)
        )
        place = hole.source.place
        try:
            self._bus.publish(contract.MISSING, message, place.site, place.device, timeout_s=0.0)
        except BusError as error:
            log.warning("a hole could not be asked for; it will be again", place=str(place), why=str(error))


def _nobody(_place: object) -> bool:
    return False
