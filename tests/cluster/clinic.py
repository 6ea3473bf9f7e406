"""A clinic's gateway under load: a real spool drained over a real bus, trimmed by `committed` alone."""

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from broker import contract
from broker.bus import Bus
from broker.codec import encode
from broker.drain import Drain, backlog_rate
from broker.messages import GatewayStatus, TensionBlock
from broker.spool import Spool

SAMPLES = 50
PERIOD_MS = 20.0
TICK_S = 0.02


class Clinic:
    """Beds of one site that make a block every ``every_s`` until told to stop."""

    def __init__(self, url, site, directory, beds, every_s, **who):
        self.site, self.boot = site, uuid4()
        self.devices = [f"bed-{number:02d}" for number in range(1, beds + 1)]
        self.made = dict.fromkeys(self.devices, 0)  # samples
        self.stored = dict.fromkeys(self.devices, 0)
        self._every_s = every_s
        self.bus = Bus(url, f"gw-{site}", site=site, session_expiry_s=3600, **who)
        self.spool = Spool(Spool.open(directory / f"{site}.db"))
        self._drain = Drain(self.spool, self.bus, site, backlog_rate(beds / every_s), patience_s=10.0)
        self._making, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        now = datetime.now(UTC)
        beds = [
            {"device": name, "kind": "simulated", "regions": ["lumbar"], "heat": True}
            for name in self.devices
        ]
        status = {
            "state": "online",
            "gateway": f"gw-{self.site}",
            "boot": self.boot,
            "at": now,
            "devices": beds,
        }
        self.bus.announce(contract.STATUS, GatewayStatus.model_validate(status), self.site, f"gw-{self.site}")
        for device in self.devices:
            self.bus.subscribe(contract.COMMITTED, self.site, device)
        self._making.set()
        self.bus.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._thread.join(10)
        self.bus.close()

    def _run(self):
        due = time.monotonic()
        while not self._closing.wait(TICK_S):
            if self._making.is_set() and time.monotonic() >= due:
                due = max(due + self._every_s, time.monotonic() - 1.0)
                self._make()
            self._drain.tick()
            heard = self.bus.take(100, 0.0)
            for delivery in heard:
                self._trim(delivery.device, delivery.message)
            self.bus.acknowledge(heard)

    def _make(self):
        with self.spool.transaction():
            for device in self.devices:
                seq = self.made[device]
                block = self._block(seq)
                payload = encode(contract.TENSION, block)
                self.spool.append("tension", device, self.boot, seq, seq + SAMPLES, payload)
        for device in self.devices:
            self.made[device] += SAMPLES

    def _block(self, seq):
        return TensionBlock(
            boot=self.boot, seq=seq, started_at=datetime.now(UTC) - timedelta(seconds=1), period_ms=PERIOD_MS,
            tension_n=[seq % 1000 / 10] * SAMPLES, target_n=[100.0] * SAMPLES, position_mm=[1.0] * SAMPLES,
            residual_n=[0.0] * SAMPLES, phase=["hold"] * SAMPLES,
        )  # fmt: skip

    def _trim(self, device, committed):
        if committed.boot == self.boot:
            self.stored[device] = max(self.stored[device], committed.next.get("tension", 0))
            self.spool.trim("tension", device, self.boot, self.stored[device])

    def stop(self):
        """Make no more; what is spooled goes on being sent."""
        self._making.clear()

    def is_stored_up_to(self, marks):
        """Whether every bed's samples below these marks are promised."""
        return all(self.stored[device] >= mark for device, mark in marks.items())

    @property
    def messages(self):
        """Blocks made."""
        return sum(self.made.values()) // SAMPLES
