"""Every fault of the table, one after another, in one chain of containers that never stops treating.

`make chaos-stack` starts the chain, does each for its long time (SPONDYL_CHAOS_FORM=short: for its short one)
and writes the table of docs/operations.md.
"""

import os
import time

import pytest
from chaos_stack.faults import FAULTS
from chaos_stack.report import Outcome, write_json, write_page
from chaos_stack.stack import Stack
from servers import eventually

FORM = os.environ.get("SPONDYL_CHAOS_FORM", "long")
COMMITTED_WITHIN_S = 240.0  # of a fault's end: after ten minutes a site has ten minutes to send
NEXT_TICKS = 50  # a second of samples that were taken after the fault

pytestmark = [pytest.mark.system, pytest.mark.soak, pytest.mark.stack]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The chain that runs, with its desks busy."""
    chain = Stack(tmp_path_factory.mktemp("chaos"))
    try:
        chain.watch.seconds_until_committed(
            [head + NEXT_TICKS for head in chain.watch.heads()], COMMITTED_WITHIN_S
        )
        chain.report = chain.audit()
        yield chain
    finally:
        chain.close()


@pytest.fixture(scope="module")
def outcomes():
    """Collected from fault to fault, written down after each and, by the long form, on the page."""
    rows = []
    yield rows
    if FORM == "long" and [row.fault for row in rows] == [fault.name for fault in FAULTS]:
        write_page(rows)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_loses_and_doubles_nothing(stack, outcomes, fault):
    """Samples stored once, sessions billed once, appointments once; the therapy goes on where it can."""
    before, loops = stack.report, stack.watch.loops()
    lasts_s = fault.long_s if FORM == "long" else fault.short_s
    stack.watch.begin()
    fault.begin(stack)
    time.sleep(lasts_s)  # how long it lasts is what is tested
    if lasts_s:
        assert all(stack.is_treating(site) for site in ("north", "south")), (
            "a clinic works with its line down"
        )
    ended_at, heads = time.monotonic(), stack.watch.heads()
    fault.end(stack)
    if fault.ends_therapy:
        heads = stack.watch.heads()
    stack.watch.seconds_until_committed([head + NEXT_TICKS for head in heads], COMMITTED_WITHIN_S)
    recovery_s = time.monotonic() - ended_at
    report = stack.report = stack.audit()
    desks = stack.desks()
    outcomes.append(Outcome.of(fault.name, lasts_s, recovery_s, stack.watch.figures, before, report, desks))
    write_json(outcomes, form=FORM)

    assert report["status"] == 0, outcomes[-1]
    assert (outcomes[-1].lost, outcomes[-1].duplicates, outcomes[-1].double) == (0, 0, 0)
    assert report["samples"] > before["samples"]
    if not fault.ends_therapy:
        assert stack.watch.loops() == loops, "the loops live through it"


def test_the_desks_worked_all_the_while(stack, outcomes):
    """A chain that nobody asked for anything would have passed all of it."""
    eventually(lambda: stack.desks().get("moves", 0) > 0, 60, "a moved appointment")
    assert stack.audit()["scheduler"]["appointments"] > 0
    assert stack.audit()["billing"]["sessions"] > 0
    assert outcomes
