"""Planning anew over HTTP: shown first, then done as it was shown."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter

from broker.fields import Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.routes import Routes
from services.scheduler.booking import improving, replanning
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Applied, Improved, ReplanAsked
from services.scheduler.resources.api import here
from services.scheduler.resources.store import no_such

Row = dict[str, Any]
Replanning = Annotated[Principal, allow("plan.replan")]


def router(desk: Desk) -> APIRouter:
    """The routes."""
    made = Routes(tags=["replanning"])
    _proposing(made, desk)
    _one(made, desk)
    return made


def _proposing(router: APIRouter, desk: Desk) -> None:
    @router.post("/replan", status_code=201)
    def replan_new(body: ReplanAsked, who: Replanning) -> Row:
        """What would be moved when a bed or somebody is out: shown, not done."""
        here(who, "plan.replan", body.site)
        found = replanning.propose(desk, body, who.name)
        desk.office.seen(who, "replan.proposed", f"replan {found['replan']}", body.site)
        return found

    @router.get("/replan")
    def replans(site: Slug, who: Replanning) -> list[Row]:
        """The newest proposals, applied or not."""
        here(who, "plan.replan", site)
        with desk.reading() as connection:
            rows = replanning.of_site(connection, site)
        desk.office.seen(who, "replans.seen", f"replans {site}", site)
        return [replanning.shown(row) for row in rows]

    @router.post("/improve", status_code=201)
    def improve(body: Improved, who: Replanning) -> Row:
        """Better series for what is not confirmed: shown, and applied like a replanning."""
        here(who, "plan.replan", body.site)
        found = improving.propose(desk, body.site, who.name)
        desk.office.seen(who, "improvement.proposed", f"site {body.site}", body.site)
        return found or {"replan": None, "site": body.site, "moved": [], "patients_moved": 0, "better": []}


def _one(router: APIRouter, desk: Desk) -> None:
    @router.get("/replan/{replan}")
    def replan_shown(replan: UUID, who: Replanning) -> Row:
        """One that was planned."""
        row = replan_seen(desk, replan, who)
        desk.office.seen(who, "replan.seen", f"replan {replan}", row["site"])
        return replanning.shown(row)

    @router.post("/replan/{replan}/apply")
    def replan_apply(replan: UUID, who: Replanning, body: Applied | None = None) -> Row:
        """Do it as it was shown, or nothing; applied twice is once.

        What is out is entered as an outage with it, unless the body says `"outage": false`.
        """
        row = replan_seen(desk, replan, who)
        is_entered = body is None or body.outage
        desk.office.seen(who, "replan.applied", f"replan {replan}", row["site"], outage=is_entered)
        return replanning.apply(desk, replan, who.name, with_outage=is_entered)


def replan_seen(desk: Desk, replan: UUID, who: Principal) -> Row:
    """A replanning of a site where this one may plan. Raises NotFound."""
    with desk.reading() as connection:
        row = replanning.row_of(connection, replan)
    if not who.may("plan.replan", row["site"]):
        raise no_such("replanning", "Umplanung", replan)
    return row
