import pytest
from gateway_stand_in import GatewayStandIn, TelemetryProcess


@pytest.fixture
def telemetry(mosquitto, valkey, tmp_path):
    """The service on a real broker and a real store, running."""
    with TelemetryProcess(mosquitto.url, valkey.url, tmp_path) as service:
        yield service.start()


@pytest.fixture
def gateway(mosquitto):
    """A gateway's stand-in on the same broker."""
    with GatewayStandIn(mosquitto.url) as gateway:
        yield gateway
