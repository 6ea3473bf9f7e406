"""A gateway for telemetry's tests: it publishes what it is told to, and a running telemetry service."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import warm
from access import system_header
from servers import eventually, free_port

from broker import contract
from broker.bus import Bus, BusError
from broker.messages import BlackboxChunk, Event, GatewayStatus, SessionSummary, TensionBlock
from services.kit.auth import tokens

STARTED = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PERIOD_MS = 20.0
SESSION = UUID("5e551011-0000-4000-8000-000000000001")


def block(boot, seq, samples=10, level=100.0):
    """Samples whose tension tells their seq."""
    numbers = range(seq, seq + samples)
    return TensionBlock(
        boot=boot,
        seq=seq,
        started_at=STARTED + timedelta(milliseconds=seq % 2**31 * PERIOD_MS),
        period_ms=PERIOD_MS,
        tension_n=[level + number % 1000 / 10 for number in numbers],
        target_n=[level] * samples,
        position_mm=[number % 7 / 100 for number in numbers],
        residual_n=[0.0] * samples,
        phase=["hold"] * samples,
    )


def event(boot, index, kind="phase.changed", seq=0, session=None, **more):
    """An event with an id of its own."""
    return Event(
        id=UUID(int=index + 1),
        type=kind,
        at=STARTED,
        boot=boot,
        seq=seq,
        index=index,
        session=session,
        **more,
    )


def chunk(boot, seq, count=50):
    """A black-box chunk."""
    return BlackboxChunk(
        boot=boot, seq=seq, count=count, started_at=STARTED, period_ms=PERIOD_MS, kernel_version=1,
        session_no=0, session=None, columns={"force_dn": [0] * count}, actions=[], crc32=0,
    )  # fmt: skip


def summary(session=SESSION):
    """A session's end."""
    return SessionSummary(
        session=session, patient=uuid4(), cure=None, appointment=None, region="lumbar", segment="L4/L5",
        started_at=STARTED, ended_at=STARTED + timedelta(minutes=30), reason="completed", traction_s=1800.0,
        heat_s=0.0, peak_n=400.0, hold_mean_n=390.0, hold_rms_n=391.0, cycles=20, guardings=1,
        phase_s={"hold": 1200.0}, pain_before=6, pain_after=3,
    )  # fmt: skip


class GatewayStandIn:
    """Publishes to a real broker as a gateway would; remembers what `committed` promised."""

    def __init__(self, url, site="north", device="bed-01"):
        self.boot = uuid4()
        self.site, self.device = site, device
        self.promised, self.releases = {}, set()
        self._bus = Bus(url, f"gw-{uuid4()}", site=site)
        self._bus.subscribe(contract.COMMITTED, device=device)
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self._bus.start()
        assert self._bus.wait_connected(10)
        self._listener.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._listener.join(5)
        self._bus.close()

    def _listen(self):
        while not self._closing.is_set():
            for delivery in (taken := self._bus.take(100, 0.1)):
                message = delivery.message
                self.promised.setdefault(message.boot, []).append(dict(message.next))
                self.releases.add(message.release)
            self._bus.acknowledge(taken)

    def publish(self, stream, message, device=None):
        """Publish once, and wait until the broker has it; tried again while the broker is away."""

        def published():
            try:
                return self._bus.publish(stream, message, device=device or self.device).wait(5)
            except BusError:
                return False

        eventually(published, 30, f"publication on {stream.name}")

    def tension(self, *seqs, samples=10):
        """Blocks of these seqs, in this order."""
        for seq in seqs:
            self.publish(contract.TENSION, block(self.boot, seq, samples))

    def birth(self, state="online", boot=None):
        """The gateway's status for its one device."""
        info = {"device": self.device, "kind": "simulated", "regions": ["lumbar"], "heat": True}
        message = GatewayStatus.model_validate(
            {
                "state": state,
                "gateway": f"gw-{self.site}",
                "boot": boot or self.boot,
                "at": STARTED,
                "devices": [info],
            }
        )
        self.publish(contract.STATUS, message, f"gw-{self.site}")

    def next(self, kind="tension"):
        """The last promise for this boot; None before the first."""
        said = self.promised.get(self.boot)
        return said[-1][kind] if said else None


class TelemetryProcess:
    """`python -m services.telemetry.ingest` and the API, as they run in earnest; ``process`` is ingest's.

    ``is_cold``: not forked from what has read the code of other services, too.
    """

    def __init__(self, mqtt_url, redis_url, directory, *, is_cold=False, **settings):
        self._is_cold = is_cold
        self.port, self.api_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.api_address = f"http://127.0.0.1:{self.api_port}"
        self._directory = directory
        self._log = directory / "telemetry.log"
        tokens.ensure_keys(directory)
        self._environment = os.environ | {
            "SPONDYL_DATA": str(directory),
            "SPONDYL_MQTT_URL": mqtt_url,
            "SPONDYL_REDIS_URL": redis_url,
            "SPONDYL_INGEST_SITES": "north,south",
            "SPONDYL_COMMITTED_MS": "0",
            "SPONDYL_INGEST_LINGER_MS": "0",
            **{f"SPONDYL_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process = self.api = None

    def start(self, program=("-m", "services.telemetry.ingest")):
        """Start what does not run, and return as soon as it answers and takes messages."""
        if self.api is None:
            self.api = self._run(("-m", "services.telemetry"), self.api_port)
        self.process = self._run(program, self.port)
        eventually(self._answers, 60, f"telemetry's answer; its log: {self.log}")
        return self

    def kill(self):
        """SIGKILL to ingest."""
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        """SIGTERM to both; the exit status of the last that did not end well, else 0."""
        processes = (self.process, self.api)
        self.api = None
        for process in processes:
            process.send_signal(signal.SIGTERM)
        return max(process.wait(10) for process in processes)

    @property
    def log(self):
        """What they have logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get(self, path, **options):
        """GET from the API; health and metrics are ingest's."""
        ours = path in ("/livez", "/readyz", "/metrics")
        address = "" if path.startswith("http") else self.address if ours else self.api_address
        return httpx.get(f"{address}{path}", timeout=30, headers=system_header(self._directory), **options)

    def readiness(self):
        """The body of ingest's /readyz."""
        return self.get("/readyz").json()

    def _run(self, program, port):
        environment = self._environment | {"SPONDYL_HTTP_PORT": str(port)}
        if program[0] == "-m" and not self._is_cold:
            return warm.start(program[1], environment, self._log)
        with self._log.open("ab") as log:
            return subprocess.Popen([sys.executable, *program], env=environment, stdout=log, stderr=log)

    def _answers(self):
        try:
            return (
                self.readiness()["checks"]["leases"]["ok"]  # its sites are adopted,
                and self.readiness()["checks"]["broker"]["ok"]  # and then: their sessions are open
                and httpx.get(f"{self.api_address}/livez").status_code == 200
            )
        except httpx.TransportError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.process, self.api):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(10)
