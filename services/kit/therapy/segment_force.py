"""How much of a pull arrives at the chosen motion segment: a model with its uncertainty, never a measurement.

Statics of the part of the body that is pulled, beyond the segment's disc, on its inclined support:

    along the pull   P = h F cos b - mu (m g cos a - F sin b) - s m_i g sin a      kept within 0 and F
    at the disc      axial P cos d, shear P sin d,  d = a - the convention's angle for the segment

F the pull; h the harness' share, b the strap's angle to the support; m the mass beyond the segment, m_i of
it what lies on the support inclined by a; mu friction; s how much of the inclined weight the spine carries.
Every input's value, spread and source stands in dosing.toml; docs/segment.md explains. The band comes from
draws with a fixed seed.

It holds while the pull rises and is held; while it falls, friction acts the other way and more may be left.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.kit.errors import SpondylError
from services.kit.therapy import dosing
from services.kit.therapy.dosing import GRAVITY_N_KG, Dosing, Mass, Segment, Support

DOCUMENT = "docs/segment.md"
LIGHTEST_KG, HEAVIEST_KG = 20.0, 250.0  # beyond: no patient's weight, a typing error
MOST_PULL_N = 1000.0  # no bed here pulls more: dosing.toml allows 927 N to the heaviest patient
PULL_STEPS = 10  # of a newton: a pull for a wanted force is rounded down to one
BEYOND_SD = 3.0  # friction measured so far outside its table's range is believed, the range is not


class BeyondModel(SpondylError):  # noqa: N818  (what is asked lies there)
    """The model has no data for what is asked; ``german`` says it in German."""

    def __init__(self, english: str, german: str) -> None:
        super().__init__(english)
        self.german = german


@dataclass(frozen=True, slots=True)
class Measured:
    """A friction identified at this bed or from this patient's first pulls (N), with its deviation."""

    friction_n: float
    sd_n: float


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose segment, and how the support stands."""

    region: str
    segment: str
    angle_deg: float
    body_weight_kg: float
    sex: str  # anything but female and male is the mean of the two, with their distance as spread


@dataclass(frozen=True, slots=True)
class Line:
    """One set of inputs: along the pull arrives ``gain`` of it less ``loss_n``."""

    gain: float
    loss_n: float
    axial: float  # share of that along the spine at the disc
    shear: float  # ... and across it
    friction_n: float  # at no pull
    gravity_n: float

    def along(self, pull_n: float) -> float:
        """What arrives along the line of pull (N), never below 0 nor above the pull."""
        return min(max(self.gain * pull_n - self.loss_n, 0.0), pull_n)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The force at the segment under one pull (N): the model's value and the ends of its interval."""

    pull_n: float
    axial_n: float
    axial_low_n: float
    axial_high_n: float
    shear_n: float
    shear_low_n: float
    shear_high_n: float


@dataclass(frozen=True, slots=True)
class Model:
    """The force at one patient's segment as a function of the pull."""

    nominal: Line
    draws: tuple[Line, ...]
    interval: float
    table: str  # the kind of table its friction is of
    friction: (
        str  # "table", "measured", or "beyond-table" where what was measured is more than such a table has
    )

    def at(self, pull_n: float) -> Arrival:
        """What arrives of this pull (0 to 1000 N) with its interval; raises BeyondModel for another."""
        if not 0.0 <= pull_n <= MOST_PULL_N:
            raise _beyond(
                "pull_n", pull_n, 0.0, MOST_PULL_N, "N", "no bed pulls more", "keine Liege zieht mehr"
            )
        along = self.nominal.along(pull_n)
        all_along = [line.along(pull_n) for line in self.draws]
        axial = [line.axial * force for line, force in zip(self.draws, all_along, strict=True)]
        shear = [line.shear * force for line, force in zip(self.draws, all_along, strict=True)]
        return Arrival(
            pull_n,
            self.nominal.axial * along,
            *self._ends(axial),
            self.nominal.shear * along,
            *self._ends(shear),
        )

    def pull_for(self, axial_n: float) -> float:
        """The pull with this nominal axial force (N), rounded down to 0.1 N; raises BeyondModel."""
        line = self.nominal
        pull_n = (axial_n / line.axial + line.loss_n) / line.gain
        if not (axial_n > 0.0 and pull_n <= MOST_PULL_N):
            most_n = self.at(MOST_PULL_N).axial_n
            raise _beyond(
                "segment_peak_n", axial_n, 0.0, most_n, "N", "what a pull of 1000 N brings, by the model",
                "was ein Zug von 1000 N nach dem Modell bringt",
            )  # fmt: skip
        return math.floor(round(pull_n * PULL_STEPS, 6)) / PULL_STEPS

    def _ends(self, values: list[float]) -> tuple[float, float]:
        """The ends of the interval; the nominal value may lie outside where the inputs are lopsided."""
        values.sort()
        tail = 0.5 * (1.0 - self.interval)
        return quantile(values, tail), quantile(values, 1.0 - tail)


def model(patient: Patient, table: Dosing | None = None, measured: Measured | None = None) -> Model:
    """The model for a patient; ``measured`` friction narrows the table's. Raises BeyondModel."""
    table = table or dosing.load()
    mass, segment = _rows(patient, table)
    support = table.segment_force.support[mass.region]
    return _model(_inputs(patient, mass, segment, support, table, measured), support.table)


def _rows(patient: Patient, table: Dosing) -> tuple[Mass, Segment]:
    segment = table.segments(patient.region).get(patient.segment)
    masses = {(str(row.region), row.segment): row for row in table.segment_force.mass}
    mass = masses.get((patient.region, patient.segment))
    if segment is None or mass is None:
        known = ", ".join(name for region, name in masses if region == patient.region)
        raise BeyondModel(
            f"the force model has no data for {patient.region[:20]} {patient.segment[:20]!r}: it knows "
            f"{known} (see {DOCUMENT})",
            f"das Kraftmodell hat keine Daten für {patient.segment[:20]!r}: es kennt {known} (siehe "
            f"{DOCUMENT})",
        )
    if not segment.least_deg <= patient.angle_deg <= segment.most_deg:
        raise _beyond("angle_deg", patient.angle_deg, segment.least_deg, segment.most_deg, "degrees",
                      f"angles for {patient.segment}", f"Winkel für {patient.segment}")  # fmt: skip
    if not LIGHTEST_KG <= patient.body_weight_kg <= HEAVIEST_KG:
        raise _beyond("body_weight_kg", patient.body_weight_kg, LIGHTEST_KG, HEAVIEST_KG, "kg",
                      "a mistyped weight", "ein vertipptes Gewicht")  # fmt: skip
    return mass, segment


def _beyond(
    name: str, value: float, low: float, high: float, unit: str, why: str, why_de: str
) -> BeyondModel:
    german = {"degrees": "Grad"}.get(unit, unit)
    return BeyondModel(
        f"{name} is {value:g} {unit}: the force model takes {low:g} to {high:g} {unit} "
        f"({why}, see {DOCUMENT})",
        f"{name} ist {value:g} {german}: das Kraftmodell nimmt {low:g} bis {high:g} {german} "
        f"({why_de}, siehe {DOCUMENT})",
    )


# --- the draws ---------------------------------------------------------------------------------------------
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Numbers only, so that the same question is reckoned once. Weights in newtons, angles in radians."""

    body_n: float
    mass: float
    mass_sd: float
    inclined: float
    tilt: float
    away: float
    segment_sd: float
    harness_sd: float
    friction: Range
    harness: Range
    gravity: Range
    measured: Measured | None
    interval: float
    draws: int
    seed: int


def _inputs(
    patient: Patient, mass: Mass, segment: Segment, support: Support, table: Dosing, measured: Measured | None
) -> _Inputs:
    female = {"female": 1.0, "male": 0.0}.get(patient.sex, 0.5)
    apart = abs(mass.female - mass.male) / math.sqrt(12.0) if female == 0.5 else 0.0  # noqa: PLR2004  (left open)
    friction = support.friction[support.table]
    force = table.segment_force
    return _Inputs(
        body_n=patient.body_weight_kg * GRAVITY_N_KG,
        mass=female * mass.female + (1.0 - female) * mass.male,
        mass_sd=math.hypot(mass.sd, apart),
        inclined=female * mass.inclined_female + (1.0 - female) * mass.inclined_male,
        tilt=math.radians(patient.angle_deg),
        away=math.radians(patient.angle_deg - segment.angle_deg),
        segment_sd=math.radians(support.segment_deg.sd),
        harness_sd=math.radians(support.harness_deg.sd),
        friction=(friction.low, friction.high),
        harness=(support.harness_share.low, support.harness_share.high),
        gravity=(support.gravity_share.low, support.gravity_share.high),
        measured=measured,
        interval=force.interval,
        draws=force.draws,
        seed=force.seed,
    )


@lru_cache(maxsize=256)
def _model(inputs: _Inputs, table: str) -> Model:
    draw = random.Random(inputs.seed)  # noqa: S311  (a band, no secret)
    lines = [_drawn(inputs, draw) for _ in range(inputs.draws)]
    told, friction_n = "table", None
    if inputs.measured is not None:
        told, lines = _believed(inputs, inputs.measured, lines, draw)
        friction_n = sum(line.friction_n for line in lines) / len(lines)
    return Model(_nominal(inputs, friction_n), tuple(lines), inputs.interval, table, told)


def _nominal(inputs: _Inputs, friction_n: float | None) -> Line:
    """The line of the middle of every input; a measured friction (N) in place of the coefficient's."""
    harness, gravity, mu = (0.5 * sum(each) for each in (inputs.harness, inputs.gravity, inputs.friction))
    return _line(inputs, (harness, 0.0, inputs.mass, mu, gravity, inputs.away), friction_n)


def _drawn(inputs: _Inputs, draw: random.Random) -> Line:
    drawn = (
        draw.uniform(*inputs.harness),
        draw.gauss(0.0, inputs.harness_sd),
        max(draw.gauss(inputs.mass, inputs.mass_sd), inputs.inclined),
        draw.uniform(*inputs.friction),
        draw.uniform(*inputs.gravity),
        draw.gauss(inputs.away, inputs.segment_sd),
    )
    return _line(inputs, drawn, None)


def _line(inputs: _Inputs, values: Sequence[float], friction_n: float | None) -> Line:
    """The formula of the module's head, as a line over the pull."""
    harness, strap, mass, mu, gravity, away = values
    normal_n = mass * inputs.body_n * math.cos(inputs.tilt)
    rubs_n = mu * normal_n if friction_n is None else friction_n
    lifted = mu * math.sin(strap) if friction_n is None else 0.0
    weight_n = gravity * inputs.inclined * inputs.body_n * math.sin(inputs.tilt)
    gain = harness * math.cos(strap) + lifted
    return Line(gain, rubs_n + weight_n, math.cos(away), math.sin(away), rubs_n, weight_n)


def _believed(
    inputs: _Inputs, measured: Measured, lines: list[Line], draw: random.Random
) -> tuple[str, list[Line]]:
    """The draws after a measurement of friction: chosen anew by how well they agree with it.

    Where it is far above what such a table can have, the measurement is taken and the table's range is not.
    """
    most_n = inputs.friction[1] * inputs.mass * inputs.body_n * math.cos(inputs.tilt)
    if measured.friction_n - BEYOND_SD * measured.sd_n > most_n:
        return "beyond-table", [_with_friction(line, _above_zero(measured, draw)) for line in lines]
    weights = [
        math.exp(-0.5 * ((line.friction_n - measured.friction_n) / measured.sd_n) ** 2) for line in lines
    ]
    if sum(weights) < 1e-9:  # noqa: PLR2004  (no draw agrees: a friction far below the table's)
        return "measured", [_with_friction(line, _above_zero(measured, draw)) for line in lines]
    return "measured", draw.choices(lines, weights, k=len(lines))


def _with_friction(line: Line, friction_n: float) -> Line:
    return Line(line.gain, friction_n + line.gravity_n, line.axial, line.shear, friction_n, line.gravity_n)


def _above_zero(measured: Measured, draw: random.Random) -> float:
    return max(0.0, draw.gauss(measured.friction_n, measured.sd_n))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of values in order, linear between neighbours."""
    place = share * (len(ordered) - 1)
    index = min(int(place), len(ordered) - 2)
    return ordered[index] + (place - index) * (ordered[index + 1] - ordered[index])
