import json
import time
from uuid import UUID

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from services.controller import commands
from services.controller.beds.simulated import SIGNALS
from services.controller.kernel import layout
from services.controller.recorder import summary
from services.controller.simulation import simulate
from services.kit.errors import SpondylError
from services.kit.therapy import prescription

FACTS = summary.SessionFacts(UUID(int=1), UUID(int=2), None, None, "lumbar", "L4/5")
ROW = {"onset_s", "detected_s", "latency_ms", "peak_over_target_n", "phase"}


def spondyl(*arguments):
    """Run the command as typed; a refusal is returned as its error."""
    root = typer.Typer(pretty_exceptions_enable=False)
    root.command("simulate")(commands.simulate)
    root.command("nothing")(lambda: None)
    return CliRunner().invoke(root, ["simulate", *map(str, arguments)])


def simulated(*arguments):
    """The JSON object that the command prints."""
    result = spondyl("--json", *arguments)
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def force_csv(tmp_path_factory):
    """Two raised cosines of half a second, 6 s apart, at 500 Hz."""
    path = tmp_path_factory.mktemp("signals") / "force.csv"
    time = np.arange(0.0, 0.5, 0.002)
    bump = 0.5 - 0.5 * np.cos(2 * np.pi * time / 0.5)
    force = np.concatenate([np.zeros(100), 3.0 * bump, np.zeros(5500), 1.5 * bump, np.zeros(100)])
    path.write_text("# force_n\n" + "\n".join(f"{value:.5f}" for value in force) + "\n")
    return path


@pytest.fixture(scope="module")
def guarded(force_csv):
    """Four minutes of traction with these contractions during the first hold."""
    return simulated("--minutes", 4, "--seed", 7, "--counter-tension", force_csv, "--rate-hz", 500,
                     "--scale-n", 40, "--at-s", 100)  # fmt: skip


def test_each_burst_of_the_file_is_a_row_with_its_onset(guarded):
    """Onset is a tenth of that burst's own peak, in seconds since the start, whatever rate and scale."""
    rows = guarded["guarding"]
    tenth_s = 0.5 * np.arccos(0.8) / (2 * np.pi)
    assert [set(row) for row in rows] == [ROW, ROW]
    assert rows[0]["onset_s"] == pytest.approx(100.2 + tenth_s, abs=0.004)
    assert rows[1]["onset_s"] == pytest.approx(100.2 + 0.5 + 11.0 + tenth_s, abs=0.004)
    for row in rows:
        assert 0.0 < row["detected_s"] - row["onset_s"] < 0.15
        assert row["latency_ms"] == pytest.approx(1000 * (row["detected_s"] - row["onset_s"]), abs=0.2)
    assert 0.0 < rows[0]["peak_over_target_n"] < 40.0


def test_the_report_says_what_was_kept(guarded):
    """These fields are relied on."""
    assert guarded["tracking"]["hold_rms_n"] < 1.0
    assert guarded["phases"]["hold"] > 60.0
    assert guarded["phases"]["guarded"] > 3.0
    assert guarded["max_tension_n"] > guarded["peak_n"] * 0.5
    assert set(guarded["violations"].values()) == {0}
    assert guarded["reason"] == "completed"
    assert 240.0 < guarded["duration_s"] < 400.0


def test_the_same_seed_gives_the_same_session_and_another_does_not(force_csv, guarded):
    """A finding must be repeatable by its command line."""
    again = ["--minutes", 4, "--counter-tension", force_csv, "--rate-hz", 500, "--at-s", 100]
    assert simulated(*again, "--seed", 7) == guarded
    assert simulated(*again, "--seed", 8)["tracking"] != guarded["tracking"]


def test_scale_n_is_the_tension_at_the_load_cell_with_the_drive_blocked(force_csv):
    """Twice the newtons, twice the counter-tension given."""
    tops = []
    for scale_n in (20.0, 40.0):
        injected = simulate.read_injection(force_csv, 500.0, scale_n, 100.0, emg=False)
        plan = simulate.Plan(prescription.default_prescription(), 7, 4.0, 0.02, injected)
        tops.append(simulate.simulate(plan).counter_n.max())
    assert tops == pytest.approx([20.0, 40.0], rel=0.01)


def test_a_recorded_emg_is_taken_with_emg():
    """The recordings in the package are what the demo's patients are made of."""
    result = simulated("--minutes", 5, "--counter-tension", SIGNALS / "emg_three_bursts_1000hz.csv", "--emg",
                       "--at-s", 100)  # fmt: skip
    assert len(result["guarding"]) == 3
    assert all(row["detected_s"] is not None for row in result["guarding"])


def test_without_contractions_there_are_no_rows():
    """Breathing is no guarding."""
    assert simulated("--minutes", 3)["guarding"] == []


def test_a_burst_after_the_end_is_counted_not_scored(force_csv):
    """A session that is over cannot miss anything."""
    result = simulated("--minutes", 1, "--counter-tension", force_csv, "--rate-hz", 100, "--at-s", 150)
    assert result["after_the_end"] == 2 - len(result["guarding"])
    assert result["after_the_end"] > 0


def test_a_force_recorded_downwards_or_over_an_offset_is_the_same_contraction(tmp_path, force_csv):
    """Sensors differ in sign and zero."""
    force = np.loadtxt(force_csv)
    injections = []
    for name, values in {"up": force, "down": -force, "offset": force + 2.0}.items():
        path = tmp_path / f"{name}.csv"
        np.savetxt(path, values)
        injections.append(simulate.read_injection(path, 500.0, 40.0, 0.0, emg=False))
    for other in injections[1:]:
        assert other.force_n == pytest.approx(injections[0].force_n, abs=0.01)


@pytest.mark.parametrize("end", ["\n", "\r\n", ";\n"])
@pytest.mark.parametrize("header", ["", "force_n", "Zeit (s);Kraft (N)"])
@pytest.mark.parametrize("mark", [".", ","])
def test_a_file_is_read_in_the_ways_people_write_one(tmp_path, force_csv, header, end, mark):
    """Spreadsheets write semicolons, decimal commas and carriage returns."""
    force = np.loadtxt(force_csv)
    path = tmp_path / "force.csv"
    lines = [f"{index / 500:.3f};{value:.5f}".replace(".", mark) for index, value in enumerate(force)]
    path.write_bytes(end.join([*filter(None, [header]), *lines, ""]).encode())
    assert simulate.signals.read_signal(path) == pytest.approx(force, abs=1e-5)


def test_a_raw_emg_taken_for_a_force_is_refused(tmp_path):
    """Its offset and its oscillation would give a contraction that nobody made."""
    path = tmp_path / "adc.csv"
    noise = np.random.default_rng(1).normal(0.0, 1.0, 2000)
    np.savetxt(path, np.round(2048 + 5 * noise + 800 * noise * (np.arange(2000) > 1500)), fmt="%d")
    error = spondyl("--counter-tension", path).exception
    assert isinstance(error, SpondylError)
    assert "--emg" in error.message
    assert simulated("--minutes", 3, "--at-s", 100, "--emg", "--counter-tension", path)["guarding"]


@pytest.mark.parametrize("period_ms", [20.0, 5.0])
def test_a_completed_session_has_the_prescribed_minutes_under_traction(force_csv, period_ms):
    """Prescribed, shown as remaining and billed are one number: contractions do not stretch or shorten it."""
    injected = simulate.read_injection(force_csv, 500.0, 40.0, 100.0, emg=False)
    plan = simulate.Plan(prescription.default_prescription(), 7, 4.0, period_ms / 1000.0, injected)
    course = simulate.simulate(plan)
    counted = np.isin(course.row(layout.S_PHASE), summary.TRACTION_PHASES)
    tally = summary.Tally(round(1e6 * period_ms))
    tally.add(np.zeros((len(course.samples), 3), np.int64), course.samples)
    told = tally.summary(FACTS, "completed", 0)
    assert told.guardings > 0
    assert told.traction_s == pytest.approx(240.0, abs=plan.period_s + 1e-6)
    remaining_s = course.row(layout.S_REMAINING)[course.start :] / 1000.0
    spent_s = np.cumsum(counted[course.start :]) * plan.period_s
    assert np.abs(240.0 - remaining_s - spent_s).max() <= plan.period_s + 0.002


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--minutes", "0"], "--minutes is 0"),
        (["--minutes", "nan"], "--minutes is nan"),
        (["--minutes", "100000"], "--minutes is 100000"),
        (["--period-ms", "0.5"], "--period-ms is 0.5"),
        (["--scale-n", "inf"], "--scale-n is inf"),
        (["--rate-hz", "-1"], "--rate-hz is -1"),
        (["--at-s", "nan"], "--at-s is nan"),
        (["--seed", "-1"], "--seed is -1"),
        (["--counter-tension", "/nowhere/f.csv"], "No such file"),
        (["--counter-tension", "FORCE", "--minutes", "2", "--at-s", "3000"], "the session is over"),
        (["--prescription", "/nowhere/p.yaml"], "cannot be read"),
        (["--plot", "/nowhere/out.png"], "does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(arguments, told, force_csv):
    """What, the value, the limit; never a trace back."""
    given = [str(force_csv) if argument == "FORCE" else argument for argument in arguments]
    error = spondyl(*given).exception
    assert isinstance(error, SpondylError)
    assert told in error.message
    assert "\n" not in error.message
    assert error.exit_code == 1


def test_nothing_is_written_when_the_signal_is_refused(tmp_path):
    """Nothing half done."""
    bad = tmp_path / "bad.csv"
    bad.write_text("1\nnan\n2\n")
    picture, recording = tmp_path / "out.png", tmp_path / "out.jsonl"
    error = spondyl("--counter-tension", bad, "--plot", picture, "--record", recording).exception
    assert isinstance(error, SpondylError)
    assert not picture.exists()
    assert not recording.exists()


def test_a_prescription_beyond_its_limits_is_refused(tmp_path):
    """The simulation gives nothing that the bed would not."""
    path = tmp_path / "prescription.json"
    given = prescription.default_prescription().model_dump(mode="json") | {"peak_n": 900.0}
    path.write_text(json.dumps(given))
    error = spondyl("--prescription", path).exception
    assert isinstance(error, SpondylError)
    assert "900" in error.message


def test_the_plot_is_a_picture(tmp_path, force_csv):
    """Something to look at, not an empty canvas."""
    path = tmp_path / "out.png"
    simulated("--minutes", 3, "--counter-tension", force_csv, "--rate-hz", 500, "--at-s", 100, "--plot", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 50_000
    assert [child.name for child in tmp_path.iterdir()] == ["out.png"]


def test_without_json_a_person_can_read_it(force_csv):
    """The same facts in words."""
    told = spondyl("--minutes", 4, "--counter-tension", force_csv, "--rate-hz", 500, "--at-s", 100).stdout
    assert told.count("guarding at") == 2
    assert "violations: none" in told


def test_a_session_recorded_here_is_the_one_that_ran(tmp_path):
    """The recording holds readings and commands verbatim, from the load on."""
    plan = simulate.Plan(prescription.default_prescription(), 5, 1.0)
    course = simulate.simulate(plan)
    chunks = [json.loads(line) for line in simulate.recording(plan, course).splitlines()]
    assert sum(chunk["count"] for chunk in chunks) == len(course.samples)
    assert [chunk["seq"] for chunk in chunks] == np.cumsum([0, *(chunk["count"] for chunk in chunks)])[
        :-1
    ].tolist()
    assert chunks[0]["parameters"]["peak_n"] == 320.0
    assert chunks[0]["actions"][0] == {"seq": 0, "action": layout.ACTION_LOAD, "refusal": 0}
    force = np.concatenate([np.cumsum(chunk["columns"]["force_dn"]) for chunk in chunks])
    assert np.array_equal(force, course.row(layout.S_FORCE))


@pytest.mark.parametrize("period_ms", [20, 5])
def test_a_session_is_much_faster_than_real_time(period_ms):
    """Population studies stand on it: thousands of sessions, not a few."""
    plan = simulate.Plan(prescription.default_prescription(), 6, 5.0, period_ms / 1000.0)
    simulate.simulate(plan)
    began = time.process_time()
    course = simulate.simulate(plan)
    assert time.process_time() - began < len(course.samples) * course.period_s / 50.0
