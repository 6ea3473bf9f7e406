"""Golden scenarios: each file says in `why` what it guards; the simulation must come out as it expects."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import build
from services.controller.blackbox.replay import replay
from services.controller.kernel.faults import FAULT_KINDS
from services.controller.scenarios import judging, page
from services.controller.scenarios.files import DIRECTORY, Expect, files, load
from services.kit.errors import SpondylError

SCENARIOS = files()
HAZARDS = Path(__file__).parents[2] / "docs" / "safety" / "hazards.toml"
# What the controller answers by itself in a session; others are the gateway's, the centre's, the desk's.
ANSWERED = {
    "over-force", "patient-switch", "switch-untested", "load-cell", "actuator-stuck", "sudden-drop",
    "missed-deadline", "mains-lost", "repeated-guarding", "burn",
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts():
    """Every scenario, played once."""
    return {path.stem: judging.judged(load(path)) for path in SCENARIOS}


@pytest.mark.parametrize("name", [path.stem for path in SCENARIOS])
def test_a_scenario_comes_out_as_its_file_expects(verdicts, name):
    """Whatever changes in the kernel: these must go on as they are told, and no invariant may break."""
    verdict = verdicts[name]
    assert not verdict.differences, "\n".join(map(str, verdict.differences))


def test_the_scenarios_cover_every_hazard_that_the_controller_answers_and_every_fault():
    """A glob that finds nothing would pass in silence, and so would a hazard that nobody plays."""
    scenarios = [load(path) for path in SCENARIOS]
    known = {row["id"] for row in tomllib.loads(HAZARDS.read_text())["hazard"]}
    named = {scenario.hazard for scenario in scenarios if scenario.hazard}
    assert named <= known
    assert named >= ANSWERED
    assert {fault.kind for scenario in scenarios for fault in scenario.given.faults} == set(FAULT_KINDS)
    assert len(scenarios) >= 40


@pytest.mark.requirement("replay")
@pytest.mark.parametrize(
    "name", ["changed-under-way", "drive-runs-away", "nine-recorded-bursts", "clock-steps"]
)
def test_a_scenario_s_recording_is_replayed_to_the_bit(verdicts, tmp_path, name):
    """Faults, contractions and a prescription that changes under way are inputs like any other."""
    path = tmp_path / "session.jsonl"
    path.write_bytes(verdicts[name].played.recording())
    result = replay(path)
    assert (result.equal, result.complete) == (True, True)
    assert result.samples == len(verdicts[name].played.course.samples)


WRONG = {
    "reason": ("fault", "reason: expected fault, found completed"),
    "ends": ("stopped", "ends: expected stopped, found done"),
    "alarms": (["over_force"], "alarms: expected over_force, found none"),
    "guardings": ([5, 5], "guardings: expected 5, found 1"),
    "phases": ({"guarded": [0, 0]}, "phase guarded: expected 0, found"),
    "traction_s": ([None, 100], "traction_s: expected at most 100, found 240"),
    "max_tension_n": ([400, None], "max_tension_n: expected at least 400, found"),
    "contractions": (2, "contractions: expected 2, found 1"),
    "latency_ms": ([None, 1], "latency_ms: expected at most 1, found"),
    "hold_rms_n": ([5, 6], "hold_rms_n: expected 5 to 6, found"),
}


@pytest.mark.parametrize("key", WRONG)
def test_an_expectation_that_is_not_met_is_named_with_what_was_found(verdicts, key):
    """A scenario that cannot fail guards nothing."""
    verdict = verdicts["small-and-quick"]
    wrong, told = WRONG[key]
    document = verdict.played.scenario.expect.model_dump(mode="json") | {key: wrong}
    found = judging.differences(Expect.model_validate(document), verdict.report)
    assert [str(one) for one in found if str(one).startswith(told)], found


def test_a_broken_invariant_is_never_as_expected(verdicts):
    """No file may allow one; what a contraction explains must be named to be allowed."""
    verdict = verdicts["large-and-quick"]
    broken = verdict.report | {
        "violations": verdict.report["violations"] | {"envelope_raised": 3},
        "excused": {"contraction_faster_than_drive": 7},
    }
    expect = verdict.played.scenario.expect.model_copy(update={"excused": ()})
    told = {str(one) for one in judging.differences(expect, broken)}
    assert told == {
        "invariant envelope_raised: expected 0 ticks, found 3",
        "excused contraction_faster_than_drive: expected 0 ticks, found 7",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one.update(excpect={}), "excpect: no scenario has this key"),
        (lambda one: one["given"].update(sede=1), "given.sede: no scenario has this key"),
        (lambda one: one["expect"].update(reson="x"), "expect.reson: no scenario has this key"),
        (lambda one: one["expect"].update(alarms=["fire"]), "'fire' is none of over_force"),
        (lambda one: one["expect"].update(traction_s=[5, 3]), "[5.0, 3.0] is no span"),
        (lambda one: one["given"].update(faults=[{"kind": "fire", "at_s": 1}]), "'fire' is none of sensor"),
        (lambda one: one["given"].update(actions=[{"do": "load", "at_s": 1}]), "'load' is none of pause"),
        (lambda one: one["given"].update(actions=[{"do": "change", "at_s": 1}]), "a change has a pres"),
        (lambda one: one["given"].update(contractions=[{"at_s": 1, "peak_n": 5}]), "lasts_s or recording"),
        (lambda one: one["given"].update(patient={"wings": 2}), "given.patient.wings: no scenario"),
        (lambda one: one["given"].update(prescription={"region": "lumbar"}), "prescription.segment"),
        (lambda one: one["given"].update(patient={"spine_n_mm": 0}), "given.patient.spine_n_mm: Input"),
        (lambda one: one["given"].update(actions=[
            {"do": "change", "at_s": 9, "prescription": {"peak_n": 900.0}}
        ]), "given.actions.0: prescription.peak_n is 900 N"),
        (lambda one: one.pop("demo"), "demo and demo_de are given together"),
    ],
)  # fmt: skip
def test_what_no_scenario_may_say_is_refused_by_file_and_name(tmp_path, change, told):
    """A key that is misspelt would expect nothing."""
    document = json.loads((DIRECTORY / "small-and-quick.json").read_text())
    change(document)
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(document))
    with pytest.raises(SpondylError, match=r"wrong\.json: ") as refused:
        load(path)
    assert told in refused.value.message


def spondyl(*arguments):
    return CliRunner().invoke(build(), ["simulate", *map(str, arguments)])


def test_the_command_plays_files_and_says_what_differs(tmp_path):
    """One command for a person and for a script; exit 0 only when all is as expected."""
    good = DIRECTORY / "strap-slips.json"
    document = json.loads(good.read_text())
    document["expect"]["alarms"] = []
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document))
    told = spondyl("--scenario", good, "--json")
    assert (told.exit_code, json.loads(told.stdout)["ok"]) == (0, True)
    told = spondyl("--scenario", bad, "--scenario", good, "--json")
    report = json.loads(told.stdout)
    assert (told.exit_code, report["ok"], report["played"]) == (1, False, 2)
    assert report["scenarios"]["bad"]["differences"] == [
        {"what": "alarms", "expected": "none", "found": "sudden_drop"}
    ]
    assert "alarms: expected none, found sudden_drop" in spondyl("--scenario", tmp_path).stdout
    assert "leave --seed away" in str(spondyl("--scenario", good, "--seed", 3).exception)
    assert "not 2" in str(
        spondyl("--scenario", bad, "--scenario", good, "--plot", tmp_path / "x.png").exception
    )


def test_the_page_shows_every_scenario_as_it_is():
    """What is read is what is run."""
    assert page.PAGE.read_text() == page.text(), "write it: python -m services.controller.scenarios.page"
