"""THE table of faults of a chain in containers: what is done, for how long, and how it is undone.

The same names are the rows of docs/operations.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chaos_stack.stack import Stack

Deed = Callable[[Stack], None]
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: ``begin`` does it, ``end`` undoes it after ``short_s`` or ``long_s``.

    ``ends_therapy``: the gateway itself goes down with it, so that its loop is another one afterwards.
    """

    name: str
    begin: Deed
    end: Deed
    short_s: float = 0.0
    long_s: float = 0.0
    ends_therapy: bool = False


def killed(name: str, *services: str, ends_therapy: bool = False) -> Fault:
    """SIGKILL the first process of a container; its restart policy brings it back."""
    return Fault(name, lambda stack: stack.kill(*services), Stack.await_again, ends_therapy=ends_therapy)


def spoiled(name: str, *options: str) -> Fault:
    """One site's line, both ways, for a while."""
    return Fault(name, lambda stack: stack.spoil("north", *options), Stack.restore_lines, 20, 60)


def nothing(_: Stack) -> None:
    """Leave it alone."""


# In the order in which a release is rolled out: what others stand on first.
ROLLED = (
    "db", "redis", "store", "mqtt", "screening", "scheduler", "billing", "homecare", "telemetry", "ingest",
    "archiver", "console", "proxy", "site-mqtt", "site-mqtt-south", "gateway", "gateway-south",
)  # fmt: skip

FAULTS: tuple[Fault, ...] = (
    Fault("nothing at all (for comparison)", nothing, nothing, 5, 10),
    Fault("a site is cut off", lambda stack: stack.cut("north"), Stack.join, 30, 600),
    spoiled("a site's line is slow and lossy", "--delay", "150", "--jitter", "50", "--loss", "5", "--both"),
    spoiled("a site's line is narrow", "--rate", "512", "--both", "--delay", "40"),
    killed("the centre's broker is killed", "mqtt"),
    killed("the database is killed", "db"),
    killed("Redis is killed", "redis"),
    killed("the store of the archive is killed", "store"),
    killed("ingest is killed", "ingest"),
    killed("the archiver is killed", "archiver"),
    killed("telemetry's interface is killed", "telemetry"),
    killed("screening, the scheduler, billing and homecare are killed",
           "screening", "scheduler", "billing", "homecare"),
    killed("console and proxy are killed", "console", "proxy"),
    killed("a site's broker is killed", "site-mqtt"),
    killed("a site's gateway is killed, its loop with it", "gateway", ends_therapy=True),
    Fault("everything is restarted, one after another", lambda stack: stack.restart(ROLLED), nothing,
          ends_therapy=True),
    Fault("the disk of a site is full", lambda stack: stack.fill_site(), Stack.make_room, 20, 60),
    Fault("the certificate of a site's bridge has expired", lambda stack: stack.expire_bridge("south"),
          lambda stack: stack.renew_bridge("south"), 30, 60),
    Fault("every clock is a minute fast", lambda stack: stack.step_clocks(MINUTE_S),
          lambda stack: stack.step_clocks(0), 20, 60),
    Fault("every clock is a minute slow", lambda stack: stack.step_clocks(-MINUTE_S),
          lambda stack: stack.step_clocks(0), 20, 60),
)  # fmt: skip
