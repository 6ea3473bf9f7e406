import asyncio
import os
import ssl
import threading
import time
from contextlib import nullcontext

import httpx
import pytest
from authority import Authority
from fastapi import APIRouter
from servers import eventually, free_port

from services.kit import connections, http
from services.kit import fetch as fetching
from services.kit.auth.guard import NOBODY, public
from services.kit.connections import broker_of, open_bus, server_tls, verification
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.kit.settings import Settings


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """One authority for all: keys take their time."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _forget():
    connections.verification.cache_clear()
    yield
    connections.verification.cache_clear()


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_secret_is_read_from_the_file_that_its_variable_names(monkeypatch, tmp_path, ending):
    """Containers mount secrets: in the environment everybody reads them who may inspect one."""
    (tmp_path / "password").write_text(f"sesame{ending}")
    monkeypatch.setenv("SPONDYL_MQTT_PASSWORD_FILE", str(tmp_path / "password"))
    assert Settings.load().mqtt_secret == "sesame"


def test_a_secret_that_is_given_twice_is_refused(monkeypatch, tmp_path):
    """Which of the two counts must not be a guess."""
    (tmp_path / "password").write_text("sesame")
    monkeypatch.setenv("SPONDYL_MQTT_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("SPONDYL_MQTT_PASSWORD", "poppy")
    with pytest.raises(SpondylError, match="SPONDYL_MQTT_PASSWORD_FILE are both given") as refusal:
        Settings.load()
    assert "sesame" not in refusal.value.message
    assert "poppy" not in refusal.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"\xff\xfe", "no text"), (b"x" * 1_000_001, "1000000 bytes")],
    ids=["missing", "bytes", "large"],
)
def test_a_file_that_holds_no_value_is_refused_by_variable_and_path(monkeypatch, tmp_path, content, words):
    """A mount that failed is found by the first line of the log."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SPONDYL_MQTT_PASSWORD_FILE", str(path))
    with pytest.raises(SpondylError, match="SPONDYL_MQTT_PASSWORD_FILE") as refusal:
        Settings.load()
    assert words in refusal.value.message
    assert str(path) in refusal.value.message


def test_a_number_may_come_from_a_file_as_well(monkeypatch, tmp_path):
    """Any setting, not only secrets."""
    (tmp_path / "port").write_text("8123\n")
    monkeypatch.setenv("SPONDYL_HTTP_PORT_FILE", str(tmp_path / "port"))
    assert Settings.load().http_port == 8123


def test_certificates_at_the_broker_are_checked_before_anybody_connects(authority, tmp_path):
    """A wrong mount is a refusal at the start, not an endless row of failed connections."""
    ca, certificate, key = authority.issue("telemetry")
    secure = {"mqtt_url": "mqtts://broker:8883", "mqtt_ca": ca}
    whole = Settings(**secure, mqtt_certificate=certificate, mqtt_key=key)
    assert broker_of(whole)["tls"].certificate == str(certificate)
    other = authority.issue("console")[2]
    refused = {
        "SPONDYL_MQTT_KEY is missing": Settings(**secure, mqtt_certificate=certificate),
        "SPONDYL_MQTT_CERTIFICATE is missing": Settings(**secure, mqtt_key=key),
        "begins with mqtts://": Settings(mqtt_url="mqtt://broker:1883", mqtt_ca=ca),
        "SPONDYL_MQTT_CA is": Settings(**(secure | {"mqtt_ca": tmp_path / "none.pem"})),
        "its own private key": Settings(**secure, mqtt_certificate=certificate, mqtt_key=other),
    }
    for words, settings in refused.items():
        with pytest.raises(SpondylError, match=words):
            open_bus(settings, "telemetry")


def test_https_needs_a_certificate_and_its_key(authority):
    """Half a pair must not end as plain HTTP."""
    with pytest.raises(SpondylError, match="SPONDYL_HTTP_KEY is missing"):
        server_tls(Settings(http_certificate=authority.issue("console")[1]))
    assert server_tls(Settings()) is None


def test_an_authority_that_cannot_be_read_is_refused_by_its_variable(monkeypatch, tmp_path):
    """Otherwise every call would fail with words of OpenSSL's."""
    monkeypatch.setenv("SPONDYL_TLS_CA", str(tmp_path / "none.pem"))
    with pytest.raises(SpondylError, match="SPONDYL_TLS_CA is"):
        verification()


@pytest.fixture
def served(authority, tmp_path, monkeypatch):
    """(address, pair of files, what looks after them) of an application that serves HTTPS."""
    pair = tmp_path / "served.pem", tmp_path / "served.key"
    place(pair, authority.issue("first"))
    settings = Settings(http_port=free_port(), http_certificate=pair[0], http_key=pair[1])
    made: list[http.Renewed] = []
    monkeypatch.setattr(http.Renewed, "start", lambda self: made.append(self))  # noqa: PLW0108  (a method binds)
    servers: list[http._Server] = []
    monkeypatch.setattr(http._Server, "capture_signals", lambda self: servers.append(self) or nullcontext())
    app = http.create_app("secure", "1", routers=[APIRouter(dependencies=[public()])], guard=NOBODY)
    thread = threading.Thread(target=http.serve, args=(app, settings))
    thread.start()
    eventually(lambda: servers and servers[0].started)
    yield f"https://127.0.0.1:{settings.http_port}", pair, made[0]
    servers[0].should_exit = True
    thread.join(10)


def place(pair, issued):
    """Put certificate and key where the server reads them."""
    for path, source in zip(pair, issued[1:], strict=True):
        path.write_bytes(source.read_bytes())


def test_a_service_is_reached_by_who_knows_the_chain_s_authority_and_by_nobody_else(
    authority, served, monkeypatch
):
    """Between machines a password or a name must never go to whoever answers there."""
    address = served[0]
    with pytest.raises(OSError, match="certificate"):
        fetch(f"{address}/livez", 5.0)
    monkeypatch.setenv("SPONDYL_TLS_CA", str(authority.ca))
    connections.verification.cache_clear()
    fetching._openers.cache_clear()
    assert fetch(f"{address}/livez", 5.0) == b"alive"
    assert httpx.get(f"{address}/livez", verify=verification(), trust_env=False).text == "alive"


def test_a_new_authority_is_believed_without_a_restart(authority, served, tmp_path, monkeypatch):
    """The centre's certificates change their signer at once; who waits for a restart reaches nobody."""
    url, file = f"{served[0]}/livez", tmp_path / "trusted.pem"
    former = Authority(tmp_path, "former authority").ca.read_text()
    file.write_text(former)
    monkeypatch.setenv("SPONDYL_TLS_CA", str(file))
    connections.verification.cache_clear()
    fetching._openers.cache_clear()
    with httpx.Client(verify=verification(), trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            client.get(url)
        file.write_text("half of something")
        with pytest.raises(httpx.ConnectError):
            client.get(url)
        file.write_text(former + authority.ca.read_text())
        assert client.get(url).text == "alive"
        assert asyncio.run(asked(url)) == "alive"
        assert fetch(url, 5.0) == b"alive"


async def asked(url):
    """What pages of the console ask with."""
    async with httpx.AsyncClient(verify=verification(), trust_env=False) as client:
        return (await client.get(url)).text


def test_a_certificate_that_is_replaced_is_served_without_a_restart(authority, served):
    """Certificates live for weeks, services for months."""
    address, pair, renewed = served
    port = int(address.rpartition(":")[2])
    before = ssl.get_server_certificate(("127.0.0.1", port))
    place(pair, authority.issue("second"))
    later = time.time() + 5
    for path in pair:
        os.utime(path, (later, later))
    renewed.look()
    after = ssl.get_server_certificate(("127.0.0.1", port))
    assert after == pair[0].read_text() != before
    pair[1].write_text("half of something")
    renewed.look()
    assert ssl.get_server_certificate(("127.0.0.1", port)) == after
