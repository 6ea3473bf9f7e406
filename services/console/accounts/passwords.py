"""Passwords: how they are kept, and which are good enough."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from argon2.exceptions import InvalidHashError, VerificationError

from services.console.errors import AccountRefused
from services.kit.auth.hashing import Work

LANES: Final = 4  # RFC 9106 section 4, second recommended option; memory and passes are settings
AT_ONCE: Final = 4  # each takes its memory: a flood of sign-ins waits, the machine does not run out of it
LEAST_CHARACTERS: Final = 12
MOST_CHARACTERS: Final = 256
LEAST_NAME_PART: Final = 3  # a part of a name as short as this is in many words
# Letters and digits that cannot be taken for one another when read off a screen.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_turns = threading.BoundedSemaphore(AT_ONCE)


def kept(password: str, work: Work) -> str:
    """What is stored of a password."""
    with turn():
        return work.hasher(LANES).hash(password.encode("utf-8", "replace"))


def holds(stored: str | None, password: str, work: Work) -> bool:
    """Whether it is the password, whatever work it was kept with.

    Where there is none it takes the work of today's, so that time tells nothing.
    """
    with turn():
        try:
            looked_at = stored or work.of_nobody(LANES)
            right = work.hasher(LANES).verify(looked_at, password.encode("utf-8", "replace"))
        except (VerificationError, InvalidHashError):
            return False
    return right and stored is not None


def outdated(stored: str, work: Work) -> bool:
    """Whether it was made with other parameters than today's."""
    return work.hasher(LANES).check_needs_rehash(stored)


def one_time() -> str:
    """A password for one use: four groups of four, 78 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def check(password: str, *, names: tuple[str, ...]) -> None:
    """Refuse a password that is too short, too long, common, or made of the person's own name.

    Raises AccountRefused.
    """
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise AccountRefused(
            f"the password has {len(password)} characters: "
            f"{LEAST_CHARACTERS} to {MOST_CHARACTERS} are needed",
            text="password_length",
            found=len(password),
            least=LEAST_CHARACTERS,
            most=MOST_CHARACTERS,
        )
    plain = password.casefold()
    for name in names:
        parts = name.casefold().replace(".", " ").replace("-", " ").split()
        found = next((part for part in parts if len(part) >= LEAST_NAME_PART and part in plain), None)
        if found:
            raise AccountRefused(
                f"the password contains the name {found!r}", text="password_has_name", found=found
            )
    if plain in _common() or len(set(plain)) < LEAST_CHARACTERS // 3:
        raise AccountRefused(
            "this password is among the commonest: anybody guesses it", text="password_common"
        )


def _common() -> frozenset[str]:
    text = (files("services.console.accounts") / "common.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


@contextmanager
def turn() -> Iterator[None]:
    """One of the few that look at passwords at once."""
    with _turns:
        yield
