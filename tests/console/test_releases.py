"""Gateways of another release than the centre's: named on every page and at their beds."""

import pytest
from console.samples import BOOT, NORTH, Clock, block, status

from broker import release
from services.console import detail
from services.console.fanout import Fanout
from services.console.live import Live

APART = "77.0.0"


@pytest.fixture
def live():
    """A bed whose gateway says another release."""
    live = Live(Clock())
    live.broker(up=True)
    live.status(NORTH.site, status("online").model_copy(update={"versions": {"spondyl": APART}}))
    live.tension(NORTH, block(0))
    return live


def gateway_row(live, language):
    """What the bed's page says of it."""
    rows = detail.shown(live, live.devices[NORTH], live.clock(), language)["chain"]
    return next(row for row in rows if row["id"] == "gateway")


def test_a_gateway_of_another_release_is_named_to_who_may_see_its_site(live):
    """Whoever upgrades has to find it; nobody learns of sites that are not theirs."""
    fanout = Fanout(live)
    fanout.summarise()
    assert f"gw-north ({APART})" in fanout.header("de", frozenset({"north"}))["releases"]
    assert release.OURS in fanout.header("en")["releases"]
    assert fanout.header("de", frozenset({"south"}))["releases"] == ""
    for language in ("de", "en"):
        row = gateway_row(live, language)
        assert row["health"] == "warn"
        assert APART in row["text"]


def test_gateways_of_this_release_and_those_that_say_none_are_not_named(live):
    """A banner that is always there is read by nobody."""
    for versions in ({"spondyl": release.OURS}, {}):
        live.status(NORTH.site, status("online", BOOT).model_copy(update={"versions": versions}))
        fanout = Fanout(live)
        fanout.summarise()
        assert fanout.header("de")["releases"] == ""
        assert gateway_row(live, "de")["health"] == "good"


def test_of_many_some_are_named_and_the_rest_counted(live):
    """An upgrade of fifty clinics has begun."""
    for number in range(9):
        said = status("online").model_copy(
            update={"gateway": f"gw-{number}", "versions": {"spondyl": APART}, "devices": []}
        )
        live.status(f"site-{number}", said)
    fanout = Fanout(live)
    fanout.summarise()
    assert "+ 7" in fanout.header("en")["releases"]
