"""What a clinician sets and the limits it is held to.

Newtons, seconds, degrees, kilograms, minutes where the name says so. Limits and their sources stand in
``dosing.toml``; a refusal names the value, the limit and where the limit comes from.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.kit import documents
from services.kit.errors import PrescriptionError
from services.kit.therapy import at_segment, dosing
from services.kit.therapy.at_segment import with_angle, with_pull
from services.kit.therapy.dosing import GRAVITY_N_KG, Dosing, Limit, Region, Sex
from services.kit.therapy.refusals import (
    GERMAN_UNITS,
    LARGEST,
    Refusal,
    is_number,
    plain,
    short,
    told,
    unit_of,
)

Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(strict=True, ge=-1000, le=1000)]
GIVEN = ("region", "segment", "body_weight_kg", "age_years", "sex", "session_number", "peak_n")  # no default


class Prescription(BaseModel):
    """One session as a clinician sets it; what it does not say comes from the dosing table's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    region: Region
    segment: Annotated[str, Field(max_length=20)]
    angle_deg: Number  # of the pelvic or head support
    body_weight_kg: Number
    age_years: Count
    sex: Sex
    session_number: Count  # within the cure, from 1
    base_n: Number  # always kept between peaks
    peak_n: Number  # the session's highest target: a pull
    segment_peak_n: Number | None = None  # prescribed at the segment: peak_n is then the model's pull for it
    first_peak_n: Number  # the first cycle's; grows to peak_n over progression_cycles
    progression_cycles: Count
    hold_s: Number
    rest_s: Number
    rise_n_s: Number  # greatest slope of the way up
    fall_n_s: Number
    traction_min: Number
    precondition_s: Number
    precondition_cycles: Count
    heat_min: Number  # infrared heat, lumbar only
    previous_peak_n: Number | None = None  # of the session before, where there was one
    tolerated_sessions: Count | None = None  # at that peak, without worse pain

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        return with_defaults(data, dosing.load()) if isinstance(data, Mapping) else data

    @classmethod
    def load(cls, path: Path) -> "Prescription":
        """Read a YAML, JSON or TOML file.

        Raises SpondylError when it cannot be read and PrescriptionError, every fault listed, when it is no
        prescription. Its limits are not looked at: see ``check``.
        """
        return cls.parse(documents.read(path, "prescription"))

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Prescription":
        """A prescription from a mapping; raises PrescriptionError with every fault listed."""
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            raise refused(_faults(error)) from None


def default_prescription() -> Prescription:
    """Lumbar, 80 kg, in the middle of a cure: what `spondyl simulate` pulls without a file."""
    return Prescription.parse({
        "region": "lumbar", "segment": "L4/5", "body_weight_kg": 80.0, "age_years": 46, "sex": "male",
        "session_number": 8, "peak_n": 320.0, "heat_min": 15.0,
    })  # fmt: skip


def with_defaults(document: Mapping[str, Any], table: Dosing) -> dict[str, Any]:
    """The document with the region's defaults where it says nothing; it wins wherever it says something."""
    region = document.get("region")
    if region not in ("lumbar", "cervical"):
        return dict(document)
    document = with_pull(document, table)
    default = table.defaults[region]
    known = {name: value for name, value in default if name in Prescription.model_fields}
    peak_n = document.get("peak_n")
    if isinstance(peak_n, int | float) and is_number(peak_n):
        base_n = min(default.base_n, math.floor(default.base_share * peak_n))
        known["base_n"] = base_n
        base_n = document.get("base_n", base_n)
        if isinstance(base_n, int | float) and is_number(base_n):
            known["first_peak_n"] = base_n + default.first_peak_share * (peak_n - base_n)
    return {**known, **with_angle(document, table)}


def check(prescription: Prescription, table: Dosing | None = None) -> list[Refusal]:
    """Every limit the prescription breaks; empty when it may be given."""
    return _beyond_limits(prescription, table or dosing.load(), broken=frozenset())


def check_document(document: Mapping[str, Any], table: Dosing | None = None) -> list[Refusal]:
    """Every fault of form and every broken limit of a document at once."""
    table = table or dosing.load()
    try:
        return check(Prescription.model_validate(dict(document)), table)
    except ValidationError as error:
        faults, found = _faults(error), error.errors(include_url=False)
    broken = frozenset(str(fault["loc"][0]) for fault in found if fault["loc"])
    sound = {name: value for name, value in with_defaults(document, table).items() if name not in broken}
    return faults + _beyond_limits(Prescription.model_construct(**sound), table, broken)


def refused(refusals: Iterable[Refusal]) -> PrescriptionError:
    """The error that lists all of them."""
    rows = tuple(refusals)
    return PrescriptionError(
        "; ".join(row.text for row in rows), "; ".join(row.text_de for row in rows), rows
    )


# --- limits ------------------------------------------------------------------------------------------------


def _beyond_limits(prescription: Prescription, table: Dosing, broken: frozenset[str]) -> list[Refusal]:
    rows = [row for row in table.limit if _applies(row, prescription, broken)]
    refusals = [refusal for row in rows if (refusal := _broken_limit(row, prescription)) is not None]
    return (
        refusals
        + _beyond_segment(prescription, table, broken)
        + at_segment.refusals(prescription, table, broken)
    )


def _applies(row: Limit, prescription: Prescription, broken: frozenset[str]) -> bool:
    needed = {row.field, *row.when, *row.of.keys() - {"constant", "body_weight"}}
    if "body_weight" in row.of:
        needed.add("body_weight_kg")
    if row.sex:
        needed.add("sex")
    if row.region != "any":
        needed.add("region")
    if needed & broken or any(getattr(prescription, name, None) is None for name in needed):
        return False
    return (
        (row.region in ("any", getattr(prescription, "region", None)))
        and (not row.sex or prescription.sex in row.sex)
        and all(low <= getattr(prescription, name) <= high for name, (low, high) in row.when.items())
    )


def limit_of(row: Limit, prescription: Prescription) -> float:
    """The row's limit for this prescription, in the field's unit.

    A share of body weight is rounded to the whole newton on the safe side: the limit told is the limit held.
    """
    total = sum(factor * _term(name, prescription) for name, factor in row.of.items())
    if "body_weight" not in row.of:
        return total
    return float(math.floor(total) if row.bound == "max" else math.ceil(total))


def _term(name: str, prescription: Prescription) -> float:
    if name == "constant":
        return 1.0
    if name == "body_weight":
        return prescription.body_weight_kg * GRAVITY_N_KG
    return float(getattr(prescription, name))


def _broken_limit(row: Limit, prescription: Prescription) -> Refusal | None:
    value, limit = getattr(prescription, row.field), limit_of(row, prescription)
    if value <= limit if row.bound == "max" else value >= limit:
        return None
    unit = unit_of(row.field)
    formulas = _formula(row, unit)
    subjects = _subject(row, prescription)
    claims = dosing.STANDING_TEXT[row.standing]
    heads = at_segment.heads(row.field, prescription, unit)
    ends = at_segment.ends(row.field, prescription, limit)
    texts = [
        f"{head}: {name}{subject} {verb} {told(limit, named)} "
        f"({formula}{source}{claim}, {see} {dosing.DOCUMENT}){end}"
        for head, end, name, verb, see, named, source, formula, subject, claim in zip(
            heads,
            ends,
            (row.en, row.de),
            ("is", "ist"),
            ("see", "siehe"),
            (unit, GERMAN_UNITS.get(unit, unit)),
            (row.source, row.source_de or row.source),
            formulas,
            subjects,
            claims,
            strict=True,
        )
    ]
    return Refusal(f"prescription.{row.field}", value, limit, unit, row.source + claims[0], *texts)


def _subject(row: Limit, prescription: Prescription) -> tuple[str, str]:
    english = [told(prescription.body_weight_kg, "kg")] if "body_weight" in row.of else []
    german = list(english)
    if "session_number" in row.when:
        english.append(f"session {prescription.session_number}")
        german.append(f"Sitzung {prescription.session_number}")
    return (f" for {', '.join(english)}" if english else "", f" für {', '.join(german)}" if german else "")


def _formula(row: Limit, unit: str) -> tuple[str, str]:
    """How the limit came about, in English and German; empty for a plain number."""
    if row.of.keys() == {"constant"}:
        return "", ""
    texts = []
    for weight, of in (("body weight", "of "), ("Körpergewicht", "")):
        terms = [
            told(factor, unit)
            if name == "constant"
            else f"{_share(factor, of)}{weight if name == 'body_weight' else name}"
            for name, factor in row.of.items()
        ]
        texts.append(" + ".join(terms) + ", ")
    return texts[0], texts[1]


def _share(factor: float, of: str) -> str:
    return "" if factor == 1.0 else f"{factor * 100:g} % {of}"


def _beyond_segment(prescription: Prescription, table: Dosing, broken: frozenset[str]) -> list[Refusal]:
    if {"region", "segment"} & broken:
        return []
    rows = table.segments(prescription.region)
    row = rows.get(prescription.segment)
    if row is None:
        known = ", ".join(rows)
        return [plain(
            "segment", prescription.segment,
            f"is {prescription.segment!r}: the {prescription.region} segments are {known}",
            f"ist {prescription.segment!r}: die Segmente sind {known}",
        )]  # fmt: skip
    angle = prescription.angle_deg if "angle_deg" not in broken else row.angle_deg
    if row.least_deg <= angle <= row.most_deg:
        return []
    limit = row.least_deg if angle < row.least_deg else row.most_deg
    span = f"{row.least_deg:g} to {row.most_deg:g} degrees ({row.source}, see {dosing.DOCUMENT})"
    span_de = f"{row.least_deg:g} bis {row.most_deg:g} Grad ({row.source}, siehe {dosing.DOCUMENT})"
    return [Refusal(
        "prescription.angle_deg", angle, limit, "degrees", row.source,
        f"prescription.angle_deg is {angle:g} degrees: the clinic's table gives {row.segment} {span}",
        f"prescription.angle_deg ist {angle:g} Grad: die Tabelle des Standorts gibt {row.segment} {span_de}",
    )]  # fmt: skip


# --- form --------------------------------------------------------------------------------------------------

_FAULTS = {  # pydantic's type of fault: what a person reads, in English and German
    "missing": ("is missing: it has no default", "fehlt: es gibt keinen Vorgabewert"),
    "extra_forbidden": ("is not a field of a prescription", "ist kein Feld einer Verordnung"),
    "finite_number": ("is not a finite number", "ist keine endliche Zahl"),
    "float_type": ("must be a number", "muss eine Zahl sein"),
    "int_type": ("must be a whole number", "muss eine ganze Zahl sein"),
    "string_type": ("must be text", "muss Text sein"),
}


def _faults(error: ValidationError) -> list[Refusal]:
    """Pydantic's findings in this house's words."""
    refusals = []
    for fault in error.errors(include_url=False):
        if fault["type"] == "missing" and fault["loc"][0] not in GIVEN:
            continue  # it has a default as soon as what it hangs on is there
        if _lacks_pull(fault):
            refusals += at_segment.without_pull(fault["input"])
            continue
        field = ".".join(str(part) for part in fault["loc"])[:60].encode("unicode_escape").decode()
        value = None if fault["type"] == "missing" else fault["input"]
        english, german = _FAULTS.get(fault["type"], (f"is wrong: {fault['msg']}",) * 2)
        it_is = "" if fault["type"] in ("missing", "extra_forbidden") else f" (it is {short(value)})"
        it_is_de = it_is.replace("it is", "angegeben:")
        refusals.append(plain(field, value, english + it_is, german + it_is_de))
    return refusals


def _lacks_pull(fault: Mapping[str, Any]) -> bool:
    """Whether a peak is missing where the force at the segment is given: what that lacks is the reason."""
    document = fault["input"]
    is_peak = fault["type"] == "missing" and fault["loc"] == ("peak_n",) and isinstance(document, Mapping)
    return is_peak and document.get(at_segment.FIELD) is not None
