import asyncio
import json
import re
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bedside_rig import NECK, PATIENT, Served
from hypothesis import given
from hypothesis import strategies as st
from servers import eventually
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from services.controller.kernel import layout
from services.controller.kernel.faults import BITS
from services.controller.loop.link import LoopLink
from services.controller.loop.shared import GatewayMemory, LoopFile
from services.controller.panel import live, pages
from services.controller.panel.guard import host_name

README = Path(__file__).parents[2] / "services/controller/panel/README.md"
ACTIONS = (
    "confirm",
    "switch-test",
    "start",
    "pause",
    "resume",
    "reset",
    "close",
    "change",
    "heat",
    "pain",
    "note",
)


@pytest.fixture
def panel(clinic):
    """The panel behind a real server."""
    served = Served(clinic.panel(pages=pages.router))
    served.sign_in()
    yield served
    served.close()


def frames(socket, seconds_of_frames=50):
    """The next messages of a live socket."""
    return [json.loads(socket.recv(timeout=5)) for _ in range(seconds_of_frames)]


def live_socket(panel, device="bed-01", **options):
    """A live socket."""
    cookies = "; ".join(f"{name}={value}" for name, value in panel.http.cookies.items())
    return connect(
        f"ws://127.0.0.1:{panel.port}/api/devices/{device}/live",
        proxy=None,
        **{"additional_headers": {"cookie": cookies}, **options},
    )


def test_the_readme_lists_every_route_and_no_other(panel):
    """The page and integrators are written against that list."""
    text = README.read_text(encoding="utf-8").replace("`POST .../", "`POST /api/devices/{d}/")
    text = text.replace("`, `/resume`", "`, `POST /api/devices/{d}/resume`")
    listed = {
        (verb, path.replace("{d}", "{device}").replace("{id}", "{session}"))
        for verb, path in re.findall(r"`(GET|POST|WS) (/api/[^`]*)`", text)
    }
    document = panel.http.get("/openapi.json").json()["paths"]
    served = {
        (verb.upper(), path) for path, verbs in document.items() for verb in verbs if path.startswith("/api")
    }
    assert listed - {("WS", "/api/devices/{device}/live")} == served


def test_the_page_offers_every_fault_a_simulated_bed_can_have(panel):
    """An alarm that can be raised by the command only would not be seen in a demonstration."""
    page = panel.http.get("/bed-01").text
    assert [kind for kind in BITS if f"<option>{kind}</option>" not in page] == []


def test_a_session_through_the_api(panel, clinic):
    """What the page does, answered by the kernel, with the state that follows."""
    rows = panel.get()["devices"]
    assert [(row["device"], row["phase"], row["fresh"]) for row in rows] == [
        ("bed-01", "idle", True), ("bed-02", "idle", True),
    ]  # fmt: skip
    answer = panel.post("bed-01/confirm", clinic.request(pain_before=4)).json()
    assert answer["accepted"]
    assert answer["state"]["phase"] == "ready"
    assert answer["state"]["session"]["patient"] == str(PATIENT)
    panel.post("bed-01/switch-test").raise_for_status()
    eventually(lambda: panel.get("/bed-01")["switch"]["tested"], 20, "switch test")
    assert panel.post("bed-01/start").json()["state"]["phase"] == "slack"
    panel.post("bed-01/note", {"text": "slight pull"}).raise_for_status()
    assert panel.post("bed-01/stop").json()["accepted"]
    panel.post("bed-01/pain", {"when": "after", "value": 3}).raise_for_status()
    detail = panel.get(f"/bed-01/sessions/{answer['session']}")
    assert detail["pain_after"] == 3
    assert [note["text"] for note in detail["notes"]] == ["slight pull"]
    assert "stop" in {row["action"] for row in detail["actions"]}


@pytest.mark.parametrize(
    "more", ['"pain_before": 3, "pain_before": 4', '"prescription": {"peak_n": 60.0, "peak_n": 600.0}']
)
def test_what_is_given_twice_is_refused(panel, clinic, more):
    """A reader of JSON takes the last of two peaks: nobody knows whether that one was meant."""
    text = json.dumps(clinic.request() | {"prescription": NECK})[:-1] + f", {more}}}"
    answer = panel.http.post(
        "/api/devices/bed-01/confirm", content=text, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert "is given twice" in answer.json()["detail"]
    assert "zweimal angegeben" in answer.json()["detail_de"]
    assert clinic.phase() == "idle"


def test_a_lost_load_cell_is_told_in_the_list_of_beds(panel, clinic):
    """A green zero beside a free bed would be believed by whoever looks at the list alone."""
    clinic.bedside.fault("bed-02", "sensor-lost", "", clear=False)
    try:
        row = eventually(
            lambda: next((it for it in panel.get()["devices"] if it["alarm"]), None), 20, "alarm"
        )
        assert (row["device"], row["priority"], row["tension_known"]) == ("bed-02", "high", False)
        assert row["alarm"]["en"] == "*** LOAD CELL LOST"
        shown = panel.http.get("/", headers={"accept-language": "en"}).text.partition('data-device="bed-02"')[
            2
        ]
        assert "*** LOAD CELL LOST" in shown
        assert 'data-field="tension">--<' in shown
    finally:
        clinic.bedside.fault("bed-02", "sensor-lost", "", clear=True)


CAUSES = {
    "load_cell_lost": "sensor-lost",
    "link_lost": "link-lost",
    "mains_lost": "mains-lost",
}


@pytest.mark.parametrize("condition", CAUSES)
def test_the_state_tells_a_cause_that_still_stands_from_one_that_is_gone(panel, clinic, condition):
    """Who resets before the cause is gone has done nothing but written an event."""

    def bed():
        state = panel.get("/bed-02")
        return condition in state["conditions"], condition in state["standing"]

    clinic.bedside.fault("bed-02", CAUSES[condition], "", clear=False)
    try:
        eventually(lambda: bed() == (True, True), 20, "cause that stands")
    finally:
        clinic.bedside.fault("bed-02", CAUSES[condition], "", clear=True)
    eventually(lambda: not bed()[1], 20, "cause that is gone")


def test_a_refusal_says_why_in_both_languages(panel, clinic):
    """problem+json with the kernel's reason, and every reason against a prescription."""
    answer = panel.post("bed-01/start")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "no patient has been confirmed" in answer.json()["detail"]
    assert "kein Patient" in answer.json()["detail_de"]
    answer = panel.post("bed-01/confirm", clinic.request() | {"prescription": {**NECK, "peak_n": 500.0}})
    assert answer.status_code == 409
    assert {row["limit"] for row in answer.json()["refusals"]} == {78.0, 133.0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"content": b"\xff\xfe"},
        {"content": b"[1"},
        {"data": {"a": "b"}},
        {"json": {"by": 7}},
        {"json": None},
    ],
)
def test_stop_needs_nothing_but_the_request(panel, clinic, options):
    """No body, a wrong body, a form: a stop is a stop."""
    clinic.under_way()
    answer = panel.http.post("/api/devices/bed-01/stop", **options)
    assert (answer.status_code, answer.json()["accepted"]) == (200, True)
    assert clinic.phase() == "stopped"


def test_a_recorder_that_has_gone_silent_is_told_at_the_bed(panel, clinic):
    """What it said last was that all is well; only its silence tells that nothing is kept any more."""
    clinic.memory.health["mqtt_connected"] = 1
    clinic.memory.health["recorder_ns"] = time.monotonic_ns() - 120 * 10**9
    try:
        assert eventually(lambda: "storage_lag" in alarms_of(panel), 20, "the alarm")
        clinic.memory.health["recorder_ns"] = time.monotonic_ns()
        assert eventually(lambda: "storage_lag" not in alarms_of(panel), 20, "its end")
    finally:
        clinic.memory.health["recorder_ns"] = 0


def alarms_of(panel, device="bed-01"):
    """The conditions of a bed's alarms."""
    return {alarm["condition"] for alarm in panel.get(f"/{device}")["alarms"]}


@pytest.mark.requirement("stop-without-sign-in")
def test_stop_works_when_the_log_cannot_be_written(panel, clinic):
    """A full disk must never keep a patient under tension."""
    clinic.under_way()
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.executescript("DROP TABLE actions; DROP TABLE notes; DROP TABLE sessions;")
    assert panel.post("bed-01/stop").json()["accepted"]
    assert panel.get("/bed-01")["phase"] == "stopped"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_foreign_page_can_do_nothing_here(panel, action):
    """Whoever is signed in here: no form, no foreign origin, no unknown name reaches a bed through them."""
    path = f"/api/devices/bed-01/{action}"
    assert panel.http.post(path, data={"a": "b"}).status_code == 415
    assert panel.http.post(path, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    for headers in (
        {"origin": "http://evil.example"},
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert panel.http.post(path, json={}, headers=headers).status_code == 403


def test_a_foreign_page_sees_nothing_either(panel):
    """A name pointed at loopback is not ours; nor is a socket from another page."""
    assert panel.http.get("/api/devices", headers={"host": "evil.example"}).status_code == 403
    with pytest.raises(InvalidStatus), live_socket(panel, origin="http://evil.example") as socket:
        socket.recv()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("LocalHost", "localhost"),
        ("a.b:1", "a.b"),
        ("", ""),
    ],
)
def test_a_host_header_is_taken_apart(host, name):
    """With a port, without, in brackets, in capitals."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("bed-01/confirm", b'{"patient": "\xff"}', 400),
        ("bed-01/confirm", b'{"patient": NaN}', 422),
        ("bed-01/confirm", b"{" * 5000, 422),
        ("bed-01/confirm", b"x" * 10_000_000, 413),
        ("bed-01/pain", b'{"when": "after", "value": 11}', 422),
        ("bed-01/pain", b'{"when": "after", "value": true}', 422),
        ("bed-01/note", b'{"text": ""}', 422),
        ("bed-01/note", b'{"text": "x", "operator": "somebody else"}', 422),
        ("bed-99/start", b"{}", 404),
        ("bed-01/nonsense", b"{}", 404),
    ],
)
def test_bad_input_is_a_clear_answer(panel, path, content, status):
    """Never a trace back, never half done."""
    answer = panel.http.post(
        f"/api/devices/{path}", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


# --- live ------------------------------------------------------------------------------------


def test_the_live_trace_misses_no_sample(panel, clinic):
    """Hello, then every sample once and in order, with the note that was added meanwhile."""
    clinic.under_way()
    with live_socket(panel) as socket:
        first = json.loads(socket.recv(timeout=5))
        assert first["type"] == "hello"
        assert first["state"]["session"]["region"] == "cervical"
        panel.post("bed-01/note", {"text": "hello"}).raise_for_status()
        seen = frames(socket, 60)
    samples = [frame for frame in seen if frame["type"] == "samples"]
    for before, after in pairwise(samples):
        assert after["seq"] == before["seq"] + before["step"] * before["count"]
    for frame in samples:
        assert len(frame["tension_n"]) == len(frame["target_n"]) == len(frame["residual_n"]) == frame["count"]
    noted = [frame["state"]["session"]["notes"] for frame in seen if frame["type"] == "state"]
    assert any(notes and notes[0]["text"] == "hello" for notes in noted)


def test_an_opened_trace_begins_with_what_just_happened(panel, clinic):
    """Who opens the page in the middle of a session sees the last half minute at once."""
    clinic.under_way()
    with live_socket(panel) as socket:
        assert json.loads(socket.recv(timeout=5))["type"] == "hello"
        frames = [
            frame for _ in range(4) if (frame := json.loads(socket.recv(timeout=5)))["type"] == "samples"
        ]
    per_second = round(1000 / frames[0]["step"] / (clinic.memory.period_ns / 1e6))
    assert frames[0]["count"] == per_second
    assert frames[0]["seq"] < clinic.memory.head() - 2 * per_second
    for one, two in pairwise(frames):
        assert two["seq"] == one["seq"] + one["step"] * one["count"]


def test_an_unknown_bed_has_no_live_trace(panel):
    """Closed with the reason."""
    with live_socket(panel, "bed-99") as socket, pytest.raises(ConnectionClosed, match="no bed 'bed-99'"):
        socket.recv(timeout=5)


def test_a_client_that_does_not_read_costs_frames_not_memory():
    """One stuck browser must not fill the gateway."""

    async def fill():
        listener = live.Listener("bed-01")
        for number in range(live.QUEUE_FRAMES * 3):
            listener.put(str(number))
        return listener.queue.qsize(), listener.dropped, listener.queue.get_nowait()

    kept, dropped, oldest = asyncio.run(fill())
    assert (kept, dropped) == (live.QUEUE_FRAMES, live.QUEUE_FRAMES * 2)
    assert oldest == str(live.QUEUE_FRAMES * 2)


@given(st.lists(st.integers(-20_000, 20_000), min_size=40, max_size=40))
def test_a_decimated_frame_keeps_every_peak(values):
    """At a 1 ms period the page gets 50 entries a second, and no twitch between them is hidden."""
    column = np.zeros((40, len(layout.SAMPLES)), np.int32)
    column[:, layout.S_FORCE] = values
    column[:, layout.S_STATUS] = layout.STATUS_FORCE_VALID
    column[7, layout.S_EVENTS] = layout.EVENT_GUARDING_DETECTED
    frame = live.frame(100, column, live.samples_an_entry(1_000_000), 0.0, 90.0)
    assert (frame["step"], frame["count"]) == (20, 2)
    for entry, part in enumerate((values[:20], values[20:])):
        assert frame["tension_n"][entry] == part[-1] / 10
        assert frame["tension_min_n"][entry] == min(part) / 10
        assert frame["tension_max_n"][entry] == max(part) / 10
    assert frame["marks"] == [{"seq": 107, "kind": "guarding_detected"}]


@pytest.mark.parametrize(
    ("row", "value", "why"),
    [(layout.S_STATUS, 0, "load_cell"), (layout.S_AGE, 120, "link")],
    ids=["load cell", "link"],
)
def test_a_frame_has_a_gap_where_nobody_measured_and_its_words_are_of_its_last_sample(row, value, why):
    """The page is opened before, in or after a fault: each second is drawn by its own samples."""
    column = np.zeros((6, len(layout.SAMPLES)), np.int32)
    column[:, layout.S_FORCE] = 1500
    column[:, layout.S_TARGET] = 150_000
    column[:, layout.S_STATUS] = layout.STATUS_FORCE_VALID
    column[2:4, row] = value
    column[:, layout.S_CONDITIONS] = layout.LOAD_CELL_LOST  # latched
    frames = [json.loads(live._text(live.frame(0, column[:count], 1, 0.0, 90.0))) for count in (6, 4)]
    assert frames[0]["tension_n"] == [150.0, 150.0, None, None, 150.0, 150.0]
    assert frames[0]["residual_n"] == [0.0, 0.0, None, None, 0.0, 0.0]
    assert frames[0]["target_n"] == [150.0] * 6
    assert [frame["unmeasured"] for frame in frames] == [None, why]


def test_a_new_boot_of_the_loop_is_followed(tmp_path, clinic):
    """The loop may be restarted under the panel: it finds the new memory by itself."""
    directory = tmp_path / "gateway"
    directory.mkdir()
    link = LoopLink(directory)
    boots = []
    for _ in range(2):
        memory = GatewayMemory.create(
            site="north", gateway="gw-north", devices=("bed-01",), period_ns=20_000_000, capacity_ticks=64,
        )  # fmt: skip
        LoopFile(memory.path, 1, 0.0, str(memory.boot)).save(directory)
        eventually(lambda boot=memory.boot: _boot(link) == boot, 5, "new boot")
        boots.append(memory.boot)
        memory.unlink()
    assert len(set(boots)) == 2


def _boot(link):
    try:
        return link.memory().boot
    except Exception:  # noqa: BLE001  (nothing there yet)
        return None
