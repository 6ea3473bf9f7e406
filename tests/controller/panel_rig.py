"""A panel's door for tests: time in a test's hand, wrong tries, what its live socket and its log tell."""

import json
import time

import pytest
from operator_rig import THERAPIST
from websockets.sync.client import connect

from services.controller.errors import SignInRefused
from services.kit.clearance import Anchor, Clocks

ACTING = {
    "confirm": {}, "switch-test": {}, "start": {}, "pause": {}, "resume": {}, "reset": {}, "close": {},
    "change": {}, "heat": {"on": True}, "pain": {"when": "after", "value": 3}, "note": {"text": "x"},
    "acknowledge": {"occurrence": "over_force-1"},
    "adverse": {"id": "0b0e7a36-5d0f-4a8f-9c66-1f7d3e2a9b10", "kind": "other", "grade": 1},
}  # fmt: skip
COOKIE = "spondyl-panel-north"
CLOSE_S = 1.0  # a reader that is behind does not hear the answer to its farewell


class Time:
    """Both clocks in a test's hand."""

    def __init__(self):
        self.wall, self.steady = time.time(), 1000.0

    def clocks(self):
        """As a panel has them."""
        return Clocks(Anchor(self.wall, self.steady), wall=lambda: self.wall, steady=lambda: self.steady)

    def pass_s(self, seconds):
        """Both go on."""
        self.wall, self.steady = self.wall + seconds, self.steady + seconds


def wrong(door, name=THERAPIST, pin="000111"):
    """One wrong try; what was answered."""
    with pytest.raises(SignInRefused) as refused:
        door.by_pin(name, pin)
    return refused.value


def hello(panel):
    """The first frame of a live socket, with the cookies of now."""
    cookies = "; ".join(f"{name}={value}" for name, value in panel.http.cookies.items())
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    with connect(
        address, proxy=None, additional_headers={"cookie": cookies}, close_timeout=CLOSE_S
    ) as socket:
        return socket.recv(timeout=5)


def next_state(socket):
    """The next state that a socket is told."""
    while True:
        frame = json.loads(socket.recv(timeout=5))
        if frame["type"] == "state":
            return frame["state"]


def told(clinic, session):
    """Who did what, as the log has it."""
    return [(row["action"], row["operator"]) for row in clinic.store.actions(session.session)]
