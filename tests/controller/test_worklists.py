from datetime import timedelta
from uuid import uuid4

from bedside_rig import PATIENT
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from worklist_rig import NOW, Centre, entry, suspension

from services.controller import worklists
from services.controller.worklists import Worklists

KEY = X25519PrivateKey.generate()


def held(directory):
    """What a process that starts now reads."""
    found = Worklists(directory)
    found.refresh()
    return found


def test_the_newest_list_is_kept_and_an_older_one_leaves_it(tmp_path):
    """The network goes down at night; in the morning the bed must know today's patients, not yesterday's."""
    centre, one = Centre(tmp_path), entry(KEY, "token")
    assert centre.says(one, suspended=[suspension()])
    assert not centre.says(at=NOW - timedelta(days=1))
    assert held(tmp_path).entry(one.appointment).device == "bed-01"
    assert Centre(tmp_path).says(at=NOW + timedelta(hours=1))
    assert held(tmp_path).listed() == []
    path = tmp_path / worklists.DIRECTORY / "bed-01.json"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_list_of_the_future_is_not_the_newest_for_ever(tmp_path):
    """A centre whose clock ran ahead must not keep every later suspension out."""
    other = uuid4()
    ahead = Centre(tmp_path, now=(NOW + timedelta(days=400)).timestamp)
    assert ahead.says(at=NOW + timedelta(days=400))
    centre = Centre(tmp_path)
    assert centre.says(suspended=[suspension()])
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None
    assert centre.says(device="bed-02", at=NOW + timedelta(days=2), suspended=[suspension(other)])
    assert {row.patient for row in held(tmp_path).suspended()} == {PATIENT, other}
    assert centre.says(device="bed-02")
    assert held(tmp_path).suspended() == []


def test_a_damaged_file_takes_back_nothing_that_was_read(tmp_path):
    """Half a file after a full disk must not restore a suspended patient."""
    Centre(tmp_path).says(suspended=[suspension()])
    found = held(tmp_path)
    path = tmp_path / worklists.DIRECTORY / "bed-01.json"
    for content in (b"{", b"", b'{"at": 1}', b"\xff" * 100):
        path.write_bytes(content)
        found.refresh()
        assert found.suspension(PATIENT, "cervical") is not None
    assert held(tmp_path).newest() is None


def test_a_list_that_could_not_be_written_is_written_later(tmp_path):
    """A full disk in the moment of a suspension must not lose it."""
    centre = Centre(tmp_path)
    blocked = tmp_path / worklists.DIRECTORY
    blocked.write_text("a file where the directory should be")
    assert not centre.says(suspended=[suspension()])
    blocked.unlink()
    centre.keeper.again()
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None


def test_the_newest_of_all_beds_lists_says_who_is_suspended(tmp_path):
    """A suspension is of the site: the bed whose own list came before it must refuse, too."""
    centre, other = Centre(tmp_path), uuid4()
    centre.says(device="bed-01")
    centre.says(device="bed-02", suspended=[suspension(region="lumbar"), suspension(other, adverse=True)])
    found = held(tmp_path)
    assert found.suspension(PATIENT, "lumbar").reason == "answer"
    assert found.suspension(PATIENT, "cervical") is None
    assert found.suspension(other, "cervical").adverse
    centre.says(device="bed-01")
    found.refresh()
    assert found.suspension(PATIENT, "lumbar") is None


def test_a_clock_set_back_lets_a_new_suspension_in_and_no_older_list(tmp_path):
    """A gateway whose battery is empty took every list for one of the future: no suspension came in."""
    Centre(tmp_path).says()
    centre = Centre(tmp_path, now=(NOW - timedelta(days=900)).timestamp)
    assert centre.says(suspended=[suspension()], at=NOW + timedelta(hours=1))
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None
    assert not centre.says(at=NOW - timedelta(hours=1))
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None
