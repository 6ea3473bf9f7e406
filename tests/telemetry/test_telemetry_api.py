from uuid import UUID, uuid4

import pytest
from gateway_stand_in import SESSION, GatewayStandIn, TelemetryProcess, block, event, summary
from servers import Mosquitto, Valkey, eventually

from broker import contract
from broker.messages import AlarmState, DeviceState

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of samples 200 .. 799 on a bed that has sent 1000, with a peak in it, all committed."""
    directory = tmp_path_factory.mktemp("session")
    with (
        Mosquitto(directory) as broker,
        Valkey(directory) as store,
        TelemetryProcess(broker.url, store.url, directory) as service,
        GatewayStandIn(broker.url) as gateway,
    ):
        service.start()
        gateway.birth()
        for seq in range(0, 1000, 10):
            gateway.publish(contract.TENSION, block(gateway.boot, seq, level=300.0 if seq == 500 else 100.0))
        for message in _told(gateway.boot):
            gateway.publish(contract.EVENT, message)
        eventually(lambda: gateway.next() == 1000 and gateway.next("event") == 4, 20, "committed")
        yield service


def _told(boot):
    return (
        event(boot, 0, "session.started", 200, SESSION, data={"region": "lumbar", "segment": "L4/L5"}),
        event(boot, 1, "guarding.detected", 500, SESSION),
        event(boot, 2, "session.completed", 799, SESSION, summary=summary()),
        event(boot, 3),
    )


def test_a_sessions_samples_are_those_between_its_start_and_its_end(session):
    """Seq decides, never a clock."""
    answer = session.get(f"/sessions/{SESSION}/blocks").json()
    (segment,) = answer["segments"]
    assert (segment["seq"], segment["count"], answer["device"]) == (200, 600, "bed-01")
    assert segment["started_at"] == "2026-11-22T08:00:04+00:00"
    assert all(len(segment[name]) == 600 for name in ("tension_n", "target_n", "residual_n", "phase"))


def test_a_thinned_trace_keeps_every_peak(session):
    """A chart of 900 pixels must show the one block in which the patient pulled."""
    answer = session.get(f"/sessions/{SESSION}/blocks?points=20").json()
    (segment,) = answer["segments"]
    assert segment["stride"] == 32, "a power of two, so that windows and levels fall together"
    assert len(segment["tension_n"]["max"]) == len(segment["phase"]) == 800 // 32 - 200 // 32
    assert max(segment["tension_n"]["max"]) == pytest.approx(350.9)
    assert min(segment["tension_n"]["min"]) == pytest.approx(100.0 + 20.0)


def test_a_sessions_page_tells_its_summary_and_what_happened(session):
    """Everything the console shows of a session in one answer."""
    row = session.get(f"/sessions/{SESSION}").json()
    assert (row["state"], row["first_seq"], row["last_seq"]) == ("completed", 200, 799)
    assert row["summary"]["segment"] == row["segment"] == "L4/L5"
    assert [told["type"] for told in row["events"]] == [
        "session.started", "guarding.detected", "session.completed",
    ]  # fmt: skip
    assert [listed["session"] for listed in session.get("/sessions").json()] == [str(SESSION)]
    assert session.get("/sessions?device=bed-02").json() == []


@pytest.mark.parametrize(
    ("query", "first", "count"), [("last=3", 970, 30), ("seconds=5", 750, 250), ("", 500, 500)]
)
def test_a_devices_last_blocks_come_by_count_or_time(session, query, first, count):
    """The live page asks for what it missed."""
    (segment,) = session.get(f"/devices/bed-01/blocks?{query}").json()["segments"]
    assert segment["seq"] + segment["count"] == 1000
    assert (segment["seq"], segment["count"]) == (first, count)


def test_a_gap_parts_the_answer(telemetry, gateway):
    """A line drawn over missing samples would be a lie."""
    gateway.tension(0, 10, 40)
    eventually(lambda: len(telemetry.get("/devices").json()) == 1, what="stored")
    eventually(
        lambda: (
            [
                (segment["seq"], segment["count"])
                for segment in telemetry.get("/devices/bed-01/blocks?last=9").json()["segments"]
            ]
            == [(0, 20), (40, 10)]
        ),
        what="two segments",
    )


def test_a_device_is_listed_with_state_alarms_gateway_and_age(telemetry, gateway):
    """What the wall needs when it opens."""
    gateway.birth()
    at = "2026-11-22T08:00:00Z"
    state = DeviceState.model_validate({
        "boot": gateway.boot, "seq": 5, "at": at, "phase": "hold", "cycle": 2, "target_n": 300, "peak_n": 310,
        "ceiling_n": 400.0, "session": SESSION, "remaining_s": 600.0, "traction_s": 1800.0,
    })  # fmt: skip
    alarm = {
        "condition": "link_lost", "priority": "high", "since": at, "latched": True,
        "text": {"de": "Verbindung verloren", "en": "Link lost"}, "hazard": "H-07",
    }  # fmt: skip
    alarms = AlarmState.model_validate({"boot": gateway.boot, "seq": 5, "at": at, "alarms": [alarm]})
    gateway.publish(contract.STATE, state)
    gateway.publish(contract.ALARM, alarms)
    gateway.tension(0)
    eventually(lambda: gateway.next() == 10, what="committed")
    eventually(lambda: telemetry.get("/devices").json()[0]["age_s"] is not None, what="an age")
    (row,) = telemetry.get("/devices").json()
    assert (row["site"], row["device"], row["gateway"], row["status"]) == (
        "north",
        "bed-01",
        "gw-north",
        "online",
    )
    assert (row["state"]["phase"], row["alarms"][0]["condition"]) == ("hold", "link_lost")
    assert (row["last_seq"], row["last_at"]) == (9, "2026-11-22T08:00:00.200000+00:00")
    assert 0 <= row["age_s"] < 20
    assert telemetry.get("/devices/bed-01").json()["boot"] == str(gateway.boot)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/devices/bed-77", 404, "bed-77"),
        ("/devices/bed-77/blocks", 404, "bed-77"),
        (f"/sessions/{UUID(int=9)}", 404, str(UUID(int=9))),
        (f"/sessions/{UUID(int=9)}/blocks", 404, str(UUID(int=9))),
        ("/sessions/not-an-id", 422, "session"),
        ("/devices/bed-01/blocks?last=0", 422, "query.last"),
        ("/devices/bed-01/blocks?points=1e9", 422, "query.points"),
    ],
)
def test_what_is_not_there_or_not_valid_is_said_in_words(session, path, status, words):
    """Every client gets the same form of refusal."""
    answer = session.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_two_beds_of_one_name_are_told_apart_by_site(telemetry, gateway, mosquitto):
    """Device names are unique in a chain by custom, not by nature."""
    with GatewayStandIn(mosquitto.url, site="south") as other:
        gateway.tension(0)
        other.tension(0, 10)
        eventually(lambda: gateway.next() == 10 and other.next() == 20, what="both committed")
    assert telemetry.get("/devices/bed-01/blocks").status_code == 409
    assert telemetry.get("/devices/bed-01/blocks?site=south").json()["segments"][0]["count"] == 20


def test_an_empty_service_answers_with_empty_lists(telemetry):
    """A fresh machine has no device yet."""
    assert telemetry.get("/devices").json() == telemetry.get("/sessions").json() == []
    report = telemetry.get("/audit").json()
    assert (report["devices"], report["lost_samples"], report["streams"]) == (0, 0, [])


def test_an_unknown_boot_has_no_samples(session):
    """A boot that never was is not a fault of the service."""
    assert session.get(f"/devices/bed-01/blocks?boot={uuid4()}").json()["segments"] == []


def test_readiness_lists_every_dependency(session):
    """An operator sees what was asked."""
    assert session.readiness()["ready"]
    assert set(session.readiness()["checks"]) == {"redis", "broker", "leases"}
    assert set(session.get(f"{session.api_address}/readyz").json()["checks"]) >= {"redis"}
