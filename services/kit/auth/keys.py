"""Ed25519 key pairs in files: a private one that only its owner reads, a public one for everybody."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.kit import files
from services.kit.errors import SpondylError

SECRETS: Final = "secrets"  # below the data directory


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
        if not keys.public.exists() or keys.public.read_bytes() != pem:
            files.replace(keys.public, pem, 0o644)
    except OSError as error:
        raise SpondylError(
            f"the {name} keys in {keys.private.parent} cannot be made: {error.strerror}"
        ) from None
    return keys


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
    """The public key's PEM; ``name`` is for the refusal. Raises SpondylError when it is none."""
    try:
        pem = path.read_bytes()
        key = serialization.load_pem_public_key(pem)
    except OSError as error:
        raise SpondylError(
            f"the {name} key {path} cannot be read: {error.strerror}; `spondyl up` makes one"
        ) from None
    except ValueError:
        raise SpondylError(f"{path} is no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SpondylError(f"{path} is no Ed25519 key")
    return pem


def _new_private_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
