"""Operators of a gateway's beds: the signed list, and the PINs and badges that it has digests of.

The console signs a list for each gateway (access key, DATA/secrets/access.key); the gateway checks it with
the public key and judges it offline. A PIN has six digits or more: its argon2id hash alone could be guessed,
so before it is hashed it is keyed (HMAC-SHA256) with the bedside key, DATA/secrets/bedside.key, which is on
the machines of console and gateways and nowhere else.
"""

import hashlib
import hmac
import itertools
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit import files
from services.kit.auth.hashing import Work
from services.kit.auth.keys import ALGORITHM, decoded
from services.kit.auth.principal import Grant, Principal
from services.kit.auth.roles import ROLES, RoleName
from services.kit.errors import SpondylError

ISSUER: Final = "spondyl"
AUDIENCE: Final = "spondyl-operators"
VALID_S: Final = 30 * 24 * 3600
MAX_OPERATORS: Final = 400
MAX_SIGNED: Final = 250_000  # characters; the stream `operators` carries no more
PIN_DIGITS: Final = (6, 12)
BADGE_CHARACTERS: Final = (8, 64)
BADGE_DIGITS: Final = 10  # of a number without a letter: fewer could be tried out at a panel
KEY_BYTES: Final = 32
_CLAIMS: Final = ("iss", "aud", "site", "version", "iat", "exp", "operators")
_BADGE: Final = re.compile(r"[0-9A-Za-z._:/+=-]+")
PIN_LANES: Final = 1  # a gateway's other processors are its loop's
_CHECKER: Final = PasswordHasher()  # a hash says itself what it was made with


class OperatorListRefused(SpondylError):  # noqa: N818  (a refusal is an answer, not a fault)
    """A list of operators that is not for this gateway, not signed by this chain, too large or malformed."""

    status = 409


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may stand at a bed. ``pin`` and ``badge`` are digests, never the thing itself."""

    account: str
    name: str
    title: str
    roles: tuple[RoleName, ...]
    pin: str | None = None
    badge: str | None = None

    def principal(self, site: str) -> Principal:
        """Who asks, when it is this operator: the roles, at this site and nowhere else."""
        return Principal(self.account, self.name, tuple(Grant(role, site) for role in self.roles))


@dataclass(frozen=True, slots=True)
class OperatorList:
    """What a gateway holds. Times are seconds since the epoch; ``version`` is microseconds of issue."""

    site: str
    version: int
    issued_s: int
    expires_s: int
    operators: tuple[Operator, ...]

    def named(self, name: str) -> Operator | None:
        """The operator of this sign-in name."""
        wanted = name.strip().lower()
        return next((row for row in self.operators if row.name == wanted), None)

    def of_account(self, account: str) -> Operator | None:
        """The operator of this account."""
        return next((row for row in self.operators if row.account == account), None)

    def with_badge(self, digest: str) -> Operator | None:
        """The operator whose badge has this digest."""
        return next(
            (row for row in self.operators if row.badge and secrets.compare_digest(row.badge, digest)), None
        )


# --- the list --------------------------------------------------------------------------------------------


def sign(private: bytes | Ed25519PrivateKey, listed: OperatorList) -> str:
    """The list as a JWT; raises OperatorListRefused when it is larger than a gateway takes."""
    if len(listed.operators) > MAX_OPERATORS:
        raise OperatorListRefused(
            f"{listed.site} has {len(listed.operators)} operators: a gateway's list holds {MAX_OPERATORS}"
        )
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "site": listed.site,
        "version": listed.version,
        "iat": listed.issued_s,
        "exp": listed.expires_s,
        "operators": [_row(operator) for operator in listed.operators],
    }
    signed = jwt.encode(claims, private, algorithm=ALGORITHM)
    if len(signed) > MAX_SIGNED:
        raise OperatorListRefused(f"{listed.site}'s list has {len(signed)} characters: at most {MAX_SIGNED}")
    return signed


def read(signed: str, public_pem: bytes, site: str) -> OperatorList:
    """The list in the token, expired or not: whoever holds it judges that by a clock it trusts.

    Raises OperatorListRefused with the reason.
    """
    if len(signed) > MAX_SIGNED:
        raise OperatorListRefused(f"the list has {len(signed)} characters: at most {MAX_SIGNED}")
    listed = _parse(_claims(signed, public_pem))
    if listed.site != site:
        raise OperatorListRefused(f"the list is for {listed.site}: this gateway stands in {site}")
    return listed


def _row(operator: Operator) -> dict[str, Any]:
    row = {
        "account": operator.account,
        "name": operator.name,
        "title": operator.title,
        "roles": list(operator.roles),
    }
    return row | {name: value for name, value in (("pin", operator.pin), ("badge", operator.badge)) if value}


def _claims(signed: str, public_pem: bytes) -> dict[str, Any]:
    try:
        return decoded(
            signed,
            public_pem,
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},
        )
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
        raise OperatorListRefused("the list is not signed by this chain's access key") from None
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise OperatorListRefused(f"the list is no valid token: {str(error)[:120]}") from None


def _parse(claims: dict[str, Any]) -> OperatorList:
    rows = claims["operators"]
    if not isinstance(rows, list) or len(rows) > MAX_OPERATORS:
        raise OperatorListRefused(f"the list's operators are no list of at most {MAX_OPERATORS}")
    try:
        return OperatorList(
            site=str(claims["site"]),
            version=int(claims["version"]),
            issued_s=int(claims["iat"]),
            expires_s=int(claims["exp"]),
            operators=tuple(_operator(row) for row in rows),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise OperatorListRefused("the list's claims are malformed") from None


def _operator(row: dict[str, Any]) -> Operator:
    """One row; a role that this release does not know permits nothing."""
    known = tuple(cast("RoleName", role) for role in row["roles"] if role in ROLES)
    pin, badge = row.get("pin"), row.get("badge")
    return Operator(
        account=str(row["account"])[:36],
        name=str(row["name"]).lower()[:80],
        title=str(row["title"])[:80],
        roles=known,
        pin=str(pin) if pin else None,
        badge=str(badge) if badge else None,
    )


# --- PINs and badges -------------------------------------------------------------------------------------


def check_pin(pin: str) -> str:
    """The PIN when it may be one; raises SpondylError: its length, or one that everybody tries first."""
    least, most = PIN_DIGITS
    if not (pin.isascii() and pin.isdigit() and least <= len(pin) <= most):
        raise SpondylError(f"a PIN has {least} to {most} digits and nothing else")
    steps = {int(after) - int(before) for before, after in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise SpondylError("a PIN is neither one digit repeated nor a run like 123456")
    return pin


def check_badge(number: str) -> str:
    """A badge's number as a reader types it; raises SpondylError."""
    number = number.strip()
    least, most = BADGE_CHARACTERS
    if not least <= len(number) <= most or not _BADGE.fullmatch(number):
        raise SpondylError(f"a badge's number has {least} to {most} letters, digits or . _ : / + = -")
    if not any(map(str.isalpha, number)) and sum(map(str.isdigit, number)) < BADGE_DIGITS:
        raise SpondylError(f"a badge's number without a letter has at least {BADGE_DIGITS} digits")
    return number


def hash_pin(key: bytes, pin: str, work: Work) -> str:
    """What is kept of a PIN: argon2id of its keyed digest. Raises SpondylError for what is no PIN."""
    return work.hasher(PIN_LANES).hash(_keyed(key, "pin", check_pin(pin)))


def pin_matches(key: bytes, kept: str, pin: str) -> bool:
    """Whether this is the PIN that was kept, whatever work it was kept with."""
    try:
        return _CHECKER.verify(kept, _keyed(key, "pin", pin))
    except (VerificationError, InvalidHashError):
        return False


def badge_digest(key: bytes, number: str) -> str:
    """What is kept of a badge: 64 hexadecimal digits. Raises SpondylError for no badge's number."""
    return _keyed(key, "badge", check_badge(number))


def _keyed(key: bytes, what: str, value: str) -> str:
    return hmac.new(key, f"spondyl {what} {value}".encode(), hashlib.sha256).hexdigest()


# --- the bedside key -------------------------------------------------------------------------------------


def bedside_key_path(data: Path) -> Path:
    """Where a machine keeps the bedside key unless a setting says otherwise."""
    return data / "secrets" / "bedside.key"


def ensure_bedside_key(data: Path) -> bytes:
    """The bedside key below the data directory, made when missing (mode 0600). Raises SpondylError."""
    path = bedside_key_path(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            files.publish(path, secrets.token_hex(KEY_BYTES).encode())
    except OSError as error:
        raise SpondylError(f"the bedside key {path} cannot be made: {error.strerror}") from None
    return read_bedside_key(path)


def read_bedside_key(path: Path) -> bytes:
    """The key in the file; raises SpondylError when there is none."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise SpondylError(f"the bedside key {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SpondylError(f"{path} is no bedside key: {KEY_BYTES} bytes in hexadecimal are") from None
    if len(key) != KEY_BYTES:
        raise SpondylError(f"{path} has {len(key)} bytes: a bedside key has {KEY_BYTES}")
    return key


def operators_at(site: str, people: Iterable[tuple[Operator, Iterable[Grant]]]) -> tuple[Operator, ...]:
    """Those of these people who may operate at the site, with their roles there, in the order of names."""
    found = []
    for operator, grants in people:
        here = tuple(grant for grant in grants if grant.site in (site, "*"))
        if not Principal(operator.account, operator.name, here).may("beds.operate", site):
            continue
        roles = tuple(sorted({grant.role for grant in here}))
        found.append(
            Operator(operator.account, operator.name, operator.title, roles, operator.pin, operator.badge)
        )
    return tuple(sorted(found, key=lambda row: row.name))
