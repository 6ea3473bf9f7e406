"""What a gateway says when a broker and it do not take each other's certificate; a real Mosquitto."""

import gc
from datetime import timedelta

import pytest
from recorder_rig import Process
from registry_rig import RegistryRig, keep, outcome, reload, tls_of
from ring_writer import Ring
from servers import Mosquitto, eventually, free_port

from broker.bus import Tls
from broker.refusals import SAID, Kind
from services.controller.centre.line import WHY, Line
from services.kit import pki

pytestmark = [
    pytest.mark.system,
    # paho leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A chain with its central broker, and one that has nothing to do with it."""
    port = free_port()
    directory = tmp_path_factory.mktemp("chain")
    rig = RegistryRig(
        directory / "a", registry_broker_listen=f"127.0.0.1:{port}", registry_hosts=("localhost",)
    )
    other = RegistryRig(directory / "b")
    rig.joined()
    with Mosquitto(directory, rig.settings.centre / "mosquitto" / "mosquitto.conf", port) as broker:
        yield rig, other, broker, directory
    rig.close()
    other.close()
    gc.collect()


def papers_of(rig, directory, name="gateway", *, age_days=0.0, ours=True):
    """A certificate and key of gw-north in files, made so many days ago for two days."""
    key, now = pki.new_key(), pki.utc_now()
    signer = rig.desk.authorities.signing
    begins = now - timedelta(days=age_days)
    certificate = pki.issue(
        signer, key.public_key(), pki.Wanted("gw-north", "client", begins + timedelta(days=2)), begins
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.key").write_bytes(pki.key_pem(key))
    (directory / f"{name}.crt").write_text(pki.pem_of(certificate))
    (directory / "ca.crt").write_text(rig.desk.authorities.bundle)
    return Tls(*(str(directory / file) for file in ("ca.crt", f"{name}.crt", f"{name}.key")))


def test_each_wrong_certificate_is_told_by_its_own_line(chain, tmp_path):
    """Somebody at a clinic reads it and knows whether to set a clock, to telephone or to type a name."""
    rig, other, broker, _ = chain
    url = f"mqtts://localhost:{broker.port}"
    right = papers_of(rig, tmp_path / "right")
    found = {
        "wrong host name": outcome(f"mqtts://127.0.0.1:{broker.port}", right),
        "unknown authority": outcome(
            url, Tls(papers_of(other, tmp_path / "o").ca, right.certificate, right.key)
        ),
        "of another chain": outcome(
            url,
            Tls(right.ca, *(getattr(papers_of(other, tmp_path / "p"), it) for it in ("certificate", "key"))),
        ),
        "expired": outcome(url, papers_of(rig, tmp_path / "old", age_days=3)),
        "not yet": outcome(url, papers_of(rig, tmp_path / "new", age_days=-1)),
        "none": outcome(url, Tls(right.ca)),
        "no file": outcome(url, Tls(right.ca, str(tmp_path / "none.crt"), str(tmp_path / "none.key"))),
    }
    assert found == {
        "wrong host name": "broker_elsewhere", "unknown authority": "broker_unknown",
        "of another chain": "own_unknown", "expired": "own_expired", "not yet": "own_not_yet",
        "none": "own_missing", "no file": "own_unreadable",
    }  # fmt: skip


def test_a_revoked_gateway_is_told_so_until_it_joins_anew(chain, tmp_path):
    """Its old certificate stays refused for ever; the same machine with a new code is let in."""
    rig, _, broker, _ = chain
    rig.show(rig.code("gw-west", "west", ("bed-09",)))
    directory = keep(rig, tmp_path / "west", "gw-west")
    url, tls = f"mqtts://localhost:{broker.port}", tls_of(directory)
    assert outcome(url, tls, "gw-west") == "connected"
    rig.ask("POST", "/gateways/gw-west/revoke", json={"reason": "stolen"})
    reload(broker)
    eventually(lambda: outcome(url, tls, "gw-west") == "own_revoked", 20, "the revocation")
    rig.show(rig.code("gw-west", "west", ("bed-09",)))
    keep(rig, tmp_path / "again", "gw-west")
    reload(broker)
    assert outcome(url, tls_of(tmp_path / "again"), "gw-west") == "connected"
    assert outcome(url, tls, "gw-west") == "own_revoked"


def test_a_gateway_with_an_expired_certificate_records_on_and_sends_when_it_has_a_new_one(chain, tmp_path):
    """The log and the panel say which and what to do; not a sample is lost, nothing needs a restart."""
    rig, _, broker, _ = chain
    url, tls = f"mqtts://localhost:{broker.port}", papers_of(rig, tmp_path / "papers", age_days=3)
    process = Process(
        tmp_path, url, SPONDYL_MQTT_CA=tls.ca, SPONDYL_MQTT_CERTIFICATE=tls.certificate,
        SPONDYL_MQTT_KEY=tls.key,
    )  # fmt: skip
    ring = Ring(process.directory, devices=("bed-01",))
    try:
        ring.idle(100)
        process.start()
        panel = Line(process.directory)
        eventually(lambda: panel.refresh() or panel.words, 20, "the words for the panel")
        assert panel.why == "own_expired"
        eventually(lambda: ring.memory.health["spool_rows"] >= 10, 20, "everything in the spool")
        assert SAID["own_expired"] in (tmp_path / "recorder.log").read_text()
        assert ring.memory.health["mqtt_connected"] == 0
        papers_of(rig, tmp_path / "papers")
        eventually(lambda: ring.memory.health["mqtt_connected"], 40, "the connection")
        eventually(lambda: panel.refresh() or panel.words is None, 10, "nothing more to say")
        pieces = process.spooled("tension", "bed-01", ring.memory.boot)
        assert (pieces[0][0], pieces[-1][1]) == (0, 100), "kept until telemetry has said that it is stored"
    finally:
        process.end()
        ring.close()


def test_every_reason_has_its_words_at_the_panel(tmp_path):
    """In both languages, over the recorder's file; and none of it stays when the line is back."""
    assert set(WHY) == set(SAID) == set(Kind.__args__)
    recorder, panel = Line(tmp_path), Line(tmp_path)
    recorder.take("own_expired")
    panel.refresh()
    assert "has expired: it must be taken in anew. Treatment and recording go on" in panel.words.en
    assert "ist abgelaufen" in panel.words.de
    recorder.take(None)
    panel.refresh()
    assert panel.words is None


def test_a_broker_whose_clock_is_behind_the_registry_s_goes_on_with_a_new_list(chain, tmp_path):
    """A list that begins in its future lets nobody in: no clinic of a chain for the sake of one minute."""
    rig, _, broker, _ = chain
    url, tls = f"mqtts://localhost:{broker.port}", papers_of(rig, tmp_path / "right")
    rig.later(minutes=2)
    rig.show(rig.code("gw-lost", "lost", ("bed-30",)))
    lost = tls_of(keep(rig, tmp_path / "lost", "gw-lost"))
    rig.ask("POST", "/gateways/gw-lost/revoke", json={"reason": "stolen"})
    reload(broker)
    eventually(lambda: outcome(url, lost, "gw-lost") == "own_revoked", 15, "the revocation")
    assert outcome(url, tls) == "connected"
    rig.later(minutes=-2)
