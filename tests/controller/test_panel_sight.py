"""What the panel shows to everybody, to whoever signed in, and no longer to whoever has gone."""

import json

from asgi_client import Client
from bedside_rig import PATIENT
from controller.panel_rig import CLOSE_S, hello, next_state
from servers import eventually
from websockets.sync.client import connect

from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal


def test_what_the_bed_does_is_open_and_whose_session_it_is_is_not(panel, clinic):
    """Nobody who helps is kept from the numbers; nobody who passes by reads who lies there."""
    clinic.under_way(note="slight pull left")
    for page in (panel.get("/bed-01"), json.loads(hello(panel))["state"]):
        assert page["phase"] in ("slack", "precondition", "ramp", "hold", "rest", "release")
        assert set(page["session"]["prescription"]) <= {
            "base_n", "peak_n", "rise_n_s", "fall_n_s", "hold_s", "rest_s",
        }  # fmt: skip
        assert "patient" not in page["session"]
        assert page["session"]["notes"] == []
    assert str(PATIENT) not in panel.http.get("/bed-01").text
    panel.sign_in()
    for page in (panel.get("/bed-01"), json.loads(hello(panel))["state"]):
        assert page["session"]["patient"] == str(PATIENT)
        assert page["session"]["prescription"]["body_weight_kg"] == 80.0
        assert page["session"]["notes"][0]["text"] == "slight pull left"


def test_a_socket_opened_by_somebody_shows_no_more_than_the_open_view_once_they_have_gone(panel, clinic):
    """A page that is left behind must not go on reading out the notes."""
    clinic.under_way(note="slight pull left")
    panel.sign_in()
    cookies = "; ".join(f"{name}={value}" for name, value in panel.http.cookies.items())
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    with connect(
        address, proxy=None, additional_headers={"cookie": cookies}, close_timeout=CLOSE_S
    ) as socket:
        assert json.loads(socket.recv(timeout=5))["state"]["session"]["patient"] == str(PATIENT)
        panel.http.post("/api/sign-out", json={}).raise_for_status()
        eventually(lambda: "patient" not in next_state(socket)["session"], 10, "the open view")


def test_a_socket_opened_by_a_token_shows_no_more_than_the_open_view_once_it_has_ended(panel, clinic):
    """What is shown to a minute's token must not be shown for a day."""
    clinic.under_way(note="slight pull left")
    who = Principal("a1", "ada", (Grant("clinician", "north"),))
    token = tokens.mint(clinic.staff.keys.private, who, 2.0, [tokens.PANEL])
    address = f"ws://127.0.0.1:{panel.port}/api/devices/bed-01/live"
    headers = {"authorization": f"Bearer {token}"}
    with connect(address, proxy=None, additional_headers=headers, close_timeout=CLOSE_S) as socket:
        assert json.loads(socket.recv(timeout=5))["state"]["session"]["patient"] == str(PATIENT)
        eventually(lambda: "patient" not in next_state(socket)["session"], 10, "the open view")


def test_no_request_of_a_stranger_reads_the_access_key(clinic):
    """The key is in memory: whoever sends tokens by the thousand must not keep the disk and the loop busy."""
    session = clinic.confirm().session
    app = clinic.panel(hosts=["testserver"])
    clinic.staff.keys.public.unlink()
    answer = Client(app, clinic.staff.bearer("clinician")).get(f"/api/devices/bed-01/sessions/{session}")
    assert answer.status_code == 200
