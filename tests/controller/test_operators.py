"""The list that a gateway holds: what replaces it, what does not, and when it counts no more."""

import time
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from operator_rig import SITE, THERAPIST, Staff
from structlog.testing import capture_logs

from services.controller.centre.operators import FILE, Keeper, Operators
from services.kit.auth import tokens
from services.kit.clearance import Anchor, Clocks

DAY_S = 86_400


@pytest.fixture(scope="module")
def staff(tmp_path_factory):
    """Keys and one operator."""
    return Staff(tmp_path_factory.mktemp("staff"))


@pytest.fixture
def keeper(staff, tmp_path):
    """What the recorder keeps lists with."""
    return Keeper(tmp_path, staff.public_key, SITE, time.time)


def held(staff, directory, clocks=None):
    """What the panel makes of what is kept there."""
    found = Operators(directory, staff.public_key, SITE, clocks or Clocks())
    found.refresh()
    return found.standing()


def names(standing):
    return [row.name for row in standing.in_force.operators]


def test_a_newer_list_replaces_the_held_one_and_survives_the_process(staff, keeper, tmp_path):
    """A gateway that starts with the network down knows whom it knew."""
    assert held(staff, tmp_path).in_force is None
    assert keeper.take(staff.signed(version=1))
    assert names(held(staff, tmp_path)) == [THERAPIST]
    assert keeper.take(staff.signed([staff.person("new", account=uuid4())], version=2))
    assert names(held(staff, tmp_path)) == ["new"]
    assert oct((tmp_path / FILE).stat().st_mode & 0o777) == "0o600"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.requirement("trust-only-signed-lists")
@pytest.mark.parametrize(
    ("other", "why"),
    [
        (lambda staff: staff.signed(private=Ed25519PrivateKey.generate(), version=9), "not signed by"),
        (lambda staff: staff.signed(site="south", version=9), "for south"),
        (lambda staff: staff.signed(version=4), "version is 4: the one that is held has 5"),
        (lambda staff: staff.signed(version=9, issued_s=time.time() - 31 * DAY_S), "expired"),
        (lambda staff: staff.signed(version=9)[:-6] + "AAAAAA", "not signed by"),
        (lambda _staff: "x" * 250_001, "250001 characters"),
    ],
    ids=["forged", "other-site", "older", "expired", "tampered", "oversized"],
)
def test_a_list_that_does_not_count_leaves_the_held_one_and_is_logged(staff, keeper, tmp_path, other, why):
    """Nobody can take a gateway's operators away, or bring a dismissed one back, by sending a message."""
    keeper.take(staff.signed(version=5))
    before = (tmp_path / FILE).read_bytes()
    with capture_logs() as logs:
        assert not keeper.take(other(staff))
    assert (tmp_path / FILE).read_bytes() == before
    assert why in next(row["why"] for row in logs if row["event"] == "a list of operators was refused")
    assert names(held(staff, tmp_path)) == [THERAPIST]


def test_the_same_list_again_writes_nothing(staff, keeper, tmp_path):
    """Retained: it comes with every connection, and a flash disk wears."""
    signed = staff.signed(version=5)
    keeper.take(signed)
    before = (tmp_path / FILE).stat().st_mtime_ns
    assert keeper.take(signed)
    assert (tmp_path / FILE).stat().st_mtime_ns == before


def test_a_held_file_that_is_damaged_gives_way_to_any_list_that_counts(staff, keeper, tmp_path):
    """A torn disk must not keep the clinic's operators out until a newer version happens to be issued."""
    (tmp_path / FILE).write_text("garbage")
    standing = held(staff, tmp_path)
    assert standing.in_force is None
    assert "does not count" in standing.trouble.en
    assert keeper.take(staff.signed(version=1))
    assert names(held(staff, tmp_path)) == [THERAPIST]


def test_a_list_that_cannot_be_written_is_tried_again(staff, tmp_path):
    """A full disk passes; the list must not be lost over it."""
    directory = tmp_path / "gone"
    directory.write_text("a file where the directory should be")
    keeper = Keeper(directory, staff.public_key, SITE, time.time)
    assert not keeper.take(staff.signed(version=3))
    directory.unlink()
    keeper.again()
    assert names(held(staff, directory)) == [THERAPIST]


@pytest.mark.requirement("sign-in-offline")
def test_an_expired_list_says_since_when_and_why_in_both_languages(staff, tmp_path):
    """Somebody has to know that it is the console that is not reached."""
    staff.enlist(tmp_path, issued_s=time.time() - 31 * DAY_S)
    standing = held(staff, tmp_path)
    assert standing.in_force is None
    assert standing.listed is not None
    since = time.strftime("%Y-%m-%d", time.gmtime(standing.listed.expires_s))
    assert f"expired {since}" in standing.trouble.en
    assert "until the console is reached" in standing.trouble.en
    assert f"am {since}" in standing.trouble.de


@pytest.mark.requirement("trust-only-signed-lists")
def test_a_clock_set_back_does_not_revive_an_expired_list(staff, tmp_path):
    """Whoever can set a clock must not become an operator by it."""
    wall, steady = [1_000_000.0], [50.0]
    clocks = Clocks(Anchor(wall[0], steady[0]), wall=lambda: wall[0], steady=lambda: steady[0])
    staff.enlist(tmp_path, issued_s=wall[0], valid_s=3600)
    assert held(staff, tmp_path, clocks).in_force is not None
    wall[0], steady[0] = wall[0] + 3601, steady[0] + 3601
    assert held(staff, tmp_path, clocks).in_force is None
    wall[0] -= 3000
    assert held(staff, tmp_path, clocks).in_force is None


def test_a_key_that_comes_after_the_list_makes_it_count(staff, tmp_path):
    """Files may arrive on a gateway in any order."""
    staff.enlist(tmp_path)
    key = tmp_path / "late.pub"
    found = Operators(tmp_path, lambda: tokens.public_key(key, tmp_path), SITE, Clocks())
    found.refresh()
    assert "late.pub" in found.standing().trouble.en
    key.write_bytes(staff.public_key())
    found.refresh()
    assert found.standing().in_force is not None
