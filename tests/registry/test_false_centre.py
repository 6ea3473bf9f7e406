"""Somebody between a clinic and the centre: they know the centre's authority, which is no secret."""

import json
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.kit import pki
from services.kit.enrolment import joining
from services.kit.enrolment.centre import WrongCentre


@pytest.fixture
def between(tmp_path):
    """An HTTPS server by an authority of its own; ``told`` answers GET, ``heard`` is what was sent to it."""
    now = pki.utc_now()
    own = pki.authority("false", now + timedelta(days=1), now)
    key = pki.new_key()
    wanted = pki.Wanted("false", "server", now + timedelta(days=1), ("localhost",))
    (tmp_path / "false.key").write_bytes(pki.key_pem(key))
    (tmp_path / "false.crt").write_text(pki.pem_of(pki.issue(own, key.public_key(), wanted, now)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "false.crt", tmp_path / "false.key")

    class Between(BaseHTTPRequestHandler):
        authority, told, heard = own.pem, {}, []

        def do_GET(self):
            self.answer(self.told)

        def do_POST(self):
            self.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer({})

        def answer(self, body):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Between)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Between.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield Between
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_authority_slipped_in_behind_the_pinned_one_gets_no_code(rig, between, tmp_path):
    """A code names one authority: whoever comes along with it must be vouched for by that one's key."""
    code, true = rig.code(), rig.client().request("GET", "/authority").json()
    between.told = {**true, "authorities": true["authorities"] + between.authority}
    with pytest.raises(WrongCentre, match="nothing was sent"):
        joining.join(tmp_path / "clinic", between.url, code.text, joining.Place())
    between.told = true  # and who repeats the truth has not got its key
    with pytest.raises(WrongCentre, match="nothing was sent"):
        joining.join(tmp_path / "clinic", between.url, code.text, joining.Place())
    assert between.heard == []
