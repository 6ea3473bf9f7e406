import json
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_streams import PERIOD_NS, rows, treated, whole_session

from services.controller.kernel import layout
from services.controller.recorder.events import UNKNOWN, Diary
from services.controller.recorder.summary import SessionFacts
from services.controller.recorder.wallclock import ClockWatch

BOOT = UUID(int=7)
FACTS = SessionFacts(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), "lumbar", "L4/5", 6, None)


def diary():
    return Diary(BOOT, "bed-01", PERIOD_NS)


def known(number):
    return FACTS if number == 1 else None


def kinds(events):
    return [event.type for event in events]


def test_a_session_is_told_from_confirmation_to_its_summary():
    """What billing, console and outcomes hear of a session is exactly this, in this order."""
    events = diary().observe(*rows(*whole_session()), known)
    assert kinds(events) == [
        "operator.action", "phase.changed",                         # load, idle -> ready
        "operator.action", "phase.changed", "session.started",      # start, ready -> slack
        "phase.changed", "phase.changed",                           # ramp, hold
        "guarding.detected", "phase.changed",
        "guarding.released", "phase.changed",
        "phase.changed",                                            # release
        "operator.action", "phase.changed", "session.paused",
        "operator.action", "phase.changed", "session.resumed",
        "phase.changed", "phase.changed",                           # cooldown, done
        "operator.action", "phase.changed", "session.completed",
    ]  # fmt: skip
    assert [event.index for event in events] == list(range(len(events)))
    assert len({event.id for event in events}) == len(events)
    assert {event.session for event in events[1:]} == {FACTS.session}
    summary = events[-1].summary
    assert (summary.session, summary.patient, summary.reason) == (FACTS.session, FACTS.patient, "completed")
    assert (summary.cycles, summary.guardings, summary.peak_n) == (1, 1, 340.0)


def test_an_event_says_when_where_and_with_which_numbers():
    """A guarding without its tension and its sample could not be looked up in the record."""
    events = diary().observe(*rows(*whole_session()), known)
    guarding = events[kinds(events).index("guarding.detected")]
    assert guarding.seq == 145
    assert guarding.data == {"tension_n": 340.0, "target_n": 0.0, "residual_n": 0.0, "cycle": 1}
    pause = [event for event in events if event.data.get("action") == "remote_pause"]
    assert pause[0].data == {"action": "remote_pause", "from": "remote", "accepted": True}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 298), max_size=12))
def test_any_split_of_the_stream_tells_the_same_events(cuts):
    """Blocks, kills and restarts cut the stream anywhere; ids, indices and summary must not change."""
    times, samples = rows(*whole_session())
    whole = diary().observe(times, samples, known)
    told, pieces = [], diary()
    for first, last in pairwise([0, *sorted(cuts), len(samples)]):
        told += pieces.observe(times[first:last], samples[first:last], known)
        pieces = Diary.restore(json.loads(json.dumps(pieces.dump())))
    assert told == whole


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        (layout.REASON_OPERATOR_STOP, layout.STOPPED),
        (layout.REASON_PATIENT_SWITCH, layout.STOPPED),
        (layout.REASON_REPEATED_GUARDING, layout.DONE),
        (layout.REASON_FAULT, layout.FAULT),
    ],
)
def test_every_other_ending_is_aborted_with_its_reason(reason, ended):
    """Only a session that ran to its end is completed."""
    event = diary().observe(*rows(*whole_session(1, reason, ended)), known)[-1]
    assert event.type == "session.aborted"
    assert event.summary.reason == layout.REASONS[reason]


def test_pain_scored_after_the_session_is_in_its_summary():
    """It is entered between done and close, long after the session was loaded."""
    later = replace(FACTS, pain_after=2)
    asked = iter([FACTS, later])
    event = diary().observe(*rows(*whole_session()), lambda _: next(asked))[-1]
    assert event.summary.pain_after == 2


def test_a_patient_sent_home_unstarted_leaves_no_session():
    """Confirmed, then closed: nothing happened that could be completed or aborted."""
    events = diary().observe(
        *rows(
            (1, treated(phase=layout.READY, action=layout.ACTION_LOAD)),
            (5, treated(phase=layout.READY)),
            (1, {"phase": layout.IDLE, "action": layout.ACTION_CLOSE}),
        ),
        known,
    )
    assert not [kind for kind in kinds(events) if kind.startswith("session.")]


def test_a_session_cut_off_by_the_loops_death_is_aborted_with_what_was_seen():
    """The gateway lost its loop: nobody will ever close that session."""
    book = diary()
    times, samples = rows(*whole_session())
    book.observe(times[:100], samples[:100], known)
    (event,) = book.interrupt(known)
    assert (event.type, event.summary.reason, event.seq) == ("session.aborted", "fault", 99)
    assert event.summary.phase_s["hold"] == pytest.approx(55 * 0.02)
    assert book.interrupt(known) == []


@pytest.mark.parametrize(
    ("reason", "ended", "kind"),
    [
        (layout.REASON_COMPLETED, layout.DONE, "session.completed"),
        (layout.REASON_OPERATOR_STOP, layout.STOPPED, "session.aborted"),
    ],
)
def test_a_session_that_was_only_not_closed_yet_keeps_its_own_ending(reason, ended, kind):
    """The machine was switched off before the pain score: the treatment was completed all the same."""
    book = diary()
    book.observe(*rows(*whole_session(1, reason, ended)[:-2]), known)
    (event,) = book.interrupt(known)
    assert (event.type, event.summary.reason) == (kind, layout.REASONS[reason])


def test_a_session_replaced_by_the_next_is_ended_first():
    """After a gap in the samples the close may never have been seen."""
    book = diary()
    book.observe(*rows((10, treated(1, phase=layout.HOLD))), known)
    events = book.observe(*rows((10, treated(2, phase=layout.HOLD)), first=90), known)
    assert kinds(events) == ["session.aborted"]
    assert events[0].session == FACTS.session
    assert book.session.number == 2


def test_a_session_nobody_knows_is_still_told():
    """Lost records of the panel must not lose the treatment itself."""
    events = diary().observe(*rows(*whole_session(number=9)), lambda _: None)
    summary = events[-1].summary
    assert summary.patient == UNKNOWN
    assert summary.session.version == 5


def test_a_refused_remote_action_is_told_as_refused():
    """The loop itself refuses what the remote channel may not do."""
    action = {"action": layout.ACTION_START, "refusal": layout.REFUSAL_REMOTE}
    (event,) = diary().observe(*rows((1, action)), known)
    assert event.type == "remote.refused"
    assert event.data["refusal"] == "remote_not_permitted"


def test_a_step_of_the_wall_clock_is_found_with_its_size():
    """An hour forward or back, between two reads or within one."""
    times, _ = rows((10, {}))
    times[6:, 2] += 3_600_000_000_000
    watch = ClockWatch()
    assert watch.observe(times[:3]) == []
    (step,) = watch.observe(times[3:])
    assert (step.row, step.step_s) == (3, 3600.0)
    back, _ = rows((5, {}), first=10)
    (step,) = watch.observe(back)
    assert (step.row, step.step_s) == (0, -3600.0)
