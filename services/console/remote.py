"""Stop and pause from the console: a command out, its answer back, within the command's own life."""

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from broker import topics
from broker.bus import Bus, BusError
from broker.contract import COMMAND, REPLY
from broker.messages import Command, Reply
from services.console.errors import CommandFailed
from services.console.models import Key

Action = Literal["stop", "pause"]
ANSWER_S = float(COMMAND.expiry_s or 5)


@dataclass(slots=True)
class Remote:
    """Sends commands over the bus and joins each with its reply."""

    bus: Bus
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[UUID, Future[Reply]] = field(default_factory=dict)

    def ask(self, key: Key, action: Action, by: str = "console", timeout_s: float = ANSWER_S) -> Reply:
        """The gateway's answer. Raises CommandFailed when it refuses, is silent or cannot be reached."""
        command = Command(id=uuid4(), action=action, sent_at=datetime.now(UTC), by=by)
        answer: Future[Reply] = Future()
        with self.lock:
            self.waiting[command.id] = answer
        try:
            topic = topics.topic(REPLY, key.site, key.device)
            self.bus.publish(COMMAND, command, key.site, key.device, response_topic=topic, timeout_s=1.0)
            reply = answer.result(timeout_s)
        except BusError as error:
            raise CommandFailed(f"{action} was not sent: {error}", "unsent") from None
        except FutureTimeout:
            raise CommandFailed(
                f"{action}: no answer from {key} within {timeout_s:g} s; go to the bed", "silent"
            ) from None
        finally:
            with self.lock:
                self.waiting.pop(command.id, None)
        if not reply.accepted:
            raise CommandFailed(reply.detail)
        return reply

    def answered(self, reply: Reply) -> None:
        """Hand a reply to whoever waits for it; others' replies are nobody's."""
        with self.lock:
            answer = self.waiting.pop(reply.id, None)
        if answer is not None:
            answer.set_result(reply)
