"""Signed tokens: who asks and with which roles, so that every service can judge by itself.

A JWT signed with Ed25519. Whoever holds the private key (the machine's owner, the console) mints; a service
has the public key alone. Roles travel as ``{role: [site, ...]}``, ``*`` being every site. A token is for one
service, unless it says several: what is shown to a panel opens neither the console nor telemetry. ``via``
names a service that asks in somebody's name, and has written down itself what they see.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.kit.auth.keys import ALGORITHM, Keys, decoded, ensure_pair, keys_at, read_private, read_public
from services.kit.auth.principal import SYSTEM, Grant, Principal
from services.kit.auth.roles import EVERY_ROLE, RoleName
from services.kit.errors import NotSignedIn, SpondylError

NAME: Final = "access"  # of the key pair
ISSUER: Final = "spondyl"
TELEMETRY: Final = "spondyl-telemetry"  # audiences: whom a token is for
SCREENING: Final = "spondyl-screening"
SCHEDULER: Final = "spondyl-scheduler"
BILLING: Final = "spondyl-billing"
HOMECARE: Final = "spondyl-homecare"
REGISTRY: Final = "spondyl-registry"
PANEL: Final = "spondyl-panel"
CONSOLE: Final = "spondyl-console"
VIA_CONSOLE: Final = "console"
LEEWAY_S: Final = 30  # by how much two machines' clocks may differ
MAX_CHARACTERS: Final = 8192
MAX_TEXT: Final = 200  # of an account or a name
LONGEST_S: Final = 365 * 24 * 3600.0
_CLAIMS: Final = ("iss", "aud", "sub", "name", "grants", "iat", "exp", "jti")


def ensure_keys(data: Path) -> Keys:
    """The pair that tokens are signed and checked with, made when missing. Raises SpondylError."""
    return ensure_pair(data, NAME)


def keys_of(data: Path) -> Keys:
    """Where that pair lies."""
    return keys_at(data, NAME)


def public_key(path: Path | None, data: Path) -> bytes:
    """The PEM that a service checks tokens with: its setting's, else the data directory's.

    Raises SpondylError when it cannot be read.
    """
    return read_public(path or keys_of(data).public, NAME)


def mint(
    private: Path | bytes | Ed25519PrivateKey,
    principal: Principal,
    valid_s: float = 60.0,
    audiences: Sequence[str] = (TELEMETRY,),
    *,
    via: str | None = None,
) -> str:
    """A token in this one's name, from now on, that these services take. ``private`` is the key, its PEM or
    the PEM's path; ``via`` is who uses it for them, if not they themselves.

    Raises SpondylError for a key that is none, a validity that is too long, or more grants than fit.
    """
    if not 0 < valid_s <= LONGEST_S:
        raise SpondylError(
            f"a token is valid for {valid_s:g} s: more than 0 and at most {LONGEST_S / 86400:.0f} days"
        )
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER, "aud": list(audiences), "sub": principal.account, "name": principal.name,
        "grants": _sites_by_role(principal), "iat": now, "exp": now + timedelta(seconds=valid_s),
        "jti": uuid4().hex,
        **({"via": via} if via is not None else {}),
    }  # fmt: skip
    key = read_private(private, NAME) if isinstance(private, Path) else private
    token = jwt.encode(claims, key, algorithm=ALGORITHM)
    if len(token) > MAX_CHARACTERS:
        raise SpondylError(
            f"the token of {principal.name[:MAX_TEXT]!r} has {len(token)} characters, at most "
            f"{MAX_CHARACTERS} pass: grant a role at every site (*) instead of at {len(principal.grants)}"
        )
    return token


def of_system(data: Path, audiences: Sequence[str] = (TELEMETRY,)) -> str:
    """A token of the machine's owner, who alone can read the private key below the data directory.

    Raises SpondylError when there is none, or it is another's.
    """
    return mint(keys_of(data).private, SYSTEM, audiences=audiences)


def read(token: str, public_pem: bytes, audience: str = TELEMETRY) -> Principal:
    """Who the token speaks for. Raises NotSignedIn, saying as much as a stranger may know."""
    return read_until(token, public_pem, audience)[0]


def read_until(token: str, public_pem: bytes, audience: str = TELEMETRY) -> tuple[Principal, int]:
    """The same, and when the token ends: seconds since the epoch."""
    if len(token) > MAX_CHARACTERS:
        raise NotSignedIn(
            f"the token has {len(token)} characters, at most {MAX_CHARACTERS} pass: it is none of ours"
        )
    try:
        claims = decoded(
            token,
            public_pem,
            audience=audience,
            issuer=ISSUER,
            leeway=LEEWAY_S,
            options={"require": list(_CLAIMS)},
        )
    except jwt.ExpiredSignatureError:
        raise NotSignedIn("the token has expired: sign in again, or ask for a new one") from None
    except jwt.ImmatureSignatureError:
        raise NotSignedIn("the token is not valid yet: is a clock set wrong?") from None
    except jwt.InvalidAudienceError:
        raise NotSignedIn(f"the token is for another service: this one takes those for {audience}") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
        raise NotSignedIn("the token is none of this system's: it is malformed or signed by others") from None
    return _principal(claims), int(claims["exp"])


def _sites_by_role(principal: Principal) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for grant in principal.grants:
        found.setdefault(grant.role, []).append(grant.site)
    return found


def _principal(claims: dict[str, Any]) -> Principal:
    """What a token says whose signature is ours: another release may have written it."""
    account, name, grants, via = claims["sub"], claims["name"], claims["grants"], claims.get("via")
    texts = (account, name) if via is None else (account, name, via)
    if not (all(map(_is_text, texts)) and isinstance(grants, dict)):
        raise NotSignedIn("the token's claims are malformed")
    if int(claims["exp"]) - int(claims["iat"]) > LONGEST_S:
        raise NotSignedIn(
            f"the token is valid for longer than the {LONGEST_S / 86400:.0f} days that one may be"
        )
    unknown = next((role for role in grants if role not in EVERY_ROLE), None)
    if unknown is not None:
        raise NotSignedIn(f"the token names the role {unknown[:40]!r}: the roles are {', '.join(EVERY_ROLE)}")
    if not all(isinstance(sites, list) and all(map(_is_text, sites)) for sites in grants.values()):
        raise NotSignedIn("the token's grants are malformed")
    pairs = ((cast("RoleName", role), site) for role, sites in grants.items() for site in sites)
    return Principal(account, name, tuple(Grant(role, site) for role, site in pairs), via)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT
