"""Real beds for the bedside's tests: the compiled loop's own ticks, run faster than the clock by a thread."""

import threading
import time
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import uvicorn
from operator_rig import PIN, THERAPIST, Staff
from servers import eventually, free_port

from services.controller.bedside.session import Bedside
from services.controller.commissioning.known import KnownBeds
from services.controller.errors import SessionRefused
from services.controller.kernel import layout, plant
from services.controller.kernel import loop as compiled
from services.controller.kernel import memory as m
from services.controller.loop.link import LoopLink
from services.controller.loop.shared import GatewayMemory
from services.controller.loop.thread import Loop
from services.controller.models import Confirm
from services.controller.panel.api import create_panel
from services.controller.store import Store
from services.kit import clearance

DEVICES = ("bed-01", "bed-02")
PERIOD_NS = 20_000_000
PATIENT = UUID("61be3477-fedc-489b-bf10-c54df806912d")
# C0-2 at 0.5 degrees needs no tilting, so that a start is possible at once.
NECK = {
    "region": "cervical", "segment": "C0-2", "angle_deg": 0.5, "body_weight_kg": 80.0, "age_years": 40,
    "sex": "female", "session_number": 5, "peak_n": 60.0, "traction_min": 1.0, "precondition_s": 10.0,
    "precondition_cycles": 0, "hold_s": 10.0, "rest_s": 5.0,
}  # fmt: skip
BACK = {
    "region": "lumbar", "segment": "L5/S1", "body_weight_kg": 82.0, "age_years": 51, "sex": "male",
    "session_number": 9, "peak_n": 360.0, "heat_min": 2.0, "traction_min": 2.0,
}  # fmt: skip


class Ticking:
    """A loop's ticks from a thread, about twenty times faster than its clock; ``pause`` holds it.

    With ``rest_s`` at its period it keeps to the clock.
    """

    rest_s = 0.0003  # between two ticks

    def __init__(self, devices=DEVICES, period_ns=PERIOD_NS, seed=3):
        self.memory = GatewayMemory.create(
            site="north", gateway="gw-north", devices=devices, period_ns=period_ns, seed=seed
        )
        self._loop = Loop(self.memory)
        for rate in (plant.K_COUGH, plant.K_GUARD_EARLY, plant.K_GUARD_LATE):
            self._loop._bed.constants[rate] = 0.0  # calm patients: what they do is another test's matter
        self._loop.load()
        self._over, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        eventually(lambda: self.memory.head() > 0, 60.0, "first tick")

    def _run(self):
        memory, loop = self.memory, self._loop
        while not self._over.is_set():
            if not self._going.is_set():
                self._idle.set()
                self._going.wait(0.01)
                continue
            compiled.tick(
                loop._shared,
                loop._kernel,
                loop._bed,
                memory.head(),
                time.monotonic_ns(),
                time.time_ns(),
                0,
                False,
            )
            memory.set_word(m.W_HEARTBEAT, time.monotonic_ns())
            time.sleep(self.rest_s)

    def pause(self):
        """Stop ticking, as a hanging loop would."""
        self._idle.clear()
        self._going.clear()
        self._idle.wait(5)

    def go_on(self):
        """Tick again."""
        self._going.set()

    def close(self):
        """End the thread and remove the memory."""
        self._over.set()
        self._thread.join(5)
        self.memory.unlink()


class Clinic:
    """One gateway's bedside over ticking beds and a real session.db, with operators who may act there."""

    def __init__(self, directory, ticking):
        self.directory, self.ticking = directory, ticking
        self.staff = Staff(directory)
        self.staff.enlist(directory)
        self.memory = ticking.memory
        self.keys = clearance.ensure_keys(directory)
        self.store = Store(directory / "session.db")
        self.bedside = self.new_bedside()

    def new_bedside(self, **options):
        """Another bedside over the same beds and file, as after a restart of the panel."""
        public = clearance.read_public(self.keys.public)
        options.setdefault("beds", KnownBeds(self.directory))
        return Bedside(LoopLink(memory=self.memory), self.store, public, clearance.Clocks(), **options)

    def sign_ins(self, idle_s=600.0, clocks=None, **options):
        """Who is signed in at a panel over these beds; a new one is a panel that was restarted."""
        return self.staff.sign_ins(self.directory, clocks or clearance.Clocks(), idle_s=idle_s, **options)

    def panel(self, signed=None, **options):
        """The panel's application over these beds."""
        return create_panel(self.bedside, "0.1", signed or self.sign_ins(), **options)

    def clearance(self, patient=PATIENT, region="cervical"):
        """A token."""
        return clearance.issue(self.keys.private, patient, region, valid_for=timedelta(days=1))[0]

    def request(self, prescription=NECK, **more):
        """What the page sends to confirm a patient."""
        token = self.clearance(region=prescription["region"])
        return {"patient": str(PATIENT), "prescription": dict(prescription), "clearance": token, **more}

    def confirm(self, device="bed-01", prescription=NECK, operator="", **more):
        """Confirm a patient; returns the stored session."""
        answer = self.bedside.confirm(device, Confirm(**self.request(prescription, **more)), operator)
        return self.store.by_id(answer.session)

    def ready(self, device="bed-01", prescription=NECK, **more):
        """Confirm and have the switch tested and the tilt set."""
        session = self.confirm(device, prescription, **more)
        seen = self.memory.head()
        self.bedside.act(device, "switch-test")
        eventually(
            lambda: self._tested(device, seen) and not self.sample(device)[layout.S_CONDITIONS], 20, "test"
        )
        return session

    def started(self, device="bed-01", prescription=NECK, **more):
        """... and started."""
        session = self.ready(device, prescription, **more)
        self.bedside.act(device, "start")
        return session

    def under_way(self, **more):
        """... with a treatment that no slow machine sees the end of: 20 minutes are half a minute here."""
        return self.started(prescription={**NECK, "traction_min": 20.0}, **more)

    def _tested(self, device, seen):
        head = self.memory.head()
        samples = self.memory.read(max(seen, head - 1000), head)[1]
        bed = self.memory.devices.index(device)
        return (samples[:, layout.S_EVENTS, bed] & layout.EVENT_SWITCH_TESTED).any()

    def sample(self, device="bed-01"):
        """The newest sample of the bed."""
        head = self.memory.head()
        return self.memory.read(head - 1, head)[1][0, :, self.memory.devices.index(device)]

    def phase(self, device="bed-01"):
        """Its phase."""
        return layout.PHASES[self.sample(device)[layout.S_PHASE]]

    def until(self, *phases, device="bed-01", within_s=60.0):
        """Wait for one of the phases."""
        return eventually(lambda: self.phase(device) in phases and self.phase(device), within_s, str(phases))

    def until_released(self, device="bed-01"):
        """Wait until a stopped bed may be closed, and close it."""

        def closed():
            try:
                return self.bedside.close(device, "", None)
            except SessionRefused as error:
                if "being released" not in error.message:
                    raise
                return None

        return eventually(closed, 30, "release")

    def clear_up(self):
        """Bring both beds back to idle, whatever a test left."""
        self.ticking.go_on()
        self.memory.faults[:] = 0
        for device in self.memory.devices:
            eventually(lambda device=device: self._tidied(device), 60, f"{device} idle")

    def _tidied(self, device):
        for action in ("stop", "reset", "close"):
            try:
                self.bedside.act(device, action)
            except Exception:  # noqa: BLE001, S112  (tried again until the bed is idle)
                continue
        return self.phase(device) == "idle" and not self.sample(device)[layout.S_CONDITIONS]


class Served:
    """An application behind a real server in a thread, on a free port."""

    def __init__(self, app):
        self.app, self.port = app, free_port()
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=self.port,
                log_config=None,
                access_log=False,
                loop="asyncio",
                http="h11",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started, 10, "server")
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10)

    def sign_in(self, name=THERAPIST, pin=PIN):
        """Sign in at the panel by name and PIN; everything from now on is this operator's."""
        body = {"name": name, "pin": pin}
        return self.http.post("/api/sign-in", json=body).raise_for_status().json()

    def post(self, path, body=None, **options):
        """POST JSON to the API."""
        return self.http.post(f"/api/devices/{path}", json={} if body is None else body, **options)

    def get(self, path=""):
        """GET from the API; the body."""
        return self.http.get(f"/api/devices{path}").raise_for_status().json()

    def close(self):
        """End the server, and its streams as a service's own end does."""
        self.http.close()
        self.app.state.stopping.set()
        self._server.should_exit = True
        self._thread.join(5)


def random_patient():
    """Nobody."""
    return uuid4()
