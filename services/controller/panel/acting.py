"""The panel's routes that act: an operator who is signed in at the bed; STOP asks for nobody."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Depends, Request

from services.controller import models
from services.controller.bedside.session import Actor
from services.controller.errors import SessionRefused
from services.controller.panel import rules
from services.controller.panel.guard import json_only
from services.controller.panel.view import Json
from services.controller.panel.worklist import TodaysList
from services.kit.auth.guard import public
from services.kit.auth.principal import Principal

if TYPE_CHECKING:
    from services.controller.panel.api import Panel

Optional = Annotated[models.Act | None, Body()]
Operator = Annotated[Principal, rules.at_the_panel()]


def acting(router: APIRouter, panel: "Panel") -> None:
    """What changes something at a bed."""
    bedside, done = panel.bedside, panel.done
    beds = APIRouter(prefix="/devices/{device}", dependencies=[Depends(json_only)])

    def plain(action: str) -> Callable[..., Json]:
        def act(device: str, who: Operator, _body: Optional = None) -> Json:
            return done(device, bedside.act(device, action, who.name))

        act.__doc__ = f"Operator action {action}."
        return act

    for action in ("switch-test", "pause", "resume", "reset"):
        beds.add_api_route(f"/{action}", plain(action), methods=["POST"], name=action)

    @beds.post("/confirm")
    def confirm(device: str, body: models.Confirm, who: Operator) -> Json:
        """This patient lies here and gets this prescription."""
        return done(device, bedside.confirm(device, body, who.name, who.account))

    @beds.post("/start")
    def start(device: str, who: Operator, body: Annotated[models.Start | None, Body()] = None) -> Json:
        """Traction begins; ``silence_seen`` where the centre has been silent for long."""
        seen = body is not None and body.silence_seen
        return done(device, bedside.act(device, "start", who.name, seen=seen))

    @beds.post("/close")
    def close(device: str, who: Operator, body: Annotated[models.Close | None, Body()] = None) -> Json:
        """The session is over."""
        body = body or models.Close()
        return done(device, bedside.close(device, who.name, body.pain_after))

    @beds.post("/change")
    def change(device: str, body: models.Change, who: Operator) -> Json:
        """Another prescription from the next phase boundary on."""
        return done(device, bedside.change(device, body.prescription, who.name))

    @beds.post("/heat")
    def heat(device: str, body: models.Heat, who: Operator) -> Json:
        """Switch the heat pad."""
        return done(device, bedside.act(device, "heat-on" if body.on else "heat-off", who.name))

    _keeping(beds, panel)
    _listing(router, beds, panel)
    router.include_router(beds)


def _listing(router: APIRouter, beds: APIRouter, panel: "Panel") -> None:
    bedside, done = panel.bedside, panel.done

    @router.get("/devices/{device}/worklist")
    def worklist(device: str, _who: Operator) -> Json:
        """Today's appointments with names, for whoever is signed in here: this bed's, then the others'."""
        bedside.bed(device)
        if panel.todays is None:
            return {"device": device, "heard_at": None, "silent": None, "appointments": []}
        return panel.todays.view(device)

    @beds.post("/confirm-listed")
    def confirm_listed(device: str, body: models.ConfirmListed, who: Operator) -> Json:
        """The patient of this appointment lies here: prescription and clearance are the worklist's."""
        return done(device, bedside.confirm(device, _todays(panel).request(body), who.name, who.account))


def _todays(panel: "Panel") -> TodaysList:
    if panel.todays is None:
        raise SessionRefused("this panel has no worklists", "dieses Bedienfeld hat keine Terminlisten")
    return panel.todays


def _keeping(beds: APIRouter, panel: "Panel") -> None:
    bedside, done = panel.bedside, panel.done

    @beds.post("/pain")
    def pain(device: str, body: models.PainScore, who: Operator) -> Json:
        """Pain before or after."""
        return done(device, bedside.pain(device, who.name, body.when, body.value))

    @beds.post("/acknowledge")
    async def acknowledge(device: str, body: models.Acknowledge, who: Operator) -> Json:
        """Silence this one occurrence of an alarm; nothing else changes."""
        actor = Actor(who.name, who.account)
        given = panel.seen.see(device, panel.live.watch(device), body.occurrence, actor)
        answer = await asyncio.to_thread(panel.seen.keep, device, given)
        return await asyncio.to_thread(done, device, answer)

    @beds.post("/adverse")
    def adverse(device: str, body: models.Adverse, who: Operator) -> Json:
        """An adverse event of the session on the bed, or of one that ended: it pauses, and may suspend."""
        if panel.reporting is None:
            raise SessionRefused("this panel keeps no reports", "dieses Bedienfeld nimmt keine Meldungen an")
        return done(device, panel.reporting.report(device, body, Actor(who.name, who.account)))

    @beds.post("/note")
    def note(device: str, body: models.NewNote, who: Operator) -> Json:
        """Append a note."""
        return done(device, bedside.note(device, who.name, body.text))

    @beds.post("/fault")
    def fault(device: str, body: models.Fault, who: Annotated[Principal, rules.here("beds.fault")]) -> Json:
        """Break or mend a simulated bed."""
        return done(device, bedside.fault(device, body.kind, who.name, clear=body.clear))


def stopping(router: APIRouter, panel: "Panel") -> None:
    """STOP, the shortest way."""

    @router.post("/devices/{device}/stop", dependencies=[public()])
    async def stop(device: str, request: Request) -> Json:
        """Stop, now: no sign-in, no body, no disk needed. Whoever is signed in is written down with it."""
        return await panel.stop(device, rules.name_of(request))
