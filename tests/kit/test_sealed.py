from datetime import date
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.kit import sealed
from services.kit.errors import SpondylError
from services.kit.sealed import Person, SealedRefused

NAMES = [
    "Erika Muster",
    "Đặng Thị Ngọc Ánh",
    "محمد بن أحمد",
    "王小明",
    "O'Neill-Müller, ß",
    "a\0b",
    "\U0001d518" * 200,
]
APPOINTMENT, PATIENT = uuid4(), uuid4()


@pytest.fixture
def key(tmp_path):
    """A gateway's key."""
    return sealed.ensure_key(tmp_path / "gateways" / "north" / sealed.KEY_FILE)


def test_a_gateways_key_is_made_once_and_is_private(tmp_path):
    """A key that changed with every start could open nothing that was sealed before."""
    path = tmp_path / "gateways" / "north" / sealed.KEY_FILE
    first = sealed.public_text(sealed.ensure_key(path))
    assert sealed.public_text(sealed.ensure_key(path)) == first
    assert len(first) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(SpondylError, match="no sealing key"):
        sealed.ensure_key(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_opens_for_its_gateway_only(key, name):
    """The broker keeps it for a day: nobody else reads it there."""
    person = Person(name, date(1951, 2, 28))
    text = sealed.seal_person(sealed.public_text(key), person, APPOINTMENT, PATIENT)
    assert sealed.unseal_person(key, text, APPOINTMENT, PATIENT) == person
    assert len(text) <= sealed.MOST_SEALED
    assert name not in text
    with pytest.raises(SealedRefused, match="does not open"):
        sealed.unseal_person(X25519PrivateKey.generate(), text, APPOINTMENT, PATIENT)


@pytest.mark.requirement("ask-the-name")
def test_a_name_moved_to_another_appointment_does_not_open(key):
    """The wrong name at a bed is the wrong patient under it."""
    text = sealed.seal_person(sealed.public_text(key), Person("A B", date(1990, 1, 1)), APPOINTMENT, PATIENT)
    for appointment, patient in ((uuid4(), PATIENT), (APPOINTMENT, uuid4())):
        with pytest.raises(SealedRefused, match="does not open"):
            sealed.unseal_person(key, text, appointment, patient)


def test_the_same_name_is_sealed_differently_each_time_and_its_length_is_hidden(key):
    """Otherwise whoever reads the broker could tell the same patient, or guess the name by its length."""
    public = sealed.public_text(key)
    texts = [
        sealed.seal_person(public, Person(name, date(1990, 1, 1)), APPOINTMENT, PATIENT)
        for name in ("Li Wu", "Li Wu", "Annegret Hansen")
    ]
    assert len(set(texts)) == 3
    assert len({len(text) for text in texts}) == 1


@pytest.mark.parametrize("text", ["", "äöü", "a", "A" * 5000, "AAAA", "=" * 80, "A" * 200])
def test_what_was_never_sealed_is_one_clear_refusal(key, text):
    """Whatever lies on a broker must not end a bed's page."""
    with pytest.raises(SealedRefused):
        sealed.unseal(key, text, "")


@pytest.mark.parametrize("public", ["", "AAAA", "ä" * 43, "A" * 5000, "A" * 43])
def test_nothing_is_sealed_for_a_key_that_is_none(public):
    """A birth may say anything; a list of zeros is no key either."""
    with pytest.raises(SealedRefused):
        sealed.seal(public, b"name", "")
