"""What a clinician chooses from, over HTTP: the library, templates, what the gates would say, the chart."""

from functools import cache
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from broker.fields import Slug
from services.homecare.dose import chart
from services.homecare.errors import Invalid, said
from services.homecare.exercises.library import library
from services.homecare.gates import templates
from services.homecare.gates.deciding import decide
from services.homecare.models import Code, Decision, Region, Wanted
from services.homecare.programmes import deciding, standing
from services.homecare.programmes.models import Finding
from services.homecare.programmes.people import require_patient
from services.kit.auth.guard import allow, public
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here, unknown
from services.kit.database import reading
from services.kit.language import Language, Text
from services.kit.routes import Routes, gives

Row = dict[str, Any]
Reader = Annotated[Principal, allow("homecare.see")]
Nobody = Annotated[None, public()]
DRAWING: Final[Text] = {"de": "Zeichnung", "en": "drawing"}
SVG: Final = "image/svg+xml"
Weight = Annotated[float, Query(ge=20, le=300, allow_inf_nan=False)]
Friction = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]
Angle = Annotated[float, Query(ge=0, le=90, allow_inf_nan=False)]


def router(office: Office) -> APIRouter:
    """The routes."""
    made = Routes(tags=["library"])
    _library(made)
    _deciding(made, office)
    return made


@cache
def _whole() -> Row:
    """The library as JSON, in both languages."""
    found = library()
    lists = {
        "exercises": found.exercises, "conditions": found.conditions, "equipment": found.equipment,
        "sources": found.sources, "everyday": found.everyday,
    }  # fmt: skip
    shown: Row = {
        name: [row.model_dump(mode="json") for row in rows.values()] for name, rows in lists.items()
    }
    return shown | {"stop_always": [dict(words) for words in found.stop_always]}


def _library(router: APIRouter) -> None:
    @router.get("/library")
    def whole(who: Reader) -> Row:
        """Exercises, conditions, equipment, rules for every day, sources; in both languages."""
        del who
        return _whole()

    @router.get("/library/drawings/{drawing}.svg", **gives("image/svg+xml"))
    def drawing(nobody: Nobody, drawing: str) -> Response:
        """The drawing of an exercise or of a rule for every day."""
        del nobody
        try:
            drawn = library().drawing(drawing)
        except (KeyError, FileNotFoundError):
            raise unknown(DRAWING, drawing[:60]) from None
        return Response(drawn, media_type=SVG, headers={"cache-control": "public, max-age=86400"})

    @router.get("/templates")
    def every(who: Reader, region: Region | None = None) -> Row:
        """Programmes to begin with."""
        del who
        found = [one for one in templates.templates() if region in (None, one.region)]
        return {"templates": [one.model_dump(mode="json") for one in found]}

    @router.get("/dose/chart.svg", **gives("image/svg+xml"))
    def drawn(
        who: Reader, body_weight_kg: Weight, friction: Friction = 0.3, angle_deg: Angle = 45.0,
        language: Language = "de",
    ) -> Response:  # fmt: skip
        """The pull over the angle of the surface."""
        del who
        return Response(chart.svg(body_weight_kg, friction, angle_deg, language), media_type=SVG)


def _deciding(router: APIRouter, office: Office) -> None:
    def told(who: Principal, site: str | None, patient: UUID | None, region: Region) -> standing.Said | None:
        """What screening said of somebody; None where nobody is named."""
        if patient is None:
            return None
        if site is None:
            words: Text = {"de": "site fehlt neben patient", "en": "site is missing beside patient"}
            raise said(Invalid, words, field="site")
        here(who, "homecare.see", site)
        with reading(office.engine) as connection:
            require_patient(connection, site, patient)
            found = standing.of(connection, patient, region)
        office.seen(who, "programme.decided", str(patient), site)
        return found

    @router.post("/decide")
    def judged(who: Reader, body: Wanted, site: Slug | None = None, patient: UUID | None = None) -> Decision:
        """What the gates make of it; nothing is kept. With site and patient screening has its word."""
        return _judged(body, told(who, site, patient, body.region))

    @router.post("/fill")
    def filled(who: Reader, body: Finding, site: Slug | None = None, patient: UUID | None = None) -> Row:
        """The template that fits, as a programme, without what the gates refuse; and what they say of it."""
        heard = told(who, site, patient, body.region)
        known: frozenset[Code] = heard.conditions & set(library().conditions) if heard else frozenset()
        weight = body.body_weight_kg or (heard.body_weight_kg if heard else None)
        wanted = templates.fill(
            region=body.region, stage=body.stage, hernia=body.hernia, size=body.size, body_weight_kg=weight,
            conditions=body.conditions | known, starts_on=body.starts_on,
        )  # fmt: skip
        return {
            "wanted": wanted.model_dump(mode="json"),
            "decision": _judged(wanted, heard).model_dump(mode="json"),
        }


def _judged(wanted: Wanted, heard: standing.Said | None) -> Decision:
    return decide(wanted) if heard is None else deciding.judge(wanted, heard)
