"""Who may operate this gateway's beds: the signed list, held in DATA/gateways/SITE/operators.jwt.

The recorder receives lists from the bus and keeps the newest (``Keeper``); the panel reads what is kept
(``Operators``). Both check the signature: a file that somebody put there counts no more than a message that
somebody sent. A held list is valid offline until it expires, judged on the later of two clocks
(``clearance.Clocks``): a clock set back does not revive it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from services.controller.settings import ControllerSettings
from services.controller.words import Words
from services.kit.auth import tokens
from services.kit.auth.operators import MAX_SIGNED, OperatorList, OperatorListRefused, read
from services.kit.clearance import Clocks
from services.kit.errors import SpondylError
from services.kit.runfile import write_private

log = structlog.get_logger(__name__)

FILE: Final = "operators.jwt"
PublicKey = Callable[[], bytes]


def access_key(settings: ControllerSettings) -> bytes:
    """The PEM that lists of operators and tokens are checked with; raises SpondylError."""
    return tokens.public_key(settings.access_public_key, settings.data)


@dataclass(frozen=True, slots=True)
class Standing:
    """The list that is held, and why nobody may sign in by it: None when somebody may."""

    listed: OperatorList | None
    trouble: Words | None = None

    @property
    def in_force(self) -> OperatorList | None:
        """The list to sign in by."""
        return self.listed if self.trouble is None else None


class Operators:
    """What the panel knows of its operators. Safe from any thread; only ``refresh`` touches the disk."""

    def __init__(self, directory: Path, public_key: PublicKey, site: str, clocks: Clocks) -> None:
        self._path = directory / FILE
        self._public_key = public_key
        self._site = site
        self._clocks = clocks
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._held: tuple[OperatorList | None, Words | None] = (None, _NONE_YET)
        self._pem: bytes | SpondylError = SpondylError("the access key has not been read yet")

    def key(self) -> bytes:
        """The PEM as it was last read: no disk. Raises SpondylError, as the reading did."""
        if isinstance(self._pem, SpondylError):
            raise SpondylError(self._pem.message)  # a new one: raised again, one would keep every traceback
        return self._pem

    def standing(self) -> Standing:
        """The list as it was last read, and whether it is in force now."""
        listed, trouble = self._held
        if listed is not None and self._clocks.now()[0] >= listed.expires_s:
            return Standing(listed, _expired(listed))
        return Standing(listed, trouble)

    def refresh(self) -> None:
        """Read the key, and the file if it has changed."""
        with self._lock:
            try:
                self._pem = self._public_key()
            except SpondylError as error:
                self._pem = error
            try:
                found = self._path.stat()
            except OSError:
                self._seen, self._held = None, (None, _NONE_YET)
                return
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                self._held = self._load()
                self._seen = seen if self._held[0] is not None else None  # a key that comes later is tried

    def _load(self) -> tuple[OperatorList | None, Words | None]:
        try:
            return _from(self._path, self.key(), self._site), None
        except SpondylError as error:
            if self._held[1] is _NONE_YET or self._held[0] is not None:  # told once
                log.warning("the list of operators does not count", path=str(self._path), why=error.message)
            return None, Words(
                f"the list of operators does not count: {error.message}",
                f"die Liste der Bediener gilt nicht: {error.message}",
            )


class Keeper:
    """Takes lists from the bus: whatever is not newer, ours and signed leaves the held one as it is."""

    def __init__(self, directory: Path, public_key: PublicKey, site: str, now: Callable[[], float]) -> None:
        self._path = directory / FILE
        self._public_key = public_key
        self._site = site
        self._now = now
        self._waiting: str | None = None

    def take(self, signed: str) -> bool:
        """Keep it durably if it counts; whether this gateway now holds it."""
        try:
            listed = read(signed, self._public_key(), self._site)
            held = self._held()
            if held is not None and listed.version == held.version:
                return True  # retained: it comes again with every connection
            self._require_newer(listed, held)
        except SpondylError as error:
            log.warning("a list of operators was refused", why=error.message)
            return False
        return self._write(signed, listed)

    def again(self) -> None:
        """Try to write what could not be written."""
        if self._waiting is not None:
            self.take(self._waiting)

    def _held(self) -> OperatorList | None:
        """What is held; None when there is nothing or it does not count (another key, a damaged file)."""
        try:
            return _from(self._path, self._public_key(), self._site)
        except SpondylError:
            return None

    def _require_newer(self, listed: OperatorList, held: OperatorList | None) -> None:
        if held is not None and listed.version < held.version:
            raise OperatorListRefused(
                f"the list's version is {listed.version}: the one that is held has {held.version}"
            )
        if self._now() >= listed.expires_s:
            raise OperatorListRefused(f"the list expired {_told(listed.expires_s)}")

    def _write(self, signed: str, listed: OperatorList) -> bool:
        try:
            write_private(self._path, signed)
        except OSError as error:
            if self._waiting is None:
                log.warning("the list of operators could not be kept; trying again", why=error.strerror)
            self._waiting = signed
            return False
        self._waiting = None
        log.info("list of operators kept", version=listed.version, operators=len(listed.operators))
        return True


def _from(path: Path, public_pem: bytes, site: str) -> OperatorList:
    try:
        with path.open(encoding="ascii") as file:
            signed = file.read(MAX_SIGNED + 1)
    except OSError as error:
        raise OperatorListRefused(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise OperatorListRefused(f"{path} is no signed list") from None
    return read(signed, public_pem, site)


_NONE_YET: Final = Words(
    "this gateway has no list of operators yet: the console sends one as soon as both reach the broker",
    "dieses Gateway hat noch keine Liste der Bediener: die Konsole schickt eine, sobald beide den Broker "
    "erreichen",
)


def _expired(listed: OperatorList) -> Words:
    since, issued = _told(listed.expires_s), _told(listed.issued_s)
    return Words(
        f"the list of operators expired {since}: the newest one that came is of {issued}; nobody new may "
        "sign in until the console is reached",
        f"die Liste der Bediener ist am {since} abgelaufen: die letzte kam am {issued}; bis die Konsole "
        "erreicht wird, kann sich niemand neu anmelden",
    )


def _told(at_s: float) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"at {at_s:g}"
