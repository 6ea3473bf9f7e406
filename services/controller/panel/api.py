"""The bedside API: README.md lists routes and payloads. STOP takes the shortest way and always works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import structlog
from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response, WebSocket
from fastapi.staticfiles import StaticFiles
from starlette.websockets import WebSocketDisconnect

from services.controller import models
from services.controller.bedside.records import Record
from services.controller.bedside.reporting import Reporting
from services.controller.bedside.session import ANSWER_S, Actor, Answer, Bedside
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
from services.controller.panel.guard import KnownClients, KnownHosts, json_only
from services.controller.panel.live import Listener, Live
from services.controller.panel.seen import Acknowledging
from services.controller.panel.sign_in_api import router as sign_in_router
from services.controller.panel.sign_ins import SignIns
from services.controller.panel.studio import Studio
from services.controller.panel.studio import router as studio_router
from services.controller.panel.view import Json, bed_state, open_view, row, session_view
from services.controller.panel.worklist import TodaysList
from services.controller.words import ACTIONS, REFUSALS
from services.kit import http
from services.kit.auth.guard import public
from services.kit.auth.principal import Principal
from services.kit.errors import ClearanceError, PrescriptionError, SpondylError
from services.kit.health import Check
from services.kit.pages import STRICT_POLICY
from services.kit.therapy import dosing
from services.kit.therapy import prescription as rx

log = structlog.get_logger(__name__)

HERE = Path(__file__).parent
SEND_S = 10.0  # a socket that takes nothing for so long is closed
STOP_POLL_S = 0.002
OPERATORS_S = 1.0  # between two looks at the list
Optional = Annotated[models.Act | None, Body()]
Operator = Annotated[Principal, rules.at_the_panel()]


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
        """Follow the ring and the list of operators while the server runs."""
        tasks = [asyncio.create_task(self.live.run()), asyncio.create_task(self._follow_operators())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.studio.jobs.close()

    async def _follow_operators(self) -> None:
        while True:
            await asyncio.to_thread(self.signed.operators.refresh)
            if self.bedside.admission is not None:
                await asyncio.to_thread(self.bedside.admission.worklists.refresh)
            await asyncio.sleep(OPERATORS_S)

    def checks(self) -> list[Check]:
        """What /readyz asks."""
        return [Check("session log", self.bedside.store.ping), Check("control loop", self._loop_trouble)]

    def _loop_trouble(self) -> str | None:
        memory = self.bedside.link.memory()
        return None if is_fresh(memory) else f"no tick for {memory.heartbeat_age_s():.1f} s"

    def router(self) -> APIRouter:
        """All routes of the API."""
        router = APIRouter(prefix="/api")
        _looking(router, self)
        _acting(router, self)
        _stopping(router, self)
        router.add_api_websocket_route("/devices/{device}/live", self.follow, dependencies=[public()])
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

    # --- live ------------------------------------------------------------------------------------------

    async def follow(self, socket: WebSocket, device: str) -> None:
        """One socket's life: hello, then frames as they come; ends with the server."""
        try:
            state = await asyncio.to_thread(self.state, device)
        except SpondylError as error:
            await socket.accept()
            await socket.close(1008, error.message[:120])
            return
        sees = await rules.sight(socket)
        await socket.accept()
        with (
            self.live.listening(device, sees) as listener,
            contextlib.suppress(WebSocketDisconnect, TimeoutError),
        ):
            state = state if sees() else open_view(state)
            recent = self.live.recent(device)  # before the first await: the queue goes on where it ends
            await socket.send_text(orjson.dumps({"type": "hello", "state": state}).decode())
            for text in recent:
                await asyncio.wait_for(socket.send_text(text), SEND_S)
            await _until_first(_send(socket, listener), _drain(socket), socket.app.state.stopping.wait())
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client closed it first
            await socket.close()


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


async def _send(socket: WebSocket, listener: Listener) -> None:
    while True:
        await asyncio.wait_for(socket.send_text(await listener.queue.get()), SEND_S)


async def _drain(socket: WebSocket) -> None:
    """Clients have nothing to say; reading notices when they leave."""
    while True:
        await socket.receive_text()


async def _until_first(*work: Any) -> None:
    """Run until one ends, then end the others; what it raised is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


def _looking(router: APIRouter, panel: Panel) -> None:
    @router.get("/devices", dependencies=[public()])
    def devices() -> Json:
        """All beds of this gateway, for whoever stands before them: what each does, nothing of a patient."""
        memory = panel.bedside.link.memory()
        return {
            "gateway": memory.gateway,
            "site": memory.site,
            "boot": str(memory.boot),
            "period_ms": memory.period_ns / 1e6,
            "devices": panel.rows(),
        }

    @router.get("/devices/{device}", dependencies=[public()])
    async def device_state(device: str, request: Request) -> Json:
        """Everything of one bed: open, so that nobody who treats is kept from what the bed does.

        Whose session it is, notes, pain and the prescription's rest are for who may see sessions here.
        """
        sees = await rules.sight(request)
        state = await asyncio.to_thread(panel.state, device)
        return state if sees() else open_view(state)

    @router.get("/devices/{device}/sessions/{session}", dependencies=[rules.here("sessions.see")])
    def one_session(device: str, session: UUID) -> Json:
        """One session with notes and actions."""
        panel.bedside.bed(device)
        store = panel.bedside.store
        found = store.by_id(session)
        record = Record(found, tuple(store.notes(session)))
        return session_view(record) | {"actions": store.actions(session)}

    @router.get("/segments", dependencies=[public()])
    def segments() -> Json:
        """Segments and angles: the clinic's convention, nobody's secret."""
        return panel.segments()

    @router.post("/prescription/check", dependencies=[Depends(json_only), rules.here("beds.operate")])
    def check(body: models.PrescriptionCheck) -> Json:
        """Whether a prescription would be taken, with every reason against it."""
        refusals = rx.check_document(body.prescription)
        return {"ok": not refusals, "refusals": [refusal.as_json() for refusal in refusals]}


def _acting(router: APIRouter, panel: Panel) -> None:
    bedside, done = panel.bedside, panel.done
    acting = APIRouter(prefix="/devices/{device}", dependencies=[Depends(json_only)])

    def plain(action: str) -> Callable[..., Json]:
        def act(device: str, who: Operator, _body: Optional = None) -> Json:
            return done(device, bedside.act(device, action, who.name))

        act.__doc__ = f"Operator action {action}."
        return act

    for action in ("switch-test", "pause", "resume", "reset"):
        acting.add_api_route(f"/{action}", plain(action), methods=["POST"], name=action)

    @acting.post("/confirm")
    def confirm(device: str, body: models.Confirm, who: Operator) -> Json:
        """This patient lies here and gets this prescription."""
        return done(device, bedside.confirm(device, body, who.name, who.account))

    @acting.post("/start")
    def start(device: str, who: Operator, body: Annotated[models.Start | None, Body()] = None) -> Json:
        """Traction begins; ``silence_seen`` where the centre has been silent for long."""
        seen = body is not None and body.silence_seen
        return done(device, bedside.act(device, "start", who.name, seen=seen))

    @acting.post("/close")
    def close(device: str, who: Operator, body: Annotated[models.Close | None, Body()] = None) -> Json:
        """The session is over."""
        body = body or models.Close()
        return done(device, bedside.close(device, who.name, body.pain_after))

    @acting.post("/change")
    def change(device: str, body: models.Change, who: Operator) -> Json:
        """Another prescription from the next phase boundary on."""
        return done(device, bedside.change(device, body.prescription, who.name))

    @acting.post("/heat")
    def heat(device: str, body: models.Heat, who: Operator) -> Json:
        """Switch the heat pad."""
        return done(device, bedside.act(device, "heat-on" if body.on else "heat-off", who.name))

    _keeping(acting, panel)
    _listing(router, acting, panel)
    router.include_router(acting)


def _listing(router: APIRouter, acting: APIRouter, panel: Panel) -> None:
    bedside, done = panel.bedside, panel.done

    @router.get("/devices/{device}/worklist")
    def worklist(device: str, _who: Operator) -> Json:
        """Today's appointments with names, for whoever is signed in here: this bed's, then the others'."""
        bedside.bed(device)
        if panel.todays is None:
            return {"device": device, "heard_at": None, "silent": None, "appointments": []}
        return panel.todays.view(device)

    @acting.post("/confirm-listed")
    def confirm_listed(device: str, body: models.ConfirmListed, who: Operator) -> Json:
        """The patient of this appointment lies here: prescription and clearance are the worklist's."""
        return done(device, bedside.confirm(device, _todays(panel).request(body), who.name, who.account))


def _todays(panel: Panel) -> TodaysList:
    if panel.todays is None:
        raise SessionRefused("this panel has no worklists", "dieses Bedienfeld hat keine Terminlisten")
    return panel.todays


def _keeping(acting: APIRouter, panel: Panel) -> None:
    bedside, done = panel.bedside, panel.done

    @acting.post("/pain")
    def pain(device: str, body: models.PainScore, who: Operator) -> Json:
        """Pain before or after."""
        return done(device, bedside.pain(device, who.name, body.when, body.value))

    @acting.post("/acknowledge")
    async def acknowledge(device: str, body: models.Acknowledge, who: Operator) -> Json:
        """Silence this one occurrence of an alarm; nothing else changes."""
        actor = Actor(who.name, who.account)
        given = panel.seen.see(device, panel.live.watch(device), body.occurrence, actor)
        answer = await asyncio.to_thread(panel.seen.keep, device, given)
        return await asyncio.to_thread(done, device, answer)

    @acting.post("/adverse")
    def adverse(device: str, body: models.Adverse, who: Operator) -> Json:
        """An adverse event of the session on the bed, or of one that ended: it pauses, and may suspend."""
        if panel.reporting is None:
            raise SessionRefused("this panel keeps no reports", "dieses Bedienfeld nimmt keine Meldungen an")
        return done(device, panel.reporting.report(device, body, Actor(who.name, who.account)))

    @acting.post("/note")
    def note(device: str, body: models.NewNote, who: Operator) -> Json:
        """Append a note."""
        return done(device, bedside.note(device, who.name, body.text))

    @acting.post("/fault")
    def fault(device: str, body: models.Fault, who: Annotated[Principal, rules.here("beds.fault")]) -> Json:
        """Break or mend a simulated bed."""
        return done(device, bedside.fault(device, body.kind, who.name, clear=body.clear))


def _stopping(router: APIRouter, panel: Panel) -> None:
    @router.post("/devices/{device}/stop", dependencies=[public()])
    async def stop(device: str, request: Request) -> Json:
        """Stop, now: no sign-in, no body, no disk needed. Whoever is signed in is written down with it."""
        return await panel.stop(device, rules.name_of(request))
