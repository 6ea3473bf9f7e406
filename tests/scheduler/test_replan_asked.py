"""What cannot be planned anew is refused before anybody thinks about it."""

import pytest

FAILS = {"site": "north", "from": "2026-11-30T00:00:00+01:00", "to": "2026-12-02T00:00:00+01:00"}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"device": "bed-99"}, 404),
        ({"therapist": "00000000-0000-4000-8000-000000000000"}, 404),
        ({"device": "bed-01", "site": "south"}, 404),
        ({"device": "bed-01", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, 422),
        ({"device": "bed-01", "to": "2026-11-29T00:00:00Z"}, 422),
        ({"device": "bed-01", "therapist": "00000000-0000-4000-8000-000000000000"}, 422),
    ],
)
def test_an_unknown_bed_and_a_time_that_is_over_move_nobody(rig, wrong, status):
    """`0 moved` of a bed with a typing error would be believed; nothing is kept of it."""
    rig.clinic()
    rig.ask("POST", "/replan", json=FAILS | wrong, status=status)
    assert rig.ask("GET", "/replan?site=north", role="administrator") == []
