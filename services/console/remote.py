"""Stop and pause from the console: a command out, its answer back, within the command's own life.

A broker or a bed that hung may do a command after that: it is not called back, for it only lowers; whoever
asked is told that nobody knows, and the answer that comes late is handed on all the same.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid4

import structlog

from broker import topics
from broker.bus import Bus, BusError
from broker.contract import COMMAND, REPLY
from broker.messages import Command, Reply
from services.console.errors import CommandFailed
from services.console.models import Key
from services.kit import correlation

log = structlog.get_logger(__name__)

Action = Literal["stop", "pause"]
ANSWER_S = float(COMMAND.expiry_s or 5)
LATE_KEPT: Final = 1000  # commands whose answers may still come; the oldest is given up first


@dataclass(frozen=True, slots=True)
class Late:
    """An answer after nobody waited for it any more."""

    reply: Reply
    late_s: float  # after the end of the command's own life


@dataclass(frozen=True, slots=True)
class _Overdue:
    due: float  # by the clock
    answer: Future[Late]


@dataclass(slots=True)
class Remote:
    """Sends commands over the bus and joins each with its reply."""

    bus: Bus
    lock: threading.Lock = field(default_factory=threading.Lock)
    clock: Callable[[], float] = time.monotonic
    waiting: dict[UUID, Future[Reply]] = field(default_factory=dict)
    overdue: OrderedDict[UUID, _Overdue] = field(default_factory=OrderedDict)

    def ask(self, key: Key, action: Action, by: str = "console", timeout_s: float = ANSWER_S) -> Reply:
        """The gateway's answer. Raises CommandFailed when it refuses, is silent or cannot be reached.

        Of one that is silent the error has ``late``: the answer, should it come after all.
        """
        command = Command(
            id=uuid4(), action=action, sent_at=datetime.now(UTC), by=by, correlation=correlation.current()
        )
        log.info("command sent", site=key.site, device=key.device, action=action, command=str(command.id))
        answer: Future[Reply] = Future()
        with self.lock:
            self.waiting[command.id] = answer
        try:
            topic = topics.topic(REPLY, key.site, key.device)
            self.bus.publish(COMMAND, command, key.site, key.device, response_topic=topic, timeout_s=1.0)
            came = self._within(timeout_s, command.id, answer)
        except BusError as error:
            raise CommandFailed(f"{action} was not sent: {error}", "unsent") from None
        finally:
            with self.lock:
                self.waiting.pop(command.id, None)
        if isinstance(came, Future):
            words = f"{action}: no answer from {key} within {timeout_s:g} s; go to the bed"
            raise CommandFailed(words, "silent", came)
        if not came.accepted:
            raise CommandFailed(came.detail)
        return came

    def _within(self, timeout_s: float, command: UUID, answer: Future[Reply]) -> Reply | Future[Late]:
        """The answer in its time, else what it may become later."""
        due = self.clock() + timeout_s
        with contextlib.suppress(FutureTimeout):
            return answer.result(timeout_s)
        with self.lock:
            if command not in self.waiting:  # it came in this very moment
                return answer.result(timeout_s)
            overdue = self.overdue[command] = _Overdue(due, Future())
            while len(self.overdue) > LATE_KEPT:
                self.overdue.popitem(last=False)[1].answer.cancel()
        return overdue.answer

    def answered(self, reply: Reply) -> None:
        """Hand a reply to whoever waits for it, or did; others' replies are nobody's."""
        with self.lock:
            answer = self.waiting.pop(reply.id, None)
            overdue = self.overdue.pop(reply.id, None)
        if overdue is not None:
            late = Late(reply, max(0.0, self.clock() - overdue.due))
            with contextlib.suppress(InvalidStateError):  # who would write it down has gone
                overdue.answer.set_result(late)
        elif answer is not None:
            answer.set_result(reply)
