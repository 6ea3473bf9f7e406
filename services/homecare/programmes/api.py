"""Programmes over HTTP: set, changed, signed, paused, resumed, ended; and cures without one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from broker.fields import Slug
from services.homecare.models import Programme
from services.homecare.programmes import cures, showing, store
from services.homecare.programmes.models import Change, NewProgramme, Signing, Turning
from services.homecare.programmes.setting import Setting
from services.homecare.programmes.signing import Desk
from services.homecare.programmes.states import State, Turn
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.business.sites import here, within
from services.kit.database import reading
from services.kit.moments import Now
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("homecare.see")]
Therapist = Annotated[Principal, allow("homecare.supervise")]
Clinician = Annotated[Principal, allow("homecare.set")]
TURNS: dict[str, Turn] = {"pause": "paused", "resume": "resumed", "end": "ended"}


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["programmes"])
    _reading(made, office, now)
    _setting(made, office, now)
    _turning(made, office, now)
    return made


def own(office: Office, who: Principal, permission: Permission, programme: UUID) -> Programme:
    """The programme, where this is permitted to them. Raises NotFound."""
    with reading(office.engine) as connection:
        found = store.programme(connection, programme)
    if not who.may(permission, found.site):
        raise store.missing(programme)
    return found


def _shown(office: Office, programme: UUID, now: Now) -> Row:
    with reading(office.engine) as connection:
        return showing.one(connection, store.programme(connection, programme), now())


def _reading(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/programmes")
    def listed(
        who: Reader, site: Slug, patient: UUID | None = None,
        state: Annotated[list[State] | None, Query(max_length=5)] = None,
    ) -> Row:  # fmt: skip
        """A site's, or one person's there, newest first; at most 500, and `more` says so."""
        here(who, "homecare.see", site)
        with reading(office.engine) as connection:
            found = store.of_site(connection, site, patient, state or ())
            rows = showing.rows(connection, found)
        office.seen(who, "programmes.seen", None if patient is None else str(patient), site)
        return {"site": site, "programmes": rows, "more": len(rows) == store.MOST}

    @router.get("/programmes/{programme}")
    def one(who: Reader, programme: UUID) -> Row:
        """What holds, what led to it, and what today says."""
        found = own(office, who, "homecare.see", programme)
        office.seen(who, "programme.seen", str(found.patient), found.site, programme=str(programme))
        return _shown(office, programme, now)

    @router.get("/cures-ended")
    def ended(
        who: Reader, site: Slug | None = None, days: Annotated[int, Query(ge=1, le=366)] = cures.DAYS
    ) -> Row:
        """Cures that ended and that no programme goes on after, newest first."""
        sites = within(who, "homecare.see", site)
        with reading(office.engine) as connection:
            found = cures.ended(connection, sites, now(), days)
        office.seen(who, "cures.without_programme", None, site)
        return {"site": site, "days": days, "cures": found}


def _setting(router: APIRouter, office: Office, now: Now) -> None:
    setting = Setting(office, now)

    @router.post("/programmes", status_code=201)
    def make(who: Clinician, body: NewProgramme) -> Row:
        """Set a programme; the same `request` again is the same programme. 422 says why it is refused."""
        here(who, "homecare.set", body.site)
        made = setting.make(body, who)
        office.seen(who, "programme.set", str(body.patient), body.site, programme=str(made))
        return _shown(office, made, now)

    @router.put("/programmes/{programme}")
    def change(who: Clinician, programme: UUID, body: Change) -> Row:
        """The next version; 409 when somebody was quicker. What pain has locked stays locked."""
        found = own(office, who, "homecare.set", programme)
        setting.change(programme, body, who)
        office.seen(who, "programme.changed", str(found.patient), found.site, programme=str(programme))
        return _shown(office, programme, now)


def _turning(router: APIRouter, office: Office, now: Now) -> None:
    desk = Desk(office, now)

    @router.post("/programmes/{programme}/supervised")
    def sign(who: Therapist, programme: UUID, body: Signing) -> Row:
        """Sign a session beside the patient; an exercise opens at home with its last one that went well."""
        found = own(office, who, "homecare.supervise", programme)
        desk.sign(programme, body, who)
        office.seen(
            who, "programme.supervised", str(found.patient), found.site, programme=str(programme),
            exercise=body.exercise, day=str(body.day), went_well=body.went_well,
        )  # fmt: skip
        return _shown(office, programme, now)

    for verb, turn in TURNS.items():
        _turn(router, office, now, desk, verb, turn)


def _turn(router: APIRouter, office: Office, now: Now, desk: Desk, verb: str, turn: Turn) -> None:
    @router.post(f"/programmes/{{programme}}/{verb}", name=f"{verb}_programme")
    def take(who: Clinician, programme: UUID, body: Turning) -> Row:
        """Pause, resume or end a programme, with the reason; 409 where its state has no such turn."""
        found = own(office, who, "homecare.set", programme)
        desk.turn(programme, turn, body, who)
        office.seen(
            who, f"programme.{turn}", str(found.patient), found.site, programme=str(programme),
            reason=body.reason,
        )  # fmt: skip
        return _shown(office, programme, now)
