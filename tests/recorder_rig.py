"""The recorder as a process, and the far end of its broker."""

import os
import signal
import sqlite3
from datetime import UTC, datetime
from uuid import uuid4

import warm
from servers import eventually

from broker import contract, topics
from broker.bus import Bus
from broker.messages import Command, Committed, Missing

STREAMS = (
    contract.STATUS,
    contract.STATE,
    contract.TENSION,
    contract.BLACKBOX,
    contract.EVENT,
    contract.ALARM,
)


class Far:
    """The far end: takes every stream of the site, commits when told, sends commands."""

    def __init__(self, url):
        self.bus = Bus(url, "telemetry", site="north", session_expiry_s=600)
        for stream in (*STREAMS, contract.REPLY):
            self.bus.subscribe(stream)
        self.bus.start()
        assert self.bus.wait_connected(10)
        self.deliveries = []

    def look(self):
        """Everything that has come so far."""
        batch = self.bus.take(1000, 0.02)
        self.bus.acknowledge(batch)
        self.deliveries += batch
        return self.deliveries

    def messages(self, stream, device=None):
        """Messages of a stream (of a device), in the order they came."""
        return [d.message for d in self.look() if d.stream.name == stream and device in (None, d.device)]

    def covered(self, boot, device="bed-01", stream="tension"):
        """Samples that have arrived of a boot: seqs, sorted, each once however often it was delivered."""
        seen = set()
        for message in self.messages(stream, device):
            if message.boot == boot:
                count = len(message.tension_n) if stream == "tension" else message.count
                seen |= set(range(message.seq, message.seq + count))
        return sorted(seen)

    def commit(self, boot, device, **next_):
        """Say what is stored."""
        message = Committed(boot=boot, next=next_, at=datetime.now(UTC))
        self.bus.publish(contract.COMMITTED, message, "north", device).wait(5)

    def miss(self, boot, device, stream, first, next_):
        """Ask for what never arrived."""
        message = Missing(boot=boot, stream=stream, first=first, next=next_, at=datetime.now(UTC))
        self.bus.publish(contract.MISSING, message, "north", device).wait(5)

    def lost(self, device="bed-01"):
        """(boot, stream, first, next) of everything that was named lost, each once."""
        told = [e for e in self.messages("event", device) if e.type == "samples.lost"]
        return {
            (e.data.get("boot"), *e.data["streams"], e.data["first"], e.data["next"], e.data["reason"])
            for e in told
        }

    def command(self, action, device="bed-01"):
        """Send a command and answer its reply."""
        sent = Command(id=uuid4(), action=action, sent_at=datetime.now(UTC), by="console")
        self.bus.publish(
            contract.COMMAND, sent, "north", device,
            response_topic=topics.topic(contract.REPLY, "north", device), correlation=sent.id.bytes,
        )  # fmt: skip
        return eventually(
            lambda: [d for d in self.look() if d.stream is contract.REPLY and d.message.id == sent.id],
            what="the reply",
        )[0]


class Process:
    """``python -m services.controller.recorder`` on one data directory."""

    def __init__(self, data, url, **told):
        self.data, self.url, self.told = data, url, told
        self.directory = data / "gateways" / "north"
        self.process = None

    def start(self):
        """Start it; the log goes to a file."""
        environment = os.environ | {
            "SPONDYL_DATA": str(self.data), "SPONDYL_MQTT_URL": self.url, "SPONDYL_SITE": "north",
            "SPONDYL_DEVICES": "bed-01,bed-02", **self.told,
        }  # fmt: skip
        self.process = warm.start("services.controller.recorder", environment, self.data / "recorder.log")

    def end(self, how=signal.SIGKILL):
        """End it; its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(how)
        status = self.process.wait(10)
        self.process = None
        return status

    def spooled(self, stream, device, boot):
        """(first, next) of every row of the spool, committed or not."""
        with sqlite3.connect(f"file:{self.directory}/spool.db?mode=ro", uri=True) as connection:
            return connection.execute(
                "SELECT first, next FROM spool WHERE stream = ? AND device = ? AND boot = ? ORDER BY first",
                (stream, device, boot.bytes),
            ).fetchall()
