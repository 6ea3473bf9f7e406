"""Who is signed in at this panel: opened by PIN or badge, known by a cookie, ended by time, list or choice.

Kept in memory: after a restart of the panel everybody signs in again, and nothing that is under way notices.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import structlog

from services.controller.centre.operators import Operators
from services.controller.errors import SignInLocked, SignInRefused
from services.controller.panel.locks import Locks
from services.kit.auth.operators import Operator, OperatorList, badge_digest, pin_matches
from services.kit.auth.principal import Principal
from services.kit.clearance import Clocks
from services.kit.errors import SpondylError

log = structlog.get_logger(__name__)

How = Literal["pin", "badge"]
BUSY_S: Final = 2.0  # so long does a try wait for the one before it: a PIN takes some 0.1 s
MOST: Final = 64  # browsers signed in at once


@dataclass(frozen=True, slots=True)
class Entry:
    """What the log keeps of a sign-in, of its end and of a wrong try; ``name`` only when somebody has it."""

    detail: str
    name: str = ""
    account: str = ""
    accepted: bool = True


Note = Callable[[Entry], None]


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser's sign-in. Times are of the steady clock, seconds."""

    operator: Operator
    how: How
    touched_s: float


class SignIns:
    """Sign-ins of one panel; safe from any thread."""

    def __init__(
        self,
        operators: Operators,
        bedside_key: Callable[[], bytes],
        directory: Path,
        site: str,
        clocks: Clocks,
        *,
        idle_s: float,
        note: Note,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operators = operators
        self.site = site
        self.idle_s = idle_s
        self._bedside_key = bedside_key
        self._write = note
        self._notes = ThreadPoolExecutor(1, "sign-in-notes")  # nobody who asks waits for the log's disk
        self._steady = steady
        self._locks = Locks(directory, lambda: clocks.now()[0])
        self._trying = threading.Lock()
        self._lock = threading.Lock()
        self._open: dict[str, SignIn] = {}

    def close_log(self) -> None:
        """Write what is still to be written."""
        self._notes.shutdown()

    # --- signing in ----------------------------------------------------------------------------------------

    def by_pin(self, name: str, pin: str) -> tuple[str, SignIn]:
        """A new sign-in and its cookie; raises SignInRefused, SignInLocked."""
        with self._one_try() as listed:
            found = listed.named(name)
            counted = [_counted(found)] if found else []
            self._locks.check(*counted)
            if found is None or found.pin is None or not pin_matches(self._key(), found.pin, pin):
                self._locks.failed(*counted)
                self._note(_entry("wrong PIN", found, accepted=False))
                raise SignInRefused("name or PIN is wrong", "Name oder PIN ist falsch")
            return self._opened(found, "pin")

    def by_badge(self, number: str) -> tuple[str, SignIn]:
        """The same with a badge."""
        with self._one_try() as listed:
            self._locks.check()
            try:
                found = listed.with_badge(badge_digest(self._key(), number))
            except SignInRefused:
                raise
            except SpondylError:  # no number of a badge: a wrong one
                found = None
            if found is None:
                self._locks.failed()
                self._note(_entry("unknown badge", accepted=False))
                raise SignInRefused("this badge is not known here", "dieser Ausweis ist hier nicht bekannt")
            return self._opened(found, "badge")

    @contextmanager
    def _one_try(self) -> Iterator[OperatorList]:
        """One at a time, so that no crowd of tries goes by the count; gives the list in force."""
        self.operators.refresh()
        standing = self.operators.standing()
        if standing.in_force is None:
            trouble = standing.trouble
            raise SignInRefused(trouble.en if trouble else "", trouble.de if trouble else "")
        if not self._trying.acquire(timeout=BUSY_S):
            raise SignInLocked(
                "another sign-in is being checked: try again", "eine andere Anmeldung läuft: noch einmal", 1
            )
        try:
            yield standing.in_force
        finally:
            self._trying.release()

    def _opened(self, operator: Operator, how: How) -> tuple[str, SignIn]:
        if not operator.principal(self.site).may("beds.operate", self.site):
            raise SignInRefused(
                f"{operator.name} may not operate beds here: the role therapist or clinician does",
                f"{operator.name} darf hier keine Liege bedienen: das darf, wer behandelt",
            )
        self._locks.succeeded(_counted(operator))
        cookie = secrets.token_urlsafe(32)
        made = SignIn(operator, how, self._steady())
        with self._lock:
            while len(self._open) >= MOST:
                self._open.pop(min(self._open, key=lambda key: self._open[key].touched_s))
            self._open[_digest(cookie)] = made
        self._note(_entry(f"signed in by {how}", operator))
        return cookie, made

    def _key(self) -> bytes:
        try:
            return self._bedside_key()
        except SpondylError as error:
            log.warning("nobody can sign in", why=error.message)
            raise SignInRefused(
                f"nobody can sign in: {error.message}", f"niemand kann sich anmelden: {error.message}"
            ) from None

    # --- being signed in -----------------------------------------------------------------------------------

    def find(self, cookie: str | None) -> SignIn | None:
        """The sign-in of a cookie as the list has its operator now; None when it has ended."""
        if not cookie:
            return None
        key = _digest(cookie)
        with self._lock:
            found = self._open.get(key)
        if found is None:
            return None
        why = "left idle" if self.idle_left_s(found) <= 0 else ""
        now = None if why else self._as_listed(found)
        if now is None:
            self._end(key, found, why or "not on the list any more")
            return None
        return replace(found, operator=now)

    def touch(self, cookie: str | None) -> SignIn | None:
        """Somebody is there: the idle time starts anew."""
        found = self.find(cookie)
        if found is None or cookie is None:
            return None
        found = replace(found, touched_s=self._steady())
        with self._lock:
            if _digest(cookie) in self._open:
                self._open[_digest(cookie)] = found
        return found

    def close(self, cookie: str | None) -> None:
        """Signed out."""
        found = self.find(cookie)
        if found is not None and cookie is not None:
            self._end(_digest(cookie), found, "signed out")

    def idle_left_s(self, sign_in: SignIn) -> float:
        """How long until it ends by itself."""
        return sign_in.touched_s + self.idle_s - self._steady()

    def name_of(self, cookie: str | None) -> str:
        """Who is signed in by this cookie, "" for nobody; asks memory only, so that STOP may ask it."""
        found = self._open.get(_digest(cookie)) if cookie else None
        return found.operator.name if found is not None and self.idle_left_s(found) > 0 else ""

    def principal(self, cookie: str | None) -> Principal | None:
        """Who is signed in by this cookie."""
        found = self.find(cookie)
        return None if found is None else found.operator.principal(self.site)

    def _note(self, entry: Entry) -> None:
        self._notes.submit(self._write, entry)

    def _as_listed(self, sign_in: SignIn) -> Operator | None:
        """The operator by the newest list, expired or not; None without the PIN or badge that let them in."""
        listed = self.operators.standing().listed
        now = listed.of_account(sign_in.operator.account) if listed else None
        if now is None or getattr(now, sign_in.how) != getattr(sign_in.operator, sign_in.how):
            return None
        return now if now.principal(self.site).may("beds.operate", self.site) else None

    def _end(self, key: str, found: SignIn, why: str) -> None:
        with self._lock:
            if self._open.pop(key, None) is None:
                return
        self._note(_entry(why, found.operator))


def _entry(detail: str, operator: Operator | None = None, *, accepted: bool = True) -> Entry:
    if operator is None:
        return Entry(detail, accepted=accepted)
    return Entry(detail, operator.name, operator.account, accepted)


def _counted(operator: Operator) -> str:
    """Whom wrong tries are counted for: a new PIN starts anew."""
    return f"{operator.account}:{hashlib.sha256((operator.pin or '').encode()).hexdigest()[:12]}"


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
