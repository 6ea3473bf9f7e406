"""THE table of faults: what is done to a running system, for how long, and how it is undone.

``make chaos`` does each for its long time, CI for its short one, in this order, in one and the same system.
The same names are the rows of docs/operations.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chaos.rig import HOUR_S, Rig

Deed = Callable[[Rig], None]
INGEST = ("ingest",)  # the first of the workers


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: ``begin`` does it, ``end`` undoes it after ``short_s`` or ``long_s``."""

    name: str
    begin: Deed
    end: Deed
    short_s: float = 0.0
    long_s: float = 0.0


def killed(*names: str) -> tuple[Deed, Deed]:
    """SIGKILL a process; it comes back by itself."""
    return lambda rig: rig.kill(*names), Rig.await_again


def paused(*names: str) -> tuple[Deed, Deed]:
    """SIGSTOP, then SIGCONT."""
    return lambda rig: rig.freeze(*names), Rig.thaw


def filled(directory: str) -> tuple[Deed, Deed]:
    """Every byte of a disk taken, then given back."""
    return lambda rig: rig.fill(directory), Rig.make_room


def stepped(seconds: int) -> tuple[Deed, Deed]:
    """Every wall clock set, then set right again: two steps."""

    def step_back(rig: Rig) -> None:
        rig.see_clocks(seconds)
        rig.step_clocks(0)

    return lambda rig: rig.step_clocks(seconds), step_back


def nothing(_: Rig) -> None:
    """Leave it alone."""


FAULTS: tuple[Fault, ...] = (
    Fault("nothing at all (for comparison)", nothing, nothing, 1, 10),
    Fault("the broker is killed", *killed("mosquitto")),
    Fault("Redis is killed", *killed("redis")),
    Fault("an ingest worker is killed", *killed(*INGEST)),
    Fault("the archiver is killed", *killed("archiver")),
    Fault("a gateway's publishing half is killed", *killed("north/recorder")),
    Fault(
        "a site's line is cut",
        lambda rig: rig.set_line(up=False),
        lambda rig: rig.set_line(up=True),
        8,
        180,
    ),
    Fault("the broker is paused", *paused("mosquitto"), 4, 60),
    Fault("Redis is paused", *paused("redis"), 4, 60),
    Fault("an ingest worker is paused", *paused(*INGEST), 4, 60),
    Fault("a gateway's publishing half is paused", *paused("north/recorder"), 4, 40),
    Fault("the disk of a gateway's spool is full", *filled("gateways/north"), 4, 40),
    Fault("the disk of Redis is full", *filled("redis"), 4, 60),
    Fault("the disk of the archive is full", *filled("telemetry"), 4, 60),
    Fault("every clock steps forward by an hour and back", *stepped(HOUR_S), 4, 30),
    Fault("every clock steps back by an hour and forward", *stepped(-HOUR_S), 4, 30),
    Fault("a bridge delivers twice and out of order", lambda rig: rig.replay_badly(2.0), Rig.see_it_once),
)
