"""The console's application: its rooms' routes over one fan-out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.requests import HTTPConnection

from services.console.accounts import identity
from services.console.context import HERE, Console
from services.console.error_page import answer_for_database, error_page
from services.console.errors import PasswordChangeFirst
from services.console.routes import (
    alarms,
    appointments,
    bank,
    beds,
    billing,
    board,
    calendar,
    charges,
    clearance,
    clinic,
    costs,
    cure,
    cures,
    design,
    disclosures,
    drafts,
    dunning,
    estimates,
    exchange,
    exports,
    feeds,
    homecare,
    homecare_programme,
    homecare_setting,
    invoices,
    oidc,
    open_items,
    outcomes,
    patient_view,
    patients,
    payments,
    picking,
    planning,
    replanning,
    resources,
    revenue,
    screening,
    sessions,
    sign_in,
    streams,
    trail,
    users,
    waiting,
    wall,
)
from services.console.screening import tablet_pages
from services.kit import formats, http
from services.kit.auth import tokens
from services.kit.auth.guard import public, signed_in
from services.kit.health import Check
from services.kit.pages import STRICT_POLICY, preferences
from services.kit.routes import Routes

FORM_BYTES: Final = 100_000  # of a form around a file
SCAN_BYTES: Final = 10_000_000  # of a declaration that was signed on paper
ROOMS: Final = (
    wall, patient_view, beds, streams, cures, sessions, alarms, trail, design, users, patients, screening,
    clearance, outcomes, exchange, board, calendar, appointments, planning, cure, waiting, replanning,
    resources, feeds, homecare, homecare_setting, homecare_programme, billing, drafts, picking, invoices,
    charges, clinic, open_items, payments, bank, dunning, revenue, exports, disclosures, estimates, costs,
)  # fmt: skip


def create(console: Console, version: str, checks: list[Check]) -> FastAPI:
    """The console's application; its fan-out runs as long as the application does."""
    settings = console.settings

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(console.fanout.run()),
            asyncio.create_task(console.desk.run()),
            asyncio.create_task(console.accounts.tidy()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            offices = (console.screening, console.scheduler, console.billing, console.homecare)
            for upstream in (console.archive, *offices):
                await upstream.close()

    app = http.create_app(
        "console",
        version,
        checks,
        [
            _for_known(console),
            patient_view.screen_router(console),
            tablet_pages.tablet_router(console),
            sign_in.router(console),
            oidc.router(console),
            _choices(console),
        ],
        lifespan=lifespan,
        content_security_policy=STRICT_POLICY,
        error_page=error_page(console),
        public_origin=settings.public_url,
        larger_requests={
            "/findings": settings.attachment_most_bytes + FORM_BYTES,
            "/scan": SCAN_BYTES + FORM_BYTES,
            "/signed": SCAN_BYTES + FORM_BYTES,
            "/billing/bank": bank.STATEMENT_BYTES + FORM_BYTES,
        },
        guard=identity.guard(console.accounts, tokens.public_key(settings.access_public_key, settings.data)),
    )
    app.add_exception_handler(PasswordChangeFirst, identity.lead_to_password)
    answer_for_database(app)
    http.mount_static(app)
    app.mount("/assets", StaticFiles(directory=HERE / "static"), name="assets")
    return app


def _for_known(console: Console) -> APIRouter:
    """Every room is for whoever is signed in, beside the rules that its routes carry themselves; times are by
    the clock that the reader's sites share, until a page says which site it is about.
    """

    async def clock(connection: HTTPConnection) -> None:
        formats.go_by(console.live.zones.shared(connection.state.principal))

    rooms = Routes(dependencies=[signed_in(), Depends(clock)])
    for room in ROOMS:
        rooms.include_router(room.router(console))
    return rooms


def _choices(console: Console) -> APIRouter:
    """Language and theme are anybody's to choose; of whoever is signed in they are kept."""
    choices = Routes(dependencies=[public(), Depends(sign_in.keep_choices(console))])
    choices.include_router(preferences())
    return choices
