"""Every fault of the table, one after another, in one system that never stops publishing.

CI does each for its short time; ``make chaos`` for its long one, and writes the table of docs/operations.md.
"""

import os
import random
import time
import warnings

import pytest
import replayed
from chaos.faults import FAULTS
from chaos.report import Outcome, write_json, write_page
from chaos.rig import SITES, Rig
from chaos.world import World

FORM = os.environ.get("SPONDYL_CHAOS_FORM", "short")  # or long
SEED = int(os.environ.get("SPONDYL_CHAOS_SEED", "1"))
COMMITTED_WITHIN_S = 90.0  # of a fault's end; a gateway that hears no promise sends all again after 30 s
NEXT_TICKS = 50  # a second of samples that were taken after the fault

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One system for the whole table."""
    if why := World.impossible():
        warnings.warn(pytest.PytestWarning(f"CHAOS WAS NOT RUN: no namespaces here ({why})"), stacklevel=1)
        pytest.skip(f"chaos needs mount and network namespaces: {why}")
    print(f"\nchaos: {FORM} form, SPONDYL_CHAOS_SEED={SEED}")  # noqa: T201  (shown when a test fails)
    with Rig(tmp_path_factory.mktemp("chaos"), SEED) as running:
        running.watch.seconds_until_committed([NEXT_TICKS] * 2, COMMITTED_WITHIN_S)
        yield running
        sessions, _ = replayed.every_session(*map(running.gateway, SITES), may_lack=running.filled)
        assert sessions > 0


@pytest.fixture(scope="module")
def outcomes():
    """Collected from fault to fault, written down after each and, by the long form, on the page."""
    rows = []
    yield rows
    if FORM == "long" and [row.fault for row in rows] == [fault.name for fault in FAULTS]:
        write_page(rows)


@pytest.mark.requirement("outlive-the-halves", "store-before-publish")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_loses_and_doubles_nothing(rig, outcomes, fault):
    """Whatever happens to machine, line or disk: every sample is stored, once, and the therapy goes on."""
    before = rig.report
    lasts_s = fault.long_s if FORM == "long" else fault.short_s
    dice = random.Random(f"{SEED} {fault.name}")  # noqa: S311  (a repeatable moment, not a secret)
    time.sleep(dice.uniform(0.0, 0.5))  # no moment of a block or of a promise is special
    rig.watch.begin()
    fault.begin(rig)
    time.sleep(lasts_s)  # how long it lasts is what is tested
    ended_at, heads = time.monotonic(), rig.watch.heads()
    fault.end(rig)
    rig.watch.seconds_until_committed([head + NEXT_TICKS for head in heads], COMMITTED_WITHIN_S)
    recovery_s = time.monotonic() - ended_at
    report = rig.report = rig.audit()
    audit_s = time.monotonic() - ended_at - recovery_s
    outcomes.append(outcome(fault, lasts_s, recovery_s, rig.watch.figures, before, report, audit_s))
    write_json(outcomes, form=FORM, seed=SEED)

    assert (report["status"], report["lost_samples"], report["duplicate_samples"]) == (0, 0, 0)
    assert (report["lost_events"], report["duplicate_events"]) == (0, 0)
    assert report["samples"] > before["samples"]
    assert rig.watch.loops() == rig.loops, "the loops live through all of it"


def outcome(fault, lasts_s, recovery_s, figures, before, report, audit_s):
    """The figures of one fault."""
    totals = {what: report[f"{what}_samples"] + report[f"{what}_events"] for what in ("lost", "duplicate")}
    return Outcome(
        fault.name,
        lasts_s,
        totals["lost"],
        totals["duplicate"],
        report["status"] == 0,
        round(recovery_s, 1),
        round(figures.behind_s, 1),
        figures.spool_rows,
        figures.spool_bytes,
        max(0, report["late_blocks"] - before["late_blocks"]),  # in the archive they are late no more
        report["samples"] - before["samples"],
        round(audit_s, 1),
    )
