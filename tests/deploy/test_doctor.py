import json
import os
import socket
from datetime import timedelta

import pytest

from deploy import doctor, engines
from services.cli import main
from services.kit import pki
from services.kit.enrolment.machine import Joined
from services.kit.runfile import Run, process_start, save


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch):
    """A machine with an empty PATH and nothing where system services are kept."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "SYSTEM_PATHS", str(tmp_path))


def by_name(findings):
    """Findings by what they are about."""
    return {finding.what: finding for finding in findings}


def test_a_missing_broker_is_missing_and_says_how_to_install_it(nothing_installed, tmp_path):
    """Without it nothing runs: the command fails and names the package."""
    findings = doctor.examine(tmp_path)
    found = by_name(findings)["Mosquitto"]
    assert found.verdict == "missing"
    assert "apt-get install mosquitto" in found.do
    assert doctor.report(findings)["ok"] is False


def test_what_only_tests_and_benches_need_is_limited_and_never_fails_the_command(nothing_installed, tmp_path):
    """A clinic's machine has no compiler and no browser."""
    found = by_name(doctor.examine(tmp_path))
    for what in ("C compiler (benches)", "cyclictest (benches)", "Chromium (browser tests)"):
        assert found[what].verdict == "limited"
        assert "apt-get install" in found[what].do


def test_every_limit_says_what_to_do_about_it(nothing_installed, tmp_path, monkeypatch):
    """A finding without a remedy only worries."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (65536, 65536))
    found = [one for one in doctor.examine(tmp_path) if one.verdict != "ok"]
    assert "Locked memory" in {one.what for one in found}
    assert [one.what for one in found if not (one.do or "install" in one.detail)] == []


def test_trying_the_real_time_class_leaves_this_process_as_it_was(tmp_path):
    """An examination changes nothing."""
    before = os.sched_getscheduler(0)
    assert by_name([doctor._realtime_class()])["Real-time class"].verdict in ("ok", "limited")
    assert os.sched_getscheduler(0) == before


def test_an_archive_that_cannot_be_written_is_missing_and_nothing_is_made(tmp_path, monkeypatch):
    """Found out now and not when Redis is full."""
    found = by_name(doctor.examine(tmp_path / "data"))["Archive"]
    assert found.verdict in ("ok", "limited")
    assert str(tmp_path / "data" / "telemetry" / "archive") in found.detail
    assert not (tmp_path / "data").exists()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPONDYL_ARCHIVE_URL", str(tmp_path / "file" / "archive"))
    found = by_name(doctor.examine(tmp_path))["Archive"]
    assert (found.verdict, found.detail) == ("missing", f"{tmp_path / 'file'} cannot be written")
    assert "SPONDYL_ARCHIVE_URL" in found.do


def test_an_archive_in_s3_is_asked(tmp_path, monkeypatch):
    """No credentials, nobody there: one clear line each, and the command fails."""
    monkeypatch.setenv("SPONDYL_ARCHIVE_URL", "s3://bucket/prefix?endpoint=http://127.0.0.1:1")
    found = by_name(doctor.examine(tmp_path))["Archive"]
    assert found.verdict == "missing"
    assert "SPONDYL_ARCHIVE_S3_ACCESS_KEY" in found.detail
    monkeypatch.setenv("SPONDYL_ARCHIVE_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("SPONDYL_ARCHIVE_S3_SECRET_KEY", "not-to-be-shown")
    found = by_name(doctor.examine(tmp_path))["Archive"]
    assert found.verdict == "missing"
    assert "s3://bucket/prefix" in found.detail
    assert "not-to-be-shown" not in found.detail


def test_of_a_running_system_every_part_is_asked(tmp_path):
    """An address that does not answer is named, one that does is too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        alive, dead = f"http://127.0.0.1:{port}", "http://127.0.0.1:1"
        save(Run.model_validate({
            "pid": os.getpid(), "pid_started_at": process_start(os.getpid()),
            "started_at": "2026-01-01T00:00:00Z", "version": "1", "data": str(tmp_path), "console": alive,
            "telemetry": dead, "ingest": [alive, dead], "archiver": alive, "panels": {},
            "mqtt": f"mqtt://127.0.0.1:{port}", "mqtt_user": "u",
            "mqtt_password": "p", "redis": f"redis://:p@127.0.0.1:{port}/0", "users": {},
            "sites": {"north": {"gateway": "gw-north", "panel": dead, "devices": ["bed-01"]}},
        }))  # fmt: skip
        found = by_name(doctor.examine(tmp_path))
    assert {name: found[name].verdict for name in ("Console", "Telemetry", "MQTT broker", "Redis")} == {
        "Console": "ok", "Telemetry": "missing", "MQTT broker": "ok", "Redis": "ok",
    }  # fmt: skip
    assert found["Panel north"].verdict == "missing"
    assert [found[name].verdict for name in ("Ingest-1", "Ingest-2", "Archiver")] == ["ok", "missing", "ok"]
    assert ":p@" not in found["Redis"].detail


def test_the_command_prints_the_same_findings_as_lines_or_json(nothing_installed, tmp_path, capsys):
    """People and programs read one truth; something missing is exit 1."""
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--data", str(tmp_path), *options])
        assert ended.value.code == 1
    lines, _, document = capsys.readouterr().out.rpartition('{"ok"')
    report = json.loads('{"ok"' + document)
    assert "MISSING  Mosquitto: not installed" in lines
    assert {row["what"] for row in report["findings"]} >= {"Python", "Mosquitto", "Real-time class"}


def test_a_gateway_of_a_chain_needs_no_broker_or_store_of_its_own(nothing_installed, tmp_path, monkeypatch):
    """Its container holds neither: a report of what is not missing teaches people to ignore it."""
    monkeypatch.delenv("SPONDYL_MQTT_URL", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        now = pki.utc_now()
        authority = pki.authority("Chain", now + timedelta(days=9), now)
        joined = Joined(
            gateway="gw-north", site="north", devices=("bed-01",), centre="https://centre.example:8446",
            mqtt=f"mqtts://127.0.0.1:{broker.getsockname()[1]}",
        )  # fmt: skip
        (tmp_path / "secrets").mkdir()
        (tmp_path / "gateway.json").write_text(joined.model_dump_json())
        assert by_name(doctor.examine(tmp_path))["Gateway"].verdict == "missing"
        (tmp_path / "secrets" / "gateway.crt").write_text(authority.pem)
        found = by_name(doctor.examine(tmp_path))
    assert found["Gateway"].verdict == found["Clinic's broker"].verdict == "ok"
    assert "gw-north of site north, with bed-01" in found["Gateway"].detail
    assert "Mosquitto" not in found
    away = by_name(doctor.examine(tmp_path))["Clinic's broker"]
    assert away.verdict == "missing"
    assert "treated and recorded without it" in away.do
