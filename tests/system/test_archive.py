"""From a bed to the archive and back to its bits, on a whole running system."""

import json
import shutil
from datetime import datetime

import httpx
import pytest
from servers import eventually

pytestmark = pytest.mark.system


def test_a_session_is_archived_shown_and_replayed_from_the_archive_alone(machine, tmp_path):
    """What a bed did ten years ago: on a screen, and proven bit for bit with only the archive left."""
    system = machine("--beds", "1", "--sites", "1", environment={"SPONDYL_ARCHIVE_EVERY_S": "0.5"})
    telemetry, panel = system.addresses["telemetry"], system.addresses["panels"]["bed-01"]

    def rows(query):
        return system.get(f"{telemetry}/sessions?{query}")

    [running] = eventually(lambda: rows("state=running"), 60.0, "a session")
    session = running["session"]
    first = running["first_seq"]
    eventually(
        lambda: system.get(f"{telemetry}/devices/bed-01")["last_seq"] > first + 500, 30.0, "10 s of it"
    )
    so_far = system.spondyl("replay", session, "--json")
    assert so_far.returncode == 0, so_far.stderr
    assert json.loads(so_far.stdout)["running"] is True

    stop = httpx.URL(panel).join("/api/devices/bed-01/stop")
    assert httpx.post(stop).json()["accepted"]
    eventually(lambda: rows("state=aborted"), 30.0, "its end")
    archived = f"{telemetry}/statistics?measures=sessions,aborted"
    eventually(lambda: system.get(archived)["rows"], 60.0, "the session in the archive")

    listed = system.spondyl("archive", "list", "--json")
    assert session in listed.stdout
    told = system.get(f"{telemetry}/sessions/{session}/summary")
    assert told["measured"]["missing"] == 0
    assert told["measured"]["peak_n"] == told["summary"]["peak_n"]
    (segment,) = system.get(f"{telemetry}/sessions/{session}/blocks")["segments"]
    assert segment["seq"] == first
    curve = system.get(f"{system.addresses['console']}/api/beds/bed-01/curve?minutes=15")
    wanted = sum(value is not None for value in curve["tension"])
    assert wanted > 50
    assert None not in curve["tension"], "no seam between archive and Redis"
    assert min(curve["time"]) <= _second(segment["started_at"]) + 5

    shutil.rmtree(system.data / "gateways" / "north" / "recordings")
    report = system.audit()
    assert (report["status"], report["lost_samples"], report["duplicate_samples"]) == (0, 0, 0)
    assert report["archived_samples"] > 500
    assert system.stop(within_s=10.0) == []

    replayed = system.spondyl("replay", session, "--json")
    assert replayed.returncode == 0, replayed.stderr
    result = json.loads(replayed.stdout)
    assert (result["origin"], result["equal"], result["complete"]) == ("archive", True, True)
    assert result["samples"] > 500
    out = tmp_path / "session.parquet"
    exported = system.spondyl("export", session, "--format", "parquet", "--out", str(out))
    assert exported.returncode == 0, exported.stderr
    assert out.stat().st_size > 1000


def _second(text):
    return datetime.fromisoformat(text).timestamp()
