"""The code that a person types."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.enrolment import codes
from services.registry.errors import TooMany
from services.registry.tries import AT_ONCE, EVERY_S, Tries

PRINT = hashlib.sha256(b"an authority").digest()
OTHER = hashlib.sha256(b"another").digest()


def test_a_code_has_80_random_bits_and_100_of_the_authority():
    """Whoever tries 20 codes a minute needs some 10^17 years; whoever forges an authority, longer."""
    made = codes.make(PRINT)
    assert re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){9}[0-9A-HJKMNP-TV-Z]{4}", made.text)
    assert codes.SECRET * 5 == 80
    assert codes.PINNED * 5 == 100
    assert len({codes.make(PRINT).secret for _ in range(50)}) == 50
    assert made.fits(PRINT)
    assert not made.fits(OTHER)
    assert made.secret not in repr(made)


def test_a_code_is_read_however_it_was_written_down():
    """Over the telephone nobody says dashes, and O sounds like nought."""
    made = codes.make(PRINT)
    spoken = made.text.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert codes.read(f"  {spoken}\n") == made


@given(st.integers(0, codes.LENGTH - 1), st.sampled_from(codes.ALPHABET))
def test_a_slip_of_one_letter_is_told_before_anything_is_sent(at, letter):
    """A try must not be spent on a typing error (a check of 20 bits, and it is of one letter)."""
    made = codes.make(PRINT)
    text = made.text.replace("-", "")
    typed = text[:at] + letter + text[at + 1 :]
    if typed != text:
        with pytest.raises(codes.WrongCode, match="slip"):
            codes.read(typed)


@pytest.mark.parametrize("typed", ["", "A" * 39, "A" * 41, "!" * 40, "Ä" * 40])
def test_what_cannot_be_a_code_says_what_one_is(typed):
    """Forty letters in groups of four."""
    with pytest.raises(codes.WrongCode, match="40, in groups of 4"):
        codes.read(typed)


def test_an_address_has_so_many_tries_and_then_one_in_ten_seconds():
    """A machine that tries for ever must not fill the audit trail."""
    clock = [1000.0]
    tries = Tries(lambda: clock[0])
    for _ in range(AT_ONCE):
        tries.require_some("a")
        tries.spend("a")
    with pytest.raises(TooMany, match="10 s"):
        tries.require_some("a")
    tries.require_some("b")
    clock[0] += EVERY_S + 0.1
    tries.require_some("a")
