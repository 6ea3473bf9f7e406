"""The life of one alarm as a pure state machine, in the words of IEC 60601-1-8 and ISA-18.2.

A *condition* comes and goes; that it came, once, is an *occurrence*. It is raised when it lasted its delay,
goes on through a short absence (a condition that flaps is no new alarm every second), and somebody may
acknowledge it: that ends its sound and its flashing, never its being shown. What comes back after that is
another occurrence, which nobody has acknowledged.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

State = Literal[
    "inactive",
    "pending",  # the condition is there, its delay is not over: nobody is told
    "active_unacknowledged",
    "active_acknowledged",
    "gone_unacknowledged",  # the condition went and nobody saw it: shown until somebody has
]
PRESENTED: Final = ("active_unacknowledged", "active_acknowledged", "gone_unacknowledged")
SIGNALLING: Final = ("active_unacknowledged", "gone_unacknowledged")  # these sound and flash


@dataclass(frozen=True, slots=True)
class Rule:
    """How an alarm behaves: its delay, its hold, and whether it waits for somebody after it went (ns)."""

    delay_ns: int = 0
    hold_ns: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a condition came: since when (monotonic ns), and what became of it."""

    since_ns: int
    raised: bool = False
    gone_ns: int | None = None
    acknowledged: bool = False


def advance(rule: Rule, held: Occurrence | None, now_ns: int, *, on: bool) -> Occurrence | None:
    """What is held after a look at ``now_ns``, at which the condition is on or off.

    Between two looks it is taken to have stayed as it was; looking more often changes nothing.
    """
    held = _elapsed(rule, held, now_ns)
    if on and (held is None or (held.gone_ns is not None and _is_over(rule, held, now_ns))):
        held = Occurrence(now_ns)
    elif on and held is not None and held.gone_ns is not None:  # within its hold: the same one goes on
        held = replace(held, gone_ns=None)
    elif not on and held is not None and held.gone_ns is None:
        held = replace(held, gone_ns=now_ns) if held.raised else None
    return _elapsed(rule, held, now_ns)


def acknowledge(rule: Rule, held: Occurrence | None, now_ns: int) -> Occurrence | None:
    """What is held once somebody has seen it; a condition that was not raised yet cannot be acknowledged."""
    if held is None or not held.raised:
        return held
    return _elapsed(rule, replace(held, acknowledged=True), now_ns)


def state(rule: Rule, held: Occurrence | None, now_ns: int) -> State:
    """The state's name."""
    if held is None:
        return "inactive"
    if not held.raised:
        return "pending"
    if held.acknowledged:
        return "active_acknowledged"
    gone = held.gone_ns is not None and _is_over(rule, held, now_ns)
    return "gone_unacknowledged" if gone else "active_unacknowledged"


def _elapsed(rule: Rule, held: Occurrence | None, now_ns: int) -> Occurrence | None:
    """Let the time pass: raise what lasted its delay, end what was away for its hold."""
    if held is None:
        return None
    if held.gone_ns is None:
        return replace(held, raised=held.raised or now_ns - held.since_ns >= rule.delay_ns)
    if not _is_over(rule, held, now_ns) or (rule.waits and not held.acknowledged):
        return held
    return None


def _is_over(rule: Rule, held: Occurrence, now_ns: int) -> bool:
    """Whether it has been away for longer than it is held."""
    return held.gone_ns is not None and now_ns - held.gone_ns >= rule.hold_ns
