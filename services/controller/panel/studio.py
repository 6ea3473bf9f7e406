"""The studio: what a prescription would do, before the first pull, and what first pulls tell of a patient.

Profile, limits and the modelled force are reckoned here, in milliseconds. A simulated session and a fit to
what the recorder wrote are made by workers of their own with a low priority (segment/worker.py), one at
a time and each once: the page asks again until they are done; neither the loop nor STOP waits for any of it.
"""

import asyncio
import contextlib
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from fastapi import APIRouter, Depends

from services.controller import models
from services.controller.bedside.prescriptions import accepted
from services.controller.commissioning.parameters import BedParameters, load
from services.controller.panel import rules
from services.controller.panel.guard import json_only
from services.controller.rows import Session
from services.controller.segment.studio import studio
from services.kit.errors import SpondylError
from services.kit.therapy.prescription import Prescription
from services.kit.therapy.segment_force import Measured

if TYPE_CHECKING:
    from services.controller.panel.api import Panel

log = structlog.get_logger(__name__)
Json = dict[str, Any]

WORKER: Final = "services.controller.segment.worker"
SEED: Final = 7  # of the simulated patient: the same prescription shows the same session
MOST_KEPT: Final = 32
MOST_WAITING: Final = 8
MOST_S: Final = 600.0  # compiling anew on a busy machine included
REFIT_BYTES: Final = 100_000  # of the recording: about a minute
LAST_REFIT: Final = 10  # the first cycles are over by then
STRAP_SHARE: Final = 0.03  # of a harness' stiffness: it lies anew on every patient
DOLL_SHARE, LEAST_FRICTION_N = 0.5, 3.0  # of a friction measured on a doll of another weight
SHOWN: Final = (
    "region", "segment", "angle_deg", "body_weight_kg", "session_number", "peak_n", "segment_peak_n",
    "traction_min",
)  # fmt: skip


@dataclass(slots=True)
class Job:
    """One piece of work: how far it is, and what came of it."""

    stage: str = "waiting"  # then what the worker says, "done" or "failed"
    progress: float = 0.0
    result: Json | None = None
    error: Json | None = None

    def as_json(self) -> Json:
        """For the page."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Jobs:
    """Workers of this panel, one after the other; what they found is kept by what was asked."""

    kept: OrderedDict[str, Job] = field(default_factory=OrderedDict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def ask(self, key: str, task: Json) -> Job:
        """The job of this key, begun if it is new; one that failed is tried again."""
        job = self.kept.get(key)
        if job is None or job.stage == "failed":
            if len(self._running) >= MOST_WAITING:
                return Job("busy")
            job = self.kept[key] = Job()
            running = asyncio.create_task(self._work(job, task))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        self.kept.move_to_end(key)
        while len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)
        return job

    async def settled(self) -> None:
        """Return when nothing runs or waits any more."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def close(self) -> None:
        """End what runs."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _work(self, job: Job, task: Json) -> None:
        async with self._one:
            try:
                async with asyncio.timeout(MOST_S):
                    await _worker(job, task)
            except (OSError, ValueError, TimeoutError) as error:
                job.error = {"en": f"the worker failed: {error.__class__.__name__}"}
            if job.result is None:
                job.stage = "failed"
                log.warning("a worker of the studio failed", task=task["task"], error=job.error)


async def _worker(job: Job, task: Json) -> None:
    """Run a worker and follow what it says; it is gone when this ends, however it ends."""
    pipe = asyncio.subprocess.PIPE
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", WORKER, stdin=pipe, stdout=pipe, limit=4_000_000
    )
    try:
        if worker.stdin is None or worker.stdout is None:
            raise OSError("a worker without pipes")
        worker.stdin.write(orjson.dumps(task))
        worker.stdin.close()
        async for line in worker.stdout:
            _take(job, orjson.loads(line))
        await worker.wait()
    finally:
        if worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


def _take(job: Job, said: Json) -> None:
    if "done" in said:
        job.stage, job.progress, job.result = "done", 1.0, said["done"]
    elif "error" in said:
        job.error = {"en": said["error"], "de": said["error_de"]}
    else:
        job.stage, job.progress = said["stage"], said["progress"]


def key_of(prescription: Prescription) -> str:
    """Under what its simulated session is kept."""
    return orjson.dumps(prescription.model_dump(), option=orjson.OPT_SORT_KEYS).decode()


class Studio:
    """What the routes ask."""

    def __init__(self, directory: Path | None) -> None:
        """``directory``: the gateway's, where the recorder writes and commissioning wrote."""
        self.jobs = Jobs()
        self._directory = directory

    async def of(self, device: str, prescription: Prescription, session: Session | None = None) -> Json:
        """Everything about a prescription; of a session on the bed also what its first pulls told."""
        bed = await asyncio.to_thread(self._bed, device)
        fit = self._fit(session, bed)
        told = fit.result["measured"] if fit and fit.result else None
        measured = Measured(*told) if told else _friction_of(bed)
        found = await asyncio.to_thread(studio, prescription, measured)
        if not told and found["segment"] and found["segment"]["friction"] == "measured":
            found["segment"]["friction"] = "bed"
        document = prescription.model_dump()
        task = {"task": "preview", "prescription": document, "seed": SEED}
        preview = self.jobs.ask(key_of(prescription), task)
        return {
            "prescription": {name: document[name] for name in SHOWN},
            **found,
            "preview": preview.as_json(),
            "identified": fit.as_json() if fit else None,
        }

    def _bed(self, device: str) -> BedParameters | None:
        """What commissioning measured at this bed, None where it was never measured or cannot be trusted."""
        if self._directory is None:
            return None
        try:
            return load(self._directory, device)
        except SpondylError as error:
            log.warning("the bed's parameters are not used", device=device, error=error.message)
            return None

    def _fit(self, session: Session | None, bed: BedParameters | None) -> Job | None:
        """The fit to what the recorder wrote of this session so far; None while there is nothing."""
        if session is None or self._directory is None or session.started_at is None:
            return None
        recording = self._directory / "recordings" / f"{session.session}.jsonl"
        try:
            minutes = min(recording.stat().st_size // REFIT_BYTES, LAST_REFIT)
        except OSError:
            return None
        task = {"task": "identify", "recording": str(recording), "harness": _harness_of(bed)}
        return self._newest(str(session.session), minutes, task)

    def _newest(self, session: str, minutes: int, task: Json) -> Job:
        """The newest fit; while it is being made, the one before goes on being shown."""
        job = self.jobs.ask(f"{session} {minutes}", task)
        earlier = self.jobs.kept.get(f"{session} {minutes - 1}")
        return earlier if job.result is None and earlier is not None and earlier.result is not None else job


def _harness_of(bed: BedParameters | None) -> list[float] | None:
    """Stiffness and deviation (N/mm) for the fit."""
    if bed is None:
        return None
    return [bed.harness_n_mm, max(bed.uncertainty.get("harness_n_mm", 0.0), STRAP_SHARE * bed.harness_n_mm)]


def _friction_of(bed: BedParameters | None) -> Measured | None:
    """A doll's friction stands for a patient's until their own pulls tell: theirs may differ by much."""
    if bed is None:
        return None
    deviation_n = max(bed.uncertainty.get("friction_n", 0.0), DOLL_SHARE * bed.friction_n, LEAST_FRICTION_N)
    return Measured(bed.friction_n, deviation_n)


def router(panel: "Panel") -> APIRouter:
    """``GET`` of the session on a bed, ``POST`` of a prescription that is still being thought about."""
    routes = APIRouter(prefix="/api/devices/{device}")

    @routes.get("/studio", dependencies=[rules.here("sessions.see")])
    async def of_session(device: str) -> Json:
        """What the prescription of the session on this bed does, and what its first pulls told."""
        session = (await asyncio.to_thread(panel.bedside.current, device)).session
        return await panel.studio.of(device, Prescription.parse(session.prescription), session)

    @routes.post("/studio", dependencies=[Depends(json_only), rules.here("beds.operate")])
    async def of_prescription(device: str, body: models.PrescriptionCheck) -> Json:
        """What a prescription would do; refused with every reason when it may not be given."""
        panel.bedside.bed(device)
        return await panel.studio.of(device, accepted(body.prescription))

    return routes
