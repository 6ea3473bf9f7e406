"""From an account in the console to a sign-in at the bed, with the network and without it."""

import contextlib
import signal

import httpx
import pytest
import replayed
from machine import Machine
from operator_rig import PIN, THERAPIST
from servers import eventually

pytestmark = pytest.mark.system


@pytest.fixture
def machine(tmp_path):
    """One bed, and nobody to operate it."""
    system = Machine(tmp_path / "data", "--beds", "1", "--sites", "1", "--no-therapist").start()
    try:
        yield system
    finally:
        if system.running:
            system.stop(10.0)
    replayed.left_behind(system)


@pytest.fixture
def door(machine):
    """Its panel."""
    found = Door(machine)
    yield found
    found.http.close()


class Door:
    """The panel as a browser at the bed meets it."""

    def __init__(self, machine):
        self.http = httpx.Client(
            base_url=httpx.URL(machine.addresses["panels"]["bed-01"]).join("/"), trust_env=False
        )

    def names(self):
        """Who may choose a name; nobody while the panel is starting."""
        with contextlib.suppress(httpx.HTTPError):
            return [row["name"] for row in self.http.get("/api/sign-in").json()["operators"]]
        return None

    def sign_in(self):
        """The status of a try with the right PIN."""
        try:
            return self.http.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN}).status_code
        except httpx.HTTPError:
            return 0

    def act(self, action):
        """The status of an action at the bed."""
        return self.http.post(f"/api/devices/bed-01/{action}", json={}).status_code


@pytest.mark.requirement("sign-in-offline")
def test_whom_the_console_employs_signs_in_at_the_bed_also_with_the_network_cut(machine, door):
    """A clinic works when its line is down, and a dismissal arrives when it is back."""
    assert door.sign_in() == 401
    assert door.act("reset") == 401
    machine.spondyl("users", "add", THERAPIST, "--role", "therapist").check_returncode()
    machine.spondyl("users", "pin", THERAPIST, typed=f"{PIN}\n").check_returncode()
    eventually(lambda: door.names() == [THERAPIST], 20, "the list at the panel")
    assert (door.sign_in(), door.act("reset")) == (200, 200)

    cut = [process(machine, "mosquitto"), process(machine, "console")]
    for one in cut:
        one.send_signal(signal.SIGSTOP)
    try:
        process(machine, "panel").kill()  # a restart while offline: the list is on the gateway's disk
        eventually(lambda: door.sign_in() == 200, 30, "a sign-in without the network")
        assert door.act("reset") == 200
        assert door.act("stop") == 200
        machine.spondyl("users", "disable", THERAPIST).check_returncode()
        assert door.sign_in() == 200  # the news has not come
    finally:
        for one in cut:
            one.send_signal(signal.SIGCONT)
    eventually(lambda: door.names() == [], 60, "the new list")
    assert door.act("reset") == 401
    assert door.act("stop") == 200


WORDS = {"mosquitto": "mosquitto", "console": "services.console", "panel": "services.controller.panel"}


def process(machine, name):
    """One of the machine's processes."""
    (found,) = [one for one in machine.family() if WORDS[name] in " ".join(one.cmdline()[:3])]
    return found
