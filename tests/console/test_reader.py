"""The thread between broker and pages."""

import threading
from types import SimpleNamespace

from console.samples import NORTH, block
from servers import eventually

from broker.bus import BusRefused
from services.console import __main__ as console
from services.console.live import Live
from services.console.remote import Remote


class Line:
    """A bus that gives what it is told, errors among it."""

    connected = True

    def __init__(self, *told):
        self.told = list(told)
        self.acknowledged = []

    def take(self, _count, timeout_s):
        """The next thing told."""
        told = self.told.pop(0) if self.told else []
        if isinstance(told, Exception):
            raise told
        if not told:
            threading.Event().wait(timeout_s)
        return told

    def acknowledge(self, deliveries):
        """Keep them."""
        self.acknowledged += deliveries


def test_neither_a_refusal_nor_a_fault_nor_a_strange_message_ends_the_reader(monkeypatch):
    """A dead thread would leave every number of the wall standing still."""
    monkeypatch.setattr(console, "AGAIN_S", 0.01)
    strange = SimpleNamespace(stream=SimpleNamespace(name="none"), site="north")
    good = SimpleNamespace(
        stream=SimpleNamespace(name="tension"), site=NORTH.site, device=NORTH.device, message=block(0)
    )
    bus = Line(BusRefused("no"), RuntimeError("a fault"), [strange, good])
    live, stop = Live(), threading.Event()
    reader = threading.Thread(target=console.read, args=(bus, live, Remote(bus), stop))
    reader.start()
    try:
        eventually(lambda: bus.acknowledged, 10, "the batch acknowledged")
        assert live.devices[NORTH].tension_n == 200.0
        assert bus.acknowledged == [strange, good]
        assert reader.is_alive()
    finally:
        stop.set()
        reader.join(5)
