"""The dosing table: limits with their sources, defaults, control figures, segments and their angles."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.kit.errors import SpondylError

GRAVITY_N_KG = 9.80665  # standard gravity, CGPM 1901
DOSING_VARIABLE = "SPONDYL_DOSING"
TABLE = Path(__file__).with_name("dosing.toml")
DOCUMENT = "docs/dosing.md"

Region = Literal["lumbar", "cervical"]
Sex = Literal["female", "male", "unspecified"]
Standing = Literal["product", "trial", "vendor", "handbook", "convention", "design"]

STANDING_TEXT: dict[Standing, tuple[str, str]] = {
    "product": ("", ""),
    "trial": ("", ""),
    "vendor": (", vendor's claim", ", Herstellerangabe"),
    "handbook": ("", ""),
    "convention": ("", ""),
    "design": ("", ""),
}


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limit(_Row):
    """One row: to whom it applies, the limit as a sum of terms, its text and its source."""

    id: str
    field: str
    bound: Literal["max", "min"]
    region: Literal["lumbar", "cervical", "any"]
    sex: tuple[Sex, ...] = ()  # empty: everybody
    when: dict[str, tuple[float, float]] = {}  # applies while each field lies in its range, ends included
    of: dict[str, float] = Field(min_length=1)
    en: str
    de: str
    source: str
    source_de: str = ""  # where the source is a sentence and not a name
    standing: Standing


class Defaults(_Row):
    """What a prescription gets where it says nothing."""

    base_n: float
    base_share: float
    first_peak_share: float
    progression_cycles: int
    hold_s: float
    rest_s: float
    rise_n_s: float
    fall_n_s: float
    traction_min: float
    precondition_s: float
    precondition_cycles: int
    heat_min: float


class Control(_Row):
    """How the controller carries a prescription out; not the clinician's choice."""

    rebuild_n_s: float
    rebuild_fast_n_s: float
    cooldown_s: float
    slack_n: float
    slack_mm_s: float
    ease_min_n: float
    ease_fraction: float
    quiet_s: float
    guardings_per_cycle: int
    guarding_peak_factor: float
    guardings_per_session: int
    ceiling_margin_n: float
    drive_mm_s: float
    tilt_tolerance_deg: float
    heat_ceiling_c: float
    close_after_s: float


class Segment(_Row):
    """A segment and the pelvic or head support's angle for it: a convention, the clinic's to set."""

    region: Region
    segment: str
    angle_deg: float
    least_deg: float
    most_deg: float
    source: str


class Spread(_Row):
    """An input of the force model that lies anywhere between two values, evenly, and who says so."""

    low: float
    high: float
    source: str


class Scatter(_Row):
    """How much an input of the force model varies about its nominal value: one standard deviation."""

    sd: float
    source: str


class Support(_Row):
    """What carries a region: how it slides, how the harness holds it. See docs/segment.md."""

    table: str  # which of ``friction`` the clinic's beds have
    friction: dict[str, Spread]  # coefficient, by kind of table
    harness_share: Spread  # of the pull that the harness hands on
    harness_deg: Scatter  # of the strap against the support
    segment_deg: Scatter  # of the segment's own plane against the convention's angle
    gravity_share: Spread  # of the inclined weight that the spine and not the support carries


class Mass(_Row):
    """Body mass on the pulled side of a segment, as fractions of the whole body's."""

    region: Region
    segment: str
    female: float
    male: float
    inclined_female: float  # of it what lies on the inclined support
    inclined_male: float
    sd: float
    source: str


class SegmentForce(_Row):
    """Inputs of the model of the force at the segment, each with its spread and source."""

    interval: float = Field(gt=0.0, lt=1.0)
    draws: int = Field(ge=200, le=20_000)
    seed: int
    support: dict[Region, Support]
    mass: tuple[Mass, ...]


class Dosing(_Row):
    """The whole table."""

    limit: tuple[Limit, ...]
    defaults: dict[Region, Defaults]
    control: dict[Region, Control]
    segment: tuple[Segment, ...]
    segment_force: SegmentForce

    def segments(self, region: str) -> dict[str, Segment]:
        """The segments of a region by name."""
        return {row.segment: row for row in self.segment if row.region == region}


def load(path: Path | None = None) -> Dosing:
    """The packaged table with a clinic's rows over it (by id, by region and segment).

    ``path`` is the clinic's file; without one, the variable SPONDYL_DOSING names it. Raises SpondylError.
    """
    clinic = path or (Path(value) if (value := os.environ.get(DOSING_VARIABLE)) else None)
    return _load(clinic)


@cache
def _load(clinic: Path | None) -> Dosing:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    if clinic is None:
        return Dosing.model_validate(table)
    try:
        return Dosing.model_validate(_merged(table, tomllib.loads(clinic.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpondylError(f"the clinic's dosing table {clinic} cannot be read: {error}") from None
    except (ValidationError, TypeError, KeyError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise SpondylError(
            f"the clinic's dosing table {clinic} is not one: {first}; see {DOCUMENT}"
        ) from None


def _merged(table: dict[str, Any], clinic: dict[str, Any]) -> dict[str, Any]:
    """The clinic's rows over the packaged ones; a row it does not name stays."""
    merged = dict(table)
    for name, key in (("limit", ("id",)), ("segment", ("region", "segment"))):
        rows = {tuple(row[part] for part in key): row for row in (*table[name], *clinic.get(name, ()))}
        merged[name] = list(rows.values())
    for name in ("defaults", "control"):
        merged[name] = {
            region: {**row, **clinic.get(name, {}).get(region, {})} for region, row in table[name].items()
        }
    merged["segment_force"] = _merged_force(table["segment_force"], clinic.get("segment_force", {}))
    merged.update({name: value for name, value in clinic.items() if name not in table})
    return merged


def _merged_force(table: dict[str, Any], clinic: dict[str, Any]) -> dict[str, Any]:
    """The same for the force model's inputs: masses by region and segment, supports by region and name."""
    masses = {(row["region"], row["segment"]): row for row in (*table["mass"], *clinic.get("mass", ()))}
    support = {
        region: {**row, **clinic.get("support", {}).get(region, {})}
        for region, row in table["support"].items()
    }
    return {**table, **clinic, "mass": list(masses.values()), "support": support}
