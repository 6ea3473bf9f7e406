"""Of several replicas of a service one leads: it holds the MQTT session and all work in the background.

Every replica serves HTTP alike. The leader is who holds the lease in the service's database (``leases.py``);
each time it is taken a term begins, and everything of that term ends before the next one of this process.
Whatever a term's threads write is fenced: in a transaction that commits, the lease was held.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from services.kit.business.leases import Lease, NotLeading, now_s

__all__ = ["Leading", "NotLeading", "Worker", "fenced", "thread_of_term"]

log = structlog.get_logger(__name__)

RENEW_S: Final = 1.0
ASK_S: Final = 0.5  # how often the others ask whether it is free
AGAIN_S: Final = 1.0  # behind a term that could not begin
END_S: Final = 20.0  # of everything that a term has begun

Begin = Callable[[Callable[[], bool]], Callable[[], None]]
_ACTING: ContextVar[tuple[Lease, int] | None] = ContextVar("spondyl_term", default=None)


def fenced(engine: Engine) -> None:
    """Let every transaction that a term's thread begins here look whether the term is over."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if (acting := _ACTING.get()) is not None:
            lease, term = acting
            lease.fence(connection, term)


def thread_of_term(target: Callable[[], None], name: str) -> threading.Thread:
    """A thread that acts in the term in which it is made; outside of any it is a plain one."""
    return threading.Thread(target=copy_context().run, args=(target,), name=name, daemon=True)


class Worker:
    """A thread of a term's, begun as often as a term begins, never beside its earlier self.

    ``run`` returns soon after ``ending`` is set.
    """

    def __init__(self, name: str, run: Callable[[], None], end_s: float) -> None:
        self._name, self._run, self._end_s = name, run, end_s
        self._thread: threading.Thread | None = None
        self.ending = threading.Event()

    def start(self) -> Callable[[], None]:
        """Begin; gives the end. Raises NotLeading while what it did in an earlier term is not over."""
        if self._thread is not None and self._thread.is_alive():
            raise NotLeading(f"{self._name}: what was begun in an earlier term is not over yet")
        self.ending.clear()
        self._thread = thread_of_term(self._run, self._name)
        self._thread.start()
        return self.stop

    def stop(self) -> None:
        """End, waiting a while for what is just being done."""
        self.ending.set()
        if self._thread is not None:
            self._thread.join(self._end_s)


class Leading:
    """Takes the lease when it is free; ``begin`` starts what a leader does and gives its end.

    It is handed what tells whether the term goes on at this moment.
    """

    def __init__(self, lease: Lease, begin: Begin) -> None:
        self._lease, self._begin = lease, begin
        self._ending, self._changed = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._leader = threading.Thread(target=self._lead, name="leading", daemon=True)
        self._over: Callable[[], None] | None = None
        self._term = 0
        self._waits: str | None = None  # why a term could not begin yet
        self.last_error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether this process leads at this moment."""
        return bool(self._lease.term) and now_s() < self._lease.until_s

    @property
    def trouble(self) -> str | None:
        """Why nobody can be asked for the lease, or why its term has not begun."""
        return self.last_error or (self._waits if self.holds else None)

    def start(self) -> None:
        """Ask for the lease from now on."""
        self._keeper.start()
        self._leader.start()

    def stop(self) -> None:
        """End the term, then let another lead."""
        self._ending.set()
        self._changed.set()
        self._leader.join(END_S)
        self._keeper.join(END_S)
        self._lease.let_go()

    def _keep(self) -> None:
        """Renews until the term is over: what a leader ends properly is still written as a leader's."""
        while not (self._ending.is_set() and not self._leader.is_alive()):
            try:
                is_held = self._lease.hold()
                self.last_error = None
            except Exception as error:  # noqa: BLE001  (the thread outlives whatever a driver raises)
                is_held = False
                self._failed(str(error).strip()[:300])
            self._changed.set()
            if self._ending.wait(RENEW_S if is_held else ASK_S):
                self._leader.join(RENEW_S)

    def _failed(self, why: str) -> None:
        if self.last_error is None:
            log.warning("the lease cannot be asked for; trying again", why=why)
        self.last_error = why

    def _lead(self) -> None:
        while not self._ending.is_set():
            if self._over is not None and not (self.holds and self._lease.term == self._term):
                self._end("lost")
            elif self._over is None and self.holds:
                self._start()
            self._changed.wait(self._rest_s())
            self._changed.clear()
        if self._over is not None:
            self._end("given up")

    def _rest_s(self) -> float:
        """Until there is something to look at: at the latest the moment in which the lease runs out."""
        if self._over is None:
            return AGAIN_S
        return min(max(self._lease.until_s - now_s(), 0.01), AGAIN_S)

    def _start(self) -> None:
        term = self._lease.term
        try:
            with _acting(self._lease, term):
                self._over = self._begin(lambda: self.holds and self._lease.term == term)
            self._term, self._waits = term, None
            log.info("this replica leads")
        except (SQLAlchemyError, NotLeading) as error:
            self._wait(str(getattr(error, "orig", None) or error)[:300])
        except Exception:
            log.exception("leading could not begin; trying again")
            self._ending.wait(AGAIN_S)

    def _wait(self, why: str) -> None:
        if why != self._waits:
            log.warning("leading could not begin; trying again", why=why)
        self._waits = why
        self._ending.wait(AGAIN_S)

    def _end(self, why: str) -> None:
        over, self._over = self._over, None
        log.info("this replica no longer leads", why=why)
        with contextlib.suppress(NotLeading):
            if over is not None:
                over()


@contextlib.contextmanager
def _acting(lease: Lease, term: int) -> Iterator[None]:
    token = _ACTING.set((lease, term))
    try:
        yield
    finally:
        _ACTING.reset(token)
