"""The panel's routes that look: beds, sessions, segments, a prescription's check."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from services.controller import models
from services.controller.bedside.records import Record
from services.controller.panel import rules
from services.controller.panel.guard import json_only
from services.controller.panel.view import Json, open_view, session_view
from services.kit.auth.guard import public
from services.kit.therapy import prescription as rx

if TYPE_CHECKING:
    from services.controller.panel.api import Panel


def looking(router: APIRouter, panel: "Panel") -> None:
    """Everything that is only read."""

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
