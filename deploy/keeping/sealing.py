"""A few files sealed with a passphrase: scrypt (RFC 7914), then ChaCha20-Poly1305 (RFC 8439), as age does."""

import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from services.kit.errors import SpondylError
from services.kit.files import read_text

HEAD: Final = b"spondyl sealed with a passphrase 1\n"
LEAST_PASSPHRASE: Final = 12  # characters
MOST_PASSPHRASE_BYTES: Final = 10_000
_SALT: Final = 16
_WORK: Final = 1 << 16  # scrypt's N: 64 MB and a fifth of a second for each guess
_NONCE: Final = bytes(12)  # the salt makes every key one of its own


def passphrase_of(path: Path) -> str:
    """The passphrase in a file, without the blanks around it. Raises SpondylError."""
    text = read_text(path, f"--passphrase-file {path}", MOST_PASSPHRASE_BYTES).strip()
    if len(text) < LEAST_PASSPHRASE:
        raise SpondylError(
            f"--passphrase-file {path} has {len(text)} characters: at least {LEAST_PASSPHRASE} are needed"
        )
    return text


def seal(plain: bytes, passphrase: str) -> bytes:
    """What only the passphrase opens."""
    salt = secrets.token_bytes(_SALT)
    return HEAD + salt + ChaCha20Poly1305(_key(passphrase, salt)).encrypt(_NONCE, plain, HEAD + salt)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """What was sealed. Raises SpondylError for another passphrase or a changed byte."""
    salt, body = sealed[len(HEAD) : len(HEAD) + _SALT], sealed[len(HEAD) + _SALT :]
    try:
        return ChaCha20Poly1305(_key(passphrase, salt)).decrypt(_NONCE, body, HEAD + salt)
    except InvalidTag:
        raise SpondylError("the secrets do not open with this passphrase: is it the backup's?") from None


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt, length=32, n=_WORK, r=8, p=1).derive(passphrase.encode())
