"""The health check of every container, against servers that answer well, badly and not at all."""

import contextlib
import json
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from authority import Authority

from services.kit import probe


@contextlib.contextmanager
def serving(status, body, pair=None):
    """A server of one answer on loopback; the environment of a service that would give it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/readyz"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        environment = {"SPONDYL_HTTP_HOST": "0.0.0.0", "SPONDYL_HTTP_PORT": str(server.server_port)}
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            environment["SPONDYL_HTTP_CERTIFICATE"] = str(pair[0])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield environment
        finally:
            server.shutdown()
            thread.join()


def body(detail):
    return json.dumps({"ready": True, "detail": detail, "checks": {}}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "ready", "words"),
    [
        (200, body("every dependency answers"), True, "every dependency answers"),
        (503, body("redis: not there"), False, "redis: not there"),
        (500, b"{}", False, "/readyz answers 500"),
        (404, b"<html>", False, "cannot be asked"),
        (200, b"[]", True, "/readyz answers 200"),
    ],
)
def test_it_says_what_the_service_says_of_itself(status, answer, ready, words):
    """Healthy means that the service can do its work; the reason stands in `inspect`."""
    with serving(status, answer) as environment:
        found, said = probe.ask(environment)
    assert found is ready
    assert words in said


def test_a_service_that_does_not_listen_is_unwell_and_named():
    """Before it listens, and after it died."""
    found, said = probe.ask({"SPONDYL_HTTP_PORT": "1"})
    assert not found
    assert "127.0.0.1:1/readyz cannot be asked" in said


def test_over_https_only_the_service_s_own_certificate_counts(tmp_path):
    """A probe that trusted anybody would call another process healthy; the name it asks by is no matter."""
    authority = Authority(tmp_path)
    _, *own = authority.issue("gateway")
    _, *other = authority.issue("somebody")
    with serving(200, body("well"), own) as environment:
        assert probe.ask(environment) == (True, "well")
        found, said = probe.ask(environment | {"SPONDYL_HTTP_CERTIFICATE": str(other[0])})
    assert not found
    assert "certificate" in said.lower()


def test_as_a_command_it_ends_with_the_finding_and_loads_only_the_library():
    """It runs every few seconds beside every service: a tenth of a second each is a processor for fifty."""
    code = (
        "import sys; import services.kit.probe; print([m for m in sys.modules if m in ('pydantic', 'httpx')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
    with serving(503, body("broker: not connected")) as environment:
        done = subprocess.run(
            [sys.executable, "-m", "services.kit.probe"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (1, "broker: not connected")
