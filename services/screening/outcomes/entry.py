"""Recording what was said or measured: pain, questionnaires, leg raise; and correcting it by a new row."""

from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.language import Text
from services.screening.clearance import people
from services.screening.errors import Invalid, NotFound, both, conflict
from services.screening.outcomes import store
from services.screening.outcomes.adverse import require_past
from services.screening.outcomes.instruments import instruments, pain_scale
from services.screening.outcomes.models import Outcome
from services.screening.patients.models import Line

MOST_DEGREES: Final = 120  # of a straight leg, lifted
MOST_ANSWERS: Final = 20


class NewOutcome(BaseModel):
    """One thing to be kept; ``id`` is the sender's, so that sending it twice keeps it once."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    kind: Literal["pain", "odi", "ndi", "leg-raise"]
    region: Literal["lumbar", "cervical"]
    measured_at: AwareDatetime | None = None  # none: now
    session: UUID | None = None
    cure: UUID | None = None
    before: int | None = None  # pain before a session, or at rest where there is none
    after: int | None = None
    answers: dict[str, int] = Field(default={}, max_length=MOST_ANSWERS)
    left_deg: int | None = None
    right_deg: int | None = None
    corrects: UUID | None = None
    why: Line = ""


def record(connection: Connection, patient: UUID, given: NewOutcome, by: Principal) -> Outcome:
    """Keep it, once. Raises Invalid, NotFound, Conflict."""
    file = people.hold(connection, patient)
    ids = people.ids(connection, patient)
    if known := store.outcome_of(connection, given.id):
        if known.patient not in ids:
            raise conflict("this id is taken", "diese Kennung ist vergeben")
        return known
    now = datetime.now(UTC)
    measured_at = given.measured_at or now
    require_past(measured_at)
    value, score = _VALUES[given.kind](given)
    _check_correction(connection, given, ids)
    made = Outcome(
        given.id, file.site, file.patient, given.region, given.kind, given.session, given.cure, value, score,
        given.corrects, given.why, measured_at, by.name, now,
    )  # fmt: skip
    store.add_outcome(connection, made, by)
    return made


def _check_correction(connection: Connection, given: NewOutcome, ids: list[UUID]) -> None:
    if given.corrects is None:
        return
    found = store.outcome_of(connection, given.corrects)
    if found is None or found.patient not in ids or found.kind != given.kind:
        raise NotFound(
            *both(
                f"no {given.kind} {given.corrects} of this patient",
                f"kein Wert {given.corrects} ({given.kind}) dieses Patienten",
            )
        )
    if found.corrected_by is not None:
        raise conflict("this value has been corrected already", "dieser Wert ist schon berichtigt")
    if not given.why:
        raise Invalid(*both("a correction needs its reason", "eine Berichtigung braucht ihren Grund"))


def _pain(given: NewOutcome) -> tuple[dict[str, Any], None]:
    scale = pain_scale()
    names: dict[str, Text] = {
        "before": {"de": "Schmerz vorher", "en": "pain before"},
        "after": {"de": "Schmerz nachher", "en": "pain after"},
    }
    return _numbers({"before": given.before, "after": given.after}, names, scale.least, scale.most), None


def _leg_raise(given: NewOutcome) -> tuple[dict[str, Any], None]:
    if given.region != "lumbar":
        raise Invalid(
            *both(
                "the straight-leg raise is of the lumbar spine",
                "der Beinhebetest gehört zur Lendenwirbelsäule",
            )
        )
    names: dict[str, Text] = {
        "left_deg": {"de": "Beinhebetest links", "en": "leg raise left"},
        "right_deg": {"de": "Beinhebetest rechts", "en": "leg raise right"},
    }
    values = {"left_deg": given.left_deg, "right_deg": given.right_deg}
    return _numbers(values, names, 0, MOST_DEGREES), None


def _questionnaire(given: NewOutcome) -> tuple[dict[str, Any], float | None]:
    instrument = instruments()[given.kind]
    if given.region != instrument.region:
        raise Invalid(
            *both(
                f"region is {given.region}: the {instrument.name} is of the {instrument.region} spine",
                f"Region ist {given.region}: der {instrument.name} gehört zu {instrument.region}",
            )
        )
    answers = instrument.checked(given.answers)
    return {"answers": answers}, instrument.score(answers)


def _numbers(
    values: dict[str, int | None], names: dict[str, Text], least: int, most: int
) -> dict[str, int | None]:
    if all(value is None for value in values.values()):
        english = " / ".join(text["en"] for text in names.values())
        german = " / ".join(text["de"] for text in names.values())
        raise Invalid(*both(f"{english}: one is needed", f"{german}: einer wird gebraucht"))
    for name, value in values.items():
        if value is not None and not least <= value <= most:
            text = names[name]
            raise Invalid(
                *both(
                    f"{text['en']} is {value}: from {least} to {most}",
                    f"{text['de']} ist {value}: von {least} bis {most}",
                )
            )
    return values


_VALUES: Final = {"pain": _pain, "leg-raise": _leg_raise, "odi": _questionnaire, "ndi": _questionnaire}
