"""Clearance: a signed, expiring statement that this patient may be treated in this region.

A JWT signed with Ed25519. The gateway holds the public key only. Its time limits are judged on the later of
two clocks (``Clocks``): a wall clock set back revives nothing, one set right ahead locks nobody out.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
import structlog

from services.kit.auth import keys
from services.kit.auth.keys import ALGORITHM, Keys, ensure_pair
from services.kit.errors import ClearanceError, SpondylError

log = structlog.get_logger(__name__)

NAME = "clearance"  # of the key pair
AUDIENCE = "spondyl-gateway"
MAX_TOKEN = 4096
LONGEST = timedelta(days=366)
STEP_S = 60.0  # clocks that differ by more did not drift: one was set
DRIFT_S = 1.0  # ahead by less moves nothing
SETTLE_S = 600.0  # a wall clock that has been ahead for so long was set right, not wrong
REGIONS = ("lumbar", "cervical")
MOST_CONDITIONS: Final = 32  # a token stays below MAX_TOKEN with the longest ids
RULE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")  # of a contraindication rule
_CLAIMS = ("iss", "sub", "aud", "jti", "nbf", "exp", "region")


@dataclass(frozen=True, slots=True)
class Clearance:
    """A verified clearance."""

    id: UUID
    patient: UUID
    region: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    conditions: tuple[str, ...] = ()  # relative contraindications a clinician signed for, by rule id


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on both clocks, seconds: wall since the epoch, steady since the machine's start."""

    wall_s: float
    steady_s: float

    @property
    def offset_s(self) -> float:
        """The wall clock ahead of the steady one."""
        return self.wall_s - self.steady_s


class Clocks:
    """The time now: the later of the wall clock and the time counted steadily from an anchor.

    Both limits of a clearance are judged by this later time, so a wall clock set back revives nothing that
    had expired. A wall clock set ahead counts at once, and when it has been ahead for SETTLE_S without a
    break the anchor moves to the least it was ahead by. A wall clock set back never moves the anchor: the
    counted time stays the judge, and refusals and the log say so, until the wall clock catches up or the
    machine restarts.

    ``anchor`` is from an earlier process on the same run of the machine, ``keep`` is called with a moved one.
    Safe from any thread.
    """

    def __init__(
        self,
        anchor: Anchor | None = None,
        *,
        keep: Callable[[Anchor], None] | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady, self._keep = wall, steady, keep
        self.anchor = anchor or Anchor(wall(), steady())
        self._kept = self.anchor
        self._lock = threading.Lock()
        self._ahead: Anchor | None = None  # since when the wall clock is ahead, and the least it was ahead by
        self._behind = False

    def now(self) -> tuple[float, float]:
        """The time to judge by, seconds since the epoch, and how far the wall clock is set from what was
        counted: + is ahead, 0 within drift.
        """
        with self._lock:
            wall, steady = self._wall(), self._steady()
            counted = steady + self.anchor.offset_s
            step = wall - counted
            self._look(Anchor(wall, steady))
            return max(wall, counted), step if abs(step) > STEP_S else 0.0

    def observe(self) -> None:
        """Look at the clocks and keep a moved anchor; to be called every few seconds."""
        self.now()
        moved = self.anchor
        if self._keep is None or moved == self._kept:
            return
        try:
            self._keep(moved)
        except SpondylError as error:  # tried again next time; until then this process knows it
            log.warning("the clock's anchor could not be kept", why=error.message)
            return
        self._kept = moved

    def _look(self, seen: Anchor) -> None:
        step = seen.offset_s - self.anchor.offset_s
        if step < -STEP_S and not self._behind:
            log.warning("the clock was set back: clearances are judged by the time counted on", step_s=step)
        self._behind = step < -STEP_S
        if step <= DRIFT_S:
            self._ahead = None
            return
        since = self._ahead.steady_s if self._ahead else seen.steady_s
        least = min(seen.offset_s, self._ahead.offset_s if self._ahead else seen.offset_s)
        self._ahead = Anchor(since + least, since)
        if seen.steady_s - since >= SETTLE_S:
            if least - self.anchor.offset_s > STEP_S:
                log.info("the clock was set ahead: trusted from now on", step_s=least - self.anchor.offset_s)
            self.anchor, self._ahead = self._ahead, None


def ensure_keys(data_directory: Path) -> Keys:
    """The clearance keys below the data directory, made when missing (private key mode 0600).

    Raises SpondylError when they can neither be read nor made.
    """
    return ensure_pair(data_directory, NAME)


def issue(
    private_key: Path,
    patient: UUID,
    region: str,
    *,
    valid_for: timedelta,
    valid_from: datetime | None = None,
    issuer: str = "spondyl-cli",
    conditions: Iterable[str] = (),
) -> tuple[str, Clearance]:
    """Sign a clearance; returns the token and what it says. Raises SpondylError on a wrong request.

    ``conditions`` are the ids of the relative contraindications that a clinician signed for.
    """
    require_region(region)
    signed_for = require_conditions(conditions)
    if not timedelta(0) < valid_for <= LONGEST:
        raise SpondylError(f"a clearance is valid for more than 0 and at most {LONGEST.days} days")
    begins = (valid_from or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    clearance = Clearance(uuid4(), patient, region, issuer[:80], begins, begins + valid_for, signed_for)
    claims = {
        "iss": clearance.issuer, "sub": str(patient), "aud": AUDIENCE, "jti": str(clearance.id),
        "iat": begins, "nbf": begins, "exp": clearance.valid_until, "region": region,
    }  # fmt: skip
    if signed_for:
        claims["conditions"] = list(signed_for)
    return jwt.encode(claims, keys.read_private(private_key, NAME), algorithm=ALGORITHM), clearance


def verify(token: str, public_key: bytes, patient: UUID, region: str, clocks: Clocks) -> Clearance:
    """The clearance in the token, if it lets this patient be treated in this region now.

    ``public_key`` is PEM. Raises ClearanceError with the reason.
    """
    clearance = read(token, public_key)
    if clearance.patient != patient:
        raise _refused("is another patient: it does not clear this one", "ist ein anderer Patient", "patient")
    if clearance.region != region:
        raise _refused(
            f"is {clearance.region}: the prescription is {region}",
            f"ist {clearance.region}: die Verordnung ist {region}",
            "region",
        )
    require_in_time(clearance, clocks)
    return clearance


def read(token: str, public_key: bytes) -> Clearance:
    """What a token of this clinic's issuer says, whenever it is valid. Raises ClearanceError."""
    return _parse(_claims(token, public_key))


def require_in_time(clearance: Clearance, clocks: Clocks) -> None:
    """Raise ClearanceError before the clearance begins and once it has ended."""
    now, step_s = clocks.now()
    step, step_de = _step(now, step_s)
    until, since = _told(clearance.valid_until), _told(clearance.valid_from)
    if now >= clearance.valid_until.timestamp():
        raise _refused(
            f"is {until}: it has expired{step}", f"ist {until}: sie ist abgelaufen{step_de}", "valid_until"
        )
    if now < clearance.valid_from.timestamp():
        raise _refused(
            f"is {since}: not valid yet{step}", f"ist {since}: sie gilt noch nicht{step_de}", "valid_from"
        )


def _refused(english: str, german: str, field: str) -> ClearanceError:
    return ClearanceError(f"clearance.{field} {english}", f"Freigabe: clearance.{field} {german}")


def require_region(region: str) -> None:
    """Raise SpondylError for a region that nobody is treated in."""
    if region not in REGIONS:
        raise SpondylError(f"the region is {region!r}: clearances are for {' or '.join(REGIONS)}")


def require_conditions(conditions: Iterable[str]) -> tuple[str, ...]:
    """Rule ids, each once, in their order; raises SpondylError for what is none or for too many."""
    found = tuple(dict.fromkeys(conditions))
    if len(found) > MOST_CONDITIONS:
        raise SpondylError(f"a clearance has {len(found)} conditions: at most {MOST_CONDITIONS}")
    for rule in found:
        if not isinstance(rule, str) or not RULE_ID.fullmatch(rule):
            raise SpondylError(f"{str(rule)[:64]!r} is no rule: small letters, digits, dots and dashes")
    return found


def days(number: float) -> timedelta:
    """So many days; raises SpondylError when they are no length of time."""
    if not 0 < number <= LONGEST.days:
        raise SpondylError(f"--days is {number:g}: more than 0 and at most {LONGEST.days}")
    return timedelta(days=number)


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time, in UTC where it names no zone; raises SpondylError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SpondylError(f"--valid-from is {text[:40]!r}: a time like 2026-11-22T08:00 is needed") from None


def read_public(path: Path) -> bytes:
    """The public key's PEM; raises SpondylError when it is none."""
    return keys.read_public(path, NAME)


def _claims(token: str, public_key: bytes) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise ClearanceError(f"the clearance has {len(token)} characters: a token has at most {MAX_TOKEN}")
    try:
        return keys.decoded(
            token,
            public_key,
            audience=AUDIENCE,
            # its times are judged here on both clocks
            options={
                "require": list(_CLAIMS),
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
        raise ClearanceError(
            "the clearance is not signed by this clinic's issuer",
            "die Freigabe ist nicht von der Stelle unterschrieben, der diese Liege vertraut",
        ) from None
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise ClearanceError(
            f"the clearance is no valid token: {str(error)[:120]}",
            "die Freigabe ist keine gültige Urkunde",
        ) from None


def _parse(claims: dict[str, Any]) -> Clearance:
    try:
        return Clearance(
            id=UUID(claims["jti"]),
            patient=UUID(claims["sub"]),
            region=str(claims["region"]),
            issuer=str(claims["iss"]),
            valid_from=datetime.fromtimestamp(claims["nbf"], UTC),
            valid_until=datetime.fromtimestamp(claims["exp"], UTC),
            conditions=_conditions(claims.get("conditions", [])),
        )
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, SpondylError):
        raise ClearanceError(
            "the clearance's claims are malformed",
            "die Angaben der Freigabe sind fehlerhaft",
        ) from None


def _conditions(claimed: Any) -> tuple[str, ...]:
    if not isinstance(claimed, list):
        raise TypeError
    return require_conditions(claimed)


def _step(now: float, step_s: float) -> tuple[str, str]:
    """What a set clock has to do with a refusal, in English and German."""
    if step_s < 0:
        counted = _told(datetime.fromtimestamp(now, UTC))
        return (
            f"; the clock was set back by {-step_s:.0f} s, it counts as {counted} until the machine restarts",
            f"; die Uhr wurde um {-step_s:.0f} s zurückgestellt, es gilt {counted} bis zum Neustart",
        )
    if step_s:
        return (
            f"; the clock was set ahead by {step_s:.0f} s",
            f"; die Uhr wurde um {step_s:.0f} s vorgestellt",
        )
    return "", ""


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
