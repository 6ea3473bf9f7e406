import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.controller.kernel import layout
from services.controller.parameters import compile_parameters
from services.kit.errors import PrescriptionError
from services.kit.therapy import at_segment, dosing, segment_force
from services.kit.therapy import prescription as rx
from services.kit.therapy.segment_force import BeyondModel, Measured, Patient

DOCS = Path(__file__).parents[2] / "docs"
PAGE = " ".join((DOCS / "segment.md").read_text(encoding="utf-8").replace("> ", "").split())
MAN = Patient("lumbar", "L4/5", 15.0, 80.0, "male")
BY_FORCE = {
    "region": "lumbar", "segment": "L4/5", "body_weight_kg": 80.0, "age_years": 46, "sex": "male",
    "session_number": 8, "segment_peak_n": 280.0,
}  # fmt: skip
ROWS = [(row.region, row.segment) for row in dosing.load().segment_force.mass]


def clinic(tmp_path, text):
    """A clinic's own table."""
    path = tmp_path / "dosing.toml"
    path.write_text(text, encoding="utf-8")
    return dosing.load(path)


UNSPLIT = '[segment_force.support.lumbar]\ntable = "unsplit"\n'


def test_the_worked_example_of_the_page_is_the_model(tmp_path):
    """Whoever checks the page with a pocket calculator checks the program."""
    weight = 80 * 9.80665
    beyond = 0.470 * weight
    friction = 0.025 * beyond * math.cos(math.radians(15))
    inclined = 0.5 * 0.139 * weight * math.sin(math.radians(15))
    axial = 0.975 * 320 - friction - inclined
    found = segment_force.model(MAN).at(320.0)
    assert found.axial_n == pytest.approx(axial, abs=1e-9)
    for told in (weight, beyond, friction, inclined, axial):
        assert f"= {told:.2f} N" in PAGE
    assert f"90 % of the draws | {found.axial_low_n:.0f} to {found.axial_high_n:.0f} N" in PAGE
    assert f"within {max(-found.shear_low_n, found.shear_high_n):.0f} N either way" in PAGE
    unsplit = segment_force.model(MAN, clinic(tmp_path, UNSPLIT))
    assert f"{unsplit.nominal.friction_n:.2f} N of friction, so {unsplit.at(320.0).axial_n:.2f} N" in PAGE


def inputs():
    """The middle and one standard deviation of every input, as the page lists them: the oracle's own."""
    even = 1 / math.sqrt(12)
    return {
        "harness": (0.975, 0.05 * even), "strap": (0.0, math.radians(4)), "mass": (0.470, 0.025),
        "mu": (0.025, 0.05 * even), "share": (0.5, even), "away": (0.0, math.radians(8)),
    }  # fmt: skip


def by_hand(pull, harness, strap, mass, mu, share, away):
    """The formula, written down a second time: axial and shear (N)."""
    tilt, weight = math.radians(15), 80 * 9.80665
    along = (
        harness * pull * math.cos(strap)
        - mu * (mass * weight * math.cos(tilt) - pull * math.sin(strap))
        - share * 0.139 * weight * math.sin(tilt)
    )
    return np.array([along * math.cos(away), along * math.sin(away)])


@pytest.mark.parametrize("pull", [120.0, 320.0])
def test_the_interval_is_what_first_order_propagation_gives(pull):
    """Draws with a seed against derivatives of the formula: two ways to one band, nearly."""
    rows = inputs()
    middle = {name: value for name, (value, _) in rows.items()}
    variance = np.zeros(2)
    for name, (value, sd) in rows.items():
        up = by_hand(pull, **{**middle, name: value + 0.5 * sd})
        down = by_hand(pull, **{**middle, name: value - 0.5 * sd})
        variance += (up - down) ** 2
    found = segment_force.model(MAN).at(pull)
    halves = np.array([found.axial_high_n - found.axial_low_n, found.shear_high_n - found.shear_low_n]) / 2
    assert halves == pytest.approx(1.645 * np.sqrt(variance), rel=0.15)


def patient(row, place, weight, sex):
    """Somebody within the data; ``place`` is where the support stands between its two angles."""
    segment = dosing.load().segments(row[0])[row[1]]
    angle = segment.least_deg + place * (segment.most_deg - segment.least_deg)
    return Patient(*row, angle, weight, sex)


SEXES = ("female", "male", "unspecified")
patients = st.builds(
    patient, st.sampled_from(ROWS), st.floats(0, 1), st.floats(20, 250), st.sampled_from(SEXES)
)


@pytest.mark.requirement("say-model")
@settings(max_examples=40)  # 2000 draws each
@given(patients, st.floats(0, 1000), st.none() | st.builds(Measured, st.floats(0, 300), st.floats(0.1, 50)))
def test_nothing_arrives_below_zero_or_above_the_pull(patient, pull, measured):
    """No set of inputs makes the model show a push, or more than is pulled."""
    found = segment_force.model(patient, measured=measured).at(pull)
    assert 0.0 <= found.axial_low_n <= found.axial_high_n <= pull
    assert 0.0 <= found.axial_n <= pull
    assert max(abs(found.shear_low_n), abs(found.shear_high_n), abs(found.shear_n)) <= pull


@settings(max_examples=40)
@given(patients, st.floats(5, 500))
def test_the_inverse_brings_the_wanted_force_and_never_more(patient, wanted):
    """Prescribed at the segment, the pull is the model's own, rounded down."""
    model = segment_force.model(patient)
    try:
        pull = model.pull_for(wanted)
    except BeyondModel:
        assert model.at(1000.0).axial_n < wanted
        return
    assert wanted - 0.11 <= model.at(pull).axial_n <= wanted + 1e-6
    assert round(10 * pull, 6) == round(10 * pull)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"segment": "L1/2"}, "knows L5/S1, L4/5, L3/4, L2/3"),
        ({"region": "thoracic"}, "no data for thoracic"),
        ({"angle_deg": 30.0}, "takes 12.5 to 17.5 degrees"),
        ({"angle_deg": math.nan}, "angle_deg is nan"),
        ({"body_weight_kg": 800.0}, "takes 20 to 250 kg"),
    ],
)
def test_what_lies_outside_the_data_is_refused_not_extrapolated(change, told):
    """A number for a segment that no source is about would be invented."""
    with pytest.raises(BeyondModel, match=told) as refusal:
        segment_force.model(Patient(**{name: getattr(MAN, name) for name in MAN.__slots__} | change))
    assert "Kraftmodell" in refusal.value.german


@pytest.mark.parametrize("pull", [-1.0, 1000.1, math.nan, math.inf])
def test_a_pull_that_no_bed_makes_is_refused(pull):
    """NaN in must not be a number out."""
    with pytest.raises(BeyondModel, match="takes 0 to 1000 N"):
        segment_force.model(MAN).at(pull)


def test_a_measured_friction_narrows_the_band_and_one_that_is_too_great_is_said():
    """What this patient's pulls told counts; a table that rubs more than it can is a fault to look at."""
    before = segment_force.model(MAN)
    after = segment_force.model(MAN, measured=Measured(16.0, 2.0))
    assert after.friction == "measured"
    assert after.nominal.friction_n == pytest.approx(16.0, abs=1.5)
    assert after.at(320.0).axial_n < before.at(320.0).axial_n

    def spread(model):
        return np.std([line.friction_n for line in model.draws])

    assert spread(after) < 0.5 * spread(before)
    beyond = segment_force.model(MAN, measured=Measured(90.0, 5.0))
    assert beyond.friction == "beyond-table"
    assert beyond.nominal.friction_n == pytest.approx(90.0, abs=1.0)


def test_sex_left_open_is_between_and_wider():
    """Not to be told a sex must not look like knowing more."""
    friction = {
        sex: [
            line.friction_n for line in segment_force.model(Patient("lumbar", "L4/5", 15.0, 80.0, sex)).draws
        ]
        for sex in ("female", "unspecified", "male")
    }
    means = [np.mean(rows) for rows in friction.values()]
    assert means == sorted(means, reverse=True)


# --- prescribing by it -------------------------------------------------------------------------------------


@pytest.mark.requirement("hold-limits-on-the-pull")
def test_a_force_at_the_segment_is_compiled_to_the_models_pull():
    """By hand: (280 + 8.90 + 14.11) / 0.975 = 310.8, rounded down to a tenth below."""
    prescription = rx.Prescription.parse(BY_FORCE)
    assert prescription.peak_n == pytest.approx((280 + 8.904 + 14.112) / 0.975, abs=0.1)
    assert not rx.check(prescription)
    compiled = compile_parameters(prescription, 0.02, 1)
    assert compiled[layout.P_PEAK] == prescription.peak_n
    assert compiled[layout.P_CEILING] == prescription.peak_n + 60


@pytest.mark.requirement("hold-limits-on-the-pull")
def test_every_ceiling_is_held_on_the_pull_and_the_refusal_names_both_forces():
    """A force at the segment must be no way around a limit."""
    document = {**BY_FORCE, "segment_peak_n": 450.0}
    (refusal,) = rx.check_document(document)
    assert (refusal.field, refusal.limit) == ("prescription.peak_n", 436.0)
    assert refusal.text in PAGE
    for told in ("segment_peak_n ist 450 N am Segment", "436 N", "nach dem Modell bringt dieser Zug 402 N"):
        assert told in refusal.text_de
    with pytest.raises(PrescriptionError):
        compile_parameters(rx.Prescription.parse(document), 0.02, 1)


def test_either_force_and_not_both_unless_they_agree():
    """Two forces that contradict each other: neither is meant for sure. A stored one reads back as it was."""
    (refusal,) = rx.check_document({**BY_FORCE, "peak_n": 320.0})
    assert "give one of the two" in refusal.text
    assert "eines von beiden" in refusal.text_de
    whole = rx.Prescription.parse(BY_FORCE)
    assert rx.check_document(whole.model_dump()) == []
    assert rx.Prescription.parse(whole.model_dump()) == whole
    (refusal,) = rx.check_document(
        {name: value for name, value in BY_FORCE.items() if name != "segment_peak_n"}
    )
    assert refusal.text == "prescription.peak_n is missing: it has no default"


def test_a_clinic_that_changes_its_model_signs_anew(tmp_path):
    """A pull that was the split table's is not silently given on an un-split one."""
    signed = rx.Prescription.parse(BY_FORCE).model_dump()
    (refusal,) = rx.check_document(signed, clinic(tmp_path, UNSPLIT))
    assert "give one of the two" in refusal.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"segment_peak_n": 0.0}, "cannot be held"),
        ({"segment_peak_n": -5.0}, "cannot be held"),
        ({"segment_peak_n": 1e5}, "what a pull of 1000 N brings"),
        ({"segment_peak_n": math.nan}, "finite number"),
        ({"segment_peak_n": "280"}, "must be a"),
        ({"segment_peak_n": True}, "must be a"),
        ({"segment": "L9/10"}, "segments are"),
        ({"angle_deg": 40.0}, "12.5 to 17.5 degrees"),
        ({"body_weight_kg": None}, "body_weight_kg must be a number"),
        ({"sex": "x"}, "sex is wrong"),
        ({"region": "thoracic"}, "region is wrong"),
    ],
)
def test_nonsense_at_the_segment_is_refused_by_name(change, told):
    """Whatever stands there, a person reads why; a peak that nobody asked for is never said to be missing."""
    texts = [refusal.text for refusal in rx.check_document({**BY_FORCE, **change})]
    assert any(told in text for text in texts), texts
    assert not any("peak_n is missing" in text for text in texts)


def test_who_hands_a_prescription_on_hands_on_its_pull():
    """Consumers that have never heard of the model read peak_n, as ever."""
    whole = at_segment.with_pull(BY_FORCE)
    assert whole == {**BY_FORCE, "peak_n": rx.Prescription.parse(BY_FORCE).peak_n}
    assert at_segment.with_pull({"peak_n": 300.0}) == {"peak_n": 300.0}
    assert "peak_n" not in at_segment.with_pull({**BY_FORCE, "segment": "L9/10"})


def test_every_input_names_its_source_and_every_segment_has_its_masses():
    """A number without a source is an opinion; a segment without masses could not be prescribed for."""
    table = dosing.load()
    force = tomllib.loads(dosing.TABLE.read_text(encoding="utf-8"))["segment_force"]
    assert {(row.region, row.segment) for row in table.segment} == set(ROWS)
    for support in force["support"].values():
        rows = [value for value in support.values() if isinstance(value, dict)]
        leaves = [leaf for row in rows for leaf in (row.values() if "source" not in row else [row])]
        assert leaves
        assert all(leaf["source"] for leaf in leaves)
    assert all(0 < row.inclined_male <= row.male < 1 and row.source for row in table.segment_force.mass)
