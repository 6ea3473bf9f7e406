import gc

import made
import pytest
from authority import Authority
from servers import Mosquitto, eventually, free_port

from broker.acl import User
from broker.bus import Bus, BusRefused, Tls
from broker.contract import TENSION
from broker.mosquitto import render_central
from broker.mosquitto.render import Certificates
from broker.receive import Receiver

pytestmark = pytest.mark.system
GATEWAY = User("gateway", "gw-north", "", "north", "gw-north", ("bed-01",))
INGEST = User("telemetry", "telemetry", "")


def central(directory, authority, port, *users):
    """The central broker as it is rendered, which knows its clients by their certificates."""
    conf = render_central(
        directory / "conf", host="127.0.0.1", port=port, users=users,
        certificates=Certificates(*authority.issue("broker")),
    )  # fmt: skip
    return Mosquitto(directory, conf, port)


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_certificate_is_identity_and_permission(tmp_path):
    """Between clinic and centre nobody needs a password, and nobody speaks for another clinic."""
    authority, port = Authority(tmp_path), free_port()
    with central(tmp_path, authority, port, GATEWAY):
        ca, certificate, key = (str(path) for path in authority.issue("gw-north"))
        gateway = Bus(f"mqtts://127.0.0.1:{port}", "gw", site="north", tls=Tls(ca, certificate, key))
        gateway.start()
        assert gateway.wait_connected(10), gateway.last_error
        assert gateway.publish(TENSION, made.block(), device="bed-01").wait(5)
        with pytest.raises(BusRefused):
            gateway.publish(TENSION, made.block(), site="south", device="bed-03").wait(5)
        gateway.close()
        nobody = Bus(f"mqtts://127.0.0.1:{port}", "x", tls=Tls(ca))
        nobody.start()
        eventually(lambda: nobody.last_error, 15)
        assert not nobody.connected
        nobody.close()
        deceived = Bus(f"mqtts://127.0.0.1:{port}", "y")
        deceived.start()
        assert "certificate" in eventually(lambda: deceived.last_error, 15).lower()
        deceived.close()
        gc.collect()


def test_blocks_are_read_whole_through_tls(tmp_path):
    """A record of TLS and a packet of MQTT end where they like: what is decrypted must not wait for more."""
    authority, port = Authority(tmp_path), free_port()
    with central(tmp_path, authority, port, GATEWAY, INGEST):
        url = f"mqtts://127.0.0.1:{port}"
        ca, *mine = (str(path) for path in authority.issue("gw-north"))
        _, *theirs = (str(path) for path in authority.issue("telemetry"))
        # With a turn of 0.2 s a record a turn, which Mosquitto makes of each message, would take a minute.
        receiver = Receiver(
            url, "telemetry", (TENSION,), session_expiry_s=60, tls=Tls(ca, *theirs), gather_s=0.2
        )
        receiver.start()
        receiver.open("north")
        eventually(lambda: receiver.connected, 15, "connected")
        gateway = Bus(url, "gw", site="north", tls=Tls(ca, *mine))
        gateway.start()
        assert gateway.wait_connected(10), gateway.last_error
        payloads = [made.block(seq=seq).model_dump_json().encode() for seq in range(0, 3000, 10)]
        for payload in payloads:
            gateway.publish(TENSION, payload, device="bed-01")
        packets = []

        def all_there():
            packets.extend(taken := receiver.take(1000, 0.1))
            receiver.acknowledge(taken)
            return len(packets) == len(payloads)

        eventually(all_there, 20, "every block")
        assert [packet.payload for packet in packets] == payloads
        gateway.close()
        receiver.stop()
        gc.collect()
