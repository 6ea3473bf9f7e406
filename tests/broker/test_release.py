"""Which releases of gateway and centre are made to work together."""

import pytest

from broker import release

TOGETHER = [
    ("1.4.0", "1.4.9", True), ("1.4.0", "1.5.0", True), ("1.5.2", "1.4.0", True), ("1.4.0", "1.6.0", False),
    ("1.4.0", "2.4.0", False), ("0.9.0", "1.0.0", False), ("1.4.0", "", True), ("", "", True),
    ("1.4.0", "nightly", False), ("nightly", "nightly", True), ("1.4.0", "1.5.0rc1", True),
    ("1.4.0", "1", False), ("1.4.0", "99999999999.1", False),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "wanted"), TOGETHER)
def test_releases_one_minor_apart_work_together_and_no_others(one, other, wanted):
    """An upgrade of fifty clinics takes weeks: the rule is one, for both ends, and it knows no side."""
    assert release.together(one, other) is wanted
    assert release.together(other, one) is wanted


def test_what_runs_here_is_a_release():
    """Else every bed of a chain would be told that it does not fit."""
    assert release.together(release.OURS, release.OURS + "+local")
