import json
import math
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from services.controller.kernel import layout, tuning
from services.controller.panel import commands
from services.controller.parameters import compile_parameters
from services.controller.simulation import profile, simulate
from services.kit import documents
from services.kit.errors import PrescriptionError, SpondylError
from services.kit.therapy import dosing
from services.kit.therapy import prescription as rx

LUMBAR = {
    "region": "lumbar",
    "segment": "L4/5",
    "body_weight_kg": 82.0,
    "age_years": 51,
    "sex": "male",
    "session_number": 9,
    "peak_n": 360.0,
}
CERVICAL = {**LUMBAR, "region": "cervical", "segment": "C5-7", "peak_n": 70.0}
SOUND = {"lumbar": LUMBAR, "cervical": CERVICAL}
ROWS = dosing.load().limit


def case(row):
    """A document to which the row applies, and the prescription of it."""
    document = dict(SOUND["lumbar" if row.region == "any" else row.region])
    document |= {"sex": row.sex[0]} if row.sex else {}
    document |= {name: int(low) for name, (low, _) in row.when.items()}
    if "previous_peak_n" in row.of:
        document["previous_peak_n"] = 200.0
    prescription = rx.Prescription.parse(document)
    return prescription.model_dump(), prescription


def at_limit(row, beyond):
    """The row's field at its limit, or one unit beyond."""
    document, prescription = case(row)
    limit = rx.limit_of(row, prescription)
    value = limit + (beyond if row.bound == "max" else -beyond)
    whole = isinstance(getattr(prescription, row.field), int)
    return {**document, row.field: int(value) if whole else value}, limit, value


@pytest.mark.requirement("limit-prescriptions")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_limit_refuses_what_lies_beyond_and_names_value_limit_and_source(row):
    """A limit in the table that nothing enforces would be worse than none."""
    document, limit, value = at_limit(row, 1)
    refusals = [found for found in rx.check_document(document) if row.source in found.source]
    mine = [
        found for found in refusals if found.limit == limit and found.field == f"prescription.{row.field}"
    ]
    assert mine
    told = f"{value:.6g}"
    for text, name, see in ((mine[0].text, row.en, "see"), (mine[0].text_de, row.de, "siehe")):
        assert name in text
        assert told in text
        assert f"{limit:.6g}" in text
        assert f"{see} docs/dosing.md" in text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_limit_lets_pass_what_stands_on_it(row):
    """The stated limit is the limit held: no hidden margin."""
    document, limit, _ = at_limit(row, 0)
    field = f"prescription.{row.field}"
    of_this_row = {(row.en, limit)}
    assert not [
        found
        for found in rx.check_document(document)
        if found.field == field and (row.en, found.limit) in of_this_row and row.en in found.text
    ]


def test_the_lumbar_ceiling_is_told_with_its_formula():
    """The sentence a clinician reads: half of 82 kg times standard gravity, plus 44 N, rounded down."""
    assert math.floor(0.5 * 82 * 9.80665 + 44) == 446
    (refusal,) = rx.check_document({**LUMBAR, "peak_n": 620.0})
    assert refusal.text == (
        "prescription.peak_n is 620 N: the lumbar ceiling for 82 kg is 446 N "
        "(50 % of body weight + 44 N, PMC2899427, see docs/dosing.md)"
    )
    assert refusal.text_de == (
        "prescription.peak_n ist 620 N: die lumbale Obergrenze für 82 kg ist 446 N "
        "(50 % Körpergewicht + 44 N, PMC2899427, siehe docs/dosing.md)"
    )


def test_every_vendors_limit_says_that_it_is_a_claim():
    """What a vendor says is a default of the clinic, not a fact."""
    vendors = [row for row in ROWS if row.standing == "vendor"]
    assert vendors
    for row in vendors:
        document, limit, _ = at_limit(row, 1)
        (text,) = [found.text for found in rx.check_document(document) if found.limit == limit][:1]
        assert "vendor's claim" in text


def test_all_refusals_come_at_once():
    """Mending one fault after another, each found by a new try, wastes a patient's time."""
    document = {
        **LUMBAR,
        "peak_n": 900.0,
        "base_n": 300.0,
        "heat_min": 90.0,
        "age_years": 12,
        "colour": "red",
    }
    fields = {refusal.field.removeprefix("prescription.") for refusal in rx.check_document(document)}
    assert fields >= {"peak_n", "base_n", "heat_min", "age_years", "colour"}


@pytest.mark.requirement("limit-heat")
def test_heat_is_refused_for_the_neck():
    """Infrared heat is for the lumbar spine only."""
    (refusal,) = rx.check_document({**CERVICAL, "heat_min": 5.0})
    assert refusal.field == "prescription.heat_min"
    assert "lumbar spine only" in refusal.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"segment": "C5-7"}, "segment"),
        ({"segment": "L9/10"}, "segment"),
        ({"angle_deg": 30.0}, "angle_deg"),
        ({"angle_deg": 1.0}, "angle_deg"),
        ({"peak_n": math.nan}, "peak_n"),
        ({"peak_n": math.inf}, "peak_n"),
        ({"peak_n": -1.0}, "peak_n"),
        ({"peak_n": "360"}, "peak_n"),
        ({"peak_n": True}, "peak_n"),
        ({"peak_n": None}, "peak_n"),
        ({"peak_n": 10**400}, "peak_n"),
        ({"age_years": 50.5}, "age_years"),
        ({"region": "thoracic"}, "region"),
        ({"sex": "x"}, "sex"),
        ({"precondition_cycles": 1.5}, "precondition_cycles"),
    ],
)
def test_nonsense_is_refused_by_name(change, field):
    """Wrong kinds, infinities and unknown names never reach the compiler of a profile."""
    refusals = rx.check_document({**LUMBAR, **change})
    assert f"prescription.{field}" in {refusal.field for refusal in refusals}
    json.dumps([refusal.as_json() for refusal in refusals], allow_nan=False)


def test_sex_left_open_gets_the_stricter_limit():
    """Not to be told a sex must never raise a force."""
    row = next(row for row in ROWS if row.id == "lumbar-first-sessions-women")
    open_ = {**LUMBAR, "sex": "unspecified", "session_number": 1, "peak_n": 200.0}
    assert {found.limit for found in rx.check_document(open_)} == {row.of["constant"]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from([*rx.Prescription.model_fields, "colour", ""])


@given(st.dictionaries(fields, json_values), st.sampled_from(["lumbar", "cervical"]))
def test_any_document_is_judged_without_a_trace_back(document, region):
    """Whatever a file holds, a person reads reasons, never an exception."""
    for start in ({}, SOUND[region]):
        for refusal in rx.check_document({**start, **document}):
            assert refusal.text.startswith("prescription.")
            assert "\n" not in refusal.text


@st.composite
def prescriptions(draw):
    """Prescriptions, mostly within the limits."""
    base = dict(SOUND[draw(st.sampled_from(["lumbar", "cervical"]))])
    weight = draw(st.floats(40, 150))
    share = draw(st.floats(0.4, 1.1)) * (0.45 if base["region"] == "lumbar" else 0.1)
    return {
        **base,
        "body_weight_kg": weight,
        "peak_n": round(weight * dosing.GRAVITY_N_KG * share, 1),
        "hold_s": draw(st.floats(5, 120)),
        "rest_s": draw(st.floats(5, 120)),
        "traction_min": draw(st.floats(1, 30)),
        "progression_cycles": draw(st.integers(1, 30)),
        "precondition_cycles": draw(st.integers(0, 6)),
    }


@given(prescriptions(), st.sampled_from([".json", ".yaml"]))
def test_a_prescription_survives_a_file(tmp_path_factory, document, suffix):
    """What is stored with a session and read again is the same prescription."""
    prescription = rx.Prescription.parse(document)
    path = tmp_path_factory.mktemp("rx") / f"p{suffix}"
    dump = prescription.model_dump()
    path.write_text(json.dumps(dump) if suffix == ".json" else yaml.safe_dump(dump), encoding="utf-8")
    assert rx.Prescription.load(path) == prescription


@given(prescriptions(), st.sampled_from([0.001, 0.005, 0.02]))
def test_what_is_within_the_limits_compiles_to_an_ordered_profile(document, period_s):
    """Base below first peak below peak below ceiling, every number finite; anything else is refused."""
    prescription = rx.Prescription.parse(document)
    if rx.check(prescription):
        with pytest.raises(PrescriptionError):
            compile_parameters(prescription, period_s, 7)
        return
    p = compile_parameters(prescription, period_s, 7)
    assert p.shape == (tuning.PARAMETER_COUNT,)
    assert all(math.isfinite(value) for value in p)
    assert (
        p[layout.P_SLACK]
        <= p[layout.P_BASE]
        < p[layout.P_FIRST_PEAK]
        <= p[layout.P_PEAK]
        < p[layout.P_CEILING]
    )
    assert p[layout.P_SESSION] == 7
    assert p[layout.P_PERIOD] == period_s


def test_the_default_prescription_compiles_to_the_numbers_of_its_table():
    """By hand: 80 kg, base 90 N, peak 320 N, first peak half way up, four cycles to the peak."""
    p = compile_parameters(rx.default_prescription(), 0.02, 3)
    assert p[layout.P_BASE] == 90
    assert p[layout.P_FIRST_PEAK] == 90 + (320 - 90) / 2
    assert p[layout.P_PEAK_STEP] == pytest.approx((320 - 205) / 3)
    assert p[layout.P_TRACTION_S] == 1800
    assert p[layout.P_HEAT_ALLOWED] == 15 * 60
    assert p[layout.P_TILT] == 15
    assert p[layout.P_CEILING] == 320 + 60


HOSTILE = {
    "empty.yaml": b"",
    "list.json": b"[1, 2]",
    "broken.json": b'{"region": ',
    "nan.txt": b"region: lumbar",
    "not-utf8.yaml": b"region: \xff\xfe",
    "bomb.yaml": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "tag.yaml": b"region: !!python/object/apply:os.system ['true']\n",
    "huge.json": b'{"region": "' + b"x" * 100_000 + b'"}',
    "deep.json": b"[" * 50_000,
    "deep.yaml": b"[" * 20_000,
    "twice.json": b'{"peak_n": 100, "peak_n": 300}',
    "twice.yaml": b"peak_n: 100\npeak_n: 300\n",
    "number-key.yaml": b"1: 2\n",
    "digits.json": b'{"peak_n": ' + b"9" * 9000 + b"}",
    "control.yaml": b"a: \x00\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_clear_line(tmp_path, name):
    """Truncated, oversized, aliased or doubled: refused before anything of it is believed."""
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(SpondylError) as refusal:
        documents.read(path, "prescription")
    assert "\n" not in refusal.value.message
    assert len(refusal.value.message) < 500


def test_a_missing_file_is_one_clear_line(tmp_path):
    """The commonest mistake of all."""
    with pytest.raises(SpondylError, match="cannot be read: No such file"):
        documents.read(tmp_path / "p.yaml", "prescription")


def test_a_clinic_replaces_a_vendors_limit_and_keeps_the_rest(tmp_path):
    """Vendors' claims are the clinic's to set, under its own name as the source."""
    path = tmp_path / "dosing.toml"
    path.write_text(
        '[[limit]]\nid = "lumbar-base"\nfield = "base_n"\nbound = "max"\nregion = "lumbar"\n'
        'of = { constant = 60 }\nen = "our base ceiling"\nde = "unsere Grenze"\nsource = "house rule 4"\n'
        'standing = "convention"\n',
        encoding="utf-8",
    )
    table = dosing.load(path)
    texts = [row.text for row in rx.check_document({**LUMBAR, "peak_n": 900.0}, table)]
    assert any("our base ceiling is 60 N (house rule 4" in text for text in texts)
    assert any("PMC2899427" in text for text in texts)


@pytest.mark.parametrize("content", [b"limit = 3", b"\xff", b"[[limit]]\nid = 1", b"[extra]\na = 1"])
def test_a_broken_clinic_table_is_one_clear_line(tmp_path, content):
    """A dosing table that is not understood must stop everything, in words."""
    path = tmp_path / "dosing.toml"
    path.write_bytes(content)
    with pytest.raises(SpondylError, match="the clinic's dosing table"):
        dosing.load(path)


# --- the profile -----------------------------------------------------------------------------------------


@given(prescriptions())
def test_the_profile_keeps_base_and_slope_and_never_passes_the_peak(document):
    """The picture a clinician looks at is the treatment that is given."""
    prescription = rx.Prescription.parse(document)
    if rx.check(prescription):
        return
    p = compile_parameters(prescription, 0.02, 1)
    curve = profile.profile(p)
    assert curve.highest_n <= p[layout.P_PEAK] + 1e-6
    slopes = (curve.target_n[1:] - curve.target_n[:-1]) / (curve.time_s[1:] - curve.time_s[:-1]).clip(1e-3)
    assert slopes.max() <= p[layout.P_RISE] * 1.05 + 0.1
    assert abs(sum(move.seconds for move in curve.moves[1:-1]) - p[layout.P_TRACTION_S]) < 1e-6
    in_cycles = [move for move in curve.moves if move.phase in ("ramp", "hold", "release", "rest")]
    assert all(min(move.origin_n, move.goal_n) >= p[layout.P_BASE] for move in in_cycles)


def test_the_drawn_moves_are_the_kernels():
    """The picture repeats two numbers of the kernel; they must not drift apart."""
    from services.controller.kernel import entering

    assert profile.QUINTIC_PEAK == entering.QUINTIC_PEAK
    assert profile.SHORTEST_MOVE_S == entering.SHORTEST_MOVE_S


# --- the commands ----------------------------------------------------------------------------------------


@pytest.fixture
def run():
    """Run one of the bedside's commands."""
    root = Typer(pretty_exceptions_enable=False)
    commands.register(root)
    return lambda *arguments: CliRunner().invoke(root, [str(argument) for argument in arguments])


def test_check_says_ok_and_exits_zero_only_within_the_limits(tmp_path, run):
    """Scripts rely on the exit status and the fields of --json."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(LUMBAR), encoding="utf-8")
    bad.write_text(yaml.safe_dump({**LUMBAR, "peak_n": 620.0, "heat_min": 90.0}), encoding="utf-8")
    answer = run("prescription", "check", good, "--json")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"ok": True, "refusals": []})
    answer = run("prescription", "check", bad, "--json")
    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert not document["ok"]
    assert {row["field"] for row in document["refusals"]} == {"prescription.peak_n", "prescription.heat_min"}
    assert set(document["refusals"][0]) >= {"field", "value", "limit", "unit", "source", "text"}
    assert "446 N" in run("prescription", "check", bad).stdout


def test_plot_draws_profile_model_and_simulated_session(tmp_path, run):
    """A picture beside the file, or where it was asked for; nothing at all for a refused prescription."""
    path, out = tmp_path / "p.json", tmp_path / "p.svg"
    path.write_text(json.dumps({**LUMBAR, "traction_min": 4.5}), encoding="utf-8")
    answer = run("prescription", "plot", path, "--lang", "de", "--seed", 3)
    assert answer.exit_code == 0, answer.output
    assert "by the model" in answer.stdout
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    answer = run("prescription", "plot", path, "--out", out, "--json")
    told = json.loads(answer.stdout)
    assert out.read_text(encoding="utf-8").startswith("<?xml")
    assert (told["cycles"], told["levels"]["ceiling"], told["segment"]["interval"]) == (2, 420.0, 0.9)
    peak = told["segment"]["at"]["first_peak"]
    assert 0 < peak["axial_low_n"] < peak["axial_n"] < peak["axial_high_n"] < peak["pull_n"]
    assert told["segment"]["model"] is True
    assert told["simulated"] | {"simulated": True, "guardings": 0, "cycles": 2} == told["simulated"]
    out.unlink()
    path.write_text(json.dumps({**LUMBAR, "peak_n": 900.0}), encoding="utf-8")
    for options, error in (
        (("--out", out), PrescriptionError), (("--out", tmp_path / "p.pdf"), SpondylError),
        (("--lang", "fr"), SpondylError), (("--seed", -1), SpondylError),
    ):  # fmt: skip
        assert isinstance(run("prescription", "plot", path, *options).exception, error)
        assert not out.exists()


def test_identify_tells_a_recording_and_exits_zero_only_when_it_told_something(tmp_path, run):
    """From the recorded columns alone; a recording too short for it says so."""
    record = tmp_path / "session.jsonl"
    for minutes, status in ((5.0, 0), (0.5, 1)):
        plan = simulate.Plan(rx.default_prescription(), 2, minutes)
        record.write_bytes(simulate.recording(plan, simulate.simulate(plan)))
        answer = run("prescription", "identify", record, "--json")
        assert answer.exit_code == status, answer.output
        rows = {row["name"]: row for row in json.loads(answer.stdout)["values"]}
        assert rows["series_n_mm"]["told"] is not bool(status)
        assert ("cannot be told" in run("prescription", "identify", record).stdout) is bool(status)
    wild = run("prescription", "identify", record, "--harness-n-mm", 0)
    assert isinstance(wild.exception, SpondylError)


def test_whoever_plans_checks_a_prescription_without_the_kernel():
    """The scheduler's process must not load numpy to ask whether 320 N may be given."""
    code = (
        "import sys; from services.kit.therapy.prescription import check, default_prescription as d; "
        "assert check(d()) == []; print([name for name in ('numpy', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_panel_process_stays_light():
    """Compiler and plotting library cost a hundred megabytes each: the bedside's process needs neither."""
    code = (
        "import sys, services.controller.panel.__main__, services.controller.therapist; "
        "from services.controller.parameters import compile_parameters; "
        "from services.kit.therapy.prescription import default_prescription as d; "
        "compile_parameters(d(), 0.02, 1); "
        "print([name for name in ('numba', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
