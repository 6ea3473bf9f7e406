"""From a hole in the store to the gateway's spool and back: recorder, broker, ingest and store in earnest."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest
from gateway_stand_in import TelemetryProcess
from ring_writer import Ring
from servers import eventually

from broker.bus import Bus
from broker.contract import TENSION
from services.telemetry import keys
from services.telemetry.holes import HOLED, read_holes
from services.telemetry.models import Place, Source
from services.telemetry.store import connect, read_entries

pytestmark = pytest.mark.system
CLOSED_WITHIN_S = 15.0  # asked for after 2 s; the gateway by itself sends again after 30 s only


class Ward:
    """One gateway with two beds, whose samples are stored."""

    def __init__(self, mosquitto, valkey, directory):
        self.mosquitto = mosquitto
        self.data = directory
        self.ring = Ring(directory / "gateways" / "north")
        self.telemetry = TelemetryProcess(mosquitto.url, valkey.url, directory, ingest_sites="north")
        self.redis = connect(valkey.url)
        self.recorder = None

    def start_recorder(self):
        """``python -m services.controller.recorder``."""
        environment = os.environ | {
            "SPONDYL_DATA": str(self.data), "SPONDYL_MQTT_URL": self.mosquitto.url, "SPONDYL_SITE": "north",
            "SPONDYL_DEVICES": "bed-01,bed-02",
        }  # fmt: skip
        with (self.data / "recorder.log").open("ab") as log:
            self.recorder = subprocess.Popen(
                [sys.executable, "-m", "services.controller.recorder"],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def end_recorder(self):
        """SIGKILL."""
        if self.recorder is not None:
            self.recorder.kill()
            self.recorder.wait(10)

    def source(self, device="bed-01"):
        """A bed in the loop's boot."""
        return Source(Place("north", device), self.ring.memory.boot)

    def stored(self, device="bed-01"):
        """Every seq that is stored, as often as it is."""
        rows = read_entries(self.redis, "tension", self.source(device))
        return sorted(seq for first, count, _, _ in rows for seq in range(first, first + count))

    def gaps(self, device="bed-01"):
        """What was named lost: kind/first/after -> why."""
        found = self.redis.hgetall(keys.gaps(self.source(device)))
        return {name.decode(): reason.decode() for name, reason in found.items()}

    def recorded(self):
        """How many samples are in the spool."""
        return self.ring.memory.health["recorder_tick"]

    def close(self):
        """Everything ends."""
        self.end_recorder()
        self.ring.close()
        self.redis.close()


@pytest.fixture
def ward(mosquitto, valkey, tmp_path):
    """Samples flow and are stored."""
    with ExitStack() as stack:
        made = Ward(mosquitto, valkey, tmp_path)
        stack.callback(made.close)
        stack.enter_context(made.telemetry).start()
        made.ring.idle(100)
        made.start_recorder()
        eventually(lambda: made.stored() == list(range(100)), 20, "the first samples")
        yield made


def test_what_a_broker_acknowledged_and_threw_away_is_stored_within_seconds(ward):
    """The broker came back with empty hands, the gateway before the consumer: its rows went nowhere."""
    ward.telemetry.kill()
    ward.mosquitto.kill()
    (ward.mosquitto.directory / "mosquitto.db").unlink(missing_ok=True)
    eventually(lambda: ward.ring.memory.health["mqtt_connected"] == 0, 20, "the recorder has seen it")
    ward.mosquitto.start()
    with witness(ward) as seen:
        eventually(lambda: ward.ring.memory.health["mqtt_connected"] == 1, 20, "the recorder is back")
        ward.ring.idle(200)
        eventually(lambda: 290 in seen(), 20, "all is published, to somebody else")
    ward.telemetry.start()
    assert ward.stored() == list(range(100))
    eventually(lambda: ward.ring.idle(10) or ward.stored()[-1] > 300, 20, "live again")
    began = time.monotonic()
    eventually(lambda: ward.stored() == list(range(ward.recorded())), 20, "the hole is closed")
    assert time.monotonic() - began < CLOSED_WITHIN_S
    assert ward.gaps() == {}
    eventually(lambda: not read_holes(ward.redis, ward.source()), 10, "nothing is waited for any more")
    eventually(lambda: not ward.redis.smembers(HOLED), 10, "nor of the other bed")


def test_what_no_spool_has_any_more_is_named_and_the_stream_goes_on(ward):
    """A gateway's disk was replaced while samples were under way: `committed` must not wait for ever."""
    ward.telemetry.kill()
    ward.mosquitto.kill()
    (ward.mosquitto.directory / "mosquitto.db").unlink(missing_ok=True)
    ward.ring.idle(100)
    eventually(lambda: ward.recorded() == 200, 20, "recorded")
    ward.end_recorder()
    spool(ward, "DELETE FROM spool WHERE first >= 100 AND stream = 'tension' AND device = 'bed-01'")
    ward.mosquitto.start()
    ward.start_recorder()
    ward.telemetry.start()
    eventually(lambda: ward.ring.idle(10) or ward.stored()[-1] > 200, 20, "live again")
    reason = "declared lost by the gateway: not in the gateway's spool"
    eventually(lambda: ward.gaps() == {"tension/100/200": reason}, 20, "the loss is named")
    eventually(lambda: ward.stored() == [*range(100), *range(200, ward.recorded())], 20, "the rest is stored")
    eventually(
        lambda: ward.stored("bed-02") == list(range(ward.recorded())), 20, "the other bed lacks nothing"
    )
    # The last of a stream leaves no hole to be seen: the gateway sends it again by itself, after 30 s.
    eventually(lambda: rows(ward) == 0, 60, "the spool is trimmed behind it")


@contextmanager
def witness(ward):
    """Somebody else who listens: first seqs of what was published of the first bed."""
    bus, seen = Bus(ward.mosquitto.url, "witness", site="north"), set()
    bus.subscribe(TENSION, device="bed-01")
    bus.start()
    assert bus.wait_connected(10)

    def look():
        deliveries = bus.take(1000, 0.01)
        bus.acknowledge(deliveries)
        seen.update(delivery.message.seq for delivery in deliveries)
        return seen

    yield look
    bus.close(0.5)


def spool(ward, statement):
    """Do something to the gateway's spool, behind its back."""
    with sqlite3.connect(ward.data / "gateways" / "north" / "spool.db") as connection:
        return connection.execute(statement).fetchall()


def rows(ward):
    """Uncommitted rows of the gateway."""
    return ward.ring.memory.health["spool_rows"]
