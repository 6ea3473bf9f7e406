"""The publishers of `spondyl bench ingest`: processes of `publisher.py`, and what they and others cost."""

import contextlib
import json
import mmap
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from services.kit.errors import SpondylError
from services.telemetry.benches.publisher import shares
from services.telemetry.models import Place

BLOCKS: Final = Path(__file__).with_name("recorded_blocks.jsonl")
SITES: Final = 2
PUBLISHERS: Final = 1  # processes a site
READY_S: Final = 60.0


def site_names() -> list[str]:
    """The sites that the devices of a run are spread over."""
    return [f"bench-{number + 1}" for number in range(SITES)]


@dataclass(frozen=True, slots=True)
class Load:
    """What both receivers get to do."""

    devices: int
    workers: int
    connections: int  # a site


@dataclass(slots=True)
class Processes:
    """What runs in a turn, by what it is called in the report."""

    named: dict[str, list[psutil.Process]] = field(default_factory=dict)

    def add(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Count this one too."""
        self.named.setdefault(name, []).append(psutil.Process(process.pid))

    def seconds(self) -> dict[str, float]:
        """CPU seconds so far."""
        times = {name: [one.cpu_times() for one in found] for name, found in self.named.items()}
        return {name: sum(one.user + one.system for one in found) for name, found in times.items()}


class Publishers:
    """The running publishers."""

    def __init__(self, running: dict[str, list[tuple[subprocess.Popen[bytes], mmap.mmap]]]) -> None:
        self._running = running

    def acknowledged(self) -> int:
        """Messages that the broker has taken so far."""
        every = (counter for found in self._running.values() for _, counter in found)
        return sum(struct.unpack_from("<Q", counter)[0] for counter in every)

    def end(self) -> dict[Place, int]:
        """Let them wait for their last acknowledgements; the blocks of each device."""
        for found in self._running.values():
            for process, _ in found:
                process.send_signal(signal.SIGTERM)
        laps: dict[Place, int] = {}
        for site, found in self._running.items():
            for process, _ in found:
                out, _ = process.communicate(timeout=READY_S)
                if process.returncode:
                    raise SpondylError(f"a publisher ended with {process.returncode}")
                told = json.loads(out)["laps"]
                laps |= {Place(site, device): blocks for device, blocks in told.items()}
        return laps


@contextlib.contextmanager
def publishing(directory: Path, port: int, load: Load, processes: Processes) -> Iterator[Publishers]:
    """Publishers of all sites, publishing."""
    directory.mkdir(parents=True)
    running: dict[str, list[tuple[subprocess.Popen[bytes], mmap.mmap]]] = {}
    with ExitStack() as stack:
        for site, of_site in zip(site_names(), shares(range(load.devices), SITES), strict=True):
            for share in shares(of_site, PUBLISHERS):
                path = directory / f"{site}-{share.start}"
                path.write_bytes(bytes(8))
                process = subprocess.Popen(
                    [
                        sys.executable, "-m", "services.telemetry.benches.publisher", "--port", str(port),
                        "--site", site, "--first", str(share.start), "--devices", str(len(share)),
                        "--connections", str(load.connections), "--blocks", str(BLOCKS),
                        "--counter", str(path),
                    ],
                    stdout=subprocess.PIPE,
                )  # fmt: skip
                stack.callback(_killed, process)
                file = stack.enter_context(path.open("r+b"))
                counter = stack.enter_context(mmap.mmap(file.fileno(), 8))
                running.setdefault(site, []).append((process, counter))
                processes.add("publishers", process)
        yield Publishers(running)


def _killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
