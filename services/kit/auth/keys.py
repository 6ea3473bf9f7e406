"""Ed25519 key pairs in files: a private one that only its owner reads, a public one for everybody.

A public file may hold the key before this one too, behind it: what that one signed is good until it is ended.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit import files
from services.kit.errors import SpondylError

SECRETS: Final = "secrets"  # below the data directory
ALGORITHM: Final = "EdDSA"
_PEM: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the two keys lie."""

    private: Path
    public: Path


def keys_at(data: Path, name: str) -> Keys:
    """Where the pair of this name lies below a data directory, whether it is there or not."""
    return Keys(data / SECRETS / f"{name}.key", data / SECRETS / f"{name}.pub")


def ensure_pair(data: Path, name: str) -> Keys:
    """The pair of this name below the data directory, made when missing (private key mode 0600).

    Raises SpondylError when it can neither be read nor made.
    """
    keys = keys_at(data, name)
    try:
        keys.private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not keys.private.exists():
            files.publish(keys.private, _new_private_pem())
        pem = public_pem(read_private(keys.private, name))
        if not keys.public.exists() or each(keys.public.read_bytes())[:1] != [pem]:
            files.replace(keys.public, pem, 0o644)
    except OSError as error:
        raise SpondylError(
            f"the {name} keys in {keys.private.parent} cannot be made: {error.strerror}"
        ) from None
    return keys


def rotate(data: Path, name: str) -> Keys:
    """A new pair, whose public file holds the old key behind the new one.

    Raises SpondylError while the one before is not ended: nobody counts how many are good.
    """
    keys = keys_at(data, name)
    old = each(read_public(keys.public, name))
    if len(old) > 1:
        raise SpondylError(
            f"{keys.public} still holds the key before this one: end it first (spondyl secrets end {name})"
        )
    new = _new_private_pem()
    fresh = serialization.load_pem_private_key(new, password=None)
    if not isinstance(fresh, Ed25519PrivateKey):
        raise SpondylError("no Ed25519 key could be made")
    files.replace(keys.public, public_pem(fresh) + old[0], 0o644)  # first: whoever reads it now knows both
    files.replace(keys.private, new)
    return keys


def end_old(data: Path, name: str) -> bool:
    """Believe only the key that signs now; whether there was another. Raises SpondylError."""
    keys = keys_at(data, name)
    current = public_pem(read_private(keys.private, name))
    known = each(read_public(keys.public, name))
    files.replace(keys.public, current, 0o644)
    return known != [current]


def each(pem: bytes) -> list[bytes]:
    """The public keys of a file, the newest first."""
    return _PEM.findall(pem)


def decoded(token: str, pem: bytes, **options: Any) -> dict[str, Any]:
    """The claims that one of these keys signed. Raises what jwt.decode raises."""
    *newer, last = _prepared(pem)
    for key in newer:
        try:
            return dict(jwt.decode(token, key, algorithms=[ALGORITHM], **options))
        except jwt.InvalidSignatureError:
            continue
    return dict(jwt.decode(token, last, algorithms=[ALGORITHM], **options))


@lru_cache(maxsize=16)
def _prepared(pem: bytes) -> tuple[Any, ...]:
    algorithm = jwt.get_algorithm_by_name(ALGORITHM)
    return tuple(algorithm.prepare_key(one) for one in each(pem) or [pem])


def public_pem(private: Ed25519PrivateKey) -> bytes:
    """The public half, as it is handed out."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(encoding, form)


def read_private(path: Path, name: str) -> Ed25519PrivateKey:
    """The private key in a file; ``name`` is for the refusal. Raises SpondylError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SpondylError(
            f"the {name} key {path} cannot be read: {error.strerror}; `spondyl up` makes one"
        ) from None
    except (ValueError, TypeError):
        raise SpondylError(f"{path} is no private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SpondylError(f"{path} is no Ed25519 key")
    return key


def read_public(path: Path, name: str) -> bytes:
    """The PEM of the public key and of the one before it. Raises SpondylError when it is none."""
    try:
        pem = path.read_bytes()
        found = [serialization.load_pem_public_key(one) for one in each(pem) or [pem]]
    except OSError as error:
        raise SpondylError(
            f"the {name} key {path} cannot be read: {error.strerror}; `spondyl up` makes one"
        ) from None
    except ValueError:
        raise SpondylError(f"{path} is no public key in PEM") from None
    if not all(isinstance(key, Ed25519PublicKey) for key in found):
        raise SpondylError(f"{path} is no Ed25519 key")
    return pem


def _new_private_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
