from datetime import timedelta
from uuid import uuid4

import pytest
from bedside_rig import PATIENT
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from worklist_rig import NOW, Centre, entry, suspension

from services.controller.bedside.admission import Admission
from services.controller.centre import worklists
from services.controller.centre.worklists import Worklists
from services.kit.clearance import Clocks

KEY = X25519PrivateKey.generate()


def held(directory):
    """What a process that starts now reads."""
    found = Worklists(directory)
    found.refresh()
    return found


@pytest.mark.requirement("keep-worklists")
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


@pytest.mark.requirement("keep-worklists")
def test_a_list_of_the_future_is_not_the_newest_for_ever(tmp_path):
    """A centre whose clock ran ahead must not keep every later suspension out."""
    other = uuid4()
    centre = Centre(tmp_path)
    assert centre.says(at=NOW + timedelta(days=400))
    assert centre.says(suspended=[suspension()])
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None
    assert centre.says(device="bed-02", at=NOW + timedelta(days=2), suspended=[suspension(other)])
    assert {row.patient for row in held(tmp_path).suspended()} == {PATIENT, other}
    assert centre.says(device="bed-02")
    assert held(tmp_path).suspended() == []


@pytest.mark.requirement("keep-worklists")
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


@pytest.mark.requirement("keep-worklists")
def test_a_clock_set_back_lets_a_new_suspension_in_and_no_older_list(tmp_path):
    """A gateway whose battery is empty took every list for one of the future: no suspension came in."""
    Centre(tmp_path).says()
    centre = Centre(tmp_path, now=(NOW - timedelta(days=900)).timestamp)
    assert centre.says(suspended=[suspension()], at=NOW + timedelta(hours=1))
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None
    assert not centre.says(at=NOW - timedelta(hours=1))
    assert held(tmp_path).suspension(PATIENT, "lumbar") is not None


@pytest.mark.requirement("keep-worklists")
def test_a_clock_set_back_across_a_reboot_makes_no_replayed_list_believed(tmp_path):
    """With an empty battery an old list looked right: whoever was suspended since was treated."""
    earlier, back = NOW - timedelta(days=10), NOW - timedelta(days=9)
    Centre(tmp_path).says(suspended=[suspension()])
    rebooted = Centre(tmp_path, now=back.timestamp)
    assert not rebooted.says(at=earlier)
    assert rebooted.says(at=NOW + timedelta(hours=1), suspended=[suspension()])
    assert not Centre(tmp_path, now=back.timestamp).says(at=earlier)
    found = held(tmp_path)
    assert found.newest().at == NOW + timedelta(hours=1)
    assert found.suspension(PATIENT, "lumbar") is not None


@pytest.mark.requirement("keep-worklists")
def test_what_a_list_that_is_not_believed_suspends_is_suspended(tmp_path):
    """Perhaps it was the centre's clock that was wrong: nobody is treated whom either word is against."""
    both_ahead = (NOW + timedelta(days=30)).timestamp
    Centre(tmp_path, now=both_ahead).says(at=NOW + timedelta(days=30))
    centre, admission = Centre(tmp_path), Admission(Worklists(tmp_path), Clocks())
    assert not centre.says(suspended=[suspension()])
    admission.worklists.refresh()
    assert admission.worklists.suspension(PATIENT, "lumbar") is not None
    assert "is not believed" in admission.silence().en
    assert "wird nicht geglaubt" in admission.silence().de
    assert centre.says(at=NOW + timedelta(days=31))
    admission.worklists.refresh()
    assert admission.worklists.suspended() == []


@pytest.mark.requirement("keep-worklists")
def test_a_lost_list_lets_no_older_one_in(tmp_path):
    """How new a bed's list was is known beyond the file that had it."""
    centre = Centre(tmp_path)
    centre.says(suspended=[suspension()])
    (tmp_path / worklists.DIRECTORY / "bed-01.json").write_bytes(b"{")
    assert not centre.says(at=NOW - timedelta(hours=2))
    assert held(tmp_path).newest() is None
    assert centre.says(suspended=[suspension()])
