"""Who may operate the beds of each gateway: the signed lists that the console publishes, retained.

A list is published when it says something new, for a gateway that is new, and once a day, so that a gateway
that is reached at all holds one that is valid for a month. The bus publishes the newest ones again after
every reconnect.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.bus import Bus
from broker.contract import OPERATORS
from broker.messages import Operators
from services.console.accounts.bedside import as_person
from services.console.live import Live
from services.console.store import Store
from services.kit.auth.operators import (
    VALID_S,
    Operator,
    OperatorList,
    OperatorListRefused,
    operators_at,
    sign,
)
from services.kit.auth.principal import Grant
from services.kit.errors import SpondylError
from services.kit.runfile import read_json, write_private

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0  # between two looks at the accounts: so soon does a change reach the broker
AGAIN_S: Final = 24 * 3600
REFUSED_AGAIN_S: Final = 60.0
Person = tuple[Operator, tuple[Grant, ...]]


@dataclass(frozen=True, slots=True)
class _Sent:
    operators: tuple[Operator, ...]
    issued_s: float
    refused: str = ""  # why it could not be sent

    def is_due(self, now: float) -> bool:
        """Whether it is to be sent again though it says nothing new."""
        return now - self.issued_s >= (REFUSED_AGAIN_S if self.refused else AGAIN_S)


class OperatorLists:
    """Keeps every gateway's list as the accounts say it is."""

    def __init__(
        self,
        live: Live,
        bus: Bus,
        people: Callable[[], Iterable[Person]],
        key: Ed25519PrivateKey,
        data: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._live, self._bus, self._people, self._key, self._now = live, bus, people, key, now
        self._version_path = data / "console" / "operators.json"
        self._version = int(read_json(self._version_path).get("version", 0))
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._seen: list[Person] = []
        self._by_site: dict[str, tuple[Operator, ...]] = {}  # of the people that were seen

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop; an account store that does not answer is asked again."""
        failing = False
        while not stop.is_set():
            try:
                self.look()
                failing = False
            except SpondylError as error:
                if not failing:
                    log.warning("lists of operators wait", why=error.message)
                failing = True
            except Exception:
                log.exception("lists of operators wait")
            stop.wait(LOOK_S)

    def look(self) -> None:
        """Publish what is due."""
        with self._live.lock:
            places = list(self._live.gateways)
        people = list(self._people()) if places else []
        if people != self._seen:
            self._seen, self._by_site = people, {}
        for site, gateway in places:
            if site not in self._by_site:
                self._by_site[site] = operators_at(site, people)
            operators, sent = self._by_site[site], self._sent.get((site, gateway))
            if sent is None or sent.operators != operators or sent.is_due(self._now()):
                self._publish(site, gateway, operators)

    def trouble(self) -> str | None:
        """For /readyz: which lists cannot be sent; their gateways go on by older ones, removed people too."""
        told = {sent.refused for sent in self._sent.copy().values() if sent.refused}
        return "; ".join(sorted(told)) or None

    def _publish(self, site: str, gateway: str, operators: tuple[Operator, ...]) -> None:
        now = self._now()
        listed = OperatorList(site, self._next_version(now), int(now), int(now) + VALID_S, operators)
        try:
            message = Operators(signed=sign(self._key, listed))
        except OperatorListRefused as error:
            self._sent[site, gateway] = _Sent(operators, now, error.message)
            log.error("a list of operators is too large", site=site, why=error.message)  # noqa: TRY400  (no fault of ours: no trace)
            return
        self._sent[site, gateway] = _Sent(operators, now)
        self._bus.announce(OPERATORS, message, site, gateway)
        log.info("list of operators published", site=site, gateway=gateway, operators=len(operators))

    def _next_version(self, now: float) -> int:
        """Microseconds of issue, and always more than before: a gateway takes nothing older than it holds."""
        self._version = max(int(now * 1e6), self._version + 1)
        try:
            write_private(self._version_path, json.dumps({"version": self._version}))
        except OSError as error:  # it still rises while this process lives, and with the clock
            log.warning("the version of the operator lists could not be kept", why=error.strerror)
        return self._version


def from_accounts(store: Store, simulated: Path | None = None) -> Callable[[], list[Person]]:
    """The people with a PIN or a badge; with them the operators of a simulation, from a file of its own."""

    def people() -> list[Person]:
        found = [as_person(user) for user in store.operators()]
        made_up = read_json(simulated) if simulated else {}
        return found + ([_simulated(made_up)] if made_up else [])

    return people


def _simulated(row: dict[str, Any]) -> Person:
    account, name, title, pin = (str(row[part]) for part in ("account", "name", "title", "pin_hash"))
    operator = Operator(account, name, title, (), pin)
    return operator, (Grant("therapist"),)
