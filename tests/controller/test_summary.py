import json
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_streams import PERIOD_NS, rows

from services.controller.kernel import layout, phases
from services.controller.recorder.summary import TRACTION_PHASES, SessionFacts, Tally, facts_from, plain

FACTS = SessionFacts(
    UUID(int=1), UUID(int=2), UUID(int=3), None, "lumbar", "L4/5", pain_before=6, pain_after=3
)


def session():
    """A short session: 1 s ready, 1 s slack, 2 s ramp, 10 s hold 1 N over target, 1 s guarded, done."""
    return rows(
        (50, {"phase": layout.READY, "force_dn": 9000}),
        (50, {"phase": layout.SLACK, "force_dn": 100}),
        (100, {"phase": layout.RAMP, "force_dn": 2000, "outputs": layout.OUTPUT_HEAT}),
        (500, {"phase": layout.HOLD, "force_dn": 3010, "target_mn": 300_000}),
        (1, {"phase": layout.GUARDED, "force_dn": 3100, "events": layout.EVENT_GUARDING_DETECTED}),
        (49, {"phase": layout.GUARDED, "force_dn": 2500}),
        (1, {"phase": layout.RELEASE, "force_dn": 900, "events": layout.EVENT_CYCLE_COMPLETED}),
        (50, {"phase": layout.PAUSED, "force_dn": 500}),
        (50, {"phase": layout.DONE, "force_dn": 5}),
    )


def test_a_session_is_summed_up_as_arithmetic_by_hand_says():
    """Billing and outcomes rest on these numbers."""
    tally = Tally(PERIOD_NS)
    tally.add(*session())
    summary = tally.summary(FACTS, "completed", now_ns=0)
    assert summary.traction_s == pytest.approx((100 + 500 + 50 + 1) * 0.02)
    assert summary.heat_s == 2.0
    assert summary.peak_n == 310.0
    assert summary.hold_mean_n == 301.0
    assert summary.hold_rms_n == 1.0
    assert (summary.cycles, summary.guardings) == (1, 1)
    assert summary.phase_s == {
        "ready": 1.0, "slack": 1.0, "ramp": 2.0, "hold": 10.0, "release": 0.02, "guarded": 1.0, "paused": 1.0,
        "done": 1.0,
    }  # fmt: skip
    assert (summary.ended_at - summary.started_at).total_seconds() == pytest.approx(751 * 0.02)
    assert (summary.pain_before, summary.pain_after, summary.reason) == (6, 3, "completed")
    assert (summary.session, summary.patient, summary.cure) == (UUID(int=1), UUID(int=2), UUID(int=3))


def test_what_was_not_measured_is_no_part_of_peak_and_holds():
    """A lost load cell says anything, a silent bed what it said last: neither is the patient's tension."""
    held = {"phase": layout.HOLD, "force_dn": 3010, "target_mn": 300_000}
    tally = Tally(PERIOD_NS)
    tally.add(*rows((50, held), (10, held | {"status": 0, "force_dn": 9000}), (5, held | {"age_ms": 120})))
    summary = tally.summary(FACTS, "completed", now_ns=0)
    assert (summary.peak_n, summary.hold_mean_n, summary.hold_rms_n) == (301.0, 301.0, 1.0)
    assert summary.traction_s == pytest.approx(65 * 0.02)


def test_sums_that_an_older_recorder_wrote_down_are_taken_up():
    """An update may come in the middle of a session."""
    tally = Tally(PERIOD_NS)
    tally.add(*session())
    kept = {name: value for name, value in tally.dump().items() if name != "hold_blind_ticks"}
    assert Tally.restore(kept) == tally


@settings(deadline=None)
@given(st.lists(st.integers(0, 851), max_size=20))
def test_any_split_of_the_stream_gives_the_same_summary(cuts):
    """Blocks, restarts and outages cut the stream anywhere; the bill must not depend on where."""
    times, samples = session()
    whole = Tally(PERIOD_NS)
    whole.add(times, samples)
    pieces = Tally(PERIOD_NS)
    edges = [0, *sorted(cuts), len(samples)]
    for first, last in pairwise(edges):
        pieces.add(times[first:last], samples[first:last])
        pieces = Tally.restore(json.loads(json.dumps(pieces.dump())))
    assert pieces == whole
    assert pieces.summary(FACTS, "completed", 0) == whole.summary(FACTS, "completed", 0)


counts = st.integers(-20_000, 20_000)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), counts, counts, st.integers(0, 15)), min_size=1, max_size=60),
       st.integers(0, 60))  # fmt: skip
def test_any_two_parts_of_any_stream_add_up(pieces, cut):
    """The same for samples no session would have: extremes of every column the summary reads."""
    times, samples = rows(*[
        (1, {"phase": phase, "force_dn": force, "target_mn": target * 100, "events": events})
        for phase, force, target, events in pieces
    ])  # fmt: skip
    whole, parts = Tally(PERIOD_NS), Tally(PERIOD_NS)
    whole.add(times, samples)
    parts.add(times[:cut], samples[:cut])
    parts.add(times[cut:], samples[cut:])
    assert parts == whole


def test_a_session_that_never_pulled_has_no_hold_figures():
    """A mean over nothing is not zero newtons."""
    tally = Tally(PERIOD_NS)
    tally.add(*rows((10, {"phase": layout.READY}), (10, {"phase": layout.SLACK})))
    summary = tally.summary(FACTS, "operator_stop", 0)
    assert (summary.hold_mean_n, summary.hold_rms_n, summary.traction_s) == (None, None, 0.0)


def test_ready_alone_is_not_a_started_session():
    """A patient confirmed and sent home again was not treated."""
    tally = Tally(PERIOD_NS)
    tally.add(*rows((10, {"phase": layout.READY})))
    assert not tally.started
    tally.add(*rows((1, {"phase": layout.SLACK})))
    assert tally.started


def test_traction_is_what_the_kernels_clock_counts():
    """Billed minutes and the minutes left on the page must come from the same phases."""
    assert set(TRACTION_PHASES) == set(np.flatnonzero(phases.IS_COUNTING).tolist())


def test_facts_survive_storage():
    """They are kept beside the sums while the session runs."""
    assert facts_from(json.loads(json.dumps(plain(FACTS)))) == FACTS
