import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.up import _Announcer
from services.kit.runfile import Run, process_start

ANSWER_S = 0.4
LIMIT_S = 0.3  # who waited for one answer would be held up for longer


class Slow(BaseHTTPRequestHandler):
    """Says that it is ready, after a while."""

    def do_GET(self):
        """Ready."""
        self.server.asked.append(self.path)
        threading.Event().wait(ANSWER_S)
        self.send_response(200 if self.server.ready else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def slow():
    """A server that stands for every service; ready when told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.ready, server.asked = True, []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # how often it looks for its end
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def announcer(slow, tmp_path):
    """Waits for twelve services of that server."""
    address = f"http://127.0.0.1:{slow.server_port}"
    sites = {
        name: {"gateway": f"gw-{name}", "panel": address, "devices": [f"bed-{name}"]}
        for name in ("north", "south", "east", "west")
    }
    made = _Announcer(
        Run.model_validate(
            {
                "pid": os.getpid(), "pid_started_at": process_start(os.getpid()),
                "started_at": "2026-01-01T00:00:00Z", "version": "1", "data": str(tmp_path),
                "console": address, "telemetry": address, "ingest": [address, address], "panels": {},
                "screening": address, "scheduler": address, "billing": address,
                "homecare": address,
                "mqtt": "mqtt://127.0.0.1:3", "mqtt_user": "integrator", "mqtt_password": "p",
                "redis": "redis://127.0.0.1:4/0", "users": {}, "sites": sites,
            }
        ),
        as_json=True,
    )  # fmt: skip
    yield made
    made.close()


def until(announcer, condition, within_s=10.0):
    """Rounds of the supervisor until the condition holds; the longest round and all of them, in seconds."""
    began, longest = time.monotonic(), 0.0
    while not condition():
        assert time.monotonic() - began < within_s
        round_began = time.monotonic()
        announcer()
        longest = max(longest, time.monotonic() - round_began)
        threading.Event().wait(0.02)
    return longest, time.monotonic() - began


def test_services_are_asked_at_once_and_nobody_is_held_up(announcer, capsys):
    """Ten slow answers one after the other would take all their times together, and stop the watch."""
    said = []
    longest, whole = until(announcer, lambda: said.append(capsys.readouterr().out) or "".join(said))
    assert json.loads("".join(said))["ingest"]
    assert longest < LIMIT_S
    assert whole < 10 * ANSWER_S


def test_what_is_not_ready_is_asked_again_and_what_is_ready_is_not(announcer, slow, capsys):
    """The line appears when everything answers, not before, and only once."""
    slow.ready = False
    until(announcer, lambda: len(slow.asked) >= 20)
    assert capsys.readouterr().out == ""
    slow.ready = True
    until(announcer, lambda: not announcer._waiting)
    assert len(capsys.readouterr().out.splitlines()) == 1
    count = len(slow.asked)
    announcer()
    assert len(slow.asked) == count
