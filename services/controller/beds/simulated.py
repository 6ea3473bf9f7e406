"""Simulated beds: a population of patients, the recorded contractions they make, the arrays of a plant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, exp
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import layout, plant
from services.controller.simulation import signals

SIGNALS = Path(__file__).parent / "signals"
SIGNAL_HZ = 1000.0
LIBRARY_FILES = ("emg_bursts_1000hz.csv", "emg_three_bursts_1000hz.csv", "emg_long_1000hz.csv")
LONGEST_STEP_S = 0.0025  # finer periods make one sub-step of each
LEAD_S = 0.2  # a contraction is cut this long before its onset

# Creep under a load F, over F/K: a prompt part and two that approach it, shape of porcine spines from
# litmetric.com/detail/38951421
CREEP_PROMPT, CREEP_FAST, CREEP_SLOW = 0.50, 0.20, 0.30
CREEP_FAST_S, CREEP_SLOW_S = 24.0, 580.0
GRAVITY = 9.81
# A stretched muscle answers the load it is given: contractions of 10-80 N, which belong to a lumbar pull, are
# scaled with the tension, full from the usual lumbar start on (30 % of body weight, kdttechnique.com). A neck
# under 30-50 N so gives 1-16 N, a fifth and less: what the moment of its extensors is to that of the trunk's
# (some 50 to 250 N m). Amplitudes and moments are from memory.
FULL_PULL_SHARE = 0.30
SLIDING_SHARE = 0.45  # of the body's weight lies on the half of the table that slides
PELVIS_PER_KG = 0.18e-3  # pelvis, N s^2/mm a kg of the body: 18 % of it
STICK_SHARE = 1.25  # static friction, of the kinetic one
HARNESS_DAMPING_S = 0.004  # N s/mm a N/mm of the harness

EMG = ("emg_uv_n", "emg_lead_s", "emg_floor_uv", "emg_heart_uv", "emg_heart_hz", "emg_motion_uv_s",
       "emg_spread")  # fmt: skip

Floats = NDArray[np.float64]

# What a person and a table may be: (low, high), drawn evenly or, where marked, evenly in the logarithm.
LOGARITHMIC = frozenset({"spine_k", "guard_early_hz"})
RANGES: dict[str, tuple[float, float]] = {
    "weight_kg": (50.0, 110.0),
    "spine_k": (41.0, 557.0),  # N/mm, litmetric.com/detail/2402690, scielo S1413-35552007000100011
    "harness_n_mm": (10.0, 30.0),  # series compliance of belts and tissue
    "toe_mm": (0.5, 2.5),
    "slack_mm": (2.0, 12.0),
    "friction": (0.0, 0.05),  # split table, of the weight that slides
    "breath_n": (2.0, 6.0),  # half amplitude at the load cell
    "breath_s": (3.2, 5.5),
    "drive_lag_s": (0.010, 0.020),
    "reflex_s": (0.050, 0.097),  # pubmed 12436269; J Biomech 2004;37:1483
    "guard_early_hz": (1 / 300, 1 / 60),
    "heat_rise_c": (28.0, 36.0),
    # EMG leads force by 30-50 ms from onset to onset (Cavanagh & Komi 1979); by cross-correlation, the twitch
    # included, by 126-137 ms in the erector spinae (van Dieen et al. 1991): the smaller one is simulated.
    "emg_lead_s": (0.030, 0.050),
    "emg_full_uv": (80.0, 250.0),  # rectified mean at full strength, from memory
    "emg_floor_uv": (1.0, 3.0),  # electrodes, amplifier and tone at rest
    "emg_heart_uv": (0.5, 5.0),  # left of the ECG behind a 30 Hz high-pass, Drake & Callaghan 2006
    "heart_hz": (0.9, 1.5),
}
FULL_STRENGTH_N = 4000.0  # of trunk extensors: some 250 N m over 60 mm, both from memory
EMG_BANDWIDTH_HZ = 120.0  # effective, behind the high-pass: a period's mean scatters with its square root
EMG_MOTION_UV_S = 0.2  # what is left of skin motion behind the high-pass


@dataclass(frozen=True, slots=True)
class Library:
    """Recorded contractions: one flat array, and (first, length, rise_s, sample_hz) of each in it."""

    samples: Floats
    entries: Floats


@dataclass(slots=True)
class SimulatedBeds:
    """Everything plant_step wants of a set of beds; arrays are shared with the caller, never copied."""

    plant: Floats
    constants: Floats
    random: NDArray[np.uint64]
    library: Library
    faults: NDArray[np.int64]
    tilt_deg: Floats
    command: NDArray[np.int32]
    reading: NDArray[np.int32]

    def step(self) -> None:
        """Advance every bed by one period under its command."""
        plant.plant_step(self.plant, self.constants, self.random, self.library.samples, self.library.entries,
                         self.faults, self.tilt_deg, self.command, self.reading)  # fmt: skip


def population(
    seed: int,
    beds: int,
    period_s: float,
    weight_kg: float | None = None,
    traits: Mapping[str, float] | None = None,
    first: int = 0,
) -> Floats:
    """Draw patients and tables: float64[CONSTANTS, beds], for a control period of period_s seconds.

    Given a weight, all weigh that; given other traits by the names of RANGES, all have those.

    Bed n of a seed is the same person at whatever period and among however many others; the beds drawn begin
    with `first`.
    """
    people = [_person(np.random.default_rng([seed, bed])) for bed in range(first, first + beds)]
    told = dict(traits or {}) | ({} if weight_kg is None else {"weight_kg": weight_kg})
    people = [person | told for person in people]
    return np.array([_constants(person, period_s) for person in people]).T.copy()


def _person(generator: np.random.Generator) -> dict[str, float]:
    person = {}
    for name, (low, high) in RANGES.items():
        place = generator.random()
        person[name] = low * (high / low) ** place if name in LOGARITHMIC else low + (high - low) * place
    return person


def _constants(person: dict[str, float], period_s: float) -> list[float]:
    steps = max(1, ceil(period_s / LONGEST_STEP_S - 1e-9))
    step_s = period_s / steps
    spine, mass = person["spine_k"] / CREEP_PROMPT, PELVIS_PER_KG * person["weight_kg"]
    slide_n = person["friction"] * SLIDING_SHARE * person["weight_kg"] * GRAVITY
    values = {
        "step_s": step_s, "steps": float(steps),
        "harness_n_mm": person["harness_n_mm"], "toe_mm": person["toe_mm"], "slack_mm": person["slack_mm"],
        "harness_damping": HARNESS_DAMPING_S * person["harness_n_mm"],
        "spine_n_mm": spine, "mass": mass, "spine_damping": 0.6 * (spine * mass) ** 0.5,
        "creep_fast": CREEP_FAST / person["spine_k"], "creep_slow": CREEP_SLOW / person["spine_k"],
        "creep_fast_gain": _gain(step_s, CREEP_FAST_S), "creep_slow_gain": _gain(step_s, CREEP_SLOW_S),
        "stick_n": STICK_SHARE * slide_n, "slide_n": slide_n,
        "breath_n": person["breath_n"], "breath_s": person["breath_s"], "sigh_chance": 0.04,
        "cough_hz": 1 / 1200, "guard_early_hz": person["guard_early_hz"], "guard_late_hz": 1 / 900,
        "guard_settle_s": 150.0, "reflex_s": person["reflex_s"], "reflex_mm_s": 60.0,
        "full_pull_n": FULL_PULL_SHARE * person["weight_kg"] * GRAVITY,
        "drive_gain": _gain(step_s, person["drive_lag_s"]), "drive_mm_s": 20.0, "drive_mm_s2": 2000.0,
        "noise_n": 0.5, "ambient_c": 22.0, "heat_rise_c": person["heat_rise_c"],
        "heat_gain": _gain(period_s, 300.0), **dict.fromkeys(EMG, 0.0),
    }  # fmt: skip
    return [values[name] for name in plant.CONSTANTS]


def with_electrodes(constants: Floats, seed: int) -> Floats:
    """The same people (population of this seed) with surface EMG over their paraspinal muscles. In place.

    Microvolts follow the muscle's own force, which the harness lets through as (spine + harness) / harness.
    The mean of a rectified Gaussian over n independent samples scatters by 0.756 / sqrt(n) of itself.
    """
    for bed in range(constants.shape[1]):
        person, column = _person(np.random.default_rng([seed, bed])), constants[:, bed]
        harness, period_s = column[plant.K_HARNESS], column[plant.K_STEP] * column[plant.K_STEPS]
        muscle_per_counter = (column[plant.K_SPINE] + harness) / harness
        column[plant.K_EMG] = person["emg_full_uv"] / FULL_STRENGTH_N * muscle_per_counter
        column[plant.K_EMG_LEAD], column[plant.K_EMG_FLOOR] = person["emg_lead_s"], person["emg_floor_uv"]
        column[plant.K_EMG_HEART], column[plant.K_EMG_HEART_HZ] = person["emg_heart_uv"], person["heart_hz"]
        column[plant.K_EMG_MOTION] = EMG_MOTION_UV_S
        column[plant.K_EMG_SPREAD] = 0.756 / (2.0 * EMG_BANDWIDTH_HZ * period_s) ** 0.5
    return constants


def _gain(step_s: float, constant_s: float) -> float:
    """Share of the way a first-order lag goes in one step."""
    return 1.0 - exp(-step_s / constant_s)


def set_friction(constants: Floats, share: float) -> None:
    """Give the tables of these people a friction, as a share of the weight that slides. In place."""
    slide_n = constants[plant.K_MASS] / PELVIS_PER_KG * SLIDING_SHARE * GRAVITY * share
    constants[plant.K_SLIDE], constants[plant.K_STICK] = slide_n, STICK_SHARE * slide_n


def calm(constants: Floats) -> Floats:
    """The same people without a contraction or a cough of their own: breathing and sighs only. In place."""
    constants[[plant.K_COUGH, plant.K_GUARD_EARLY, plant.K_GUARD_LATE]] = 0.0
    return constants


def simulated_beds(
    seed: int,
    beds: int,
    period_s: float,
    weight_kg: float | None = None,
    traits: Mapping[str, float] | None = None,
) -> SimulatedBeds:
    """Beds at rest with their people, deterministic from the seed; weight or traits are of all."""
    return SimulatedBeds(
        plant=plant.new_plant(beds),
        constants=population(seed, beds, period_s, weight_kg, traits),
        random=random_states(seed, beds),
        library=recorded_contractions(),
        faults=np.zeros(beds, dtype=np.int64),
        tilt_deg=np.zeros(beds),
        command=np.zeros((len(layout.COMMANDS), beds), dtype=np.int32),
        reading=np.zeros((len(layout.READINGS), beds), dtype=np.int32),
    )


def random_states(seed: int, beds: int, first: int = 0) -> NDArray[np.uint64]:
    """Generators' states of the beds from `first` on, uint64[STREAMS, beds], never 0."""
    states = [np.random.SeedSequence([seed, bed, 1]).generate_state(plant.STREAMS, np.uint64)
              for bed in range(first, first + beds)]  # fmt: skip
    return np.stack(states, axis=1) | np.uint64(1)


@cache
def recorded_contractions() -> Library:
    """Every burst of the recorded files as a force of peak 1."""
    pieces: list[Floats] = []
    for name in LIBRARY_FILES:
        force = signals.force_of_emg(signals.read_signal(SIGNALS / name), SIGNAL_HZ)
        pieces.extend(_pieces(force))
    return library(pieces, SIGNAL_HZ)


def _pieces(force: Floats) -> Iterable[Floats]:
    lead = int(LEAD_S * SIGNAL_HZ)
    for burst in signals.bursts(force, SIGNAL_HZ):
        piece = force[max(0, burst.first - lead) : burst.last + lead] / burst.peak
        fade = np.minimum(1.0, np.arange(piece.size)[::-1] / lead)
        yield piece * fade * np.minimum(1.0, np.arange(piece.size) / (lead / 4))


def library(pieces: Iterable[Floats], sample_hz: float) -> Library:
    """Put contractions (peak 1) one behind the other, with the 10-90 % rise of each."""
    kept = list(pieces)
    lengths = np.array([piece.size for piece in kept], dtype=np.float64)
    firsts = np.concatenate(([0.0], np.cumsum(lengths)[:-1]))
    rises = np.array([max(rise_s(piece, sample_hz), 1.0 / sample_hz) for piece in kept])
    entries = np.stack([firsts, lengths, rises, np.full(len(kept), sample_hz)], axis=1)
    return Library(np.concatenate(kept), np.ascontiguousarray(entries))


def rise_s(piece: Floats, sample_hz: float) -> float:
    """Time (s) from the first sample above 10 % of the peak to the first above 90 %."""
    peak = piece.max()
    return float(np.argmax(piece > 0.9 * peak) - np.argmax(piece > 0.1 * peak)) / sample_hz
