"""The load of a chain's desks, run inside its network: moves appointments, issues invoices, over and over.

    python desk.py COUNTS      (until SIGTERM; COUNTS: a file with what was done so far)

Two patients are wished to the same bed at the same time by two requests at once; drafts are issued by a
request that is repeated after every failure. Whatever fails is tried again: `spondyl audit` says what came
of it.
"""

import json
import random
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from services.kit.auth import tokens
from services.kit.runfile import addresses

SITES: Final = ("north", "south")
PAUSE_S: Final = 0.5
ANSWER_S: Final = 8.0
Row = dict[str, Any]


class Desk:
    """One desk of the chain, at every site."""

    def __init__(self, counts: Path) -> None:
        self._where = addresses()
        self._counts, self._path = Counter(), counts
        self._dice = random.Random(1)  # noqa: S311  (a repeatable load, not a secret)
        self._client = httpx.Client(timeout=ANSWER_S, trust_env=False)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        with ThreadPoolExecutor(2) as hands:
            while not self._stopping.wait(PAUSE_S):
                site = self._dice.choice(SITES)
                self._try("moves", lambda where=site: self._move_two(where, hands))
                self._try("invoices", lambda where=site: self._issue(where))
                self._path.write_text(json.dumps(self._counts))

    def _try(self, what: str, deed: Any) -> None:
        try:
            self._counts[what] += deed()
        except (httpx.HTTPError, ValueError, KeyError):
            self._counts[f"{what}_failed"] += 1  # a service is away: that is what is tested

    def _move_two(self, site: str, hands: ThreadPoolExecutor) -> int:
        """Two that are booked to one bed, therapist and time; how many went."""
        now = datetime.now(UTC)
        span = {"site": site, "from": now.isoformat(), "to": (now + timedelta(days=30)).isoformat()}
        found = self._ask("scheduler", "GET", "/calendar", params=span).json()["appointments"]
        booked = [one for one in found if one["state"] == "booked"]
        if len(booked) < 2:
            return 0
        pair, place = self._dice.sample(booked, 2), self._dice.choice(booked)
        starts_at = datetime.fromisoformat(place["starts_at"]) + timedelta(
            minutes=5 * self._dice.randrange(-24, 24)
        )
        wish = {
            "starts_at": starts_at.isoformat(), "device": place["device"], "therapist": place["therapist"],
            "reason": "a desk of the chaos test",
        }  # fmt: skip
        answers = hands.map(
            lambda one: self._ask("scheduler", "POST", f"/appointments/{one['appointment']}/move", json=wish),
            pair,
        )
        return sum(answer.status_code == httpx.codes.OK for answer in answers)

    def _issue(self, site: str) -> int:
        """Every draft that waits; how many were issued."""
        drafts = self._ask("billing", "GET", "/drafts", params={"site": site}).json()["drafts"]
        answers = [
            self._ask("billing", "POST", f"/drafts/{one['id']}/issue",
                      json={"request": one["id"], "revision": one["revision"]})
            for one in drafts
        ]  # fmt: skip
        return sum(answer.status_code == httpx.codes.CREATED for answer in answers)

    def _ask(self, service: str, method: str, path: str, **more: Any) -> httpx.Response:
        token = tokens.of_system(self._where.data, (f"spondyl-{service}",))
        headers = {"authorization": f"Bearer {token}"}
        answer = self._client.request(
            method, f"{getattr(self._where, service)}{path}", headers=headers, **more
        )
        if answer.is_server_error:
            answer.raise_for_status()
        return answer


if __name__ == "__main__":
    Desk(Path(sys.argv[1])).run()
