"""A ward as the broker sees it: which beds there are, when each publishes, and what; shared by both sides.

Every bed publishes a block of ten samples each 200 ms, all of them spread evenly over that time. Two of three
are in session and run through cycles; the others are idle. The last sample of a block is taken when the block
is published, as at a real gateway.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

BEDS_PER_SITE: Final = 100
BEDS_PER_GATEWAY: Final = 50
PERIOD_MS: Final = 20.0
SAMPLES: Final = 10  # a block
BLOCK_S: Final = SAMPLES * PERIOD_MS / 1000
CYCLE: Final = (("ramp", 30), ("hold", 50), ("release", 20), ("rest", 25))  # blocks of each phase
CYCLE_BLOCKS: Final = sum(blocks for _, blocks in CYCLE)
BASE_N: Final = 90.0
PEAK_N: Final = 280.0
TRACTION_S: Final = 1800.0
ROOT: Final = "spondyl/v1"
_NAMESPACE: Final = UUID(int=4)


@dataclass(frozen=True)
class Ward:
    """So many beds whose first blocks begin at ``begin_at`` (seconds since 1970)."""

    beds: int
    begin_at: float

    def site(self, bed: int) -> str:
        """Where it stands."""
        return f"site-{bed // BEDS_PER_SITE}"

    def device(self, bed: int) -> str:
        """Its name."""
        return f"bed-{bed:04d}"

    def boot(self, bed: int) -> UUID:
        """Its loop's, new for every ward."""
        return uuid5(_NAMESPACE, f"{self.begin_at} {bed}")

    def due(self, number: int) -> float:
        """When the ward's n-th block is published, which is when its last sample is taken."""
        return self.begin_at + BLOCK_S * (1 + number / self.beds)

    def in_session(self, bed: int) -> bool:
        """Whether somebody lies there."""
        return bed % 3 != 0

    def topic(self, bed: int, stream: str) -> bytes:
        """Of one of its streams."""
        return f"{ROOT}/{self.site(bed)}/{self.device(bed)}/{stream}".encode()

    def gateways(self) -> dict[str, range]:
        """The beds of every gateway."""
        firsts = range(0, self.beds, BEDS_PER_GATEWAY)
        return {
            f"gw-{first // BEDS_PER_GATEWAY}": range(first, min(self.beds, first + BEDS_PER_GATEWAY))
            for first in firsts
        }

    def birth(self, gateway: str, beds: range) -> bytes:
        """What a gateway says of itself at its start."""
        devices = [
            {"device": self.device(bed), "kind": "simulated", "regions": ["lumbar"], "heat": False}
            for bed in beds
        ]
        said = {
            "state": "online", "gateway": gateway, "boot": str(self.boot(beds.start)),
            "at": moment(self.begin_at), "devices": devices,
        }  # fmt: skip
        return orjson.dumps(said)

    def tension(self, bed: int, turn: int) -> bytes:
        """Its block of that turn, 0 on."""
        began = self.due(turn * self.beds + bed) - BLOCK_S + PERIOD_MS / 1000
        head = b'{"boot":"%b","seq":%d,"started_at":"%b",' % (
            self._boots[bed], SAMPLES * turn, moment(began).encode(),
        )  # fmt: skip
        return head + self._bodies[self.place(bed, turn)]

    def state(self, bed: int, turn: int) -> bytes:
        """What it does from that turn on."""
        session = self.in_session(bed)
        phase = _phase(self.place(bed, turn))
        elapsed_s = bed * 7 % 1500 + turn * BLOCK_S
        said = {
            "boot": str(self.boot(bed)), "seq": SAMPLES * turn, "at": moment(self.begin_at + turn * BLOCK_S),
            "phase": phase, "cycle": 3 if session else 0, "target_n": PEAK_N if session else 0.0,
            "peak_n": PEAK_N, "ceiling_n": 400.0, "region": "lumbar",
            "session": str(uuid5(self.boot(bed), "session")) if session else None,
            "remaining_s": max(0.0, TRACTION_S - elapsed_s) if session else 0.0,
            "traction_s": TRACTION_S if session else 0.0, "guardings": 0,
        }  # fmt: skip
        return orjson.dumps(said)

    def alarm(self, bed: int, turn: int, *, on: bool) -> bytes:
        """Its alarms from that turn on: one, or none."""
        at = moment(self.begin_at + turn * BLOCK_S)
        raised = {
            "condition": "guarding_repeated", "priority": "low", "since": at, "latched": False,
            "text": {"de": "ABWEHR WIEDERHOLT", "en": "GUARDING REPEATED"}, "hazard": "H-BENCH",
        }  # fmt: skip
        said = {
            "boot": str(self.boot(bed)), "seq": SAMPLES * turn, "at": at, "alarms": [raised] if on else [],
        }  # fmt: skip
        return orjson.dumps(said)

    def place(self, bed: int, turn: int) -> int:
        """Which of the recorded blocks it is; -1 is that of an idle bed."""
        return (bed * 7 + turn) % CYCLE_BLOCKS if self.in_session(bed) else -1

    def changes_phase(self, bed: int, turn: int) -> bool:
        """Whether its state is published with this block."""
        return turn == 0 or _phase(self.place(bed, turn)) != _phase(self.place(bed, turn - 1))

    @cached_property
    def _boots(self) -> list[bytes]:
        return [str(self.boot(bed)).encode() for bed in range(self.beds)]

    @cached_property
    def _bodies(self) -> list[bytes]:
        """Everything behind the head of a block, of every place in a cycle; the last is an idle bed's."""
        places = [*range(CYCLE_BLOCKS), -1]
        return [orjson.dumps(_body(place))[1:] for place in places]


def moment(at: float) -> str:
    """A time as messages have it."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def _phase(place: int) -> str:
    if place < 0:
        return "idle"
    for name, blocks in CYCLE:
        if place < blocks:
            return name
        place -= blocks
    raise ValueError(place)


def _body(place: int) -> dict[str, Any]:
    rows = [_sample(place, index) for index in range(SAMPLES)]
    return {
        "period_ms": PERIOD_MS,
        "tension_n": [row[0] for row in rows],
        "target_n": [row[1] for row in rows],
        "position_mm": [round(row[0] / 30, 2) for row in rows],
        "residual_n": [row[2] for row in rows],
        "phase": [_phase(place)] * SAMPLES,
    }


def _sample(place: int, index: int) -> tuple[float, float, float]:
    """Tension, target and counter-tension (N)."""
    at_s = (place + index / SAMPLES) * BLOCK_S
    breath = 2.2 * math.sin(at_s * 1.7) + 0.7 * math.sin(at_s * 23)
    if place < 0:
        return round(0.1 * breath, 1), 0.0, 0.0
    share, phase = _share(place + index / SAMPLES)
    smooth = share * share * (3 - 2 * share)
    swing = {"ramp": smooth, "hold": 1.0, "release": 1 - smooth, "rest": 0.0}[phase]
    target = BASE_N + (PEAK_N - BASE_N) * swing
    return round(target + breath, 1), round(target, 1), round(0.5 * breath, 1)


def _share(blocks: float) -> tuple[float, str]:
    """(how much of its phase is over, the phase)."""
    for name, length in CYCLE:
        if blocks < length:
            return blocks / length, name
        blocks -= length
    return 1.0, CYCLE[-1][0]
