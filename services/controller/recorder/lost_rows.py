"""What telemetry misses and the spool does not have: named by an event, so that nobody waits for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.drain import Span
from services.controller.recorder.books import Note
from services.controller.recorder.writer import Writer

log = structlog.get_logger(__name__)

REASON: Final = "not in the gateway's spool"
REMEMBERED: Final = 1000  # spans that were named
AGAIN_S: Final = 600.0  # asked for sooner, the event is still on its way; later, it was lost with its store


@dataclass(slots=True)
class LostRows:
    """Looks up what is asked for; a span is named once in AGAIN_S, however often it is asked for."""

    steady: Callable[[], float] = time.monotonic
    _named: dict[Span, float] = field(default_factory=dict)

    def named(self, wanted: Span, writer: Writer) -> list[Note]:
        """An event a span that is in no row of the spool; numbers not recorded yet are never among them.

        Earlier boots are recorded whole before a recorder serves the next one. Raises SpoolError.
        """
        end = min(wanted.next, _recorded(wanted, writer))
        spans = writer.spool.absent(wanted.stream, wanted.device, wanted.boot, wanted.first, end)
        lost = [Span(wanted.stream, wanted.device, wanted.boot, first, next_) for first, next_ in spans]
        now = self.steady()
        new = [span for span in lost if now - self._named.get(span, -AGAIN_S) >= AGAIN_S]
        self._named |= dict.fromkeys(new, now)
        while len(self._named) > REMEMBERED:
            del self._named[next(iter(self._named))]
        return [_note(span, writer) for span in new]


def _recorded(wanted: Span, writer: Writer) -> int:
    """The first number that cannot be in the spool yet."""
    if wanted.boot != writer.memory.boot:
        return wanted.next
    return writer.recorded(wanted.stream, wanted.device)


def _note(span: Span, writer: Writer) -> Note:
    log.error("telemetry misses what the spool does not have", device=span.device, boot=str(span.boot),
              stream=span.stream, first=span.first, next=span.next)  # fmt: skip
    data = {
        "boot": str(span.boot),
        "first": span.first,
        "next": span.next,
        "samples": span.next - span.first,
        "streams": [span.stream],
        "reason": REASON,
    }
    return Note(writer.memory.devices.index(span.device), "samples.lost", time.time_ns(), data)
