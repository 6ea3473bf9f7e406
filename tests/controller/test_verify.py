"""`spondyl verify`: random sessions on faulty beds break no invariant, and broken kernels do not pass."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from services.cli import build
from services.controller.kernel import layout
from services.controller.kernel.faults import FAULT_KINDS
from services.controller.verifying import (
    causes,
    commands,
    drawing,
    invariants,
    mutants,
    probing,
    reporting,
    rows,
    running,
    watching,
)
from services.kit.errors import SpondylError
from services.kit.therapy.prescription import check

SESSIONS, DRAWN = 60, 240  # of so many the shortest: side by side they take as long as the longest


@pytest.fixture
def stepwise(monkeypatch):
    """The round's outer loop uncompiled: to compile it costs more than all these sessions."""
    monkeypatch.setattr(running, "watch", running.watch.py_func)


@pytest.fixture(scope="module")
def short():
    """Numbers of sessions of seed 1, the shortest first."""
    drawn = {number: drawing.draw(1, number) for number in range(DRAWN)}
    return sorted(drawn, key=lambda number: drawn[number].given[rows.G_LONGEST] / drawn[number].period_s)


@pytest.mark.requirement("limit-tension", "limit-the-rate", "end-in-time")
def test_random_sessions_on_faulty_beds_break_no_invariant(stepwise, short):
    """Patients, prescriptions, contractions and faults as they come; the long form is `make verify`."""
    tally = reporting.Tally(1, "all")
    for outcome in running.outcomes(1, short[:SESSIONS], FAULT_KINDS):
        tally.add(outcome)
    report = tally.result()
    assert report["violations"] == dict.fromkeys(rows.INVARIANT_NAMES, 0), report["found"]
    assert report["sessions"] == SESSIONS
    assert sum(report["faults"].values()) > 20
    assert sum(report["reasons"].values()) == SESSIONS
    assert report["bed_hours"] > 2.0


def test_the_command_reports_what_was_asked_for(stepwise, short):
    """Every invariant, every cause and every fault is listed, zeros too."""
    told = CliRunner().invoke(build(), ["verify", "--only", str(short[0]), "--seed", "1", "--json"])
    report = json.loads(told.stdout)
    assert set(report["violations"]) == set(rows.INVARIANT_NAMES)
    assert (report["violations_total"], report["sessions"], told.exit_code) == (0, 1, 0)
    assert set(report["excused"]) == set(rows.EXCUSE_NAMES)
    assert set(report["faults"]) == set(FAULT_KINDS)
    assert report["beyond_drive"] >= 0
    assert report["sessions_per_minute"] > 0
    assert report["versions"]["kernel"] == layout.KERNEL_VERSION
    assert "1/1 sessions" in told.stderr


def test_an_interrupted_verification_tells_what_it_has_and_writes_no_page(stepwise, monkeypatch, tmp_path):
    """Or ten sessions would stand in the documentation as a hundred thousand without a breach."""

    def pressed(self, done, violations):
        raise KeyboardInterrupt

    page = tmp_path / "verification.md"
    page.write_text("as it was\n")
    monkeypatch.setattr(commands.Progress, "show", pressed)
    told = CliRunner().invoke(build(), ["verify", "--sessions", "2", "--write", str(page), "--json"])
    assert told.exit_code == 130
    assert json.loads(told.stdout)["sessions"] == 1
    assert "interrupted after 1 of 2 sessions" in told.stderr
    assert page.read_text() == "as it was\n"


def test_a_session_is_the_same_alone_and_among_others(stepwise, short):
    """Or a violation could not be looked at: --only runs one session by itself."""
    numbers = short[:4]
    together = {one.number: one for one in running.outcomes(1, numbers, FAULT_KINDS)}
    assert set(together) == set(numbers)
    for number in numbers[1:3]:
        alone = next(running.outcomes(1, [number], FAULT_KINDS))
        assert alone == together[number]


def test_prescriptions_are_drawn_from_the_whole_table_and_never_beyond_it():
    """What the clinic's table forbids no bed is ever given; what it allows must be tried."""
    drawn = [drawing.draw(9, number).prescription for number in range(60)]
    assert all(not check(one) for one in drawn)
    assert {one.region for one in drawn} == {"lumbar", "cervical"}
    assert max(one.peak_n for one in drawn) > 400
    minutes = [one.traction_min for one in drawn]
    assert min(minutes) < 4.0
    assert max(minutes) > 26.0


@pytest.mark.parametrize("name", ["stop-ignored-in-hold", "switch-a-tick-late", "rebuilds-at-once"])
def test_a_broken_kernel_is_caught(name):
    """An invariant that no broken kernel breaks shows nothing; all of them in `spondyl verify --mutants`."""
    mutant = next(one for one in mutants.MUTANTS if one.name == name)
    assert mutants.caught_by(mutant)


def test_every_mutant_still_finds_its_line(tmp_path):
    """A mutant whose text has gone would be the sound kernel under another name."""
    assert len(mutants.MUTANTS) >= 12
    for mutant in mutants.MUTANTS:
        source = (mutants.ROOT / mutants.KERNEL / mutant.file).read_text(encoding="utf-8")
        assert source.count(mutant.before) == 1, mutant.name
        assert set(mutant.probes) <= set(probing.PROBES)
    (tmp_path / "law.py").write_text("nothing of it\n")
    stray = mutants.Mutant("stray", "law.py", "what is not there", "", ())
    with pytest.raises(SpondylError, match="stands 0 times"):
        mutants._break(tmp_path / "law.py", stray)


@pytest.mark.parametrize("form", ["compiled", "interpreted"])
def test_the_ceiling_is_excused_only_where_no_drive_could_have_kept_it(form):
    """By hand: a clairvoyant drive spares 20 N of 35 above the ceiling, or 40; without a cause nothing.

    A drive that does not obey excuses no kernel that takes no notice of it.
    """
    stage = invariants.keep_ceiling if form == "compiled" else invariants.keep_ceiling.py_func

    def judged(tension, spared, calm_s, lied_s=9.0, drift=0.0, disobeyed_s=1e9, ticks=1):
        told = (0.02, lied_s, tension, drift, 300.0, 0.5, calm_s, disobeyed_s, 1.0, spared)
        out = [np.zeros(1) for _ in range(4)]  # seconds far above, then broken, beyond the drive, misread
        for _ in range(ticks):
            stage(*(np.array([value]) for value in told), *out)
        return [float(one[0]) for one in out[1:]]

    assert judged(300.4, 0.0, 9.0) == [0.0, 0.0, 0.0]
    assert judged(335.0, 20.0, 0.0) == [0.0, 1.0, 0.0]
    assert judged(335.0, 40.0, 0.0) == [1.0, 0.0, 0.0]
    assert judged(335.0, 0.0, 9.0) == [1.0, 0.0, 0.0]
    assert judged(320.0, 0.0, 9.0, 0.0, 25.0) == [0.0, 0.0, 1.0]
    assert judged(335.0, 0.0, 9.0, 0.0, 25.0) == [1.0, 0.0, 0.0]
    assert judged(320.0, 0.0, 9.0, 0.2) == [0.0, 0.0, 1.0]  # it says the truth again
    assert judged(320.0, 0.0, 9.0, 0.4) == [1.0, 0.0, 0.0]
    assert judged(335.0, 0.0, 9.0, disobeyed_s=0.0, ticks=14) == [0.0, 1.0, 0.0]
    assert judged(335.0, 0.0, 9.0, disobeyed_s=0.0, ticks=17) == [1.0, 0.0, 0.0]  # let out by now
    assert judged(304.0, 0.0, 9.0, disobeyed_s=0.0, ticks=52) == [0.0, 1.0, 0.0]


def test_only_what_the_drive_pulls_in_after_a_slip_counts_not_its_following_the_breath():
    """By hand: half a millimetre up and down a hundred times is nothing; 13 mm up from the lowest is."""

    def judged(places_mm):
        row = {name: np.zeros(1) for name in ("before", "slip_n", "up", "place")}
        told = np.zeros(1)
        for tick, place in enumerate([10.0, 10.0, *places_mm]):
            given = np.array([20.0 if tick else 0.0])  # at once, in the second tick
            invariants.leave_slipped.py_func(
                np.ones(1), np.full(1, 60.0), given, np.full(1, 60.0), np.full(1, place), np.full(1, 9.0),
                row["before"], row["slip_n"], row["up"], row["place"], told,
            )  # fmt: skip
        return float(told[0])

    assert judged([10.5, 10.0] * 100) == 0.0
    assert judged([*np.linspace(10.0, 23.0, 50)]) == 1.0
    assert judged([*np.linspace(10.0, 2.0, 50), *np.linspace(2.0, 15.0, 50)]) == 1.0


def test_nobody_yields_ahead_of_a_drive_that_runs_away():
    """By hand: a link that is late begins no clairvoyant's easing; a contraction does."""

    def spared(calm_s, disobeyed_s, seconds=1.0, counter=9.0):
        names = ("onset", "failed", "before", "best", "speed", "quiet", "yielding", "spared")
        row = {name: np.zeros(1) for name in names}
        row["before"][0] = row["best"][0] = 9.0
        for tick in range(round(seconds / 0.02)):
            unable = 0.0 if tick % 3 else 0.02  # an exchange every 60 ms
            known = [0.02, 9.0, 20.0, 0.8, 0.4, 20.0, 100.0, counter, 48.0, 0.0, 20.0, 70.0, 0.5, calm_s,
                     disobeyed_s, unable]  # fmt: skip
            causes.foresee.py_func(*(np.full(1, value) for value in known), *row.values())
        return float(row["spared"][0])

    assert spared(9.0, 9.0) == 0.0
    assert spared(0.0, 9.0) > 20.0
    assert spared(0.0, 9.0, counter=2.0) == 0.0  # no load cell tells it from its noise


@pytest.mark.parametrize(("before_n", "taken"), [(486.0, False), (60.0, True)])
def test_a_lower_ceiling_waits_for_the_target_of_the_tick_before_a_fault(before_n, taken):
    """A fault puts the target to nothing with the tension still on (session 29588 of seed 1)."""
    given, later = np.full((len(rows.GIVEN), 1), 624.0), np.full((len(rows.GIVEN), 1), 70.0)
    monitor, sample = np.zeros((len(rows.MEMORY), 1)), np.zeros((len(layout.SAMPLES), 1), np.int32)
    monitor[rows.M_CHANGING], monitor[rows.M_TARGET] = watching.PENDING, before_n
    watching.enter.py_func(given, later, monitor, sample, 0, layout.FAULT)
    assert (given[rows.G_CEILING, 0] == 70.0) == taken


def test_an_unknown_fault_is_refused_with_those_there_are():
    """A mistyped kind must not mean a verification without it."""
    with pytest.raises(SpondylError, match=r"'sensor-struck'.*sensor-stuck"):
        CliRunner().invoke(build(), ["verify", "--faults", "sensor-struck"], catch_exceptions=False)
