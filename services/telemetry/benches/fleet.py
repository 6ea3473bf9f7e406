"""A fleet of beds as the broker sees it: which there are, when each publishes, and what.

Every bed publishes a block of one second once a second, its black box every five, the beginning and the end
of its session; beds are spread evenly over the second, in gateways of fifty.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from services.kit.errors import SpondylError

BEDS_PER_GATEWAY: Final = 50
BLOCK_SAMPLES: Final = 50  # a second of 20 ms
CHUNK_S: Final = 5
CHECKPOINT_S: Final = 20  # ingest writes down how far a bed is stored every 1000 samples: the archiver's cue
TEMPLATES: Final = 8  # recorded sessions that the beds share
PROGRAM: Final = "services.controller.benches.record_blocks"
HEAD_FIELDS: Final = ("boot", "seq", "started_at", "session")


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many beds for so many seconds; ``step`` tells one fleet's boots from another's."""

    beds: int
    seconds: int
    step: int

    @property
    def sites(self) -> dict[str, list[str]]:
        """{site: [device]}: a gateway a site."""
        return sites_of(self.beds)

    def place(self, bed: int) -> tuple[str, str]:
        """Site and device of a bed."""
        return f"s{bed // BEDS_PER_GATEWAY}", f"bed-{bed}"

    def boot(self, bed: int) -> UUID:
        """Its boot."""
        return uuid5(UUID(int=self.step), f"bed-{bed}")

    def due_s(self, number: int) -> float:
        """Seconds from the beginning until the fleet's n-th block is complete."""
        return 1.0 + number / self.beds

    @property
    def blocks(self) -> int:
        """Blocks of all beds together: a session's each, and one of the idle second after it."""
        return self.beds * (self.seconds + 1)


def sites_of(beds: int) -> dict[str, list[str]]:
    """{site: [device]} of the first so many beds."""
    found: dict[str, list[str]] = {}
    for bed in range(beds):
        found.setdefault(f"s{bed // BEDS_PER_GATEWAY}", []).append(f"bed-{bed}")
    return found


@dataclass(frozen=True, slots=True)
class Template:
    """One recorded session: what stands behind the fields that differ from bed to bed, a second each."""

    tension: list[bytes]
    blackbox: list[bytes]


def record(directory: Path, seconds: int) -> list[Template]:
    """Sessions as a gateway publishes them, made by the gateway's own program. SpondylError when it fails."""
    options = ["--sessions", str(TEMPLATES), "--minutes", str((seconds + 10) / 60), "--block-ms", "1000"]
    command = [sys.executable, "-m", PROGRAM, str(directory), *options, "--blackbox-ms", str(1000 * CHUNK_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SpondylError(f"{PROGRAM} failed: {done.stderr.strip().splitlines()[-1:]}")
    return load(directory)


def load(directory: Path) -> list[Template]:
    """What ``record`` has made."""
    return [
        Template(
            _bodies(directory / f"{number:05d}.jsonl"), _bodies(directory / f"{number:05d}.blackbox.jsonl")
        )
        for number in range(TEMPLATES)
    ]


def _bodies(path: Path) -> list[bytes]:
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [
        orjson.dumps({name: value for name, value in row.items() if name not in HEAD_FIELDS})[1:]
        for row in rows
    ]


@dataclass(slots=True)
class Bed:
    """The messages of one bed: templates with its own boot, numbers and times."""

    template: Template
    boot: UUID
    began: datetime

    def tension(self, second: int) -> bytes:
        """The block of one second."""
        return self._head(second) + b"," + self.template.tension[second]

    def blackbox(self, second: int) -> bytes:
        """The chunk that ends with this second."""
        session = b',"session":"%b",' % str(self.session).encode()
        return self._head(second + 1 - CHUNK_S) + session + self.template.blackbox[second // CHUNK_S]

    def event(self, index: int, seq: int, kind: str, **fields: Any) -> bytes:
        """Something that happened to it."""
        return orjson.dumps(
            {
                "id": str(uuid5(self.boot, f"event {index}")),
                "type": kind,
                "at": (self.began + timedelta(milliseconds=20 * seq)).isoformat(),
                "boot": str(self.boot),
                "seq": seq,
                "index": index,
                "session": str(self.session),
                "data": {},
                **fields,
            }
        )

    @property
    def session(self) -> UUID:
        """Its session."""
        return uuid5(self.boot, "session")

    def summary(self, seconds: int) -> dict[str, Any]:
        """What its session came to."""
        return {
            "session": str(self.session),
            "patient": str(uuid5(self.boot, "patient")),
            "cure": None,
            "appointment": None,
            "region": "lumbar",
            "segment": "L4/L5",
            "started_at": self.began.isoformat(),
            "ended_at": (self.began + timedelta(seconds=seconds)).isoformat(),
            "reason": "completed",
            "traction_s": float(seconds),
            "heat_s": 0.0,
            "peak_n": 400.0,
            "hold_mean_n": 380.0,
            "hold_rms_n": 2.0,
            "cycles": 1,
            "guardings": 0,
            "phase_s": {"hold": float(seconds)},
            "pain_before": 5,
            "pain_after": 3,
        }

    def _head(self, second: int) -> bytes:
        began = (self.began + timedelta(seconds=second)).isoformat().encode()
        return b'{"boot":"%b","seq":%d,"started_at":"%b"' % (
            str(self.boot).encode(), BLOCK_SAMPLES * second, began,
        )  # fmt: skip


def births(fleet: Fleet) -> Iterator[tuple[str, dict[str, Any]]]:
    """(site, status) of every gateway."""
    for site, devices in fleet.sites.items():
        yield (
            site,
            {
                "state": "online",
                "gateway": f"gw-{site}",
                "boot": str(uuid5(UUID(int=fleet.step), site)),
                "at": datetime.now(UTC).isoformat(),
                "devices": [
                    {"device": device, "kind": "simulated", "regions": ["lumbar"], "heat": False}
                    for device in devices
                ],
            },
        )
