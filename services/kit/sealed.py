"""Sealing for one reader: X25519 (RFC 7748) with a fresh key a message, HKDF-SHA256 (RFC 5869),
ChaCha20-Poly1305 (RFC 8439).

A name that has to lie retained on a broker is sealed for the gateway whose bed it is for. What it belongs to
is bound in (``context``): a sealed name that was moved to another appointment does not open there.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit import files
from services.kit.errors import SpondylError

KEY_FILE: Final = "sealing.key"  # in a gateway's directory
MOST_SEALED: Final = 1400  # characters
MOST_NAME: Final = 200
_KEY_BYTES: Final = 32
_BLOCK: Final = 64  # plain text is padded to whole blocks: its length tells little of a name
_INFO: Final = b"spondyl sealed 1 "
_NONCE: Final = bytes(12)  # every message has a key of its own


class SealedRefused(SpondylError):  # noqa: N818  (a refusal is an answer, not a fault)
    """It was not sealed for this key, not for this context, or not by these rules."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a bed asks for: name and birth date."""

    name: str
    birth_date: date


def ensure_key(path: Path) -> X25519PrivateKey:
    """The private key in a file, made when missing (mode 0600). Raises SpondylError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            files.publish(path, X25519PrivateKey.generate().private_bytes_raw())
        return X25519PrivateKey.from_private_bytes(path.read_bytes())
    except OSError as error:
        raise SpondylError(f"the sealing key {path} cannot be made or read: {error.strerror}") from None
    except ValueError:
        raise SpondylError(f"{path} is no sealing key: {_KEY_BYTES} bytes are needed") from None


def public_text(key: X25519PrivateKey) -> str:
    """The public half as a birth says it: base64url, 43 characters."""
    return _encoded(_raw(key.public_key()))


def seal(public: str, plain: bytes, context: str) -> str:
    """Seal for the owner of a public key; raises SealedRefused when that is none."""
    reader = _public(public)
    once = X25519PrivateKey.generate()
    try:
        shared = once.exchange(reader)
    except ValueError:  # a point of small order: everybody could open it
        raise SealedRefused("the sealing key is none") from None
    key = _derived(shared, _raw(once.public_key()), _raw(reader), context)
    padded = plain + b"\x80" + bytes(-(len(plain) + 1) % _BLOCK)  # ISO/IEC 7816-4
    return _encoded(_raw(once.public_key()) + ChaCha20Poly1305(key).encrypt(_NONCE, padded, None))


def unseal(private: X25519PrivateKey, sealed: str, context: str) -> bytes:
    """What was sealed for this key in this context. Raises SealedRefused."""
    if len(sealed) > MOST_SEALED:
        raise SealedRefused(f"it has {len(sealed)} characters: at most {MOST_SEALED}")
    data = _decoded(sealed)
    once, body = data[:_KEY_BYTES], data[_KEY_BYTES:]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(once))
        key = _derived(shared, once, _raw(private.public_key()), context)
        padded = ChaCha20Poly1305(key).decrypt(_NONCE, body, None)
        return padded[: padded.rindex(b"\x80")]
    except (InvalidTag, ValueError):
        raise SealedRefused("it does not open with this gateway's key") from None


def seal_person(public: str, person: Person, appointment: UUID, patient: UUID) -> str:
    """Name and birth date for one appointment of one patient. Raises SealedRefused."""
    name = " ".join(person.name.split())[:MOST_NAME]
    said = {"name": name, "birth_date": person.birth_date.isoformat()}
    return seal(public, json.dumps(said, ensure_ascii=False).encode(), _context(appointment, patient))


def unseal_person(private: X25519PrivateKey, sealed: str, appointment: UUID, patient: UUID) -> Person:
    """Whom an appointment is for. Raises SealedRefused."""
    plain = unseal(private, sealed, _context(appointment, patient))
    try:
        said = json.loads(plain)
        return Person(str(said["name"])[:MOST_NAME], date.fromisoformat(said["birth_date"]))
    except (ValueError, KeyError, TypeError):
        raise SealedRefused("what was sealed is no name and birth date") from None


def _context(appointment: UUID, patient: UUID) -> str:
    return f"{appointment} {patient}"


def _derived(shared: bytes, once: bytes, reader: bytes, context: str) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, once + reader, _INFO + context.encode()).derive(shared)


def _public(text: str) -> X25519PublicKey:
    raw = _decoded(text) if len(text) < MOST_SEALED else b""
    if len(raw) != _KEY_BYTES:
        raise SealedRefused(f"the sealing key has {len(raw)} bytes: {_KEY_BYTES} are needed")
    return X25519PublicKey.from_public_bytes(raw)


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealedRefused("it is no base64url") from None
