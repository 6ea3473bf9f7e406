"""`python -m services.console.benches.wall_publisher`: plays a ward at the pace of its beds.

Reads one JSON object (``Task``) from stdin and writes one (``Played``) to stdout. A process of its own, so
that what it costs is not counted as the console's.
"""

import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from selectors import BaseSelector
from typing import Final

from services.console.benches.ward import BLOCK_S, Ward
from services.kit.benches.light_client import Publisher, selector
from services.kit.benches.usage import percentile
from services.kit.errors import SpondylError, refusals_in_one_line

PACE_S: Final = 0.004  # the longest wait between two looks at what is due
EDGE_TURNS: Final = 5  # turns between two alarms' edges: one a second
SETTLE_S: Final = 20.0
ALARMED: Final = 97  # every so many beds have an alarm from the start


@dataclass(frozen=True, slots=True)
class Task:
    """What to play: where, how many beds, from when (seconds since 1970) and for how long."""

    url: str
    beds: int
    begin_at: float
    seconds: float


@dataclass(slots=True)
class Played:
    """What became of it; lateness in milliseconds behind the beds' own time."""

    blocks: int = 0
    messages: int = 0
    late_ms: dict[str, float | None] = field(default_factory=dict)
    unacknowledged: int = 0


class Player:
    """The ward's gateways and how late they were."""

    def __init__(self, task: Task) -> None:
        self._ward = Ward(task.beds, task.begin_at)
        self._blocks = task.beds * int(task.seconds / BLOCK_S)
        self._gateways = self._ward.gateways()
        self._lines = [Publisher(task.url, name) for name in self._gateways]
        self._of_bed = [
            line for line, beds in zip(self._lines, self._gateways.values(), strict=True) for _ in beds
        ]
        self._late_ms: list[float] = []
        self._ending = False
        self.played = Played()

    def play(self) -> Played:
        """Announce everything, publish in time until told to end, wait for the last acknowledgement."""
        signal.signal(signal.SIGTERM, self._end)
        waiter = selector(self._lines)
        self._announce()
        number = 0
        while number < self._blocks and not self._ending:
            now = time.time()
            while number < self._blocks and (due := self._ward.due(number)) <= now:
                self._block(number)
                self._late_ms.append(1000 * (now - due))
                number += 1
            self._turn(waiter, min(PACE_S, max(0.0, self._ward.due(number) - time.time())))
        until = time.monotonic() + SETTLE_S
        while not all(line.settled for line in self._lines) and time.monotonic() < until:
            self._turn(waiter, PACE_S)
        played = self.played
        played.blocks = number
        played.unacknowledged = sum(line.sent - line.acknowledged for line in self._lines)
        played.late_ms = {f"p{at}": percentile(self._late_ms, at) for at in (50, 99)}
        for line in self._lines:
            line.close()
        return played

    def _end(self, *_: object) -> None:
        self._ending = True

    def _announce(self) -> None:
        ward = self._ward
        for (name, beds), line in zip(self._gateways.items(), self._lines, strict=True):
            topic = f"spondyl/v1/{ward.site(beds.start)}/{name}/status".encode()
            self._queue(line, topic, ward.birth(name, beds), retain=True)
        for bed in range(0, ward.beds, ALARMED):
            self._queue(self._of_bed[bed], ward.topic(bed, "alarm"), ward.alarm(bed, 0, on=True), retain=True)

    def _block(self, number: int) -> None:
        ward = self._ward
        turn, bed = divmod(number, ward.beds)
        line = self._of_bed[bed]
        if ward.changes_phase(bed, turn):
            self._queue(line, ward.topic(bed, "state"), ward.state(bed, turn), retain=True)
        self._queue(line, ward.topic(bed, "tension"), ward.tension(bed, turn))
        if bed == 0 and turn % EDGE_TURNS == 0:
            other = turn // EDGE_TURNS % ward.beds
            on = turn // EDGE_TURNS % 2 == 0
            topic = ward.topic(other, "alarm")
            self._queue(self._of_bed[other], topic, ward.alarm(other, turn, on=on), retain=True)

    def _queue(self, line: Publisher, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        line.queue(topic, payload, retain=retain)
        self.played.messages += 1

    def _turn(self, waiter: BaseSelector, wait_s: float) -> None:
        for line in self._lines:
            line.push()
        for key, _ in waiter.select(wait_s):
            key.data.hear()


def main() -> None:
    """Play what stdin asks for."""
    with refusals_in_one_line():
        try:
            task = Task(**json.loads(sys.stdin.read()))
        except (ValueError, TypeError) as error:
            raise SpondylError(f"stdin is no task for the ward's publisher: {error}") from None
        print(json.dumps(asdict(Player(task).play())), flush=True)  # noqa: T201  (its answer)


if __name__ == "__main__":
    main()
