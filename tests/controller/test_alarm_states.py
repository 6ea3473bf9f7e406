"""The states of one alarm: every arrow by a table, and what holds on every path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.controller.alarms.states import PRESENTED, Rule, acknowledge, advance, state

PLAIN, DELAYED, HELD, WAITS = Rule(), Rule(delay_ns=5), Rule(hold_ns=5), Rule(waits=True)
EVERY = Rule(delay_ns=3, hold_ns=4, waits=True)
ON, OFF, ACK = "on", "off", "acknowledge"


def walk(rule, *steps):
    """The state after (input, moment) each."""
    held, names = None, []
    for what, now in steps:
        held = acknowledge(rule, held, now) if what == ACK else advance(rule, held, now, on=what == ON)
        names.append(state(rule, held, now))
    return names


TABLE = (  # rule, steps, the state after each
    (PLAIN, [(OFF, 0), (ON, 1), (OFF, 2)], ["inactive", "active_unacknowledged", "inactive"]),
    (PLAIN, [(ON, 0), (ACK, 1), (ON, 2), (OFF, 3)], [
        "active_unacknowledged", *["active_acknowledged"] * 2, "inactive"]),
    (PLAIN, [(ON, 0), (ACK, 1), (OFF, 2), (ON, 3)], [
        "active_unacknowledged", "active_acknowledged", "inactive", "active_unacknowledged"]),
    (PLAIN, [(ACK, 0), (ON, 1)], ["inactive", "active_unacknowledged"]),
    (DELAYED, [(ON, 0), (ON, 4), (ON, 5)], ["pending", "pending", "active_unacknowledged"]),
    (DELAYED, [(ON, 0), (OFF, 4), (ON, 5), (ON, 9)], ["pending", "inactive", "pending", "pending"]),
    (DELAYED, [(ON, 0), (ACK, 1), (ON, 5)], ["pending", "pending", "active_unacknowledged"]),
    (HELD, [(ON, 0), (OFF, 1), (OFF, 5), (OFF, 6)], [*["active_unacknowledged"] * 3, "inactive"]),
    (HELD, [(ON, 0), (ACK, 0), (OFF, 1), (ON, 5), (OFF, 6), (OFF, 11)], [
        "active_unacknowledged", *["active_acknowledged"] * 4, "inactive"]),
    (HELD, [(ON, 0), (ACK, 0), (OFF, 1), (ON, 6)], [
        "active_unacknowledged", *["active_acknowledged"] * 2, "active_unacknowledged"]),
    (WAITS, [(ON, 0), (OFF, 1), (OFF, 99), (ACK, 100)], [
        "active_unacknowledged", *["gone_unacknowledged"] * 2, "inactive"]),
    (WAITS, [(ON, 0), (ACK, 1), (OFF, 2)], ["active_unacknowledged", "active_acknowledged", "inactive"]),
    (WAITS, [(ON, 0), (OFF, 1), (ON, 2)], [
        "active_unacknowledged", "gone_unacknowledged", "active_unacknowledged"]),
)  # fmt: skip


@pytest.mark.requirement("acknowledge-one-occurrence")
@pytest.mark.parametrize(("rule", "steps", "names"), TABLE)
def test_every_arrow_leads_where_the_table_says(rule, steps, names):
    """An arrow too few is an alarm that stays; one too many an alarm that nobody heard."""
    assert walk(rule, *steps) == names


moments = st.lists(st.tuples(st.sampled_from([ON, ON, OFF, ACK]), st.integers(1, 6)), max_size=30)
rules = st.sampled_from([PLAIN, DELAYED, HELD, WAITS, EVERY])


def followed(rule, inputs):
    """(moment, condition, what was held before, what after, whether somebody acknowledged) of each input."""
    held, now, on = None, 0, False
    for what, after in inputs:
        now, before = now + after, held
        if what == ACK:
            held = acknowledge(rule, advance(rule, held, now, on=on), now)
        else:
            on = what == ON
            held = advance(rule, held, now, on=on)
        yield now, on, before, held, what == ACK


@pytest.mark.requirement("acknowledge-one-occurrence")
@given(rules, moments)
def test_on_every_path_nothing_is_silenced_that_nobody_has_seen(rule, inputs):
    """Whatever comes in whatever order: the rules by which staff can rely on silence."""
    for now, on, before, held, is_ack in followed(rule, inputs):
        same = before is not None and held is not None and before.since_ns == held.since_ns
        if held is not None and held.acknowledged:
            assert same, "an occurrence begins unacknowledged"
            assert is_ack or before.acknowledged, "nothing acknowledges but an acknowledgement"
        if held is not None and held.raised and not (same and before.raised):
            assert now - held.since_ns >= rule.delay_ns, "raised before its delay"
        if on:
            assert held is not None, "a condition that is on is held"
            assert held.raised == (state(rule, held, now) in PRESENTED), "raised and not shown"
        if on and before is not None and before.gone_ns is not None and now - before.gone_ns >= rule.hold_ns:
            assert held.since_ns == now, "what comes back is another occurrence"
        if rule.waits and before is not None and before.raised and held is None:
            assert is_ack or before.acknowledged, "gone, and nobody has seen it"
        if not rule.waits and not on and held is not None:
            assert now - held.gone_ns < rule.hold_ns, "shown for longer than it is held"


@given(rules, st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=30))
def test_looking_more_often_changes_nothing(rule, inputs):
    """Recorder and panel look in rhythms of their own, and must show the same."""
    seldom = often = None
    now, was_on = 0, False
    for on, after in inputs:
        for moment in range(now + 1, now + after):
            often = advance(rule, often, moment, on=was_on)
        now, was_on = now + after, on
        seldom, often = (advance(rule, held, now, on=on) for held in (seldom, often))
        assert often == seldom
