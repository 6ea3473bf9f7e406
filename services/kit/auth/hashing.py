"""How much work one guess at a stolen password or PIN is: argon2id's memory and passes, as a setting."""

import base64
import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from argon2 import PasswordHasher
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from services.kit.settings import Settings

# RFC 9106 section 4, second recommended option: argon2id, t=3, m=64 MiB.
MEMORY_KIB: Final = 65_536
PASSES: Final = 3
# OWASP Password Storage Cheat Sheet: argon2id "with a minimum configuration of 19 MiB of memory, an iteration
# count of 2, and 1 degree of parallelism".
LEAST_MEMORY_KIB: Final = 19_456
LEAST_PASSES: Final = 2
MOST_MEMORY_KIB: Final = 1_048_576  # a gibibyte each, four of them at once
MOST_PASSES: Final = 100
_OWASP: Final = "OWASP Password Storage Cheat Sheet, argon2id: 19 MiB (19456 KiB), 2 passes, 1 lane"
_MACHINE: Final = "more would let a few sign-ins hold up the machine; services/kit/auth/hashing.py"
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Work:
    """What every hash is made with from now on; older ones say themselves what they were made with."""

    memory_kib: int = MEMORY_KIB
    passes: int = PASSES

    def hasher(self, lanes: int) -> PasswordHasher:
        """argon2id of this work."""
        return PasswordHasher(self.passes, self.memory_kib, lanes, hash_len=_HASH_BYTES, salt_len=_SALT_BYTES)

    def of_nobody(self, lanes: int) -> str:
        """A hash of no password: as much work to check as a real one, and no guess fits it."""
        salt, digest = (_base64(secrets.token_bytes(size)) for size in (_SALT_BYTES, _HASH_BYTES))
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={lanes}${salt}${digest}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")


def _memory(value: int) -> int:
    return _within(value, LEAST_MEMORY_KIB, MOST_MEMORY_KIB, "KiB of memory")


def _passes(value: int) -> int:
    return _within(value, LEAST_PASSES, MOST_PASSES, "passes")


def _within(value: int, least: int, most: int, unit: str) -> int:
    if least <= value <= most:
        return value
    limit, why = (f"at least {least}", _OWASP) if value < least else (f"at most {most}", _MACHINE)
    words = "one hash of a password or PIN takes {limit} {unit} ({why})"
    raise PydanticCustomError("work", words, {"limit": limit, "unit": unit, "why": why})


class WorkSettings(Settings):
    """Settings of what keeps passwords and PINs."""

    hash_memory_kib: Annotated[int, AfterValidator(_memory)] = Field(
        MEMORY_KIB,
        description="Memory that one argon2id hash of a password or PIN takes, in KiB: 19456 (OWASP's least) "
        "to 1048576. Other hashes stay good; a password is kept anew at its next sign-in.",
    )
    hash_passes: Annotated[int, AfterValidator(_passes)] = Field(
        PASSES,
        description="How often that memory is gone through for one hash: 2 (OWASP's least) to 100.",
    )

    @property
    def work(self) -> Work:
        """What a hash is made with."""
        return Work(self.hash_memory_kib, self.hash_passes)
