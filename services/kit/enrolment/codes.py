"""The enrolment code: what a person reads out at the centre and types at the clinic, once.

    K7QF-9M2T-XB4C-RE8W  3NVD-0H5J-Q2YA-T61S-GK94  8C3Z
    a secret, 80 bits    whose centre it is        a check of the rest

The middle is the beginning of the SHA-256 of the authority's certificate (100 bits): whoever types the code
knows the centre before the first secret is sent, as with kubeadm's discovery token. The end tells a slip of
the pen from a wrong code. Letters are Crockford's: no I, L, O, U; what is typed so is read as 1, 1, 0, V.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

from services.kit.errors import SpondylError

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECRET: Final = 16  # letters of 5 bits
PINNED: Final = 20
CHECK: Final = 4
LENGTH: Final = SECRET + PINNED + CHECK
GROUP: Final = 4
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V", "-": "", " ": "", "\t": "", ".": ""})
_BITS: Final = 5


class WrongCode(SpondylError):  # noqa: N818  (what it is)
    """What was typed cannot be an enrolment code: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code in its parts."""

    secret: str = field(repr=False)  # goes to the centre, and only there
    pinned: str  # the beginning of the authority's fingerprint

    @property
    def text(self) -> str:
        """As it is read out: groups of four."""
        whole = self.secret + self.pinned
        whole += _check(whole)
        return "-".join(whole[at : at + GROUP] for at in range(0, LENGTH, GROUP))

    def fits(self, fingerprint: bytes) -> bool:
        """Whether this authority is the one that made the code."""
        return secrets.compare_digest(pin(fingerprint), self.pinned)


def make(fingerprint: bytes) -> Code:
    """A new code of this authority."""
    return Code("".join(secrets.choice(ALPHABET) for _ in range(SECRET)), pin(fingerprint))


def pin(fingerprint: bytes) -> str:
    """The first 100 bits of a fingerprint in letters."""
    return _letters(fingerprint, PINNED)


def read(text: str) -> Code:
    """What somebody typed. Raises WrongCode."""
    typed = text.strip().upper().translate(_MISREAD)
    strange = sorted(set(typed) - set(ALPHABET))
    if strange or len(typed) != LENGTH:
        what = f"{strange[0]!r} is no letter of one" if strange else f"it has {len(typed)} letters"
        raise WrongCode(f"this is no enrolment code: {what}; it has {LENGTH}, in groups of {GROUP}")
    whole, check = typed[:-CHECK], typed[-CHECK:]
    if _check(whole) != check:
        raise WrongCode("the enrolment code has a slip: its last group does not fit the rest; type it again")
    return Code(whole[:SECRET], whole[SECRET:])


def _check(text: str) -> str:
    return _letters(hashlib.sha256(b"spondyl enrolment " + text.encode()).digest(), CHECK)


def _letters(data: bytes, count: int) -> str:
    bits = int.from_bytes(data, "big") >> (len(data) * 8 - count * _BITS)
    return "".join(ALPHABET[(bits >> (at * _BITS)) & 31] for at in reversed(range(count)))
