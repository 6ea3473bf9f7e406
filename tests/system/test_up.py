import json
import socket
import stat
import time
from collections import defaultdict
from datetime import datetime
from functools import partial
from itertools import pairwise

import pytest
import replayed
from jsonschema import Draft202012Validator
from machine import Machine
from servers import eventually

from services.controller.kernel.memory import W_CLOCK_OFFSET
from services.controller.loop.shared import GatewayMemory, LoopFile

pytestmark = pytest.mark.system


def test_the_first_line_names_every_address(shared_machine):
    """Programs start the system and go on from this one line."""
    addresses = shared_machine.addresses
    assert addresses["console"].startswith("http://127.0.0.1:")
    assert addresses["telemetry"].startswith("http://127.0.0.1:")
    assert addresses["mqtt"].startswith("mqtt://127.0.0.1:")
    assert sorted(addresses["panels"]) == ["bed-01", "bed-02", "bed-03", "bed-04"]
    assert addresses["mqtt_user"] == "integrator"
    assert addresses["mqtt_password"]


def test_only_the_owner_reads_the_run_file(shared_machine):
    """It holds the passwords of every broker user."""
    assert stat.S_IMODE((shared_machine.data / "run.json").stat().st_mode) == 0o600


def test_nobody_else_on_the_machine_reads_what_is_kept(shared_machine):
    """Operators' notes and pain scores lie in a database file, not behind a sign-in."""
    open_to_others = [
        str(path.relative_to(shared_machine.data))
        for path in shared_machine.data.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_to_others == []


def test_every_bed_publishes_consecutive_blocks_that_fit_the_schema(shared_machine, tmp_path):
    """An integrator sees a gap by seq and length, and only by them."""
    shared_machine.spondyl("contract", "export", str(tmp_path), data=False)
    validator = Draft202012Validator(json.loads((tmp_path / "schemas" / "tension.json").read_text()))

    def blocks_of_now():
        """What was published before ingest had its session is asked for, and comes once more among these."""
        found = shared_machine.subscribe("spondyl/v1/+/+/tension", 40)
        assert len(found) == 40
        for _, block in found:
            validator.validate(block)
            assert datetime.fromisoformat(block["started_at"]).tzinfo is not None
        return {topic for topic, _ in found} if all(map(consecutive, by_topic(found))) else None

    assert len(eventually(blocks_of_now, 60, "each bed's blocks one behind the other")) == 4


def by_topic(found):
    blocks = defaultdict(list)
    for topic, block in found:
        blocks[topic].append(block)
    return blocks.values()


def consecutive(blocks):
    return all(one["seq"] + len(one["tension_n"]) == other["seq"] for one, other in pairwise(blocks))


def test_gateways_are_announced_and_beds_have_a_state(shared_machine):
    """A late joiner learns everything from retained messages."""
    births = dict(shared_machine.subscribe("spondyl/v1/+/+/status", 2))
    assert sorted(births) == ["spondyl/v1/north/gw-north/status", "spondyl/v1/south/gw-south/status"]
    assert {birth["state"] for birth in births.values()} == {"online"}
    states = dict(shared_machine.subscribe("spondyl/v1/+/+/state", 4))
    assert len(states) == 4


def test_the_simulated_therapist_brings_every_bed_under_tension(shared_machine):
    """The demo shows beds at work without a person."""

    def pulling():
        states = [state for _, state in shared_machine.subscribe("spondyl/v1/+/+/state", 4)]
        return all(state["phase"] not in ("idle", "ready") for state in states)

    assert eventually(pulling, 60.0, "four beds in treatment")


def test_status_names_every_process_with_memory_and_cpu(shared_machine):
    """Six beds fit a small machine: `spondyl status` is how anyone can see it."""
    names = set(shared_machine.processes())
    assert {"up", "mosquitto", "redis", "telemetry", "ingest-1", "archiver", "console", "therapist",
            "north/loop", "north/recorder", "north/panel", "south/loop"} <= names  # fmt: skip
    report = json.loads(shared_machine.spondyl("status", "--json").stdout)
    assert report["memory_mb"] < 1700  # about 85 each for the four business services
    assert all(row["memory_mb"] > 0 and row["uptime_s"] > 0 for row in report["processes"])


def test_every_service_is_ready_and_names_its_dependencies(shared_machine):
    """A health check that returns a constant is none."""
    addresses = shared_machine.addresses
    for address, checks in (
        (addresses["telemetry"], {"redis"}),
        (addresses["ingest"][0], {"redis", "broker", "leases"}),
        (addresses["archiver"], {"redis", "archive"}),
    ):
        ready = shared_machine.get(f"{address}/readyz")
        assert checks <= set(ready["checks"])
        assert ready["ready"]


def test_a_second_system_on_the_same_data_is_refused(shared_machine):
    """Two recorders on one spool would publish twice."""
    answer = shared_machine.spondyl("up")
    assert answer.returncode == 1
    assert "already running" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_fault_of_a_bed_becomes_an_alarm_and_ends_with_it(shared_machine):
    """Alarms can be seen and tried without hurting anybody."""
    assert shared_machine.spondyl("bed", "fault", "bed-01", "switch-pressed").returncode == 0

    def conditions():
        [(_, alarm)] = shared_machine.subscribe("spondyl/v1/north/bed-01/alarm", 1)
        return {entry["condition"]: entry["priority"] for entry in alarm["alarms"]}

    found = eventually(lambda: "patient_switch" in conditions() and conditions(), 20.0, "the alarm")
    assert found["patient_switch"] == "high"
    assert shared_machine.spondyl("bed", "fault", "bed-01", "switch-pressed", "--clear").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bed", "fault", "bed-99", "strap-slip"), "bed-99"),
        (("bed", "fault", "bed-01", "earthquake"), "earthquake"),
    ],
)
def test_a_wrong_fault_is_refused_in_words(shared_machine, arguments, words):
    """Unknown device, unknown kind: what was said, and what there is."""
    answer = shared_machine.spondyl(*arguments)
    assert answer.returncode != 0
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_taken_port_is_refused_and_nothing_stays(machine, tmp_path):
    """Bad input never half-applies."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with pytest.raises(AssertionError, match=f"--port {port} is taken"):
            machine("--port", port)
    assert not (tmp_path / "data" / "run.json").exists()


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """Two clinics of one bed each, for what is done to a system, one after the other."""
    options = ("--beds", "2", "--sites", "2", "--ingest-workers", "2")
    system = Machine(tmp_path_factory.mktemp("ward") / "data", *options).start()
    yield system
    if system.running:
        system.kill_everything()
    replayed.left_behind(system)


def stored(system, bed):
    """How many samples of this boot telemetry has."""
    try:
        return system.get(f"{system.addresses['telemetry']}/devices/{bed}")["last_seq"] or 0
    except OSError:
        return 0


@pytest.mark.requirement("outlive-the-halves", "store-before-publish")
def test_everything_killed_under_load_loses_and_doubles_nothing(ward):
    """Broker, store, ingest and recorder die and come back: no gap, no duplicate by sequence number."""
    for name in (
        "north/recorder",
        "ingest-1",
        "ingest-2",
        "telemetry",
        "archiver",
        "redis",
        "mosquitto",
        "north/panel",
        "gateway-north",
        "console",
    ):
        ward.kill(name)

    def settled():
        report = ward.audit()
        return report if report["status"] == 0 and report["samples"] > 500 else None

    report = eventually(settled, 60.0, "an audit without loss")
    assert report["lost_samples"] == 0
    assert report["duplicate_samples"] == 0
    assert report["boots"] == len(ward.addresses["panels"]), "the loops went on through all of it"


def test_ctrl_c_leaves_no_process_and_a_second_start_resumes(ward):
    """A ward that is switched off in the evening goes on with its data in the morning."""
    eventually(lambda: stored(ward, "bed-01") > 100, 30.0, "some samples")
    before = ward.audit()
    assert ward.stop(within_s=5.0) == []
    assert ward.spondyl("status").returncode == 2

    ward.start()
    eventually(lambda: ward.audit()["samples"] > before["samples"] + 100, 30.0, "more samples")
    report = ward.audit()
    assert report["status"] == 0
    assert report["boots"] == before["boots"] + 2


def test_clocks_stepped_by_an_hour_lose_nothing_and_are_on_record(ward):
    """Order, gaps and audit live by sequence numbers; the wall clock only dates them."""
    beds = {"north": ("bed-01", 3600), "south": ("bed-02", -3600)}
    for bed, _ in beds.values():
        eventually(lambda bed=bed: stored(ward, bed) > 100, 30.0, "some samples")
    before = ward.audit()
    for site, (_, step_s) in beds.items():
        memory = GatewayMemory.attach(LoopFile.load(ward.data / "gateways" / site).path)
        memory.set_word(W_CLOCK_OFFSET, step_s * 10**9)
        memory.close()

    def dated(site, bed, step_s):
        [(_, block)] = ward.subscribe(f"spondyl/v1/{site}/{bed}/tension", 1)
        return abs(datetime.fromisoformat(block["started_at"]).timestamp() - time.time() - step_s) < 60

    for site, (bed, step_s) in beds.items():
        eventually(partial(dated, site, bed, step_s), 20.0, "blocks dated by the new clock")
        after = stored(ward, bed)
        eventually(lambda bed=bed, after=after: stored(ward, bed) > after + 200, 30.0, "more samples")
        alarms = dict(ward.subscribe(f"spondyl/v1/{site}/{bed}/alarm", 1))
        conditions = {entry["condition"] for entry in alarms[f"spondyl/v1/{site}/{bed}/alarm"]["alarms"]}
        assert "clock_stepped" in conditions
    report = ward.audit()
    assert report["samples"] > before["samples"] + 400
    assert report["status"] == 0
    assert report["boots"] == before["boots"]
