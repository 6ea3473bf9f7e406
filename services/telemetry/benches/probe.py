"""How long after its publication a block is served over HTTP: one bed after another is asked until it is."""

import json
import threading
import time
from typing import Final, Self

from services.kit.fetch import fetch
from services.telemetry.benches.fleet import BLOCK_SAMPLES, Fleet

POLL_S: Final = 0.02
AHEAD_S: Final = 0.75  # the bed asked next is one that publishes so soon: asking costs Redis something, too
GIVE_UP_S: Final = 20.0


class Probe:
    """A thread that asks while the block runs; ``served_ms`` grows."""

    def __init__(self, api: str, token: str, fleet: Fleet, begin_at: float) -> None:
        self._api = api
        self._token = token
        self._fleet = fleet
        self._begin_at = begin_at
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.served_ms: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        fleet = self._fleet
        while not self._stopping.is_set():
            passed = time.monotonic() - self._begin_at + AHEAD_S - fleet.due_s(0)
            number = max(0, int(passed * fleet.beds) + 1)
            if number >= fleet.blocks:
                return
            due = self._begin_at + fleet.due_s(number)
            self._stopping.wait(due - time.monotonic())
            second, bed = divmod(number, fleet.beds)
            if self._is_served(bed, BLOCK_SAMPLES * (second + 1) - 1, due + GIVE_UP_S):
                self.served_ms.append(1000 * (time.monotonic() - due))

    def _is_served(self, bed: int, seq: int, until: float) -> bool:
        site, device = self._fleet.place(bed)
        boot = str(self._fleet.boot(bed))
        while not self._stopping.wait(POLL_S) and time.monotonic() < until:
            try:
                row = json.loads(fetch(f"{self._api}/devices/{device}?site={site}", 5.0, self._token))
            except (OSError, ValueError):  # not known yet
                continue
            if row["boot"] == boot and (row["last_seq"] or 0) >= seq:
                return True
        return False
