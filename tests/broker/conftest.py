"""What several tests of the broker stand on."""

import pytest

from broker.bus import Bus


@pytest.fixture
def bus(mosquitto):
    """A function that makes a started bus of the site."""
    made_here = []

    def make(name, **options):
        made_here.append(Bus(mosquitto.url, name, **{"site": "north"} | options))
        made_here[-1].start()
        assert made_here[-1].wait_connected(10)
        return made_here[-1]

    yield make
    for one in made_here:
        one.close(0.5)
