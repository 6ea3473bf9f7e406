"""What the first pulls tell of a simulated patient, against what that patient really is."""

import json

import numpy as np
import pytest
from scipy.optimize import least_squares

from services.controller.beds import simulated
from services.controller.blackbox.recording import Unreadable, sealed
from services.controller.kernel import layout, plant
from services.controller.recorder.blocks import checksum, column_from
from services.controller.segment import identify as fit
from services.controller.simulation import simulate
from services.kit.errors import SpondylError
from services.kit.therapy.prescription import default_prescription

PEOPLE = 20
PERIOD_S = 0.02
MINUTES = 7.0


def session(seed, breath=1.0):
    """One bed's samples and constants; people breathe at ``breath`` of their own depth."""
    plan = simulate.Plan(default_prescription(), seed, MINUTES)
    parameters = simulate._parameters(plan)
    beds = simulated.simulated_beds(seed, 1, PERIOD_S, plan.prescription.body_weight_kg)
    simulated.calm(beds.constants)
    beds.constants[plant.K_BREATH] *= breath
    beds.plant[plant.X_TILT] = beds.tilt_deg[:] = parameters[layout.P_TILT]
    start = simulate.ticks(simulate.START_S, PERIOD_S)
    script = simulate.session_script(start, parameters)
    course = simulate.run(beds, parameters[:, None], script, simulate.longest(parameters), start)[0]
    return course.samples, beds.constants[:, 0]


def true(constants):
    """The constants in the fit's terms: the creep's whole is twice the prompt part."""
    whole, harness = constants[plant.K_SPINE] * simulated.CREEP_PROMPT, constants[plant.K_HARNESS]
    return {
        "series_n_mm": 1 / (1 / harness + simulated.CREEP_PROMPT / whole),
        "spine_n_mm": whole,
        "harness_n_mm": harness,
        "creep24_mm_kn": 1000 * constants[plant.K_CREEP_FAST],
        "creep580_mm_kn": 1000 * constants[plant.K_CREEP_SLOW],
        "friction_n": constants[plant.K_SLIDE],
    }


def identified(samples, harness=None):
    return fit.identify(fit.first_pulls(fit.columns_of(samples), PERIOD_S), harness)


@pytest.fixture(scope="module")
def people():
    """Breathing, sighing, sticking: as the bed meets them."""
    return [(*session(seed), seed) for seed in range(PEOPLE)]


def inside(value, truth):
    return value.low <= truth <= value.high


def test_the_first_pulls_tell_what_the_simulated_patients_are(people):
    """20 people: every 90 % interval holds at least as often as it says, less what chance may take of 20."""
    told = {name: [] for name, _ in fit.NAMES}
    for samples, constants, _ in people:
        truth = true(constants)
        for value in identified(samples).values:
            if not value.why:
                told[value.name].append((value, truth[value.name]))
    for name in ("series_n_mm", "spine_n_mm", "harness_n_mm", "creep24_mm_kn", "creep580_mm_kn"):
        held = [inside(value, truth) for value, truth in told[name]]
        assert sum(held) >= 0.85 * len(held), name
    assert {name: len(rows) for name, rows in told.items() if len(rows) == PEOPLE}.keys() == {
        "series_n_mm", "harness_n_mm"
    }  # fmt: skip
    assert min(len(rows) for rows in told.values()) >= PEOPLE // 3, "the soft half of people is told"
    assert all(value.value == pytest.approx(truth, rel=0.02) for value, truth in told["series_n_mm"])
    assert all(value.value == pytest.approx(truth, rel=0.06) for value, truth in told["harness_n_mm"])


def test_without_breath_friction_and_creep_are_the_simulated_ones():
    """The oracle without disturbance: the formula itself, for each of 20 people."""
    for seed in range(PEOPLE):
        samples, constants = session(seed, breath=0.0)
        found, truth = identified(samples), true(constants)
        for name, share in (("series_n_mm", 0.015), ("spine_n_mm", 0.15), ("creep24_mm_kn", 0.2)):
            assert found.of(name).value == pytest.approx(truth[name], rel=share), (seed, name)
        friction = found.of("friction_n")
        assert friction.value == pytest.approx(truth["friction_n"], rel=0.3, abs=4.0), seed


def test_breathing_leaves_less_friction_and_never_more_than_there_is(people):
    """Every breath shakes the body loose: what hinders a hold is less than Coulomb's, and is not invented."""
    for samples, constants, seed in people:
        friction = identified(samples).of("friction_n")
        if not friction.why:
            assert friction.low <= 1.25 * constants[plant.K_SLIDE] + 1.0, seed


def test_a_harness_from_commissioning_narrows_the_spine(people):
    """What the bed knows of its own strap is not guessed again."""
    narrower = []
    for samples, constants, _ in people:
        own = constants[plant.K_HARNESS]
        alone = identified(samples).of("spine_n_mm")
        helped = identified(samples, fit.Harness(own, 0.01 * own)).of("spine_n_mm")
        if not (alone.why or helped.why):
            narrower.append(
                (helped.high - helped.low) / helped.value < (alone.high - alone.low) / alone.value
            )
            assert inside(helped, true(constants)["spine_n_mm"])
    assert sum(narrower) >= 0.9 * len(narrower) > 0


def test_the_fit_is_what_scipy_makes_of_the_same_equation(people):
    """An independent minimiser over the physical values themselves, not their compliances."""
    samples = people[2][0]
    pulls = fit.first_pulls(fit.columns_of(samples), PERIOD_S)
    used = pulls.usable & (pulls.tension_n > fit.LEAST_N)
    side, found = fit._side(pulls.tension_n), fit.identify(pulls)
    arrives = pulls.tension_n - found.of("friction_n").value * side

    def left(at):
        x0, series, spine, friction = at
        creep = 0.2 * fit._lag(arrives, 24.0) + 0.3 * fit._lag(arrives, 580.0)
        told = x0 + pulls.tension_n / series + creep / spine - 0.5 / spine * friction * side
        return (told - pulls.position_mm)[used]

    best = least_squares(left, [0.0, 15.0, 100.0, 1.0], x_scale=[1.0, 10.0, 100.0, 10.0]).x
    assert found.of("series_n_mm").value == pytest.approx(best[1], rel=1e-3)
    assert found.of("spine_n_mm").value == pytest.approx(best[2], rel=0.01)
    assert found.of("friction_n").value == pytest.approx(best[3], abs=0.3)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda columns: {name: column[:4000] for name, column in columns.items()}, "too-short"),
        (lambda columns: columns | {"force_dn": 0 * columns["force_dn"] + 900}, "little-pull"),
        (lambda columns: columns | {"position_cmm": 0 * columns["position_cmm"]}, "little-travel"),
        (lambda columns: columns | {"status": 0 * columns["status"]}, "too-short"),
        (lambda columns: columns | {"age_ms": 0 * columns["age_ms"] + 40}, "too-short"),
        (lambda columns: {name: column[:0] for name, column in columns.items()}, "too-short"),
    ],
    ids=["a-minute", "no-swing", "no-travel", "no-load-cell", "old-readings", "nothing"],
)
def test_what_does_not_suffice_is_said_and_no_number_given(people, change, why):
    """That it cannot be told is an answer; a stiffness from nothing is none."""
    columns = change(fit.columns_of(people[0][0]))
    found = fit.identify(fit.first_pulls(columns, PERIOD_S))
    assert {value.why for value in found.values} == {why}
    assert all(row["value"] is None and not row["told"] for row in found.as_json()["values"])
    assert found.friction is None


def test_pulls_end_with_the_first_cycles_and_leave_guarding_out(people):
    """A muscle is no spring, and later pulls only repeat."""
    columns = fit.columns_of(people[0][0])
    whole = fit.first_pulls(columns, PERIOD_S)
    longer = {name: np.concatenate([column, column]) for name, column in columns.items()}
    assert len(fit.first_pulls(longer, PERIOD_S).tension_n) == len(whole.tension_n)
    guarded = columns["phase"].copy()
    at = int(np.flatnonzero(guarded == layout.HOLD)[100])
    guarded[at : at + 50] = layout.GUARDED
    less = fit.first_pulls(columns | {"phase": guarded}, PERIOD_S)
    missing = whole.usable.sum() - less.usable.sum()
    assert missing == pytest.approx((50 * PERIOD_S + fit.SETTLE_S) / fit.BIN_S, abs=2)


def test_a_recording_tells_the_same_as_the_samples(people, tmp_path):
    """The panel reads what the recorder wrote, never the loop's memory for minutes."""
    plan = simulate.Plan(default_prescription(), 2, MINUTES)
    course = simulate.simulate(plan)
    path = tmp_path / "session.jsonl"
    path.write_bytes(simulate.recording(plan, course))
    columns, period_s = fit.recorded(path)
    assert fit.identify(fit.first_pulls(columns, period_s)) == identified(people[2][0])
    with pytest.raises(Unreadable):
        fit.recorded(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda chunk: chunk["columns"].pop("age_ms"), "1: columns age_ms are missing"),
        (lambda chunk: chunk.update(kernel_version=7), "kernel version 7 is not shipped"),
    ],
)
def test_a_recording_whose_columns_or_phases_nobody_can_read_is_refused(tmp_path, change, words):
    """Another kernel's numbers would be taken for other phases, and told as a patient's stiffness."""
    plan = simulate.Plan(default_prescription(), 2, 0.5)
    text = simulate.recording(plan, simulate.simulate(plan)).splitlines()[0]
    chunk = json.loads(text)
    del chunk["line_crc32"]
    change(chunk)
    columns = {name: column_from(values).astype(np.int32) for name, values in chunk["columns"].items()}
    path = tmp_path / "session.jsonl"
    path.write_bytes(sealed(json.dumps(chunk | {"crc32": checksum(columns)}).encode()) + b"\n")
    with pytest.raises(SpondylError, match=words):
        fit.recorded(path)
