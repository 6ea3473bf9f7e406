"""Screening as it stands with no room: the rig that every room's tests stand on."""

import pytest


@pytest.mark.system
def test_screening_opens_on_both_databases_and_answers(either):
    """What runs on one machine must run on the chain's server."""
    assert either.client().get("/livez").text == "alive"
    assert either.told() == []
    assert either.trail() == []
