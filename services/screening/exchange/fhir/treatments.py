"""Procedure and Observation: sessions, and what was measured."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from broker.messages import SessionSummary
from services.kit.fhir import URN, FhirInvalid, Kind, Resource, checked
from services.screening.outcomes.models import Outcome
from services.screening.patients.models import File

CODES: Final = "urn:spondyl:observation"
LOINC: Final = "http://loinc.org"
PROCEDURES: Final = "urn:spondyl:procedure"
UCUM: Final = "http://unitsofmeasure.org"
PAIN: Final = "72514-3"
WEIGHT: Final = "29463-7"
HEIGHT: Final = "8302-2"
_REGIONS: Final = {"lumbar": "Lumbar spine", "cervical": "Cervical spine"}
_SCORES: Final = {"odi": "Oswestry-style score", "ndi": "Neck-disability-style score"}


def reference(patient: UUID | str) -> dict[str, str]:
    """A Patient here."""
    return {"reference": f"Patient/{patient}", "type": "Patient"}


def procedure(row: RowMapping, patient: UUID) -> Resource:
    """A session as it ended."""
    said = SessionSummary.model_validate_json(row["summary"])
    ended = said.reason == "completed"
    made: Resource = {
        "resourceType": "Procedure",
        "id": row["session"],
        "identifier": [{"system": URN, "value": f"urn:uuid:{row['session']}"}],
        "status": "completed" if ended else "stopped",
        "code": {"coding": [{"system": PROCEDURES, "code": "spinal-decompression"}],
                 "text": "Spinal decompression"},
        "subject": reference(patient),
        "performedPeriod": {"start": said.started_at.isoformat(), "end": said.ended_at.isoformat()},
        "bodySite": [{"text": f"{_REGIONS[said.region]} {said.segment}".strip()}],
        "note": [{"text": f"{said.traction_s / 60:.0f} min of traction, {said.cycles} cycles, "
                          f"{said.guardings} times counter-tension"}],
    }  # fmt: skip
    if not ended:
        made["statusReason"] = {"text": said.reason}
    if said.cure:
        made["basedOn"] = [{"identifier": {"system": URN, "value": f"urn:uuid:{said.cure}"}}]
    return checked("Procedure", made)


def of_session(row: RowMapping, patient: UUID) -> Iterator[Resource]:
    """What was measured in a session."""
    said = SessionSummary.model_validate_json(row["summary"])
    at = said.ended_at.isoformat()
    part = {"partOf": [{"reference": f"Procedure/{row['session']}"}]}
    measured = (
        ("peak-n", "Highest traction tension", said.peak_n, "N"),
        ("hold-mean-n", "Mean traction tension of the holds", said.hold_mean_n, "N"),
        ("traction-s", "Time under traction", said.traction_s, "s"),
        ("guardings", "Times that counter-tension was detected", float(said.guardings), "1"),
    )
    for code, name, value, unit in measured:
        if value is not None:
            coded = {"coding": [{"system": CODES, "code": code, "display": name}], "text": name}
            yield _observation(f"{row['session']}-{code}", patient, coded, at, _quantity(value, unit), part)
    pains = (("before", said.pain_before, said.started_at), ("after", said.pain_after, said.ended_at))
    for when, pain, moment in pains:
        if pain is not None:
            coded = _pain(f"Pain {when} the session")
            yield _observation(
                f"{row['session']}-pain-{when}", patient, coded, moment.isoformat(),
                {"valueInteger": pain}, part,
            )  # fmt: skip


def of_outcome(row: Outcome, patient: UUID) -> Iterator[Resource]:
    """What was asked or examined: pain, scores, leg raise; what was corrected is not told."""
    if row.corrected_by is not None:
        return
    at, name = row.measured_at.isoformat(), str(row.id)
    site = {"bodySite": {"text": _REGIONS[row.region]}}
    if row.kind in _SCORES and row.score is not None:
        coded = {"coding": [{"system": CODES, "code": row.kind}], "text": _SCORES[row.kind]}
        yield _observation(name, patient, coded, at, _quantity(row.score, "%"), site)
        return
    for key, value in row.value.items():
        if row.kind == "pain" and isinstance(value, int):
            yield _observation(
                f"{name}-{key}", patient, _pain(f"Pain {key}"), at, {"valueInteger": value}, site
            )
        elif row.kind == "leg-raise" and isinstance(value, int):
            side = "left" if key.startswith("left") else "right"
            coded = {"coding": [{"system": CODES, "code": f"leg-raise-{side}"}],
                     "text": f"Straight-leg raise, {side}"}  # fmt: skip
            yield _observation(f"{name}-{side}", patient, coded, at, _quantity(value, "deg"), site)


def of_file(file: File) -> Iterator[Resource]:
    """Body weight and height, as the file says them."""
    rows = (
        ("weight", WEIGHT, "Body weight", file.content.body_weight_kg, "kg"),
        ("height", HEIGHT, "Body height", file.content.body_height_cm, "cm"),
    )
    for name, code, text, value, unit in rows:
        if value is not None:
            coded = {"coding": [{"system": LOINC, "code": code}], "text": text}
            at = file.at.isoformat()
            yield _observation(f"{file.patient}-{name}", file.patient, coded, at, _quantity(value, unit), {})


def said_of(observation: Resource) -> tuple[str, float]:
    """Which of PAIN, WEIGHT and HEIGHT an Observation says, and its value. Raises FhirInvalid."""
    codings = (observation.get("code") or {}).get("coding") or []
    known = [row["code"] for row in codings if row.get("system") == LOINC and row.get("code") in _TAKEN]
    if not known:
        taken = ", ".join(f"{code} ({name})" for code, (name, _) in _TAKEN.items())
        raise FhirInvalid([("Observation.code", f"none of {LOINC} that is taken here: {taken}")])
    if observation.get("status") not in ("final", "amended", "corrected"):
        raise FhirInvalid(
            [("Observation.status", f"is {observation.get('status')!r}: only what is final is taken")]
        )
    name, units = _TAKEN[known[0]]
    quantity: Mapping[str, Any] = observation.get("valueQuantity") or {}
    value = observation.get("valueInteger", quantity.get("value"))
    unit = quantity.get("code") or quantity.get("unit") or units[0]
    if value is None or unit not in units:
        raise FhirInvalid([("Observation.value", f"{name} is needed in {' or '.join(units)}, not {unit!r}")])
    return known[0], float(value)


_TAKEN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    PAIN: ("pain 0 to 10", ("{score}", "1")),
    WEIGHT: ("body weight", ("kg",)),
    HEIGHT: ("body height", ("cm",)),
}


def _pain(text: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": PAIN}], "text": text}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}


def _observation(
    name: str, patient: UUID, code: Mapping[str, Any], at: str, value: Mapping[str, Any],
    more: Mapping[str, Any],
) -> Resource:  # fmt: skip
    kind: Kind = "Observation"
    made = {"resourceType": kind, "id": name, "status": "final", "code": code, "effectiveDateTime": at}
    return checked(kind, {**made, "subject": reference(patient), **value, **more})
