"""The work of one guess at a password: what a setting may say, and what it is without one."""

import pytest
from least_work import ENVIRONMENT, LEAST

from services.kit.auth.hashing import Work, WorkSettings
from services.kit.errors import SpondylError

OWASP = "OWASP Password Storage Cheat Sheet, argon2id: 19 MiB (19456 KiB), 2 passes, 1 lane"
MACHINE = "more would let a few sign-ins hold up the machine; services/kit/auth/hashing.py"


def test_without_a_setting_it_is_what_rfc_9106_says(monkeypatch):
    """Who sets nothing has the work that this was designed with."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    assert WorkSettings.load().work == Work(65_536, 3)


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("MEMORY_KIB", 19_455, f"at least 19456 KiB of memory ({OWASP})"),
        ("MEMORY_KIB", 1_048_577, f"at most 1048576 KiB of memory ({MACHINE})"),
        ("PASSES", 1, f"at least 2 passes ({OWASP})"),
        ("PASSES", 101, f"at most 100 passes ({MACHINE})"),
    ],
)  # fmt: skip
def test_nothing_starts_below_the_least_work_or_beyond_what_a_machine_bears(
    monkeypatch, name, value, refusal
):
    """A service that guards passwords too weakly must not begin, and says by whose measure."""
    monkeypatch.setenv(f"SPONDYL_HASH_{name}", str(value))
    with pytest.raises(SpondylError) as refused:
        WorkSettings.load()
    one = "one hash of a password or PIN takes"
    assert refused.value.message == f"setting SPONDYL_HASH_{name} is {str(value)!r}: {one} {refusal}"


def test_the_least_is_taken():
    """What is named as the least must do."""
    assert WorkSettings.load().work == LEAST == Work(19_456, 2)


def test_a_hash_of_nobody_takes_the_work_and_no_guess():
    """A name that nobody has is looked at as long as any other."""
    hasher = LEAST.hasher(4)
    assert not hasher.check_needs_rehash(LEAST.of_nobody(4))
    assert LEAST.of_nobody(4) != LEAST.of_nobody(4)
