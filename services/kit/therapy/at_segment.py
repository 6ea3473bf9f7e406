"""Prescribing by the force at the segment: the model's pull for it, and what is said of the two forces."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.kit.therapy import dosing, segment_force
from services.kit.therapy.dosing import Dosing
from services.kit.therapy.refusals import GERMAN_UNITS, Refusal, is_number, plain, told

if TYPE_CHECKING:
    from services.kit.therapy.prescription import Prescription

FIELD = "segment_peak_n"
MODELLED = ("region", "segment", "angle_deg", "body_weight_kg", "sex")  # what the model asks for
SAME_PULL_N = 0.1  # two pulls that differ by no more are one: the model's is told in tenths
Document = Mapping[str, Any]


def model_of(
    prescription: "Prescription", table: Dosing | None = None, measured: segment_force.Measured | None = None
) -> segment_force.Model:
    """The model of the force at this prescription's segment; raises BeyondModel outside its data."""
    return segment_force.model(_patient(prescription.model_dump()), table, measured)


def with_pull(document: Document, table: Dosing | None = None) -> dict[str, Any]:
    """A document prescribed at the segment with the model's pull as its peak; any other as it is.

    Whoever keeps or hands on a prescription keeps this: who does not know the model reads ``peak_n``.
    """
    whole = dict(document)
    if whole.get("peak_n") is None and whole.get(FIELD) is not None:
        pull_n = _pull_for(whole, table or dosing.load())
        whole.pop("peak_n", None)
        if isinstance(pull_n, float):
            whole["peak_n"] = pull_n
    return whole


def arrives(document: Document) -> segment_force.Arrival | None:
    """What the model lets arrive of a document's peak, with its interval; None outside the model's data."""
    table = dosing.load()
    try:
        model = segment_force.model(_patient(with_angle(document, table)), table)
        return model.at(float(document["peak_n"]))
    except (segment_force.BeyondModel, KeyError, TypeError, ValueError):
        return None


def with_angle(document: Document, table: Dosing) -> dict[str, Any]:
    """The document with its segment's own angle where it says none."""
    segment = document.get("segment")
    rows = table.segments(str(document.get("region")))
    if isinstance(segment, str) and segment in rows:
        return {"angle_deg": rows[segment].angle_deg, **document}
    return dict(document)


def refusals(prescription: "Prescription", table: Dosing, broken: frozenset[str]) -> list[Refusal]:
    """What speaks against a force at the segment: the model's own limits, a peak that is not the model's."""
    wanted_n = getattr(prescription, FIELD, None)
    if wanted_n is None or broken & {FIELD, "peak_n", *MODELLED}:
        return []
    document = {name: getattr(prescription, name) for name in MODELLED if hasattr(prescription, name)}
    pull_n = _pull_for({**document, FIELD: wanted_n}, table)
    if not isinstance(pull_n, float):
        return [pull_n]
    given_n = getattr(prescription, "peak_n", pull_n)
    if abs(given_n - pull_n) <= SAME_PULL_N:
        return []
    see = segment_force.DOCUMENT
    return [plain(
        FIELD, wanted_n,
        f"is {wanted_n:.6g} N, by the model a pull of {pull_n:.6g} N, and prescription.peak_n is "
        f"{given_n:.6g} N: give one of the two (see {see})",
        f"ist {wanted_n:.6g} N, nach dem Modell ein Zug von {pull_n:.6g} N, und prescription.peak_n ist "
        f"{given_n:.6g} N: eines von beiden angeben (siehe {see})",
    )]  # fmt: skip


def without_pull(document: Document) -> list[Refusal]:
    """Why a document that is prescribed at the segment has no peak."""
    reason = _pull_for(document, dosing.load())
    return [reason] if isinstance(reason, Refusal) else []


def heads(field: str, prescription: "Prescription", unit: str) -> tuple[str, str]:
    """What is refused, in English and German; both forces where a pull comes of a force at the segment."""
    value, name = getattr(prescription, field), f"prescription.{field}"
    if field != "peak_n" or (wanted_n := getattr(prescription, FIELD, None)) is None:
        return f"{name} is {told(value, unit)}", f"{name} ist {told(value, GERMAN_UNITS.get(unit, unit))}"
    wanted = f"prescription.{FIELD}"
    return (
        f"{wanted} is {wanted_n:.6g} N at the segment, by the model a pull (peak_n) of {value:.6g} N",
        f"{wanted} ist {wanted_n:.6g} N am Segment, nach dem Modell ein Zug (peak_n) von {value:.6g} N",
    )


def ends(field: str, prescription: "Prescription", limit_n: float) -> tuple[str, str]:
    """What a limit of the pull is at the segment, where the prescription is by that."""
    if field != "peak_n" or getattr(prescription, FIELD, None) is None:
        return "", ""
    try:
        arrives = model_of(prescription).at(limit_n)
    except (segment_force.BeyondModel, KeyError, TypeError, AttributeError):
        return "", ""
    low, middle, high = (f"{n:.0f}" for n in (arrives.axial_low_n, arrives.axial_n, arrives.axial_high_n))
    return (
        f"; by the model that pull brings {middle} N ({low} to {high} N) to the segment",
        f"; nach dem Modell bringt dieser Zug {middle} N ({low} bis {high} N) ans Segment",
    )


def _pull_for(document: Document, table: Dosing) -> float | Refusal:
    """The model's pull for a document's force at the segment, or why there is none."""
    wanted_n = document[FIELD]
    if not is_number(wanted_n):
        return plain(FIELD, wanted_n, "must be a finite number", "muss eine endliche Zahl sein")
    try:
        return segment_force.model(_patient(with_angle(document, table)), table).pull_for(wanted_n)
    except segment_force.BeyondModel as error:
        return plain(FIELD, wanted_n, f"cannot be held: {error.message}", f"geht nicht: {error.german}")
    except (KeyError, TypeError):
        needed = ", ".join(name for name in MODELLED if name != "angle_deg")
        return plain(FIELD, wanted_n, f"needs {needed} to be a pull", f"braucht dazu {needed}")


def _patient(document: Document) -> segment_force.Patient:
    """Whom the model is asked about; raises KeyError, TypeError where the document does not say."""
    angle_deg, weight_kg = document["angle_deg"], document["body_weight_kg"]
    if not (is_number(angle_deg) and is_number(weight_kg)):
        raise TypeError(angle_deg, weight_kg)
    return segment_force.Patient(
        str(document["region"]),
        str(document["segment"]),
        float(angle_deg),
        float(weight_kg),
        str(document["sex"]),
    )
