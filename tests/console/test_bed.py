"""What the bed's page says of the way from the bed to the store."""

from datetime import UTC, datetime

import pytest
from console.samples import BOOT, NEXT_BOOT, NORTH, Clock, block

from broker.messages import Committed
from services.console.live import Live


@pytest.fixture
def live():
    return Live(Clock())


def committed(after, boot=BOOT):
    return Committed(boot=boot, next={"tension": after}, at=datetime.now(UTC))


def test_what_is_not_stored_yet_is_told_in_seconds(live):
    """A spool that fills must be seen before its disk is full."""
    live.tension(NORTH, block(490))
    live.committed(NORTH, committed(400))
    assert live.devices[NORTH].unstored_s() == pytest.approx(2.0)
    live.committed(NORTH, committed(600))
    assert live.devices[NORTH].unstored_s() == 0.0


def test_a_promise_of_another_boot_says_nothing_of_this_one(live):
    """Numbers of the boot before would be read as a huge backlog, or as none."""
    live.committed(NORTH, committed(400, NEXT_BOOT))
    live.tension(NORTH, block(490))
    assert live.devices[NORTH].unstored_s() is None
