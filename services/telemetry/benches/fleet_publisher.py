"""`python -m services.telemetry.benches.fleet_publisher`: plays a fleet at the pace of its beds.

Reads one JSON object (``Task``) from stdin and writes one (``Played``) to stdout. A process of its own, so
that what it costs is not counted as the system's.
"""

import json
import selectors
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from services.kit.benches.light_client import Publisher, selector
from services.kit.errors import SpondylError, refusals_in_one_line
from services.telemetry.benches.fleet import BLOCK_SAMPLES, CHUNK_S, Bed, Fleet, Template, births, load

PACE_S: Final = 0.005  # the longest wait between two looks at what is due
LISTENED_TO: Final = 100  # beds whose promises are timed
COMMITTED_S: Final = 120.0  # for the last promise, from the last block on
ROOT: Final = "spondyl/v1"


@dataclass(frozen=True, slots=True)
class Task:
    """What to play: where, whose, from which moment (monotonic seconds) on, and out of which recordings."""

    url: str
    passwords: dict[str, str]  # of the gateways
    beds: int
    seconds: int
    step: int
    begin_at: float
    recordings: str


@dataclass(slots=True)
class Played:
    """What became of it; times in milliseconds from a block's publication."""

    messages: int = 0
    bytes: int = 0
    committed_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)  # of publishing, behind the beds' own time
    all_committed: bool = False


class Player:
    """The fleet's gateways and what they have said."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._fleet = Fleet(task.beds, task.seconds, task.step)
        templates = load(Path(task.recordings))
        began = datetime.now(UTC)
        self._beds = [Bed(_for(templates, bed), self._fleet.boot(bed), began) for bed in range(task.beds)]
        self._gateways = {
            site: Publisher(task.url, f"gw-{site}", f"gw-{site}", task.passwords[f"gw-{site}"])
            for site in self._fleet.sites
        }
        self._topics = [self._topics_of(bed) for bed in range(task.beds)]
        stride = max(1, task.beds // LISTENED_TO)
        self._sent_at: dict[bytes, dict[int, float]] = {
            self._topics[bed]["committed"]: {} for bed in range(0, task.beds, stride)
        }
        self._waited: defaultdict[bytes, int] = defaultdict(int)
        self.played = Played()

    def play(self) -> Played:
        """Announce, publish in time, wait for every promise that is listened to."""
        for site, birth in births(self._fleet):
            self._queue(site, f"{ROOT}/{site}/gw-{site}/status".encode(), orjson.dumps(birth), retain=True)
            self._gateways[site].subscribe(f"{ROOT}/{site}/+/committed")
        waiter = selector(list(self._gateways.values()))
        number = 0
        while number < self._fleet.blocks:
            number = self._publish_due(number)
            self._turn(waiter)
        until = time.monotonic() + COMMITTED_S
        while not self._done() and time.monotonic() < until:
            self._turn(waiter)
        self.played.all_committed = self._done()
        for gateway in self._gateways.values():
            gateway.close()
        return self.played

    def _publish_due(self, number: int) -> int:
        """Queue every block that is due; the number of the next one."""
        now = time.monotonic()
        while number < self._fleet.blocks and self._due(number) <= now:
            self._publish(number, now)
            number += 1
        return number

    def _due(self, number: int) -> float:
        return self._task.begin_at + self._fleet.due_s(number)

    def _publish(self, number: int, now: float) -> None:
        second, index = divmod(number, self._task.beds)
        bed, topics = self._beds[index], self._topics[index]
        site, _ = self._fleet.place(index)
        last = self._task.seconds - 1
        if second == 0:
            self._queue(site, topics["event"], bed.event(0, 0, "session.started"))
        self._queue(site, topics["tension"], bed.tension(second))
        if (second + 1) % CHUNK_S == 0 and second <= last:
            self._queue(site, topics["blackbox"], bed.blackbox(second))
        if second == last:
            summary = bed.summary(self._task.seconds)
            seq = BLOCK_SAMPLES * self._task.seconds - 1
            self._queue(site, topics["event"], bed.event(1, seq, "session.completed", summary=summary))
        if (sent := self._sent_at.get(topics["committed"])) is not None:
            sent[BLOCK_SAMPLES * (second + 1)] = now
            self.played.late_ms.append(1000 * (now - self._due(number)))

    def _queue(self, site: str, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        self._gateways[site].queue(topic, payload, retain=retain)
        self.played.messages += 1
        self.played.bytes += len(payload)

    def _turn(self, waiter: selectors.BaseSelector) -> None:
        for gateway in self._gateways.values():
            gateway.push()
        for key, _ in waiter.select(PACE_S):
            for topic, payload in key.data.hear():
                self._promise(topic, payload)

    def _promise(self, topic: bytes, payload: bytes) -> None:
        sent = self._sent_at.get(topic)
        if not sent:
            return
        now, said = time.monotonic(), orjson.loads(payload)
        if said["boot"] != str(self._beds[int(topic.split(b"/")[3][4:])].boot):
            return  # the retained promise to the boot before
        for after in [after for after in sent if after <= said["next"].get("tension", 0)]:
            self.played.committed_ms.append(1000 * (now - sent.pop(after)))

    def _done(self) -> bool:
        quiet = all(gateway.settled for gateway in self._gateways.values())
        return quiet and not any(self._sent_at.values())

    def _topics_of(self, bed: int) -> dict[str, bytes]:
        site, device = self._fleet.place(bed)
        streams = ("tension", "blackbox", "event", "committed")
        return {stream: f"{ROOT}/{site}/{device}/{stream}".encode() for stream in streams}


def _for(templates: list[Template], bed: int) -> Template:
    return templates[bed % len(templates)]


def task_from(text: str) -> Task:
    """What stdin says. SpondylError when it is no task."""
    try:
        fields: dict[str, Any] = json.loads(text)
        return Task(**fields)
    except (ValueError, TypeError) as error:
        raise SpondylError(f"stdin is no task for the fleet's publisher: {error}") from None


def main() -> None:
    """Play what stdin asks for."""
    with refusals_in_one_line():
        played = Player(task_from(sys.stdin.read())).play()
        print(json.dumps(asdict(played)), flush=True)  # noqa: T201  (its answer)


if __name__ == "__main__":
    main()
