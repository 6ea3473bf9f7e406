"""The threads between broker and pages."""

import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
import structlog
from console.clinic import Bed, Clinic
from console.samples import NORTH, block
from servers import Mosquitto, eventually

from broker import contract, topics
from broker.bus import Bus, BusRefused
from broker.links import Packet
from services.console import reader as rooms
from services.console.live import Live
from services.console.models import ConsoleSettings, Key
from services.console.reader import Reader, samples_of
from services.console.remote import Remote


class Line:
    """A connection that gives what it is told, errors among it."""

    connected = True
    last_error = None

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

    def subscribe(self, _stream):
        """Nothing to do."""

    def start(self):
        """Nothing to do."""

    stop = close = start


def packet(payload, device="bed-01"):
    address = topics.Address(contract.TENSION, "north", device)
    return Packet(address, payload, retained=False, duplicate=False, link=None, mid=b"")


def started(bus, samples):
    live = Live()
    reader = Reader(bus, samples, live, Remote(bus))
    reader.start()
    return reader, live


def test_neither_a_refusal_nor_a_fault_nor_a_strange_message_ends_a_reader(monkeypatch):
    """A dead thread would leave every number of the wall standing still."""
    monkeypatch.setattr(rooms, "AGAIN_S", 0.01)
    strange = SimpleNamespace(stream=SimpleNamespace(name="none"), site="north")
    good = block(0).model_dump_json().encode()
    bus = Line(BusRefused("no"), RuntimeError("a fault"), [strange])
    samples = Line(RuntimeError("a fault"), [packet(b"{"), packet(b'{"seq": -1}'), packet(good)])
    reader, live = started(bus, samples)
    try:
        eventually(lambda: bus.acknowledged == [strange], 10, "the batch acknowledged")
        eventually(lambda: live.devices, 10, "the block that is one")
        assert live.devices[NORTH].tension_n == 200.0
        assert all(thread.is_alive() for thread in reader.threads)
    finally:
        reader.stop()


def test_a_block_with_a_field_of_a_later_version_is_still_read():
    """A gateway may be updated before its console is."""
    later = b'{"later": 1, ' + block(0, tension=123.0).model_dump_json().encode()[1:]
    reader, live = started(Line(), Line([packet(later)]))
    try:
        eventually(lambda: live.devices, 10, "the block")
        assert live.devices[NORTH].tension_n == 123.0
    finally:
        reader.stop()


def test_a_message_that_is_passed_over_leaves_none_of_its_values_in_the_log():
    """Whatever a stranger publishes, a name among it, must not stand in our log."""
    odd = packet(b'{"boot": "Anna Muster 1970-01-02"}')
    told = packet(b'{"boot": "Anna Muster 1970-01-02"}')._replace(
        address=topics.Address(contract.COMMITTED, "north", "bed-01")
    )
    with structlog.testing.capture_logs() as said:
        reader, _ = started(Line(), Line([odd, told]))
        try:
            eventually(lambda: len(said) == 2, 10, "both passed over")
        finally:
            reader.stop()
    assert ["Anna" in row["detail"] for row in said] == [False, False]
    assert ["boot" in row["detail"] for row in said] == [True, True]


@pytest.mark.system
def test_samples_and_alarms_of_every_site_arrive_and_come_again_after_the_broker_was_away(tmp_path):
    """The broker restarts at night; in the morning the wall must be live without anybody's help."""
    with Mosquitto(tmp_path) as broker:
        settings = ConsoleSettings(mqtt_url=broker.url, data=tmp_path)
        bus = Bus(broker.url, f"console-{uuid4().hex[:6]}")
        reader, live = started(bus, samples_of(settings, "console-test"))
        clinic = Clinic(broker.url, "north", [Bed("bed-01", phase="hold")])
        try:
            eventually(lambda: live.broker_up, 10, "the broker")
            clinic.run()
            clinic.alarm("bed-01")
            bed = Key("north", "bed-01")
            eventually(lambda: bed in live.devices and live.devices[bed].tension_n, 10, "samples")
            eventually(lambda: live.devices[bed].alarms, 10, "the alarm's state")
            broker.kill()
            eventually(lambda: not live.broker_up, 10, "the loss seen")
            broker.start()
            eventually(lambda: live.broker_up, 20, "the broker again")
            seq = live.devices[bed].seq
            eventually(lambda: live.devices[bed].seq > seq, 20, "newer samples")
        finally:
            clinic.close()
            reader.stop()
