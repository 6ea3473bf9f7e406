"""The note for the gym or the therapist over HTTP."""

from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Response

from services.homecare.errors import Conflict, said
from services.homecare.models import Judged, Programme
from services.homecare.papers.note import Reader as For
from services.homecare.papers.note import render
from services.homecare.programmes import course, states
from services.homecare.programmes.api import own
from services.homecare.progression.today import EVERYTHING, Course
from services.homecare.settings import HomecareSettings
from services.homecare.tables import ZONES
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.identity import Unreachable, identity
from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.language import Language
from services.kit.moments import Now
from services.kit.routes import Routes, gives

log = structlog.get_logger(__name__)

Reader = Annotated[Principal, allow("homecare.see")]
BY_HAND: Final = "_" * 30  # screening does not answer: the desk writes the name


def router(office: Office, now: Now) -> APIRouter:
    """The route."""
    made = Routes(tags=["papers"])

    @made.get("/programmes/{programme}/note.pdf", **gives("application/pdf"))
    def note(
        who: Reader, programme: UUID, reader: Annotated[For, Query(alias="for")],
        language: Language | None = None,
    ) -> Response:  # fmt: skip
        """What is allowed, what is not, until when; `language` else the programme's.

        What is locked, off, not signed yet or suspended is not allowed. 409 for a programme that is over.
        """
        found = own(office, who, "homecare.see", programme)
        if found.state not in states.OPEN:
            raise _over(found)
        with reading(office.engine) as connection:
            where = course.of(connection, found, ZONES.day(connection, found.site, now()))
        office.seen(who, "note.seen", str(found.patient), found.site, programme=str(programme), reader=reader)
        shown = _supervised(found, where)
        made = render(
            shown, dict(where.levels), reader, language or found.language, _name(office, found.patient),
            _closed(shown, where),
        )  # fmt: skip
        name = f"{reader}-{found.wanted.starts_on}.pdf"
        headers = {"content-disposition": f'inline; filename="{name}"', "cache-control": "no-store"}
        return Response(made, media_type="application/pdf", headers=headers)

    return made


def _supervised(programme: Programme, where: Course) -> Programme:
    """What nobody has signed yet is done beside a therapist, not alone."""

    def one(judged: Judged) -> Judged:
        is_waiting = where.signed.get(judged.exercise, 0) < judged.supervised_sessions
        if judged.verdict == "home" and is_waiting:
            return judged.model_copy(update={"verdict": "supervised"})
        return judged

    judged = tuple(map(one, programme.decision.exercises))
    decision = programme.decision.model_copy(update={"exercises": judged})
    return programme.model_copy(update={"decision": decision})


def _closed(programme: Programme, where: Course) -> frozenset[str]:
    """Nothing of it is allowed while it is suspended, paused or locked."""
    if programme.state == "paused" or where.is_suspended or EVERYTHING in where.locked:
        return frozenset(one.exercise for one in programme.decision.exercises)
    return where.locked | where.off


def _name(office: Office, patient: UUID) -> str | None:
    """Asked of screening; None where nobody set up that it may be asked."""
    settings = office.settings
    if not isinstance(settings, HomecareSettings) or not settings.screening_url:
        return None
    try:
        found: dict[str, Any] = identity(settings.screening_url, settings.identity_token, patient) or {}
    except Unreachable as error:
        log.warning("the note is without a name", why=str(error))
        return BY_HAND
    name = " ".join(filter(None, (found.get("given_name"), found.get("family_name"))))
    return name or BY_HAND


def _over(programme: Programme) -> Conflict:
    state = states.STATES[programme.state]
    return said(
        Conflict,
        {"de": f"Das Programm ist „{state['de']}“: dafür gibt es keinen Zettel (docs/homecare.md)",
         "en": f"the programme is '{state['en']}': there is no note for it (docs/homecare.md)"},
        state=programme.state,
    )  # fmt: skip
