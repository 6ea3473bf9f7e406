"""What a scenario file may say; whatever else stands in one is refused by its name.

Times are seconds after the operator's start, forces newtons at the load cell with the drive blocked. A span
is [least, most], either of them null when open.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.controller.alarms.table import ALARMS
from services.controller.kernel import layout
from services.controller.kernel.faults import FAULT_KINDS
from services.kit.errors import SpondylError
from services.kit.files import read_text
from services.kit.therapy.prescription import (
    Prescription,
    check_document,
    default_prescription,
    refused,
)

MAX_BYTES: Final = 100_000
LATEST_S: Final = 3600.0
PACKAGED: Final = Path(__file__).with_name("golden")  # where an image has them
DIRECTORY: Final = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[3] / "tests" / "scenarios"
RECORDED: Final = tuple(
    sorted(path.name for path in (Path(__file__).parents[1] / "beds" / "signals").glob("*.csv"))
)
# What an operator, or the remote channel, may do under way; load, switch test and start are done by itself.
DEEDS: Final = ("pause", "resume", "stop", "change", "heat_on", "heat_off", "remote_pause", "remote_stop")
EXCUSES: Final = ("contraction_faster_than_drive", "base_dipped_after_contraction", "base_lost_by_fault")

AtS = Annotated[float, Field(ge=0.0, le=LATEST_S, allow_inf_nan=False)]
ForS = Annotated[float, Field(gt=0.0, le=LATEST_S, allow_inf_nan=False)]
Newtons = Annotated[float, Field(gt=0.0, le=500.0, allow_inf_nan=False)]
Trait = Annotated[float | None, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]
# What the plant divides by: the stiffness of a rubber band, a tenth of a second, a fast drive.
Stiffness = Annotated[float | None, Field(ge=1.0, le=1000.0, allow_inf_nan=False)]
Breath = Annotated[float | None, Field(ge=0.5, le=60.0, allow_inf_nan=False)]
Lag = Annotated[float | None, Field(ge=0.001, le=1.0, allow_inf_nan=False)]


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def known(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name!r} is none of {', '.join(names)}")
        return name

    return AfterValidator(known)


def _in_order(span: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    least, most = span
    if least is not None and most is not None and least > most:
        raise ValueError(f"{list(span)} is no span: the least comes first")
    return span


Span = Annotated[tuple[float | None, float | None], AfterValidator(_in_order)]
Phase = Annotated[str, _one_of(layout.PHASES)]
AlarmName = Annotated[str, _one_of(tuple(alarm.condition for alarm in ALARMS))]


class Strict(BaseModel):
    """Unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class Patient(Strict):
    """Who lies there and on what: traits of beds/simulated.py instead of those that the seed draws."""

    spine_n_mm: Stiffness = None
    harness_n_mm: Stiffness = None
    toe_mm: Trait = None
    slack_mm: Trait = None
    friction: Trait = None
    breath_n: Trait = None
    breath_s: Breath = None
    drive_lag_s: Lag = None
    heat_rise_c: Trait = None
    electrodes: bool = False

    def traits(self) -> dict[str, float]:
        """By the names of simulated.RANGES."""
        given = self.model_dump(exclude={"electrodes"}, exclude_none=True)
        return {"spine_k" if name == "spine_n_mm" else name: value for name, value in given.items()}


class Contraction(Strict):
    """A counter-tension: a recording, or a raised cosine of ``lasts_s`` kept at its peak for ``held_s``.

    So many of them, one every ``every_s``.
    """

    at_s: AtS
    peak_n: Newtons
    lasts_s: ForS | None = None
    held_s: Annotated[float, Field(ge=0.0, le=LATEST_S)] = 0.0
    recording: Annotated[str, _one_of(RECORDED)] | None = None
    times: Annotated[int, Field(ge=1, le=50)] = 1
    every_s: ForS = 20.0

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.lasts_s is None) == (self.recording is None):
            raise ValueError("a contraction has lasts_s or recording, and not both")
        return self


class Cough(Strict):
    """A fit of coughs: each a parabola of 0.25 s, one every 0.45 s."""

    at_s: AtS
    peak_n: Newtons
    coughs: Annotated[int, Field(ge=1, le=10)] = 2


class Fault(Strict):
    """A fault of a simulated bed from ``at_s`` on, for so long or for good."""

    kind: Annotated[str, _one_of(FAULT_KINDS)]
    at_s: AtS
    for_s: ForS | None = None


class Action(Strict):
    """What somebody does; ``change`` brings the fields of the prescription that are others from then on."""

    do: Annotated[str, _one_of(DEEDS)]
    at_s: AtS
    prescription: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _change_says_what(self) -> Self:
        if (self.do == "change") != bool(self.prescription):
            raise ValueError("a change has a prescription, nothing else has")
        return self


def _given(document: dict[str, Any]) -> Prescription:
    """A prescription within every limit. Raises PrescriptionError."""
    if refusals := check_document(document):
        raise refused(refusals)
    return Prescription.parse(document)


class Given(Strict):
    """Everything that is set; the same file gives the same session, number for number."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    minutes: Annotated[float, Field(ge=0.5, le=60.0)]
    period_ms: Annotated[float, Field(ge=1.0, le=20.0)] = 20.0
    prescription: dict[str, Any] | None = None
    patient: Patient = Patient()
    contractions: tuple[Contraction, ...] = ()
    coughs: tuple[Cough, ...] = ()
    faults: tuple[Fault, ...] = ()
    actions: tuple[Action, ...] = ()

    @cached_property
    def prescribed(self) -> Prescription:
        """The prescription, or the default one: lumbar, 80 kg. Raises PrescriptionError."""
        return _given(self.prescription) if self.prescription else default_prescription()

    @cached_property
    def changes(self) -> dict[float, Prescription]:
        """What is prescribed from when on, by the changes under way. Raises SpondylError that names one."""
        found, given = dict[float, Prescription](), self.prescribed.model_dump(mode="json")
        for number, action in enumerate(self.actions):
            if action.do == "change":
                try:
                    found[action.at_s] = _given(given | (action.prescription or {}))
                except SpondylError as error:
                    raise SpondylError(f"given.actions.{number}: {error.message}") from None
        return found


class Expect(Strict):
    """What must come of it. No invariant may be broken, whether or not anything is said."""

    reason: Annotated[str, _one_of(layout.REASONS)]
    ends: Phase
    alarms: tuple[AlarmName, ...] = ()  # all that are raised, no other
    guardings: Span = (0, 0)
    phases: dict[Phase, Span] = {}  # seconds in each
    traction_s: Span = (None, None)
    cycles: Span = (None, None)
    max_tension_n: Span = (None, None)
    last_peak_n: Span = (None, None)  # what the last cycle went to, after guarding has lowered it
    left_n: Span = (None, 20.0)  # tension 12 s after the end: it was let out
    contractions: int = 0  # that met the session
    missed: Span = (0, 0)
    false_stops: Span = (0, 0)
    latency_ms: Span = (None, None)  # of all that were found
    over_n: Span = (None, None)  # above the target, in any of them
    hold_rms_n: Span = (None, 1.2)
    ramp_rms_n: Span = (None, 1.2)
    excused: tuple[Annotated[str, _one_of(EXCUSES)], ...] = ()  # ticks that may be: see docs/simulation.md


class Scenario(Strict):
    """One file."""

    why: Annotated[str, Field(min_length=10, max_length=200)]
    hazard: str | None = None  # an id of docs/safety/hazards.toml
    demo: Annotated[str | None, Field(max_length=60)] = None  # what a bed of the demo is said to show
    demo_de: Annotated[str | None, Field(max_length=60)] = None
    given: Given
    expect: Expect

    @model_validator(mode="after")
    def _both_languages(self) -> Self:
        if (self.demo is None) != (self.demo_de is None):
            raise ValueError("demo and demo_de are given together")
        return self


def load(path: Path) -> Scenario:
    """The scenario of a file; raises SpondylError that names the file and every key that is wrong."""
    text = read_text(path, f"scenario {path}", MAX_BYTES)
    try:
        scenario = Scenario.model_validate(json.loads(text))
        scenario.given.changes  # noqa: B018  (refused here, with its own words)
    except json.JSONDecodeError as error:
        raise SpondylError(f"{path}:{error.lineno}: no JSON: {error.msg}") from None
    except ValidationError as error:
        raise SpondylError(f"{path}: {'; '.join(_faults(error))}") from None
    except SpondylError as error:
        raise SpondylError(f"{path}: {error.message}") from None
    return scenario


def _faults(error: ValidationError) -> Iterator[str]:
    for row in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in row["loc"]) or "scenario"
        unknown = row["type"] == "extra_forbidden"
        told = row["msg"].removeprefix("Value error, ")
        yield f"{place}: no scenario has this key" if unknown else f"{place}: {told}"


def files(directory: Path = DIRECTORY) -> list[Path]:
    """The scenario files of a directory, in the order of their names."""
    return sorted(directory.glob("*.json"))
