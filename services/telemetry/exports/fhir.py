"""FHIR R4 Observation: one component of SampledData a column.

``value = origin + factor * number``, ``period`` milliseconds apart; samples that are missing, and what nobody
measured, are ``E``. The subject is the random id that telemetry knows, never a name; the effective period is
that of the samples.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import orjson

from services.kit.moments import instant_of
from services.telemetry.archive.models import PHASE, PHASES, Counts, Mask
from services.telemetry.exports.models import COLUMNS, UNITS, Recorded

# UCUM codes; the phase is a number without a unit.
_UCUM: Final = {"N": ("newton", "N"), "mm": ("millimeter", "mm"), "": ("1", "1")}
_NAMES: Final = {
    "tension_n": "Measured traction tension",
    "target_n": "Target tension",
    "position_mm": "Pull position",
    "residual_n": "Estimated counter-tension of the patient",
    PHASE: "Phase of the session",
}
_URN: Final = "urn:ietf:rfc:3986"
_MISSING: Final = "E"  # SampledData: "E" is an error, no value


def observation(recorded: Recorded) -> dict[str, Any]:
    """The resource as a JSON object but for the text of the data. Raises NotExportable."""
    period_ms, first = recorded.period_ms, recorded.first
    start = instant_of(recorded.runs[0].started_at_us(first))
    end = start + timedelta(milliseconds=(recorded.after - first) * period_ms)
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Spinal decompression: tension over time"},
        "effectivePeriod": {"start": start.isoformat(), "end": end.isoformat()},
        "device": {"identifier": {"value": f"{recorded.site}/{recorded.device}"}},
        "component": [_component(name, recorded) for name in COLUMNS],
    }
    if recorded.session is not None:
        resource |= {"id": str(recorded.session), "identifier": [_urn(recorded.session)]}
    if recorded.patient is not None:
        resource["subject"] = {"type": "Patient", "identifier": _urn(recorded.patient)}
    if recorded.region is not None:
        resource["bodySite"] = {"text": " ".join(filter(None, (recorded.region, recorded.segment)))}
    if notes := _notes(recorded):
        resource["note"] = [{"text": text} for text in notes]
    return resource


def _notes(recorded: Recorded) -> list[str]:
    told = {
        "samples are missing": sum(after - begin for begin, after in recorded.gaps),
        "samples have no measured tension": recorded.unmeasured,
    }
    return [f"{count} {text}; they are marked {_MISSING}" for text, count in told.items() if count]


def fhir(recorded: Recorded) -> Iterator[bytes]:
    """The resource as JSON."""
    yield orjson.dumps(observation(recorded))


def _urn(value: Any) -> dict[str, str]:
    return {"system": _URN, "value": f"urn:uuid:{value}"}


def _component(name: str, recorded: Recorded) -> dict[str, Any]:
    decimals, counts = recorded.counts(name)
    unit, code = _UCUM[UNITS[name]]
    words = {
        "text": name,
        "coding": [{"system": "urn:spondyl:column", "code": name, "display": _NAMES[name]}],
    }
    if name == PHASE:
        words["text"] = "phase: " + ", ".join(f"{number} {phase}" for number, phase in enumerate(PHASES))
    return {
        "code": words,
        "valueSampledData": {
            "origin": {"value": 0, "unit": unit, "system": "http://unitsofmeasure.org", "code": code},
            "period": recorded.period_ms,
            "factor": float(Decimal(1).scaleb(-decimals)),
            "dimensions": 1,
            "data": _data(recorded, name, counts),
        },
    }


def _data(recorded: Recorded, name: str, counts: Sequence[Counts]) -> str:
    parts, reached = [], recorded.first
    for run, column in zip(recorded.runs, counts, strict=True):
        parts += [_MISSING] * (run.first - reached)
        parts += _numbers(column, run.unmeasured(name) if name != PHASE else None)
        reached = run.after
    return " ".join(parts)


def _numbers(column: Counts, unmeasured: Mask | None) -> list[str]:
    numbers = list(map(str, column.tolist()))
    for row in () if unmeasured is None else np.flatnonzero(unmeasured).tolist():
        numbers[row] = _MISSING
    return numbers
