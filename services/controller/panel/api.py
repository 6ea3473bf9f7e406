"""The bedside API: README.md lists routes and payloads. STOP takes the shortest way and always works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from services.controller.bedside.records import Record
from services.controller.bedside.reporting import Reporting
from services.controller.bedside.session import ANSWER_S, Answer, Bedside
from services.controller.errors import (
    BedUnavailable,
    SessionRefused,
    SignInLocked,
    SignInRefused,
)
from services.controller.kernel import layout
from services.controller.loop.interruption import Interruptions
from services.controller.loop.link import is_fresh
from services.controller.loop.shared import BEDSIDE, GatewayMemory
from services.controller.panel import rules
from services.controller.panel.acting import acting, stopping
from services.controller.panel.guard import KnownClients, KnownHosts
from services.controller.panel.live import Live
from services.controller.panel.looking import looking
from services.controller.panel.seen import Acknowledging
from services.controller.panel.sign_in_api import router as sign_in_router
from services.controller.panel.sign_ins import SignIns
from services.controller.panel.sockets import following
from services.controller.panel.studio import Studio
from services.controller.panel.studio import router as studio_router
from services.controller.panel.view import Json, bed_state, row
from services.controller.panel.worklist import TodaysList
from services.controller.words import ACTIONS, REFUSALS
from services.kit import http
from services.kit.errors import ClearanceError, PrescriptionError, SpondylError
from services.kit.health import Check
from services.kit.pages import STRICT_POLICY
from services.kit.therapy import dosing

log = structlog.get_logger(__name__)

HERE = Path(__file__).parent
STOP_POLL_S = 0.002
OPERATORS_S = 1.0  # between two looks at the list


def create_panel(
    bedside: Bedside,
    version: str,
    signed: SignIns,
    *,
    hosts: Iterable[str] = (),
    clients: Iterable[str] = (),
    pages: Callable[["Panel"], APIRouter] | None = None,
    todays: TodaysList | None = None,
    interruptions: Interruptions | None = None,
    directory: Path | None = None,
) -> FastAPI:
    """The panel's application: API, live sockets, and the pages that ``pages`` makes for it.

    ``signed`` knows who is signed in here, ``hosts`` are names the panel may be called by beside loopback,
    ``clients`` are networks where its operators' browsers may be beside this machine; ``todays`` is the
    worklist, where there is one; ``interruptions`` what an earlier loop left behind; ``directory`` is the
    gateway's, where its recorder and commissioning write.
    """
    panel = Panel(bedside, version, signed, todays, interruptions)
    panel.studio = Studio(directory)
    routers = [panel.router(), studio_router(panel), sign_in_router(signed)] + (
        [pages(panel)] if pages else []
    )
    app = http.create_app(
        "panel",
        version,
        panel.checks(),
        routers,
        lifespan=panel.lifespan,
        content_security_policy=STRICT_POLICY,
        guard=rules.guard(signed),
        facts={"starting": panel.starting},
    )
    app.state.panel = panel
    app.state.sign_ins = signed
    app.state.clients = KnownClients(clients)
    app.add_middleware(KnownHosts, names=list(hosts))
    _answer_refusals(app)
    if (HERE / "static").is_dir():
        app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    http.mount_static(app)
    return app


class Panel:
    """What the routes share."""

    def __init__(
        self,
        bedside: Bedside,
        version: str,
        signed: SignIns,
        todays: TodaysList | None = None,
        interruptions: Interruptions | None = None,
    ) -> None:
        self.bedside = bedside
        self.version = version
        self.signed = signed
        self.todays = todays
        worklists = bedside.admission.worklists if bedside.admission else None
        self.reporting = Reporting(bedside, worklists) if worklists else None
        self.live = Live(bedside, interruptions)
        self.seen = Acknowledging(bedside, interruptions)
        self.studio = Studio(None)
        self._background: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Follow the ring and the list of operators while the server runs: alarms bar a bed from then on."""
        self.bedside.bar.asked = self.live.barring
        tasks = [asyncio.create_task(self.live.run()), asyncio.create_task(self._follow_operators())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.studio.jobs.close()
            if self.bedside.bar.asked == self.live.barring:
                self.bedside.bar.asked = None  # it is followed no more, and nobody asks through this server

    async def _follow_operators(self) -> None:
        steps = [self.signed.operators.refresh, self.seen.again]
        if self.bedside.admission is not None:
            steps.append(self.bedside.admission.worklists.refresh)
        while True:
            for step in steps:
                try:
                    await asyncio.to_thread(step)
                except Exception:  # what one cannot do must not end the others for good
                    log.exception("the panel could not follow its files")
            await asyncio.sleep(OPERATORS_S)

    def checks(self) -> list[Check]:
        """What /readyz asks."""
        return [Check("session log", self.bedside.store.ping), Check("control loop", self._loop_trouble)]

    def _loop_trouble(self) -> str | None:
        memory = self.bedside.link.memory()
        if is_fresh(memory):
            return None
        silence = f"no tick for {memory.heartbeat_age_s():.1f} s"
        starting = self.bedside.link.preparing()
        return f"{silence}; {starting.english}" if starting else silence

    def starting(self) -> str:
        """How far a loop is that does not tick yet: percent compiled, "loading", or "" when none starts."""
        with contextlib.suppress(BedUnavailable):
            if is_fresh(self.bedside.link.memory()):
                return ""
        found = self.bedside.link.preparing()
        if found is None:
            return ""
        return "loading" if found.percent is None else str(found.percent)

    def router(self) -> APIRouter:
        """All routes of the API."""
        router = APIRouter(prefix="/api")
        looking(router, self)
        acting(router, self)
        stopping(router, self)
        following(router, self)
        return router

    # --- reading ---------------------------------------------------------------------------------------

    def rows(self) -> list[Json]:
        """One line a bed; raises BedUnavailable."""
        memory = self.bedside.link.memory()
        return [self._row(memory, bed) for bed in range(memory.beds)]

    def _row(self, memory: GatewayMemory, bed: int) -> Json:
        sample = self.bedside.sample(memory, bed)[2]
        return row(memory, bed, sample, self.live.watch(memory.devices[bed]), self._record(sample))

    def _record(self, sample: Any) -> Record | None:
        try:
            return self.bedside.record(int(sample[layout.S_SESSION]))
        except SpondylError:
            return None

    def state(self, device: str) -> Json:
        """Everything of one bed; raises UnknownDevice, BedUnavailable."""
        self.bedside.bed(device)
        return bed_state(self.bedside, device, self.live.watch(device))

    def segments(self) -> Json:
        """Segments and angles by region."""
        table = dosing.load()
        return {
            region: [line.model_dump(exclude={"region"}) for line in table.segments(region).values()]
            for region in ("lumbar", "cervical")
        }

    def done(self, device: str, answer: Answer) -> Json:
        """What a POST answers."""
        self.live.touch(device)
        return {
            "accepted": True,
            "action": answer.action,
            "detail": answer.done.en,
            "detail_de": answer.done.de,
            "session": str(answer.session) if answer.session else None,
            "state": self.state(device),
        }

    # --- stop ------------------------------------------------------------------------------------------

    async def stop(self, device: str, operator: str) -> Json:
        """Post at once, wait for the kernel, write it down afterwards: no thread or disk in between."""
        memory, bed, ticket = self.bedside.stop_now(device)
        task = asyncio.create_task(asyncio.to_thread(self.bedside.stopped, device, operator))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        refusal = await _answer(memory, bed, ticket, device)
        self.live.touch(device)
        phase = layout.PHASES[self.bedside.sample(memory, bed)[2][layout.S_PHASE]]
        accepted = refusal == layout.REFUSAL_NONE
        words = ACTIONS["stop"].done if accepted else REFUSALS[refusal].format(action="stop", phase=phase)
        return {
            "accepted": accepted, "action": "stop", "detail": words.en, "detail_de": words.de, "phase": phase,
        }  # fmt: skip


async def _answer(memory: GatewayMemory, bed: int, ticket: int, device: str) -> int:
    """The kernel's refusal of the action, 0 for none; raises BedUnavailable when there is no answer."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + ANSWER_S
    while clock.time() < deadline:
        with contextlib.suppress(LookupError):
            outcome = memory.outcome(BEDSIDE, bed, ticket)
            if outcome is not None and memory.head() > outcome.tick:
                return outcome.refusal
        await asyncio.sleep(STOP_POLL_S)
    raise BedUnavailable(
        f"{device}: stop was handed over, and the control loop has not answered within {ANSWER_S:g} s: "
        "use the bed's own switch"
    )


def _answer_refusals(app: FastAPI) -> None:
    """A refusal carries the German words too, and every reason against a prescription."""

    @app.exception_handler(SignInRefused)
    @app.exception_handler(SessionRefused)
    @app.exception_handler(ClearanceError)
    @app.exception_handler(PrescriptionError)
    async def refused(
        _request: Request, error: SignInRefused | SessionRefused | ClearanceError | PrescriptionError
    ) -> Response:
        rows = [refusal.as_json() for refusal in getattr(error, "refusals", ())]
        answer = http.problem(
            error.status, "Refused", error.message, accepted=False, detail_de=error.german, refusals=rows
        )
        if isinstance(error, SignInLocked):
            answer.headers["retry-after"] = str(error.retry_after_s)
        return answer
