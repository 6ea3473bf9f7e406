"""Commands from the network: stop and pause go to the loop, everything else is refused in words and recorded.

Only the bedside may start, resume or raise. The loop refuses the rest on the remote channel by itself, too:
this is the politer of two doors. No clock decides how old a command is: the broker drops it ANSWER_S after
it was sent, and what arrives acts, whatever time its sender believes it is.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from broker.inbox import Delivery
from broker.messages import Command, Reply
from services.controller.kernel import layout
from services.controller.loop.shared import REMOTE, GatewayMemory, MailboxFull
from services.controller.recorder.books import Note
from services.controller.words import REFUSALS

log = structlog.get_logger(__name__)

ANSWER_S: Final = 5.0  # the contract's expiry of a command
REMEMBERED: Final = 1000  # ids of commands: a repeated one gets the same answer and is done once
PERMITTED: Final = {"stop": layout.ACTION_STOP, "pause": layout.ACTION_PAUSE}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to reply to a delivery, and what to record of it."""

    delivery: Delivery
    reply: Reply
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class _Posted:
    """A command that waits for the kernel's verdict."""

    delivery: Delivery
    command: Command
    bed: int
    ticket: int
    deadline: float  # monotonic seconds


@dataclass(slots=True)
class RemoteDesk:
    """Takes deliveries of the command stream, answers each within ANSWER_S."""

    memory: GatewayMemory
    now_ns: Callable[[], int] = time.time_ns
    steady: Callable[[], float] = time.monotonic
    _posted: list[_Posted] = field(default_factory=list)
    _replies: OrderedDict[Any, Reply | None] = field(default_factory=OrderedDict)  # None: still waiting

    def take(self, delivery: Delivery) -> list[Answer]:
        """Look at one command; answers that are ready at once (none: the kernel's verdict comes later)."""
        command = delivery.message
        if not isinstance(command, Command):
            raise TypeError(f"{delivery.stream.name} is not the command stream")
        if command.id in self._replies:
            return self._repeat(delivery, command)
        if delivery.device not in self.memory.devices:
            return [
                self._refuse(delivery, command, f"{delivery.device}: no bed of this gateway", record=False)
            ]
        if why := self._objection(delivery, command):
            return [self._refuse(delivery, command, why, record=True)]
        return self._post(delivery, command)

    def verdicts(self) -> list[Answer]:
        """Answers to commands on which the kernel has decided, or has not in time."""
        answers: list[Answer] = []
        waiting: list[_Posted] = []
        for posted in self._posted:
            answer = self._verdict(posted)
            if answer is None:
                waiting.append(posted)
            else:
                answers.append(answer)
        self._posted = waiting
        return answers

    def _objection(self, delivery: Delivery, command: Command) -> str | None:
        """Why it is not even passed on; a stop always is."""
        if command.action not in PERMITTED:
            return (
                f"{command.action!r} is refused from remote: it may stop and pause, "
                "only the bedside may start, resume or raise"
            )
        if delivery.retained and command.action != "stop":
            return (
                f"{command.action} was kept by the broker from before this gateway listened: a stale command "
                "must not act late (send it without retain)"
            )
        return None

    def _post(self, delivery: Delivery, command: Command) -> list[Answer]:
        bed = self.memory.devices.index(delivery.device or "")
        try:
            ticket = self.memory.post(REMOTE, bed, PERMITTED[command.action])
        except MailboxFull as full:
            return [
                self._refuse(delivery, command, f"{command.action} was not passed on: {full}", record=True)
            ]
        self._remember(command, None)
        self._posted.append(_Posted(delivery, command, bed, ticket, self.steady() + ANSWER_S))
        return []

    def _verdict(self, posted: _Posted) -> Answer | None:
        action = posted.command.action
        try:
            outcome = self.memory.outcome(REMOTE, posted.bed, posted.ticket)
        except LookupError:
            return self._answer(posted, accepted=True, detail=f"{action}: taken, its outcome is gone")
        if outcome is not None and outcome.accepted:
            return self._answer(posted, accepted=True, detail=f"{action}: acted in tick {outcome.tick}")
        if outcome is not None:
            words = REFUSALS[outcome.refusal].en
            detail = words.format(action=action, phase=self._phase(posted.bed, outcome.tick))
            return self._answer(posted, accepted=False, detail=detail)
        if self.steady() > posted.deadline:
            detail = f"{action}: the control loop has not answered for {ANSWER_S:.0f} s; go to the bed"
            return self._answer(posted, accepted=False, detail=detail)
        return None

    def _phase(self, bed: int, tick: int) -> str:
        """The bed's phase in a tick that may not have been pushed yet, or may be gone: then in the newest."""
        head = self.memory.head()
        if not head:
            return layout.PHASES[layout.IDLE]
        first = min(max(tick, self.memory.oldest()), head - 1)
        _, samples = self.memory.read(first, first + 1)
        return layout.PHASES[int(samples[0, layout.S_PHASE, bed])]

    def _repeat(self, delivery: Delivery, command: Command) -> list[Answer]:
        """The same answer again; none while the first one is still awaited."""
        reply = self._replies[command.id]
        return [Answer(delivery, reply)] if reply is not None else []

    def _answer(self, posted: _Posted, *, accepted: bool, detail: str) -> Answer:
        reply = self._reply(posted.command, accepted=accepted, detail=detail)
        log.info("remote command", device=posted.delivery.device, action=posted.command.action,
                 accepted=accepted, detail=detail, correlation=posted.command.correlation)  # fmt: skip
        return Answer(posted.delivery, reply)

    def _refuse(self, delivery: Delivery, command: Command, why: str, *, record: bool) -> Answer:
        log.warning("remote command refused", device=delivery.device, action=command.action, why=why,
                    correlation=command.correlation)  # fmt: skip
        data = {"action": command.action, "from": "remote", "accepted": False, "why": why,
                "by": command.by, "command": str(command.id)}  # fmt: skip
        note = None
        if record:
            bed = self.memory.devices.index(delivery.device or "")
            note = Note(bed, "remote.refused", self.now_ns(), data, correlation=command.correlation)
        return Answer(delivery, self._reply(command, accepted=False, detail=why), note)

    def _reply(self, command: Command, *, accepted: bool, detail: str) -> Reply:
        at = datetime.fromtimestamp(self.now_ns() / 1e9, UTC)
        reply = Reply(id=command.id, action=command.action, accepted=accepted, at=at, detail=detail)
        self._remember(command, reply)
        return reply

    def _remember(self, command: Command, reply: Reply | None) -> None:
        self._replies[command.id] = reply
        while len(self._replies) > REMEMBERED:
            self._replies.popitem(last=False)
